"""ITU-T G.711 for NumPy arrays: what telephone lines carry, one byte a sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vivavoce import _media
from vivavoce.audio.pcm import Samples

Codes = NDArray[np.uint8]


def ulaw_encode(samples: Samples) -> Codes:
    return np.frombuffer(_media.ulaw_encode(samples), dtype=np.uint8)


def alaw_encode(samples: Samples) -> Codes:
    return np.frombuffer(_media.alaw_encode(samples), dtype=np.uint8)


def ulaw_decode(codes: Codes | bytes) -> Samples:
    return np.frombuffer(_media.ulaw_decode(codes), dtype=np.int16)


def alaw_decode(codes: Codes | bytes) -> Samples:
    return np.frombuffer(_media.alaw_decode(codes), dtype=np.int16)
