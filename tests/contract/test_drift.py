import random

import pytest

from vivavoce.contract.drift import DriftWindow, improbable
from vivavoce.contract.profile import Stage
from vivavoce.contract.stats import percentiles


class Hand:
    """A clock moved by hand, in milliseconds."""

    def __init__(self) -> None:
        self.ms = 0

    def now_ns(self) -> int:
        return self.ms * 1_000_000


def test_alarm_is_raised_once_and_cleared_once() -> None:
    hand = Hand()
    window = DriftWindow(Stage.STT, 210, clock_ns=hand.now_ns, count=20, least=10)
    changes = []
    for duration in [150.0] * 20 + [260.0] * 20 + [150.0] * 40:
        hand.ms += 100
        if change := window.observe(duration):
            changes.append(change)
            assert window.alarm == (change if change.raised else None)
    raised, cleared = changes
    assert (raised.stage, raised.raised, raised.cap_ms, raised.n) == ("stt", True, 210, 20)
    assert raised.p95_ms > 210
    assert raised.at_ns == 2_200_000_000  # the second slow one among twenty moves the p95 past the cap
    assert not cleared.raised
    assert cleared.p95_ms <= 0.95 * 210


def test_figure_that_hovers_about_its_cap_rings_once() -> None:
    window = DriftWindow("stt", 300, clock_ns=Hand().now_ns, count=10, least=10, clear_at=0.95)
    changes = [window.observe(299.0 if turn % 12 else 302.0) for turn in range(200)]
    assert len([change for change in changes if change]) == 1


def test_nothing_is_decided_from_too_few() -> None:
    window = DriftWindow("stt", 300, clock_ns=Hand().now_ns, least=5)
    assert [window.observe(900.0) is None for _ in range(5)] == [True, True, True, True, False]


def test_with_a_chance_a_few_slow_ones_raise_nothing() -> None:
    assert [improbable(n, 1e-3) for n in (60, 200, 500)] == [10, 22, 42]
    window = DriftWindow("stt", 300, clock_ns=Hand().now_ns, least=60, chance=1e-3)
    for turn in range(200):
        window.observe(302.0 if turn % 14 == 0 else 200.0)  # seven in a hundred: the p95 is over the cap
    assert window.p95_ms == 302.0
    assert window.alarm is None
    for _ in range(10):
        window.observe(302.0)
    assert window.alarm is not None


def test_old_measurements_leave() -> None:
    hand = Hand()
    window = DriftWindow("stt", 300, clock_ns=hand.now_ns, window_ms=10_000, least=5)
    for _ in range(5):
        window.observe(900.0)
    hand.ms = 5000
    for _ in range(5):
        window.observe(100.0)
    assert window.alarm is not None
    hand.ms = 10_000
    assert window.poll() is None
    hand.ms = 10_001
    cleared = window.poll()
    assert cleared is not None
    assert (cleared.raised, cleared.n, cleared.p95_ms) == (False, 5, 100.0)


def test_alarm_stays_while_nothing_is_measured() -> None:
    hand = Hand()
    window = DriftWindow("stt", 300, clock_ns=hand.now_ns, window_ms=1000, least=5)
    for _ in range(5):
        window.observe(900.0)
    hand.ms = 60_000
    assert window.poll() is None
    assert window.alarm is not None


def test_p95_is_that_of_the_window() -> None:
    rng = random.Random(3)
    values = [rng.choice((100.0, 200.0, rng.uniform(0, 400))) for _ in range(300)]
    window = DriftWindow("stt", 0, clock_ns=Hand().now_ns, count=50, least=50)
    changes = [window.observe(value) for value in values]
    raised = next(change for change in changes if change)
    assert raised.p95_ms == percentiles(values[:50]).p95
    assert len(window._ordered) == 50
    assert window._ordered == sorted(values[-50:])


@pytest.mark.parametrize(("least", "count", "clear_at"), [(0, 5, 0.9), (6, 5, 0.9), (1, 5, 0.0), (1, 5, 1.1)])
def test_windows_that_cannot_work_are_refused(least: int, count: int, clear_at: float) -> None:
    with pytest.raises(ValueError, match="a window needs"):
        DriftWindow("stt", 1, clock_ns=Hand().now_ns, least=least, count=count, clear_at=clear_at)
