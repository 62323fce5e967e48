"""Silero VAD at 8 kHz as one graph of matrix products, for many calls at once.

The model as published computes each call's four short frames in convolutions of their own, in which ONNX Runtime spends
most of its time. A convolution over so few frames is one product with a banded matrix: of all calls at once, and with
the same sums, so that results differ by rounding alone.

Input f32[n, 288] (32 samples before the window and its 256), state f32[2, n, 128]; output f32[n, 1], stateN as state.
Source: the graph inside `silero_vad.onnx` (v5 and later), its branch for 8 kHz; ONNX operators MatMul and LSTM.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vivavoce.errors import LegUnavailable

Weights = NDArray[np.float32]

SAMPLES = 288
PADDED = 320
HOP, FRAME = 64, 128
FRAMES = (PADDED - FRAME) // HOP + 1
BINS = 65
STATE = 128
STRIDES = (1, 2, 2, 1)
"""Of the encoder's convolutions, each with three taps and one frame of zeros at either end."""


def batched(path: Path) -> bytes:
    """The 8 kHz branch of a model file, rewritten and serialised. Raises LegUnavailable for another model."""
    weights = _weights(onnx.load(path))
    graph = _Graph()
    frames = graph.add("Gather", ["input", graph.constant("samples", _samples())], axis=1)
    frames = graph.add("Reshape", [frames, graph.constant("by_frame", np.array([-1, FRAME]))])
    spectrum = graph.add("MatMul", [frames, graph.constant("basis", weights["stft.forward_basis_buffer"][:, 0].T)])
    squares = graph.add("Mul", [spectrum, spectrum])
    halves = graph.split(squares, graph.constant("halves", np.array([BINS, BINS])), axis=1)
    power = graph.add("Add", halves)
    layer = graph.add("Sqrt", [power])
    layer = graph.add("Reshape", [layer, graph.constant("by_call", np.array([-1, FRAMES * BINS]))])
    count = FRAMES
    for n, stride in enumerate(STRIDES):
        kernel, bias = weights[f"encoder.{n}.reparam_conv.weight"], weights[f"encoder.{n}.reparam_conv.bias"]
        matrix = banded(kernel, count, stride)
        count = matrix.shape[1] // kernel.shape[0]
        layer = graph.add("MatMul", [layer, graph.constant(f"encoder{n}", matrix)])
        layer = graph.add("Add", [layer, graph.constant(f"bias{n}", np.tile(bias, count))])
        layer = graph.add("Relu", [layer])
    axis = graph.constant("axis", np.array([0]))
    step = graph.add("Unsqueeze", [layer, axis])
    states = graph.split("state", graph.constant("each", np.array([1, 1])), axis=0)
    gates = [graph.constant(name, _gates(weights[f"decoder.rnn.weight_{name}"])[None]) for name in ("ih", "hh")]
    biases = np.concatenate([_gates(weights[f"decoder.rnn.bias_{name}"]) for name in ("ih", "hh")])
    lstm = [step, *gates, graph.constant("biases", biases[None]), "", *states]
    _, hidden, cell = graph.add_many("LSTM", lstm, 3, hidden_size=STATE)
    graph.add("Concat", [hidden, cell], to="stateN", axis=0)
    heard = graph.add("Relu", [graph.add("Squeeze", [hidden, axis])])
    said = graph.add("MatMul", [heard, graph.constant("said", weights["decoder.decoder.2.weight"][0])])
    said = graph.add("Add", [said, graph.constant("bias", weights["decoder.decoder.2.bias"])])
    graph.add("Sigmoid", [said], to="output")
    return graph.serialised()


def banded(kernel: Weights, frames: int, stride: int) -> Weights:
    """A convolution of f32[outputs, inputs, 3] over `frames` frames, f32[frames x inputs, frames after x outputs]."""
    outputs, inputs, taps = kernel.shape
    after = (frames + 2 - taps) // stride + 1
    matrix = np.zeros((frames, inputs, after, outputs), np.float32)
    for at in range(after):
        for tap in range(taps):
            frame = at * stride + tap - 1
            if 0 <= frame < frames:
                matrix[frame, :, at] = kernel[:, :, tap].T
    return matrix.reshape(frames * inputs, after * outputs)


def _samples() -> NDArray[np.int64]:
    """Which sample stands where in the frames: what is missing at the end is mirrored."""
    padded = np.concatenate([np.arange(SAMPLES), SAMPLES - 2 - np.arange(PADDED - SAMPLES)])
    return np.concatenate([padded[n * HOP :][:FRAME] for n in range(FRAMES)])


def _gates(weights: Weights) -> Weights:
    """From input, forget, cell, output to ONNX's order: input, output, forget, cell."""
    i, f, c, o = np.split(weights, 4)
    return np.concatenate([i, o, f, c])


def _weights(model: onnx.ModelProto) -> dict[str, Weights]:
    branches = [
        attribute.g
        for node in model.graph.node
        for attribute in node.attribute
        if node.op_type == "If" and attribute.name == "else_branch"
    ]
    wanted = ["stft.forward_basis_buffer", "decoder.decoder.2.weight", "decoder.decoder.2.bias"]
    wanted += [f"decoder.rnn.{part}_{of}" for part in ("weight", "bias") for of in ("ih", "hh")]
    wanted += [f"encoder.{n}.reparam_conv.{part}" for n in range(len(STRIDES)) for part in ("weight", "bias")]
    constants = {
        node.output[0].rpartition("__")[2]: numpy_helper.to_array(node.attribute[0].t)
        for branch in branches
        for node in branch.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    if missing := [name for name in wanted if name not in constants]:
        raise LegUnavailable(
            f"this is not Silero VAD v5 or later: {missing[0]} is missing", hint="fetch the model anew"
        )
    return {name: constants[name] for name in wanted}


class _Graph:
    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, operator: str, inputs: list[str], *, to: str = "", **attributes: int) -> str:
        """One more node; the name of its output."""
        return self.add_many(operator, inputs, 1, to=to, **attributes)[0]

    def split(self, value: str, sizes: str, *, axis: int) -> list[str]:
        return self.add_many("Split", [value, sizes], 2, axis=axis)

    def add_many(self, operator: str, inputs: list[str], outputs: int, *, to: str = "", **attributes: int) -> list[str]:
        names = [to] if to else [f"{operator}{len(self._nodes)}.{n}" for n in range(outputs)]
        node = helper.make_node(operator, inputs, names)
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self._nodes.append(node)
        return names

    def serialised(self) -> bytes:
        def tensor(name: str, *shape: int | str) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        graph = helper.make_graph(
            self._nodes,
            "silero-8-khz",
            [tensor("input", "n", SAMPLES), tensor("state", 2, "n", STATE)],
            [tensor("output", "n", 1), tensor("stateN", 2, "n", STATE)],
            self._constants,
        )
        opset = helper.make_opsetid("", 16)
        return bytes(helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString())
