from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from vivavoce.errors import LegUnavailable
from vivavoce.media.silero_batched import banded, batched


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


def test_another_model_is_told(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "other", [value], [])
    path = tmp_path / "other.onnx"
    onnx.save(helper.make_model(graph), path)
    with pytest.raises(LegUnavailable, match="not Silero"):
        batched(path)
