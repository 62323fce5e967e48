from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.audio.mixdown import Mixer
from vivavoce.audio.pcm import Samples

RATE_HZ = 16000


def voice(seconds: float, level: float = 0.3, hz: float = 300.0) -> Samples:
    return np.rint(32767 * level * np.sin(2 * np.pi * hz * np.arange(round(RATE_HZ * seconds)) / RATE_HZ)).astype(
        np.int16
    )


def silence(seconds: float) -> Samples:
    return np.zeros(round(RATE_HZ * seconds), dtype=np.int16)


def gains(dub: Samples, mixer: Mixer | None = None) -> np.ndarray:
    """What a steady original becomes where it can be seen: the mix less the dub."""
    steady = np.full(len(dub), 8000, dtype=np.int16)
    return ((mixer or Mixer(RATE_HZ)).mix(steady, dub).astype(int) - dub) / 8000


def test_silence_stays_silence() -> None:
    assert not Mixer(RATE_HZ).mix(silence(1), silence(1)).any()
    assert len(Mixer(RATE_HZ).mix(silence(0), silence(0))) == 0


def test_the_dub_alone_passes_unchanged() -> None:
    dub = np.random.default_rng(1).integers(-32768, 32768, RATE_HZ).astype(np.int16)
    assert np.array_equal(Mixer(RATE_HZ).mix(silence(1), dub), dub)


def test_the_original_alone_passes_unchanged() -> None:
    original = np.random.default_rng(2).integers(-32768, 32768, RATE_HZ).astype(np.int16)
    assert np.array_equal(Mixer(RATE_HZ).mix(original, silence(1)), original)


def test_the_original_is_ducked_under_the_dub_and_comes_back() -> None:
    dub = np.concatenate([silence(0.5), voice(1), silence(1.5)])
    gain = gains(dub, Mixer(RATE_HZ, duck_db=-18, attack_ms=60, release_ms=400, hold_ms=300))
    at = lambda seconds: gain[round(seconds * RATE_HZ)]  # noqa: E731
    assert at(0.49) == 1
    assert at(0.6) == pytest.approx(10 ** (-18 / 20), abs=1e-3)
    assert at(1.7) == pytest.approx(10 ** (-18 / 20), abs=1e-3)
    assert at(2.0) == pytest.approx(10 ** (-9 / 20), abs=1e-2)
    assert at(2.3) == 1


class Watch:
    def __init__(self) -> None:
        self.told: list[tuple[str, float, float]] = []

    def lowered(self, *, at_ms: float, sound_ms: float) -> None:
        self.told.append(("lowered", at_ms, sound_ms))

    def restored(self, *, at_ms: float, sound_ms: float) -> None:
        self.told.append(("restored", at_ms, sound_ms))


@pytest.mark.parametrize("frame", [RATE_HZ * 10, 320, 7])
def test_it_tells_when_the_original_is_down_and_back(frame: int) -> None:
    """500 ms of nothing, a second of dub, 100 ms too short for the original, and 200 ms of dub."""
    tone = np.full(RATE_HZ, 9000, np.int16)
    dub = np.concatenate([silence(0.5), tone, silence(0.1), tone[: RATE_HZ // 5], silence(1.5), tone, silence(0.2)])
    watch = Watch()
    mixer = Mixer(RATE_HZ, duck_db=-18, attack_ms=60, release_ms=400, hold_ms=300, watch=watch)
    for at in range(0, len(dub), frame):
        piece = dub[at : at + frame]
        mixer.mix(np.zeros(len(piece), np.int16), piece)
    expected = [("lowered", 560.0, 500.0), ("restored", 2500.0, 1800.0), ("lowered", 3360.0, 3300.0)]
    assert [kind for kind, _, _ in watch.told] == [kind for kind, _, _ in expected]
    for told, wanted in zip(watch.told, expected, strict=True):
        assert told[1:] == pytest.approx(wanted[1:], abs=0.2)


def test_an_original_that_is_not_ducked_is_never_down() -> None:
    watch = Watch()
    Mixer(RATE_HZ, duck_db=0.0, watch=watch).mix(silence(3), np.concatenate([voice(1), silence(2)]))
    assert watch.told == []


def test_the_gain_never_jumps() -> None:
    bursts = [piece for seconds in (0.3, 0.05, 0.7) for piece in (voice(seconds), silence(0.35))]
    gain = gains(np.concatenate(bursts))
    steepest = 1 - 10 ** (-18 / 20 / (0.060 * RATE_HZ))
    assert np.abs(np.diff(gain)).max() <= steepest + 1.5 / 8000  # and the rounding of two samples


def test_short_pauses_do_not_bring_the_original_back() -> None:
    gain = gains(np.concatenate([voice(0.5), silence(0.25), voice(0.5)]))
    assert gain[RATE_HZ // 2 : RATE_HZ].max() < 0.13


def test_two_loud_voices_do_not_overflow() -> None:
    original, dub = voice(1, 1.0, 310), voice(1, 0.95, 300)
    mixed = Mixer(RATE_HZ, duck_db=-3).mix(original, dub)
    # An overflow would turn the sign, while none of these waves moves by over a fifth of full scale between samples.
    assert np.abs(np.diff(mixed.astype(int))).max() < 2 * 32768 * 0.2
    hard = np.clip(10 ** (-3 / 20) * original + dub, -32768, 32767)
    assert np.corrcoef(mixed[RATE_HZ // 10 :], hard[RATE_HZ // 10 :])[0, 1] > 0.98


def test_the_shorter_is_continued_with_silence() -> None:
    dub = voice(0.1)
    assert np.array_equal(Mixer(RATE_HZ).mix(silence(0), dub), dub)
    assert np.array_equal(Mixer(RATE_HZ).mix(dub, silence(0)), dub)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, 4000), min_size=1, max_size=12), seed=st.integers(0, 1000))
def test_how_it_is_cut_does_not_matter(cuts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    length = sum(cuts)
    original = rng.integers(-20000, 20000, length).astype(np.int16)
    dub = (rng.integers(-20000, 20000, length) * (np.arange(length) // 3000 % 2)).astype(np.int16)
    mixer, pieces = Mixer(RATE_HZ, hold_ms=50), []
    for end, cut in zip(np.cumsum(cuts), cuts, strict=True):
        pieces.append(mixer.mix(original[end - cut : end], dub[end - cut : end]))
    whole = Mixer(RATE_HZ, hold_ms=50).mix(original, dub)
    assert np.abs(np.concatenate(pieces).astype(int) - whole).max() <= 1  # gains add up in another order


def test_the_sum_stays_within_full_scale_at_the_corners() -> None:
    corners = np.array([-32768, -32767, -1, 0, 1, 32766, 32767], dtype=np.int16)
    original, dub = np.repeat(corners, 7), np.tile(corners, 7)
    mixed = Mixer(RATE_HZ, duck_db=0).mix(original, dub).astype(int)
    exact = original.astype(int) + dub
    assert (np.sign(mixed - dub) * np.sign(original.astype(int)) >= 0).all()
    assert (np.abs(mixed) <= np.maximum(np.abs(exact), np.abs(dub.astype(int)))).all()
