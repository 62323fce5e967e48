from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from vivavoce.errors import ModelDamaged
from vivavoce.providers.ct2_weights import read_weights


def packed(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def model(version: int = 6) -> bytes:
    halves = np.array([[1, 2, 3], [4, 5, 6.5]], np.float16)
    return b"".join(
        [
            struct.pack("<I", version) + packed("WhisperSpec") + struct.pack("<II", 3, 2),
            packed("a/weight") + struct.pack("<BIIBI", 2, 2, 3, 4, halves.nbytes) + halves.tobytes(),
            packed("heads") + struct.pack("<BBI", 0, 2, 2) + np.int16(8).tobytes(),
            struct.pack("<I", 1) + packed("b/weight") + packed("a/weight"),
        ]
    )


def test_variables_have_their_shapes_and_types(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(model())
    weights = read_weights(path)
    assert set(weights) == {"a/weight", "heads"}
    assert weights["a/weight"].dtype == np.float16
    assert weights["a/weight"].tolist() == [[1, 2, 3], [4, 5, 6.5]]
    assert int(weights["heads"]) == 8


@pytest.mark.parametrize(
    "content",
    [b"", model()[:9], model()[:40], model()[:-30], model(version=5), b"\x89PNG" + model()],
    ids=["empty", "name", "variable", "bytes", "version", "other"],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(ModelDamaged):
        read_weights(path)
