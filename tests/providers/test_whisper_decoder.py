"""The decoder over a model of two layers with random weights, against the same arithmetic written out in NumPy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vivavoce.errors import VivavoceError

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from vivavoce.models import ModelStore  # noqa: E402
from vivavoce.providers import whisper_decoder  # noqa: E402
from vivavoce.providers.whisper_decoder import Request, WhisperDecoder  # noqa: E402

WIDTH, HEADS, LAYERS, WORDS, PLACES, HEARD = 64, 2, 2, 40, 32, 9
END = 39
PROMPT = (1, 2, 3)


def random_weights(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    weights: dict[str, Any] = {"decoder/num_heads": np.int16(HEADS)}

    def add(name: str, *shape: int, scale: float = 0.15) -> None:
        weights[f"decoder/{name}"] = rng.normal(0, scale, shape).astype(np.float16)

    def norm(name: str) -> None:
        weights[f"decoder/{name}/gamma"] = rng.normal(1, 0.1, WIDTH).astype(np.float16)
        add(f"{name}/beta", WIDTH)

    def linear(name: str, rows: int, columns: int) -> None:
        add(f"{name}/weight", rows, columns)
        add(f"{name}/bias", rows)

    for layer in range(LAYERS):
        for part in ("self_attention", "attention", "ffn"):
            norm(f"layer_{layer}/{part}/layer_norm")
        linear(f"layer_{layer}/self_attention/linear_0", 3 * WIDTH, WIDTH)
        linear(f"layer_{layer}/self_attention/linear_1", WIDTH, WIDTH)
        linear(f"layer_{layer}/attention/linear_0", WIDTH, WIDTH)
        linear(f"layer_{layer}/attention/linear_1", 2 * WIDTH, WIDTH)
        linear(f"layer_{layer}/attention/linear_2", WIDTH, WIDTH)
        linear(f"layer_{layer}/ffn/linear_0", 4 * WIDTH, WIDTH)
        linear(f"layer_{layer}/ffn/linear_1", WIDTH, 4 * WIDTH)
    norm("layer_norm")
    add("embeddings/weight", WORDS, WIDTH, scale=1)
    add("position_encodings/encodings", PLACES, WIDTH)
    return weights


def plain_logits(weights: dict[str, Any], tokens: list[int], heard: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Logits f32[n, words] of the paper's decoder, in floats and without a cache."""

    def get(name: str) -> np.ndarray[Any, Any]:
        return np.asarray(weights[f"decoder/{name}"], np.float32)

    def norm(x: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
        spread = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
        return (x - x.mean(axis=-1, keepdims=True)) / spread * get(f"{name}/gamma") + get(f"{name}/beta")

    def linear(x: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
        return x @ get(f"{name}/weight").T + get(f"{name}/bias")

    def attend(q: Any, k: Any, v: Any, *, causal: bool) -> np.ndarray[Any, Any]:
        heads = [part.reshape(len(part), HEADS, -1).transpose(1, 0, 2) for part in (q, k, v)]
        scores = heads[0] @ heads[1].transpose(0, 2, 1) / math.sqrt(WIDTH // HEADS)
        if causal:
            scores += np.triu(np.full(scores.shape[1:], -1e9), 1)
        chances = np.exp(scores - scores.max(axis=-1, keepdims=True))
        chances /= chances.sum(axis=-1, keepdims=True)
        return np.asarray((chances @ heads[2]).transpose(1, 0, 2).reshape(len(q), WIDTH))

    x = get("embeddings/weight")[tokens] + get("position_encodings/encodings")[: len(tokens)]
    for layer in (f"layer_{n}" for n in range(LAYERS)):
        y = linear(norm(x, f"{layer}/self_attention/layer_norm"), f"{layer}/self_attention/linear_0")
        x = x + linear(attend(*np.split(y, 3, axis=1), causal=True), f"{layer}/self_attention/linear_1")
        q = linear(norm(x, f"{layer}/attention/layer_norm"), f"{layer}/attention/linear_0")
        k, v = np.split(linear(heard, f"{layer}/attention/linear_1"), 2, axis=1)
        x = x + linear(attend(q, k, v, causal=False), f"{layer}/attention/linear_2")
        y = linear(norm(x, f"{layer}/ffn/layer_norm"), f"{layer}/ffn/linear_0")
        y = y * 0.5 * (1 + np.vectorize(math.erf)(y / math.sqrt(2)))
        x = x + linear(y, f"{layer}/ffn/linear_1")
    return np.asarray(norm(x, "layer_norm") @ get("embeddings/weight").T)


@pytest.fixture(scope="module")
def heard() -> np.ndarray[Any, Any]:
    return np.random.default_rng(7).normal(0, 1, (HEARD, WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> WhisperDecoder:
    folder = tmp_path_factory.mktemp("model")
    (folder / "model.bin").write_bytes(b"stands for the weights")

    class Store(ModelStore):
        def path(self, model_id: str, name: str) -> Path:
            return folder / name

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(whisper_decoder, "read_weights", lambda path: random_weights())
        return WhisperDecoder(Store(), threads=1, end=END, suppressed=[0, 5], not_first=[END])


def greedy(weights: dict[str, Any], request: Request, heard: np.ndarray[Any, Any]) -> list[int]:
    tokens = [*request.prompt, *request.settled]
    said: list[int] = []
    while len(said) < request.most:
        row = plain_logits(weights, tokens + said, heard)[-1].copy()
        row[[0, 5] if said or request.settled else [0, 5, END]] = -np.inf
        best = int(row.argmax())
        if best == END:
            break
        said.append(best)
    return said


def test_logits_are_those_of_the_written_out_decoder(decoder: WhisperDecoder, heard: np.ndarray[Any, Any]) -> None:
    tokens = [1, 2, 3, 17, 8, 30]
    expected = plain_logits(random_weights(), tokens, heard)
    memory = decoder.remember(heard)
    logits, keys, values = decoder._run(tokens[:4], decoder._nothing, decoder._nothing, memory)
    later, keys, _ = decoder._run(tokens[4:], keys, values, memory)
    found = np.concatenate([logits, later])
    assert keys.shape == (LAYERS, HEADS, len(tokens), WIDTH // HEADS)
    # Eight bits: within a fiftieth of the spread.
    assert np.abs(found - expected).max() < 0.05 * expected.std() * 4
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.999
    np.testing.assert_allclose(decoder.opening(memory, tokens[0]), logits[0], atol=1e-4)


@pytest.mark.parametrize("settled", [(), (17,), (8, 30, 11)])
def test_it_says_what_is_likeliest(
    decoder: WhisperDecoder, heard: np.ndarray[Any, Any], settled: tuple[int, ...]
) -> None:
    request = Request(PROMPT, settled, most=8)
    decoded = decoder.decode(decoder.remember(heard), request)
    assert decoded.ids == greedy(random_weights(), request, heard)
    assert 0 < decoded.confidence <= 1


@pytest.mark.parametrize("kept", range(8))
def test_a_draft_changes_nothing_but_the_work(
    decoder: WhisperDecoder, heard: np.ndarray[Any, Any], kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = decoder.remember(heard)
    plain = decoder.decode(memory, Request(PROMPT, (17,), most=8))
    runs: list[int] = []
    run = decoder._run

    def noted(tokens: Any, *rest: Any) -> Any:
        runs.append(len(tokens))
        return run(tokens, *rest)

    monkeypatch.setattr(decoder, "_run", noted)
    wrong = 1 + plain.ids[kept] % 30 if kept < len(plain.ids) else 12
    drafted = decoder.decode(memory, Request(PROMPT, (17,), (*plain.ids[:kept], wrong, 9), most=8))
    assert drafted.ids == plain.ids
    assert drafted.confidence == pytest.approx(plain.confidence, rel=0.02)
    assert runs[0] == len(PROMPT) + 1 + min(kept, len(plain.ids)) + 2
    assert set(runs[1:]) <= {1}
    assert len(runs) <= 1 + len(plain.ids) - min(kept, len(plain.ids))


def test_it_agrees_with_the_real_model_of_which_it_is_made(evalset: Path) -> None:
    try:
        folder = ModelStore().folder("whisper-base")
        ctranslate2 = pytest.importorskip("ctranslate2", reason="ctranslate2 is not installed")
    except VivavoceError as error:
        pytest.skip(f"whisper-base is not here: {error.message}")
    import soundfile

    from vivavoce.providers.mel import log_mel

    samples, _ = soundfile.read(evalset / "audio" / "jfk.flac", dtype="float32")
    peer = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32", intra_threads=2)
    encoded = peer.encode(ctranslate2.StorageView.from_array(log_mel(samples, 1400)[None]), to_cpu=True)
    marks = [50258, 50259, 50359, 50363]
    said = peer.generate(encoded, [marks], beam_size=1)[0].sequences_ids[0]
    ours = WhisperDecoder(ModelStore(), threads=2, end=50257, suppressed=[], not_first=[220, 50257])
    memory = ours.remember(np.array(encoded)[0])
    decoded = ours.decode(memory, Request(marks))
    assert decoded.ids == said
    assert ours.decode(memory, Request(marks, (), said[:-4])).ids == said
