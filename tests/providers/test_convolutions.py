from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from vivavoce.providers.convolutions import convolutions_to_products  # noqa: E402


def graph_of(weights: np.ndarray[Any, Any], zero: np.ndarray[Any, Any] | np.generic, **attributes: Any) -> Any:
    """Float sound in, quantised as a dynamically quantised model does it, convolved to integers."""
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "q_zero"]),
        helper.make_node("ConvInteger", ["q", "w", "q_zero", "w_zero"], ["y"], name="conv", **attributes),
    ]
    constants = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.asarray(zero), "w_zero")]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, weights.shape[1], "frames"])
    y = helper.make_tensor_value_info("y", TensorProto.INT32, None)
    graph = helper.make_graph(nodes, "convolution", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def answer(model: Any, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    options = ort.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    result: np.ndarray[Any, Any] = ort.InferenceSession(model.SerializeToString(), options).run(None, {"x": x})[0]
    return result


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize(
    ("kernel", "attributes"),
    [
        (1, {}),
        (1, {"strides": [2]}),
        (3, {"pads": [1, 1]}),
        (7, {"pads": [9, 9], "dilations": [3]}),
        (11, {"pads": [25, 25], "dilations": [5]}),
        (12, {"pads": [3, 3], "strides": [6]}),
        (4, {"pads": [0, 3]}),
        (5, {}),
    ],
)
def test_a_product_gives_the_integers_of_the_convolution(
    dtype: type[np.integer[Any]], kernel: int, attributes: dict[str, Any]
) -> None:
    rng = np.random.default_rng(kernel)
    bounds = np.iinfo(dtype)
    weights = rng.integers(bounds.min, bounds.max, (6, 5, kernel), dtype, endpoint=True)
    zero = dtype(rng.integers(bounds.min, bounds.max))
    model = graph_of(weights, zero, **attributes)
    # Uneven around zero, so that silence is not the byte 0 and padding has to be with the zero point.
    x = rng.normal(0.3, 1.0, (1, 5, 61)).astype(np.float32)
    before = answer(model, x)
    assert convolutions_to_products(model) == 1
    assert {node.op_type for node in model.graph.node}.isdisjoint({"ConvInteger"})
    assert {tensor.name for tensor in model.graph.initializer}.isdisjoint({"w", "w_zero"})
    after = answer(model, x)
    assert before.shape == after.shape
    np.testing.assert_array_equal(before, after)


def test_a_zero_point_for_each_output_is_kept() -> None:
    rng = np.random.default_rng(1)
    weights = rng.integers(0, 255, (6, 5, 3), np.uint8)
    zeros = rng.integers(0, 255, 6, np.uint8)
    model = graph_of(weights, zeros, pads=[1, 1])
    assert convolutions_to_products(model) == 1
    x = rng.normal(0, 1, (1, 5, 20)).astype(np.float32)
    one_by_one = [answer(graph_of(weights[i : i + 1], zeros[i], pads=[1, 1]), x)[0, 0] for i in range(6)]
    np.testing.assert_array_equal(answer(model, x)[0], np.stack(one_by_one))


@pytest.mark.parametrize(
    ("shape", "attributes"), [((4, 1, 3), {"group": 4}), ((4, 4, 3, 3), {}), ((4, 4, 3), {"auto_pad": "SAME_UPPER"})]
)
def test_what_is_no_plain_convolution_is_left_as_it_is(shape: tuple[int, ...], attributes: dict[str, Any]) -> None:
    model = graph_of(np.ones(shape, np.uint8), np.uint8(3), **attributes)
    before = model.SerializeToString()
    assert convolutions_to_products(model) == 0
    assert model.SerializeToString() == before
