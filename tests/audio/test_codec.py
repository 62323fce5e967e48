"""G.711 against the vectors of ITU-T G.191, and on NumPy's kinds of arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vivavoce.audio.codec import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from vivavoce.audio.pcm import Samples

SWEEP = np.arange(-32768, 32768).astype(np.int16)
LAWS = [pytest.param(ulaw_encode, ulaw_decode, id="ulaw"), pytest.param(alaw_encode, alaw_decode, id="alaw")]


def _words(path: Path) -> Samples:
    return np.fromfile(path, dtype="<i2").astype(np.int16)


@pytest.mark.parametrize(
    ("encode", "decode", "codes", "decoded", "round_trip"),
    [
        (ulaw_encode, ulaw_decode, "sweep-r.u", "sweep-r.u-u", "sweep-r.reu"),
        (alaw_encode, alaw_decode, "sweep-r.a", "sweep-r.a-a", "sweep-r.rea"),
    ],
)
def test_every_input_gives_the_vectors_of_the_itu(shared_dir, encode, decode, codes, decoded, round_trip):
    vectors = shared_dir / "conformance" / "g711"
    source = _words(vectors / "sweep.src")
    assert np.array_equal(source, SWEEP)
    encoded = encode(source)
    assert np.array_equal(encoded, _words(vectors / codes))
    assert np.array_equal(decode(encoded), _words(vectors / decoded))
    assert np.array_equal(decode(encoded), _words(vectors / round_trip))


@pytest.mark.parametrize(("encode", "decode"), LAWS)
def test_a_decoded_sample_encodes_to_the_same_value(encode, decode):
    decoded = decode(encode(SWEEP))
    assert np.array_equal(decode(encode(decoded)), decoded)
    # Three significant bits at least: the error is within half a step of the segment.
    error = np.abs(decoded.astype(int) - SWEEP)
    assert np.all(error <= 16 + np.abs(SWEEP.astype(int)) / 31)


@pytest.mark.parametrize(("encode", "decode"), LAWS)
def test_arrays_may_be_strided_read_only_long_or_empty(encode, decode):
    whole = encode(SWEEP)
    assert np.array_equal(encode(SWEEP[::2]), whole[::2])
    frozen = SWEEP.copy()
    frozen.flags.writeable = False
    assert np.array_equal(encode(frozen), whole)
    assert np.array_equal(decode(bytes(whole)), decode(whole))
    assert len(encode(SWEEP[:0])) == len(decode(b"")) == 0
    assert decode(whole).flags.writeable


def test_other_sample_types_are_refused():
    with pytest.raises(BufferError):
        ulaw_encode(np.zeros(4, dtype=np.float32))
