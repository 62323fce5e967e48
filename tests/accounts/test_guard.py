"""What one session may still have done: its own cap of what its voice costs, and how much work is taken to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.accounts.guard import SECONDS_PER_CHARACTER, Caps, Everyone, SessionGuard, User
from vivavoce.accounts.quotas import Stored, Used
from vivavoce.accounts.spend import Interval, Verdict
from vivavoce.clock import SystemClock
from vivavoce.config.load import default_settings, read_settings
from vivavoce.errors import ConfigError


def guard_of(kit: Any, *, session_nano: int = 0, day_nano: int = 0) -> SessionGuard:
    caps = Caps(session_dub_nano=session_nano, user_dub_ms=0, user_day_nano=day_nano, day_nano=0, bucket=False)
    return SessionGuard(
        "s",
        User("ana"),
        Everyone(),
        caps=lambda: caps,
        turn=lambda: None,
        lease=None,
        prices=kit.prices,
        clock=SystemClock(),
    )


def spoken(seconds: float, *, leg: str = "tts", engine: str = "paid") -> Interval:
    return Interval(leg, engine, seconds, "seconds")


def test_a_sessions_voice_goes_until_its_cap_and_other_legs_and_free_voices_go_on(kit: Any) -> None:
    guard = guard_of(kit, session_nano=3 * kit.SECOND_NANO)
    assert [guard.ask(spoken(1.0)) for _ in range(5)] == [Verdict.GO] * 3 + [Verdict.DEGRADE] * 2
    assert guard.ask(spoken(1.0, leg="stt")) is Verdict.GO
    assert guard.ask(spoken(1.0, engine="free")) is Verdict.GO


def test_what_it_came_to_counts_in_place_of_what_was_expected(kit: Any) -> None:
    guard = guard_of(kit, session_nano=3 * kit.SECOND_NANO)
    for _ in range(2):
        assert guard.ask(spoken(2.0)) is Verdict.GO
        guard.used("tts", sound_ms=500, cost_nano=kit.SECOND_NANO / 2)
        guard.done(spoken(2.0))
    assert guard.ask(spoken(1.0)) is Verdict.GO
    guard.used("tts", sound_ms=2500, cost_nano=2.5 * kit.SECOND_NANO)
    guard.done(spoken(1.0))
    assert guard.ask(spoken(1.0)) is Verdict.DEGRADE


def test_an_engine_of_unknown_price_stops_where_a_cap_is_reached(kit: Any) -> None:
    guard = guard_of(kit, day_nano=kit.SECOND_NANO)
    unknown = spoken(1.0, leg="mt", engine="nobody-knows")
    assert [guard.ask(unknown) for _ in range(3)] == [Verdict.GO] * 3
    guard.used("stt", sound_ms=1000, cost_nano=kit.SECOND_NANO)
    assert guard.ask(unknown) is Verdict.DEGRADE
    assert guard.ask(spoken(1.0, leg="mt", engine="free")) is Verdict.GO


def test_without_a_cap_everything_goes(kit: Any) -> None:
    guard = guard_of(kit)
    assert {guard.ask(spoken(1e6)) for _ in range(10)} == {Verdict.GO}


def test_the_cap_that_was_reached_is_named(kit: Any) -> None:
    guard = guard_of(kit, session_nano=2 * kit.SECOND_NANO, day_nano=5 * 10**8)
    guard.used("stt", cost_nano=5 * 10**8)
    assert guard.ask(spoken(1.0)) is Verdict.DEGRADE
    assert guard.reason == "today's $0.50 is spent; again at 00:00 UTC"
    guard = guard_of(kit, session_nano=2 * kit.SECOND_NANO)
    guard.used("tts", sound_ms=2000, cost_nano=2 * kit.SECOND_NANO)
    assert guard.ask(spoken(1.0)) is Verdict.DEGRADE
    assert guard.reason == "this session's $0.002 of dub is spent"
    guard = guard_of(kit)
    guard.user.stored = Stored(quota_ms=8 * 60_000, top_up_ms=60_000, used=Used(dub_ms=541_000))
    assert guard.ask(spoken(1.0, engine="free")) is Verdict.DEGRADE
    assert guard.reason == "this month's 9.0 minutes of dub are used; again on the 1st, 00:00 UTC"


def test_text_is_taken_for_the_speech_that_it_becomes(kit: Any) -> None:
    guard = guard_of(kit)
    guard.ask(Interval("tts", "paid", 1000, "characters"))
    assert guard.user.here.dub_ms == pytest.approx(1_000_000 * SECONDS_PER_CHARACTER)
    assert guard.user.here.cost_nano == pytest.approx(1000 * SECONDS_PER_CHARACTER * kit.SECOND_NANO, abs=1)


@pytest.mark.parametrize("line", ["dub_cap_usd = -1", "user_dub_minutes = -1", 'buckets = "http://x"'])
def test_the_packaged_configuration_has_no_cap_and_what_is_none_is_refused(tmp_path: Path, line: str) -> None:
    assert Caps.of(default_settings().spend) == Caps(0, 0, 0, 0, False)
    (tmp_path / "x.toml").write_text(f"[spend]\n{line}\n")
    with pytest.raises(ConfigError, match=rf"spend\.{line.split()[0]}"):
        read_settings(tmp_path / "x.toml")


legs = st.sampled_from(["stt", "mt", "tts"])


@given(st.lists(st.tuples(legs, st.floats(0, 60), st.floats(0, 2), st.booleans())), st.integers(1, 10**8))
def test_no_cap_is_passed_by_more_than_what_was_let_go_under_it(
    kit: Any, steps: list[tuple[str, float, float, bool]], cap_nano: int
) -> None:
    guard = guard_of(kit, day_nano=cap_nano)
    used_nano = 0.0
    for leg, seconds, came_to, finished in steps:
        before_nano = guard.user.day_nano
        interval = spoken(seconds, leg=leg)
        verdict = guard.ask(interval)
        assert (verdict is Verdict.GO) == (before_nano < cap_nano or not round(seconds * kit.SECOND_NANO))
        if verdict is Verdict.GO and finished:
            cost_nano = round(seconds * came_to * kit.SECOND_NANO)
            guard.used(leg, sound_ms=1000 * seconds * came_to, cost_nano=cost_nano)
            guard.done(interval)
            used_nano += cost_nano
    guard.let_go()
    assert guard.user.day_nano == pytest.approx(used_nano, abs=1e-3)
