"""Dub that a session has taken from its user's bucket in advance, so that asking for a clause waits for nobody."""

from __future__ import annotations

import asyncio

from vivavoce.accounts.bucket import Buckets
from vivavoce.clock import Clock

PORTION_S = 15.0
"""A session holds between one and two of these. After the bucket was empty it begins anew with a whole one, so that the
dub does not come and go with every clause."""
_AGAIN_S = 1.0


class Lease:
    """Seconds of one user's bucket, spent here and taken there in portions, in the background.

    No more goes than was taken; what came to more than was expected is owed. `aclose` gives back what is left.
    """

    def __init__(self, buckets: Buckets, user: str, *, clock: Clock, portion_s: float = PORTION_S) -> None:
        self._buckets, self._user, self._clock, self._portion_s = buckets, user, clock, portion_s
        self.left_s = 0.0
        self._empty = False
        self._asked_ns: int | None = None
        self._taking: asyncio.Task[None] | None = None

    def covers(self, seconds: float) -> bool:
        """Whether there is so much here; sees to it that there is soon."""
        if self.left_s < max(self._portion_s, seconds):
            self._refill(seconds)
        return self.left_s >= seconds

    def spend(self, seconds: float) -> None:
        """Negative for what was less than expected."""
        self.left_s -= seconds

    async def aclose(self) -> None:
        if (taking := self._taking) is not None:
            try:
                await asyncio.wait([taking])  # what it comes back with must be given back
            finally:
                taking.cancel()
        left_s, self.left_s = self.left_s, 0.0
        if left_s > 0:
            await self._buckets.give(self._user, left_s)
        elif left_s < 0:
            await self._buckets.take(self._user, -left_s)

    def _refill(self, seconds: float) -> None:
        now_ns = self._clock.now_ns()
        again = self._empty and self._asked_ns is not None and now_ns < self._asked_ns + round(_AGAIN_S * 1e9)
        if self._taking is None and not again:
            self._asked_ns = now_ns
            self._taking = asyncio.create_task(self._take(max(self._portion_s, seconds) + self._portion_s))

    async def _take(self, wanted_s: float) -> None:
        try:
            amount = max(0.0, wanted_s - self.left_s)
            least = min(amount, self._portion_s) if self._empty else 0.0
            granted = await self._buckets.take(self._user, amount, least=least)
            self.left_s += granted
            self._empty = granted < amount
        finally:
            self._taking = None
