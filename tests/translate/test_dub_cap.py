"""A user's dub is used up in the middle of a session: subtitles go on, nobody is muted, and a top-up brings it back.

A real session with real stores, on virtual time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vivavoce.accounts.allowance import Allowances
from vivavoce.accounts.guard import SessionGuard
from vivavoce.accounts.quotas import set_quota, top_up
from vivavoce.accounts.spend import Interval, Verdict
from vivavoce.audio.mixdown import Mixer
from vivavoce.audio.pcm import Samples
from vivavoce.clock import SystemClock
from vivavoce.config.load import default_settings
from vivavoce.config.routes import RouteSettings
from vivavoce.config.settings import SpendSettings
from vivavoce.ledger.prices import packaged_prices
from vivavoce.ledger.usage import Unmetered, Work
from vivavoce.routing.mt import RoutedTranslator
from vivavoce.routing.route import Route
from vivavoce.routing.stt import RoutedStt
from vivavoce.routing.tts import RoutedSynthesizer
from vivavoce.store.database import Database
from vivavoce.translate.events import Notice, NoticeKind, Spoken, Translated

RATE_HZ = 16000
NOW_MS = 1_789_300_800_000
EVERY_MS, COUNT = 2500.0, 12
CLAUSE_MS = 880.0
"""What the voice takes for each of them."""
DUCKED_MS = 60 + 300 + 400 + 20
"""After the dub's last sample the original may be low for so long: hold, release, and a frame."""
LEVEL = 8000


class Counting(Unmetered):
    def __init__(self, guard: SessionGuard) -> None:
        self._guard = guard

    def used(self, leg: str, engine: str, work: Work) -> None:
        sound_ms = work.sound_ms or 0.0
        cost = packaged_prices().cost(engine, {"seconds": sound_ms / 1000})
        self._guard.used(leg, sound_ms=sound_ms, cost_nano=cost.nano or 0)


def spend(**more: Any) -> Callable[[], SpendSettings]:
    chosen = SpendSettings.model_validate(default_settings().spend.model_dump() | more)
    return lambda: chosen


def stage_of(theatre: Any, guard: SessionGuard) -> Any:
    class Stage(theatre.Stage):  # type: ignore[misc]
        """Mixes what it hears, the original at a constant level, and keeps how much of it is left in each frame."""

        mixer: Mixer
        mixed: list[Samples]

        async def _take(self, original: Samples, dub: Samples) -> None:
            await super()._take(original, dub)
            if len(original):
                loud = np.full(len(original), LEVEL, np.int16)
                self.mixed.append(self.mixer.mix(loud, dub * 1000))

    words = [word for n in range(COUNT) for word in theatre.say("good morning everybody", 500 + n * EVERY_MS)]
    voice = RoutedSynthesizer(route_of("tts"), lambda name: theatre.Voice(), guard=guard, meter=Counting(guard))
    stage = Stage(words, voice=voice)
    stage.mixer, stage.mixed = Mixer(RATE_HZ), []
    return stage


def route_of(leg: str) -> Route:
    settings = RouteSettings.model_validate(
        {
            "order": ["cartesia"],
            "deadline_ms": 400,
            "stall_ms": 400,
            "window_s": 60,
            "least": 20,
            "retry_s": 1,
            "longest_retry_s": 4,
        }
    )
    return Route(leg, settings, clock=SystemClock())


def notices(stage: Any) -> list[tuple[NoticeKind, float]]:
    kinds = (NoticeKind.DUB_CAPPED, NoticeKind.DUB_BACK, NoticeKind.TTS_FAILED)
    return [(notice.kind, notice.at_ms) for notice in stage.told(Notice) if notice.kind in kinds]


def assert_never_muted(stage: Any) -> None:
    """The original passes unchanged wherever no dub was heard shortly before, and is only lowered where it was."""
    dub, mixed = np.concatenate(stage.dub), np.concatenate(stage.mixed)
    frame = len(stage.dub[0])
    voiced = dub[frame : frame + len(mixed)] != 0  # the first frame of the dub comes before the original's
    last = np.maximum.accumulate(np.where(voiced, np.arange(len(mixed)), -(10**9)))
    alone = np.arange(len(mixed)) - last > DUCKED_MS * RATE_HZ / 1000
    assert (mixed[alone] == LEVEL).all()
    assert alone.mean() > 0.3
    assert mixed.min() >= round(LEVEL * 10 ** (-18 / 20)) - 1


def test_a_cap_in_mid_session_leaves_subtitles_until_a_top_up(
    theatre: Any, held_database: type[Database], database_url: str
) -> None:
    topped_up_ms = 0.0

    async def main() -> Any:
        nonlocal topped_up_ms
        database, other = held_database(database_url), held_database(database_url)
        loop = asyncio.get_running_loop()

        def now_ms() -> int:
            return NOW_MS + round(1000 * loop.time())

        await set_quota(other, "ana", round(3.5 * CLAUSE_MS), now_ms=NOW_MS)
        allowances = Allowances(database, spend(refresh_s=3), now_ms=now_ms)
        async with allowances, allowances.session(user_id="ana", session_id="s") as guard:
            await allowances.refresh()
            stage = stage_of(theatre, guard)
            playing = asyncio.create_task(stage.interpret())
            await asyncio.sleep(16)
            await top_up(other, "ana", 60_000, id="invoice", now_ms=now_ms())
            topped_up_ms = stage.session.now_ms
            await playing
        await database.aclose()
        await other.aclose()
        return stage

    stage = theatre.on_virtual_time(main())
    said = stage.told(Translated)
    heard = stage.heard_lines
    assert [line.text for line in said] == ["GOOD MORNING EVERYBODY"] * COUNT
    assert [kind for kind, _ in notices(stage)] == [NoticeKind.DUB_CAPPED, NoticeKind.DUB_BACK]
    (_, capped_ms), (_, back_ms) = notices(stage)
    # Four clauses begin while something is left; the next one is not spoken, nor is any before the top-up.
    assert heard[:4] == [1, 2, 3, 4]
    assert said[4].clause.end_ms < capped_ms < said[4].clause.end_ms + 1000
    silent = set(range(1, COUNT + 1)) - set(heard)
    assert min(silent) == 5
    assert heard[4:] == list(range(max(silent) + 1, COUNT + 1))
    assert [line.spoken for line in said] == [line.line in heard for line in said]
    spoken = [event.start_ms for event in stage.told(Spoken)]
    assert not [at_ms for at_ms in spoken if capped_ms < at_ms < topped_up_ms]
    # Back with the first clause after the store was read again.
    assert topped_up_ms < back_ms < topped_up_ms + 3000 + EVERY_MS + 500
    assert_never_muted(stage)


@pytest.mark.parametrize(
    ("caps", "heard", "reason"),
    [
        ({"bucket_dub_s": 2.75 * CLAUSE_MS / 1000}, 2, "the bucket is empty"),
        ({"dub_cap_usd": 0.0004}, 5, "this session's $0.0004 of dub is spent;"),  # a clause costs 0.000088
        ({"user_day_cap_usd": 0.0004}, 5, "today's $0.0004 is spent; again at 00:00 UTC;"),
        ({"day_cap_usd": 0.0004}, 5, "what all may spend today is spent; again at 00:00 UTC;"),
    ],
    ids=["bucket", "session", "user's day", "day"],
)
def test_every_cap_leaves_subtitles(
    theatre: Any, held_database: type[Database], tmp_path: Path, caps: dict[str, float], heard: int, reason: str
) -> None:
    async def main() -> Any:
        database = held_database(str(tmp_path / "x.db"))
        allowances = Allowances(database, spend(**caps))
        async with allowances, allowances.session(user_id="ana", session_id="s") as guard:
            stage = stage_of(theatre, guard)
            await stage.interpret()
        await database.aclose()
        return stage

    stage = theatre.on_virtual_time(main())
    assert stage.heard_lines == list(range(1, heard + 1))
    assert [kind for kind, _ in notices(stage)] == [NoticeKind.DUB_CAPPED]
    assert reason in next(notice.text for notice in stage.told(Notice) if notice.kind is NoticeKind.DUB_CAPPED)
    assert [line.text for line in stage.told(Translated)] == ["GOOD MORNING EVERYBODY"] * COUNT
    assert_never_muted(stage)


class Nothing:
    """A guard that lets nobody do anything."""

    reason = "a cap"

    def ask(self, interval: Interval) -> Verdict:
        return Verdict.DEGRADE

    def done(self, interval: Interval) -> None:
        pass


def test_a_cap_of_recognition_or_translation_is_told_once(theatre: Any) -> None:
    words = [word for n in range(4) for word in theatre.say("good morning everybody", 500 + n * EVERY_MS)]

    class Hearing:
        async def open(self, **options: Any) -> Any:
            return theatre.Stt(words)

    def told(**legs: Any) -> Any:
        stage = theatre.run(lambda: theatre.Stage(words, **legs))
        assert stage.original / RATE_HZ * 1000 >= words[-1].end_ms
        return stage, [notice.kind for notice in stage.told(Notice)]

    stage, kinds = told(stt=RoutedStt(route_of("stt"), lambda name: Hearing(), guard=Nothing()))
    assert kinds == [NoticeKind.STT_FAILED]
    assert not np.concatenate(stage.dub).any()
    stage, kinds = told(mt=RoutedTranslator(route_of("mt"), lambda name: theatre.Capitals(), guard=Nothing()))
    assert kinds == [NoticeKind.MT_FAILED]
    assert [line.text for line in stage.told(Translated)] == ["good morning everybody"] * 4
