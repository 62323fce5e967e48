from __future__ import annotations

import asyncio

from vivavoce.clock import NS_PER_MS, SteppedClock
from vivavoce.gateway.kept import Kept


def test_what_is_kept_is_forgotten_in_time_and_when_there_is_more() -> None:
    clock = SteppedClock()
    kept: Kept[int] = Kept(clock, lifetime_s=10, most=2)

    def after(seconds: float) -> None:
        asyncio.run(clock.sleep_until(clock.now_ns() + round(seconds * 1000) * NS_PER_MS))

    assert kept.keep("a", 1)
    assert not kept.keep("a", 2)
    after(5)
    assert kept.keep("b", 2)
    after(5)
    assert kept.keep("a", 3), "its time is over"
    assert kept.keep("c", 4), "the oldest, b, makes room"
    assert (len(kept), kept.take("b"), kept.take("a"), kept.take("a")) == (2, None, 3, None)
    after(10)
    assert len(kept) == 0
