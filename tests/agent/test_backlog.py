from __future__ import annotations

import pytest

from vivavoce.agent.backlog import Backlog
from vivavoce.clock import NS_PER_MS


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self._now_ns = 0

    def now_ns(self) -> int:
        return self._now_ns

    async def sleep_until(self, moment_ns: int) -> None:
        raise AssertionError("nothing here waits")

    def moves(self, ms: int) -> None:
        self._now_ns += ms * NS_PER_MS


def test_waits_are_counted_while_they_last_and_told_for_a_while() -> None:
    clock = Hand()
    backlog = Backlog(clock, at_once=2)
    for wait_ms in (100, 300):
        with backlog.waiting():
            assert not backlog.crowded
            with backlog.waiting():
                assert backlog.crowded
            clock.moves(wait_ms)
    assert not backlog.crowded
    assert backlog.waits_ms(1000) == [0.0, 100.0, 0.0, 300.0]
    assert backlog.waits_ms(50) == [300.0]


def test_who_gives_up_was_no_wait() -> None:
    backlog = Backlog(Hand())
    with pytest.raises(RuntimeError), backlog.waiting():
        raise RuntimeError
    assert not backlog.crowded
    assert backlog.waits_ms(1000) == []
