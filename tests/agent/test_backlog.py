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


def test_it_is_crowded_while_as_many_wait_as_can_be_worked_on() -> None:
    backlog = Backlog(Hand(), at_once=2)
    with backlog.waiting():
        assert not backlog.crowded
        with backlog.waiting():
            assert backlog.crowded
        assert not backlog.crowded


def test_what_was_waited_counts_for_a_while_and_once_for_each_who_waited() -> None:
    clock = Hand()
    backlog = Backlog(clock)
    with backlog.waiting(), backlog.waiting():
        clock.moves(100)
        assert backlog.share(1000) == 0.2
    clock.moves(300)
    assert backlog.share(1000) == 0.2
    assert backlog.waits_ms(1000) == [100.0, 100.0]
    assert backlog.share(350) == pytest.approx(100 / 350)
    clock.moves(1000)
    assert backlog.share(1000) == 0.0


def test_who_gives_up_has_waited_too() -> None:
    clock = Hand()
    backlog = Backlog(clock)

    def gives_up() -> None:
        with backlog.waiting():
            clock.moves(50)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        gives_up()
    assert not backlog.crowded
    assert backlog.share(100) == 0.5
