"""Quantised one-dimensional convolutions of an ONNX graph as matrix products, which ONNX Runtime computes faster.

ONNX Runtime packs the weights of `MatMulInteger` once and multiplies them with the processor's 8-bit instructions; it
does neither for `ConvInteger`. A convolution with kernel K is the product of [frames, K x channels] windows with
[K x channels, outputs] weights: the same integers are added up, so the result is equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

_TO_THE_END = np.iinfo(np.int64).max


def rewritten(path: Path) -> bytes:
    """The model of a file with its convolutions as products, serialised."""
    model = onnx.load(path)
    convolutions_to_products(model)
    return bytes(model.SerializeToString())


def convolutions_to_products(model: onnx.ModelProto) -> int:
    """Replace, in place, each `ConvInteger` over [batch, channels, frames] that has constant weights and one group.

    Returns how many were replaced. Source: the ONNX operators ConvInteger (10) and MatMulInteger (10).
    """
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    added: dict[str, onnx.TensorProto] = {}
    replaced = 0
    for node in graph.node:
        convolution = _Convolution.of(node, constants)
        if convolution is None:
            nodes.append(node)
            continue
        replaced += 1
        nodes.extend(convolution.product(added))
    used = {name for node in nodes for name in node.input} | {output.name for output in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*kept, *added.values()])
    return replaced


class _Convolution:
    def __init__(
        self, node: onnx.NodeProto, given: dict[str, Any], weights: NDArray[np.generic], zero: NDArray[np.generic]
    ) -> None:
        self._name, self._output = node.name or node.output[0], node.output[0]
        self._input, self._input_zero = node.input[0], node.input[2]
        self._weights, self._zero = weights, zero
        self._stride = int(given.get("strides", [1])[0])
        self._dilation = int(given.get("dilations", [1])[0])
        self._before, self._after = (int(pad) for pad in given.get("pads", [0, 0]))

    @classmethod
    def of(cls, node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> _Convolution | None:
        if node.op_type != "ConvInteger" or len(node.input) < 4 or not {node.input[1], node.input[3]} <= set(constants):
            return None
        given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        weights = numpy_helper.to_array(constants[node.input[1]])
        explicit = given.get("auto_pad", b"NOTSET") == b"NOTSET"
        if weights.ndim != 3 or given.get("group", 1) != 1 or not explicit:
            return None
        return cls(node, given, weights, numpy_helper.to_array(constants[node.input[3]]).reshape(-1))

    def product(self, constants: dict[str, onnx.TensorProto]) -> Iterator[onnx.NodeProto]:
        """The nodes that stand in its place; what constants they need is put into `constants`."""

        def constant(name: str, value: NDArray[np.generic]) -> str:
            constants[name] = numpy_helper.from_array(value, name)
            return name

        def positions(name: str, *values: int) -> str:
            return constant(f"{self._name}/{name}", np.array(values, np.int64))

        outputs, channels, kernel = self._weights.shape
        frames = f"{self._name}/frames"
        yield helper.make_node("Transpose", [self._input], [frames], perm=[0, 2, 1])
        if self._before or self._after:
            padded = f"{self._name}/padded"
            pads = positions("pads", 0, self._before, 0, 0, self._after, 0)
            yield helper.make_node("Pad", [frames, pads, self._input_zero], [padded])
            frames = padded
        if kernel > 1 or self._stride > 1:
            taps = [f"{self._name}/tap{k}" for k in range(kernel)]
            axis, stride = positions("axis", 1), positions("stride", self._stride)
            for k, tap in enumerate(taps):
                begin, left = k * self._dilation, (kernel - 1 - k) * self._dilation
                end = positions(f"end{k}", -left if left else _TO_THE_END)
                yield helper.make_node("Slice", [frames, positions(f"begin{k}", begin), end, axis, stride], [tap])
            frames = f"{self._name}/windows"
            yield helper.make_node("Concat", taps, [frames], axis=2)
        matrix = self._weights.transpose(2, 1, 0).reshape(kernel * channels, outputs)
        zero = self._zero if len(self._zero) > 1 else self._zero[0]
        product = f"{self._name}/product"
        yield helper.make_node(
            "MatMulInteger",
            [
                frames,
                constant(f"{self._name}/weights", _signed(matrix)),
                self._input_zero,
                constant(f"{self._name}/zero", _signed(np.asarray(zero))),
            ],
            [product],
            name=self._name,
        )
        yield helper.make_node("Transpose", [product], [self._output], perm=[0, 2, 1])


def _signed(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Bytes as signed ones, moved by 128: the products with signed weights are the fast ones."""
    if values.dtype == np.int8:
        return np.ascontiguousarray(values)
    return np.ascontiguousarray((values.astype(np.int16) - 128).astype(np.int8))
