from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from vivavoce.errors import LegUnavailable, ModelMissing
from vivavoce.media.silero_batched import banded, batched
from vivavoce.models import ModelStore


@pytest.mark.parametrize(("frames", "stride"), [(4, 1), (4, 2), (2, 2), (1, 1), (5, 2)])
def test_a_banded_product_is_the_convolution(frames: int, stride: int) -> None:
    random = np.random.default_rng(frames)
    kernel = random.standard_normal((6, 3, 3)).astype(np.float32)
    sound = random.standard_normal((frames, 3)).astype(np.float32)
    padded = np.pad(sound, ((1, 1), (0, 0)))
    expected = [
        np.einsum("oik,ki->o", kernel, padded[at : at + 3]) for at in range(0, frames, stride) if at + 3 <= len(padded)
    ]
    found = sound.reshape(1, -1) @ banded(kernel, frames, stride)
    np.testing.assert_allclose(found.reshape(-1, 6), expected, rtol=1e-5, atol=1e-5)


def test_calls_of_one_batch_are_as_they_were_alone() -> None:
    import onnxruntime

    try:
        path = ModelStore().path("silero-vad", "silero_vad.onnx")
    except ModelMissing as missing:
        pytest.skip(f"{missing}; {missing.hint}")
    published = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    ours = onnxruntime.InferenceSession(batched(path), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(4)
    states = [np.zeros((2, 1, 128), np.float32) for _ in range(5)]
    state = np.zeros((2, 5, 128), np.float32)
    for _ in range(20):
        windows = (random.standard_normal((5, 288)) * random.random((5, 1)) * 0.3).astype(np.float32)
        found, state = ours.run(None, {"input": windows, "state": state})
        for n in range(5):
            feeds = {"input": windows[n : n + 1], "state": states[n], "sr": np.array(8000, np.int64)}
            expected, states[n] = published.run(None, feeds)
            np.testing.assert_allclose(found[n], expected[0], atol=1e-4)


def test_another_model_is_told(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "other", [value], [])
    path = tmp_path / "other.onnx"
    onnx.save(helper.make_model(graph), path)
    with pytest.raises(LegUnavailable, match="not Silero"):
        batched(path)
