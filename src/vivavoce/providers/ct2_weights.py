"""The weights in a CTranslate2 `model.bin`.

Source: `ModelSpec._serialize` of CTranslate2 4, binary version 6; little-endian: a version, the specification's name
and revision, then each variable as name, shape, type and bytes, then names that stand for others.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vivavoce.errors import ModelDamaged

_VERSION = 6
_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}

Weights = dict[str, NDArray[Any]]


def read_weights(path: Path) -> Weights:
    """Every variable by its name. Raises ModelDamaged for what is not such a file."""
    try:
        with path.open("rb") as file:
            version = _number(file, "I")
            if version != _VERSION:
                raise ModelDamaged(f"{path} has the binary version {version}, not {_VERSION}")
            _text(file), _number(file, "I")
            return dict(_variable(file) for _ in range(_number(file, "I")))
    except (struct.error, ValueError, KeyError, UnicodeDecodeError) as error:
        raise ModelDamaged(f"{path} is no CTranslate2 model: {error}") from error


def _variable(file: BinaryIO) -> tuple[str, NDArray[Any]]:
    name = _text(file)
    shape = [_number(file, "I") for _ in range(_number(file, "B"))]
    dtype = _TYPES[_number(file, "B")]
    return name, np.frombuffer(file.read(_number(file, "I")), dtype).reshape(shape)


def _number(file: BinaryIO, kind: str) -> int:
    form = f"<{kind}"
    return int(struct.unpack(form, file.read(struct.calcsize(form)))[0])


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H"))[:-1].decode()
