"""Greedy decoding of Whisper with a draft: tokens that were decoded from nearly the same sound before.

Prompt, settled tokens and draft are read in one pass; as much of the draft is kept as the decoder would have said
itself, and only what follows is decoded token by token. The answer is that of decoding without a draft but for the
rounding of 8-bit products. Source: Leviathan, Kalman, Matias, "Fast Inference from Transformers via Speculative
Decoding" (ICML 2023), with a draft that costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from vivavoce.models import ModelStore
from vivavoce.providers.ct2_weights import Weights, read_weights
from vivavoce.providers.whisper_graphs import memory_graph, step_graph

Floats = NDArray[np.float32]
Memory = dict[str, Floats]

_NEVER = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class Request:
    """`prompt` are the marks before the text, `settled` and `draft` text: the first is kept, the second tried."""

    prompt: Sequence[int]
    settled: Sequence[int] = ()
    draft: Sequence[int] = ()
    most: int = 440


@dataclass(frozen=True, slots=True)
class Decoded:
    """Tokens after the settled ones, their mean probability with that of ending there, and the first mark's logits
    f32[vocabulary]."""

    ids: list[int]
    confidence: float
    opening: Floats


class WhisperDecoder:
    """Safe to call from several threads. `end` ends a text; `suppressed` are never said, `not_first` not at once."""

    def __init__(
        self, store: ModelStore, *, threads: int, end: int, suppressed: Sequence[int], not_first: Sequence[int]
    ) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 4
        # Lengths hardly repeat, so plans of memory would only pile up; waiting threads would burn a core each.
        options.enable_mem_pattern = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")

        def session(name: str, graph: Callable[[Weights], onnx.ModelProto]) -> Any:
            def make(path: Path) -> bytes:
                return bytes(graph(read_weights(path)).SerializeToString())

            model = store.derived("whisper-base", "model.bin", recipe=f"{name}-2.onnx", make=make)
            return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

        self._remember = session("memory", memory_graph)
        self._step = session("step", step_graph)
        self._memory_names = [output.name for output in self._remember.get_outputs()]
        layers, heads, _, size = self._step.get_inputs()[1].shape
        self._nothing = np.zeros((layers, heads, 0, size), np.float32)
        self._end = end
        self._suppressed = np.array(suppressed, np.int64)
        self._not_first = np.array([*suppressed, *not_first], np.int64)

    def remember(self, heard: Floats) -> Memory:
        """What cross-attention looks at of the encoder's output, f32[P, width]."""
        return dict(zip(self._memory_names, self._remember.run(None, {"heard": heard}), strict=True))

    def opening(self, memory: Memory, mark: int) -> Floats:
        """The logits after the first mark alone, from which a language is identified."""
        logits, _, _ = self._run([mark], self._nothing, self._nothing, memory)
        return np.asarray(logits[0])

    def decode(self, memory: Memory, request: Request) -> Decoded:
        before = [*request.prompt, *request.settled]
        read = [*before, *request.draft]
        logits, keys, values = self._run(read, self._nothing, self._nothing, memory)
        opening, at = logits[0], len(before) - 1
        ids: list[int] = []
        log_probability = 0.0
        while True:
            token, log_p = self._best(logits[at], first=not ids and not request.settled)
            log_probability += log_p
            if token == self._end or len(ids) == request.most:
                return Decoded(ids, math.exp(log_probability / max(1, len(ids))), opening)
            ids.append(token)
            at += 1
            if at < len(logits) and read[at] == token:
                continue
            known = len(before) + len(ids) - 1
            logits, keys, values = self._run([token], _begin(keys, known), _begin(values, known), memory)
            read, at = [token], 0

    def _run(self, tokens: Sequence[int], keys: Floats, values: Floats, memory: Memory) -> tuple[Floats, ...]:
        feeds = {"tokens": np.array(tokens, np.int64), "past_keys": keys, "past_values": values, **memory}
        return tuple(self._step.run(None, feeds))

    def _best(self, logits: Floats, *, first: bool) -> tuple[int, float]:
        allowed = logits.copy()
        allowed[self._not_first if first else self._suppressed] = _NEVER
        token = int(allowed.argmax())
        top = allowed[token]
        return token, -math.log(float(np.exp(allowed - top).sum()))


def _begin(cache: Floats, tokens: int) -> Floats:
    return cache if cache.shape[2] == tokens else np.ascontiguousarray(cache[:, :, :tokens])
