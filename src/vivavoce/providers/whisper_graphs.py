"""Whisper's decoder as two ONNX graphs over 8-bit weights, made from the weights of its CTranslate2 conversion.

`memory_graph`: what was heard, f32[P, width], to each layer's cross-attention keys f32[heads, size, P] and values
f32[heads, P, size]. `step_graph`: tokens i64[n] after T cached ones, to logits f32[n, vocabulary] and the cache of
T + n. Source: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), figure 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vivavoce.providers.ct2_weights import Weights

_BLOCK = 32
_EPSILON = 1e-5
_INT8_COMPUTE = 4
_OPSET, _IR_VERSION = 20, 9

Floats = NDArray[np.float32]


def layers_of(weights: Weights) -> int:
    return sum(name.startswith("decoder/layer_") and name.endswith("/ffn/layer_norm/gamma") for name in weights)


def memory_graph(weights: Weights) -> onnx.ModelProto:
    """Both projections of all layers in one product; outputs `keys0`, `values0`, `keys1` and so on."""
    graph = _Graph(weights)
    kinds = ("weight", "bias")
    names = [[f"layer_{layer}/attention/linear_1/{kind}" for layer in range(graph.layers)] for kind in kinds]
    matrix, bias = (np.concatenate([graph.weight(name) for name in row]) for row in names)
    # As fast as in bytes, and what is heard is looked at in every step.
    both = graph.op("Gemm", "heard", graph.constant(matrix), graph.constant(bias), transB=1)
    shape = graph.numbers(-1, graph.layers, 2, graph.heads, graph.size)
    pairs = graph.split(graph.op("Reshape", both, shape), graph.layers, axis=1)
    for layer, pair in enumerate(pairs):
        keys, values = graph.split(pair, 2, axis=2)
        flat = graph.numbers(-1, graph.heads, graph.size)
        graph.output(f"keys{layer}", graph.op("Transpose", graph.op("Reshape", keys, flat), perm=[1, 2, 0]))
        graph.output(f"values{layer}", graph.op("Transpose", graph.op("Reshape", values, flat), perm=[1, 0, 2]))
    graph.input("heard", TensorProto.FLOAT, "P", graph.width)
    return graph.model()


def step_graph(weights: Weights) -> onnx.ModelProto:
    """Inputs `tokens`, `past_keys` and `past_values` f32[layers, heads, T, size], and the outputs of `memory_graph`;
    outputs `logits`, `all_keys`, `all_values`."""
    graph = _Graph(weights)
    past, end = graph.positions()
    x = graph.embedded(past, end)
    mask = graph.mask(past, end)
    own_keys, own_values = (graph.split(name, graph.layers, axis=0) for name in ("past_keys", "past_values"))
    kept: tuple[list[str], list[str]] = ([], [])
    for layer in range(graph.layers):
        name = f"layer_{layer}"
        x = graph.op("Add", x, graph.self_attention(x, name, own_keys[layer], own_values[layer], mask, kept))
        x = graph.op("Add", x, graph.cross_attention(x, name, f"keys{layer}", f"values{layer}"))
        hidden = graph.linear(graph.normed(x, f"{name}/ffn/layer_norm"), f"{name}/ffn/linear_0")
        hidden = graph.op("Gelu", hidden, domain="com.microsoft")
        x = graph.op("Add", x, graph.linear(hidden, f"{name}/ffn/linear_1"))
    graph.output("logits", graph.product(graph.normed(x, "layer_norm"), graph.weight("embeddings/weight")))
    graph.output("all_keys", graph.op("Concat", *kept[0], axis=0))
    graph.output("all_values", graph.op("Concat", *kept[1], axis=0))
    graph.input("tokens", TensorProto.INT64, "n")
    for cached in ("past_keys", "past_values"):
        graph.input(cached, TensorProto.FLOAT, graph.layers, graph.heads, "T", graph.size)
    for layer in range(graph.layers):
        graph.input(f"keys{layer}", TensorProto.FLOAT, graph.heads, graph.size, "P")
        graph.input(f"values{layer}", TensorProto.FLOAT, graph.heads, "P", graph.size)
    return graph.model()


class _Graph:
    """An ONNX graph in the making; every method that adds nodes returns the name of their result."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self.layers = layers_of(weights)
        self.heads = int(weights["decoder/num_heads"])
        self.width = int(weights["decoder/embeddings/weight"].shape[1])
        self.size = self.width // self.heads

    def weight(self, name: str) -> Floats:
        return self._weights[f"decoder/{name}"].astype(np.float32)

    def constant(self, value: NDArray[Any] | np.generic) -> str:
        name = f"constant{len(self._constants)}"
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value).reshape(np.shape(value)), name)
        return name

    def numbers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        name = f"{kind}{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], domain=domain, **attributes))
        return name

    def split(self, name: str, count: int, *, axis: int) -> list[str]:
        parts = [f"Split{len(self._nodes)}_{part}" for part in range(count)]
        self._nodes.append(helper.make_node("Split", [name], parts, axis=axis, num_outputs=count))
        return parts

    def input(self, name: str, kind: int, *shape: int | str) -> None:
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))

    def output(self, name: str, value: str) -> None:
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(self._nodes, "whisper", self._inputs, self._outputs, list(self._constants.values()))
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)

    def product(self, x: str, matrix: Floats, bias: Floats | None = None) -> str:
        """x[n, k] by the transpose of matrix[m, k], in bytes with a scale for each 32 of k."""
        rows, columns = matrix.shape
        blocks = matrix.reshape(rows, columns // _BLOCK, _BLOCK)
        scales = np.maximum(np.abs(blocks).max(axis=2) / 127, 1e-12)
        # The operator's zero point for 8 bits is 128.
        quantised = (np.round(blocks / scales[:, :, None]) + 128).astype(np.uint8)
        y = self.op(
            "MatMulNBits",
            x,
            self.constant(quantised),
            self.constant(scales.reshape(-1)),
            domain="com.microsoft",
            K=columns,
            N=rows,
            bits=8,
            block_size=_BLOCK,
            accuracy_level=_INT8_COMPUTE,
        )
        return y if bias is None else self.op("Add", y, self.constant(bias))

    def linear(self, x: str, name: str, scale: float = 1.0) -> str:
        return self.product(x, self.weight(f"{name}/weight") * scale, self.weight(f"{name}/bias") * scale)

    def normed(self, x: str, name: str) -> str:
        gamma, beta = (self.constant(self.weight(f"{name}/{part}")) for part in ("gamma", "beta"))
        return self.op("LayerNormalization", x, gamma, beta, axis=-1, epsilon=_EPSILON)

    def positions(self) -> tuple[str, str]:
        """How many tokens are cached, and how many there are with the new ones; each i64[1]."""
        past = self.op("Shape", "past_keys", start=2, end=3)
        return past, self.op("Add", past, self.op("Shape", "tokens"))

    def embedded(self, past: str, end: str) -> str:
        table = self.weight("embeddings/weight")
        scales = np.abs(table).max(axis=1, keepdims=True) / 127
        rows = self.op("Gather", self.constant(np.round(table / scales).astype(np.int8)), "tokens")
        rows = self.op("Cast", rows, to=TensorProto.FLOAT)
        rows = self.op("Mul", rows, self.op("Gather", self.constant(scales), "tokens"))
        places = self.constant(self.weight("position_encodings/encodings"))
        return self.op("Add", rows, self.op("Slice", places, past, end, self.numbers(0)))

    def mask(self, past: str, end: str) -> str:
        """f32[n, T + n]: what a token must not look at, because it comes later, is far below zero."""
        zero, one = (self.constant(np.int64(value)) for value in (0, 1))
        first, last = self.op("Squeeze", past), self.op("Squeeze", end)
        own = self.op("Unsqueeze", self.op("Range", first, last, one), self.numbers(1))
        seen = self.op("Unsqueeze", self.op("Range", zero, last, one), self.numbers(0))
        hidden, open_ = (self.constant(np.float32(value)) for value in (-1e9, 0))
        return self.op("Where", self.op("Greater", seen, own), hidden, open_)

    def by_head(self, x: str) -> str:
        shape = self.numbers(-1, self.heads, self.size)
        return self.op("Transpose", self.op("Reshape", x, shape), perm=[1, 0, 2])

    def joined(self, x: str) -> str:
        return self.op("Reshape", self.op("Transpose", x, perm=[1, 0, 2]), self.numbers(-1, self.width))

    def self_attention(
        self, x: str, name: str, past_keys: str, past_values: str, mask: str, kept: tuple[list[str], list[str]]
    ) -> str:
        x = self.normed(x, f"{name}/self_attention/layer_norm")
        matrix, bias = (self.weight(f"{name}/self_attention/linear_0/{part}") for part in ("weight", "bias"))
        # The queries' scale, 1 over the root of a head's size, is theirs alone.
        scale = np.repeat(np.array([self.size**-0.5, 1, 1], np.float32), self.width)
        parts = self.split(self.product(x, matrix * scale[:, None], bias * scale), 3, axis=1)
        queries, keys, values = (self.by_head(part) for part in parts)
        first = self.numbers(0)
        keys = self.op("Concat", self.op("Squeeze", past_keys, first), keys, axis=1)
        values = self.op("Concat", self.op("Squeeze", past_values, first), values, axis=1)
        kept[0].append(self.op("Unsqueeze", keys, first))
        kept[1].append(self.op("Unsqueeze", values, first))
        scores = self.op("Add", self.op("MatMul", queries, self.op("Transpose", keys, perm=[0, 2, 1])), mask)
        return self.linear(self._attended(scores, values), f"{name}/self_attention/linear_1")

    def cross_attention(self, x: str, name: str, keys: str, values: str) -> str:
        x = self.normed(x, f"{name}/attention/layer_norm")
        queries = self.by_head(self.linear(x, f"{name}/attention/linear_0", self.size**-0.5))
        return self.linear(self._attended(self.op("MatMul", queries, keys), values), f"{name}/attention/linear_2")

    def _attended(self, scores: str, values: str) -> str:
        return self.joined(self.op("MatMul", self.op("Softmax", scores, axis=-1), values))
