"""Token buckets: in one process, and in a real Redis between two."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.accounts.bucket import BucketSize, MemoryBuckets
from vivavoce.accounts.bucket_redis import RedisBuckets
from vivavoce.accounts.lease import Lease
from vivavoce.clock import SystemClock, run_virtual
from vivavoce.errors import ConfigError

REDIS = "/usr/bin/redis-server"


class Server:
    """A server of Redis on a Unix socket of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._socket = folder, folder / "redis.sock"
        self.url = f"unix://{self._socket}"
        self.start()

    def start(self) -> None:
        options = ["--port", "0", "--unixsocket", str(self._socket), "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen([REDIS, *options], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "ready to accept" in line:
                return
        raise AssertionError("Redis did not start")

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not Path(REDIS).exists():
        pytest.skip("no server of Redis is installed")
    made = Server(tmp_path_factory.mktemp("r"))
    yield made
    made.kill()


def size(capacity: float, per_s: float) -> Any:
    return lambda: BucketSize(capacity, per_s)


@given(
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 50), st.floats(0, 50)), max_size=50),
    st.floats(1, 100),
    st.floats(0, 10),
)
def test_no_more_is_granted_than_was_in_it_and_came_into_it(
    asked: list[tuple[float, float, float]], capacity: float, per_s: float
) -> None:
    async def main() -> None:
        buckets = MemoryBuckets(size(capacity, per_s), clock=SystemClock())
        total = 0.0
        for wait_s, amount, least in asked:
            await asyncio.sleep(wait_s)
            granted = await buckets.take("ana", amount, least=least)
            assert granted == 0 or least <= granted <= amount
            total += granted
            assert total <= capacity + asyncio.get_running_loop().time() * per_s + 1e-6
        assert await buckets.take("bo", capacity) == capacity

    run_virtual(main())


def test_full_buckets_take_no_memory() -> None:
    async def main() -> None:
        buckets = MemoryBuckets(size(10, 1), clock=SystemClock())
        for number in range(5000):
            await buckets.take(f"user {number}", 1)
            await asyncio.sleep(0.1)
        assert len(buckets._buckets) < 1100

    run_virtual(main())


def test_a_lease_is_spent_here_and_what_is_left_goes_back() -> None:
    async def main() -> None:
        buckets = MemoryBuckets(size(60, 0), clock=SystemClock())
        lease = Lease(buckets, "ana", clock=SystemClock())
        heard_s = 0.0
        for _ in range(40):
            if lease.covers(3.0):
                lease.spend(3.0)
                heard_s += 3.0
            await asyncio.sleep(0.1)
        assert heard_s == 60
        lease.spend(-2.0)  # the last was shorter
        await lease.aclose()
        assert await buckets.take("ana", 60) == 2

    run_virtual(main())


def test_an_empty_bucket_lets_a_whole_portion_gather_before_the_dub_is_back() -> None:
    async def main() -> None:
        buckets = MemoryBuckets(size(20, 0.5), clock=SystemClock())
        lease = Lease(buckets, "ana", clock=SystemClock())
        heard = []
        for _ in range(120):
            await asyncio.sleep(1)
            heard.append(lease.covers(2.0))
            if heard[-1]:
                lease.spend(2.0)
        await lease.aclose()
        changes = sum(before != after for before, after in pairwise(heard))
        assert sum(heard) * 2.0 <= 20 + 0.5 * 120
        assert changes <= 2 * (120 * 0.5 / 15) + 2

    run_virtual(main())


def test_who_owes_pays_first() -> None:
    async def main() -> None:
        buckets = MemoryBuckets(size(25, 0), clock=SystemClock())
        lease = Lease(buckets, "ana", clock=SystemClock())
        assert not lease.covers(5.0)  # nothing was taken yet
        await asyncio.sleep(0.1)
        assert lease.covers(5.0)
        lease.spend(22.0)  # it came to more
        assert not lease.covers(5.0)
        await asyncio.sleep(0.1)
        lease.spend(8.0)
        await lease.aclose()
        assert await buckets.take("ana", 25) == 0

    run_virtual(main())


_TAKER = """
import asyncio, json, random, sys
from vivavoce.clock import SystemClock
from vivavoce.accounts.bucket import BucketSize
from vivavoce.accounts.bucket_redis import RedisBuckets

async def main(url, seed, count, capacity, per_s):
    draw, total, taken = random.Random(seed), 0.0, 0.0
    buckets = RedisBuckets(url, lambda: BucketSize(capacity, per_s), clock=SystemClock())
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(count):
        if taken and draw.random() < 0.2:
            back = draw.uniform(0, min(5, taken))
            await buckets.give("ana", back)
            total, taken = total - back, taken - back
            continue
        granted = await buckets.take("ana", draw.uniform(0, 8), least=draw.choice([0, 0, 4]))
        total, taken = total + granted, taken + granted
    await buckets.aclose()
    print(json.dumps(total))

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5])))
"""


def together(program: list[str], arguments: list[str]) -> tuple[float, float]:
    """What two processes of a program got together, and how long they took; each is told its number."""
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", *program, seed, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    for taker in takers:
        assert taker.stdout is not None
        assert taker.stdout.readline() == "ready\n"
    begun_s = time.monotonic()
    for taker in takers:
        assert taker.stdin is not None
        taker.stdin.write("\n")
        taker.stdin.flush()
    found = [json.loads(taker.communicate(timeout=60)[0]) for taker in takers]
    took_s = time.monotonic() - begun_s
    return sum(found), took_s


@pytest.mark.parametrize("per_s", [0.0, 200.0])
def test_two_processes_never_get_more_than_the_allowance_of_one_user(server: Server, per_s: float) -> None:
    capacity = 10_000.0 if not per_s else 100.0
    total, took_s = together([_TAKER, server.url], ["5000", str(capacity), str(per_s)])
    assert total <= capacity + per_s * took_s + 1e-6
    assert total > capacity / 2


def in_redis(server: Server, capacity: float, per_s: float) -> RedisBuckets:
    return RedisBuckets(server.url, size(capacity, per_s), clock=SystemClock())


def test_a_clock_that_jumps_gives_no_tokens(server: Server) -> None:
    async def main() -> None:
        buckets = in_redis(server, 100, 1000)
        assert await buckets.take("ana", 100) > 0
        client = buckets._redis
        # The clock was an hour ahead when the bucket was emptied, and is right again.
        ahead = (await client.time())[0] + 3600
        await client.hset("vivavoce:dub:ana", mapping={"tokens": 0, "at": ahead})
        for _ in range(3):
            assert await buckets.take("ana", 1) == 0
        assert float(await client.hget("vivavoce:dub:ana", "at")) == ahead
        assert await client.ttl("vivavoce:dub:ana") >= 3599
        await buckets.aclose()

    asyncio.run(main())


def test_a_bucket_that_is_full_again_is_forgotten(server: Server) -> None:
    async def main() -> None:
        buckets = in_redis(server, 100, 10)
        await buckets.take("ana", 60)
        left_ms = await buckets._redis.pttl("vivavoce:dub:ana")
        assert 5500 < left_ms <= 6001
        await buckets.give("ana", 1000)
        assert await buckets._redis.pttl("vivavoce:dub:ana") < 500
        assert await buckets.take("ana", 1000) == 100
        await buckets.aclose()

    asyncio.run(main())


def test_while_redis_is_away_the_process_has_its_own_buckets(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    now_ns = [0]

    class Clock(SystemClock):
        def now_ns(self) -> int:
            return now_ns[0]

    async def main() -> None:
        buckets = RedisBuckets(server.url, size(30, 0), clock=Clock())
        assert await buckets.take("ana", 20) == 20
        server.kill()
        assert [await buckets.take("ana", 20) for _ in range(3)] == [20, 10, 0]
        await buckets.give("ana", 4)
        assert await buckets.take("ana", 20) == 4
        server.start()  # it has forgotten everything
        now_ns[0] += 6_000_000_000
        assert [await buckets.take("ana", 20) for _ in range(3)] == [20, 10, 0]
        await buckets.aclose()

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert [record.message.split()[:3] for record in caplog.records] == [
        ["Redis", "is", "away"],
        ["Redis", "is", "back:"],
    ]


@pytest.mark.parametrize("url", ["http://example.com", "redis://example.com:port"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="no URL of Redis"):
        RedisBuckets(url, size(1, 1), clock=SystemClock())


_SESSION = """
import asyncio, json, random, sys
from vivavoce.config.load import default_settings
from vivavoce.config.settings import SpendSettings
from vivavoce.accounts.allowance import Allowances
from vivavoce.accounts.spend import Interval, Verdict
from vivavoce.store.database import Database

async def main(url, store, seed, count):
    more = {"buckets": url, "bucket_dub_s": 2000.0}
    spend = SpendSettings.model_validate(default_settings().spend.model_dump() | more)
    draw, heard_ms = random.Random(seed), 0.0
    database = Database(store)
    async with Allowances(database, lambda: spend) as allowances:
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(10):
            async with allowances.session(user_id="ana", session_id=f"{seed}.{number}") as guard:
                for _ in range(count // 10):
                    await asyncio.sleep(0.0005)
                    clause = Interval("tts", "kokoro", draw.randint(1, 60), "characters")
                    if guard.ask(clause) is Verdict.GO:
                        sound_ms = 60 * clause.quantity * draw.uniform(0.5, 1)
                        guard.used("tts", sound_ms=sound_ms)
                        guard.done(clause)
                        heard_ms += sound_ms
    await database.aclose()
    print(json.dumps(heard_ms / 1000))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


def test_sessions_of_two_processes_speak_no_more_than_the_allowance(server: Server, tmp_path: Path) -> None:
    total, _ = together([_SESSION, server.url, str(tmp_path / "x.db")], ["2500"])
    assert 1000 < total <= 2000
