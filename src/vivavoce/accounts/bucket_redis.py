"""Token buckets in Redis, which several processes share.

One script does all of a call, so that two processes never take the same token. Time is the server's; it is kept as the
latest that was seen, so that a clock that is set back gives nothing, neither then nor when it is set right.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from vivavoce.accounts.bucket import Buckets, BucketSize, MemoryBuckets
from vivavoce.clock import Clock
from vivavoce.errors import ConfigError

_log = logging.getLogger(__name__)
_KEY = "vivavoce:dub:"
_WAIT_S = 1.0
_AWAY_S = 5.0
"""Who did not answer is not asked for so long."""

# ARGV: capacity, tokens a second, tokens to take (below 0 to give), the least to take. Numbers go as text: Redis cuts
# off the fraction of a number that a script returns, and Lua writes 14 digits of one.
_SCRIPT = """
local capacity, per_s = tonumber(ARGV[1]), tonumber(ARGV[2])
local amount, least = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(held[1]) or capacity, tonumber(held[2]) or now
if now > at then
  tokens = tokens + (now - at) * per_s
  at = now
end
tokens = math.min(capacity, tokens)
local granted = math.min(amount, tokens)
if amount > 0 and (granted <= 0 or granted < least) then
  granted = 0
end
tokens = math.min(capacity, tokens - granted)
redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'at', string.format('%.17g', at))
if per_s > 0 then
  redis.call('PEXPIRE', KEYS[1], math.ceil(1000 * (at - now + (capacity - tokens) / per_s)) + 1)
else
  redis.call('PERSIST', KEYS[1])
end
return string.format('%.17g', granted)
"""


class RedisBuckets:
    """Implements `Buckets` in a server of Redis, under `vivavoce:dub:USER`. A key lives until its bucket is full.

    While the server is away, buckets of this process serve; that is logged once, and so is its return. What was taken
    when the server went down in the middle of a call is neither granted nor given back. Raises ConfigError without the
    package, and for a URL that is none.
    """

    def __init__(self, url: str, size: Callable[[], BucketSize], *, clock: Clock) -> None:
        try:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
            from redis.exceptions import RedisError
        except ImportError as error:
            raise ConfigError("buckets in Redis need its package", hint="pip install vivavoce[redis]") from error
        try:
            # A call that may have been done is not done again.
            self._redis: Any = Redis.from_url(
                url, socket_timeout=_WAIT_S, socket_connect_timeout=_WAIT_S, retry=Retry(NoBackoff(), 0)
            )
        except ValueError:
            raise ConfigError("[spend] buckets is no URL of Redis", hint="redis://HOST:6379/0") from None
        self._failures = (RedisError, OSError, TimeoutError)
        self._script = self._redis.register_script(_SCRIPT)
        self._size, self._clock = size, clock
        self._meanwhile: Buckets = MemoryBuckets(size, clock=clock)
        self._away_until_ns: int | None = None

    async def take(self, user: str, amount: float, *, least: float = 0.0) -> float:
        granted = await self._run(user, amount, least)
        return await self._meanwhile.take(user, amount, least=least) if granted is None else granted

    async def give(self, user: str, amount: float) -> None:
        if await self._run(user, -amount, 0.0) is None:
            await self._meanwhile.give(user, amount)

    async def aclose(self) -> None:
        await self._redis.aclose()
        await self._meanwhile.aclose()

    async def _run(self, user: str, amount: float, least: float) -> float | None:
        """None while the server is away."""
        if self._away_until_ns is not None and self._clock.now_ns() < self._away_until_ns:
            return None
        size = self._size()
        try:
            granted = await self._script(keys=[_KEY + user], args=[size.capacity, size.per_s, amount, least])
        except self._failures as error:
            if self._away_until_ns is None:
                _log.warning("Redis is away (%s): each process has its own buckets meanwhile", type(error).__name__)
            self._away_until_ns = self._clock.now_ns() + round(_AWAY_S * 1e9)
            return None
        if self._away_until_ns is not None:
            self._away_until_ns = None
            _log.warning("Redis is back: processes share their buckets again")
        return float(granted)
