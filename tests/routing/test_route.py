from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.clock import SteppedClock
from vivavoce.config.load import default_settings
from vivavoce.config.routes import RouteSettings
from vivavoce.errors import LegTimeout
from vivavoce.routing.breaker import State
from vivavoce.routing.route import PATIENCE, Route, Switch, Triggers

LATE = LegTimeout("late")


def settings(**differs: Any) -> RouteSettings:
    return RouteSettings.model_validate(
        {
            "order": ["a", "b", "c"],
            "deadline_ms": 400,
            "stall_ms": 500,
            "window_s": 60,
            "least": 3,
            "retry_s": 1,
            "longest_retry_s": 8,
            **differs,
        }
    )


class Stage:
    """A route on a clock that the test moves."""

    def __init__(self, leg: str = "stt", tier: str = "", **differs: Any) -> None:
        self.clock = SteppedClock()
        self.told: list[Switch] = []
        self.route = Route(
            leg,
            settings(**differs),
            profile=default_settings().contract.resolve,
            tier=tier,
            clock=self.clock,
            tell=self.told.append,
        )

    def after(self, seconds: float) -> Route:
        self.clock._now_ns += round(seconds * 1e9)
        return self.route

    def answers(self, engine: str, latency_ms: float, times: int = 3) -> None:
        for _ in range(times):
            self.route.succeeded(engine, latency_ms)


def test_well_engines_come_in_the_order_of_the_configuration() -> None:
    route = Stage().route
    assert route.candidates() == route.order() == ["a", "b", "c"]
    assert route.candidates(fits="b".__le__) == ["b", "c"]
    assert route.candidates(fits="z".__eq__) == []


def test_tier_may_have_its_own_order() -> None:
    tiers = {"free": ["c"], "clone": ["d", "a"]}
    assert Stage(tier="free", tiers=tiers).route.candidates() == ["c"]
    assert Stage(tier="clone", tiers=tiers).route.candidates() == ["d", "a"]
    assert Stage(tier="pro", tiers=tiers).route.candidates() == ["a", "b", "c"]


def test_failed_engine_is_left_out_until_it_may_be_tried_by_one() -> None:
    stage = Stage()
    stage.route.failed("a", LATE)
    assert stage.route.candidates() == ["b", "c"]
    assert stage.after(1).candidates() == ["a", "b", "c"]
    stage.route.begin("a")
    assert stage.route.candidates() == ["b", "c"]
    stage.route.succeeded("a")
    assert stage.route.candidates() == ["a", "b", "c"]


def test_probe_that_says_nothing_lets_the_next_try() -> None:
    stage = Stage()
    stage.route.failed("a", LATE)
    stage.after(1).begin("a")
    stage.route.end("a")
    assert stage.route.candidates()[0] == "a"


def test_when_all_have_failed_the_one_to_be_tried_soonest_comes_alone() -> None:
    stage = Stage()
    for engine in ("b", "a", "c"):
        stage.route.failed(engine, LATE)
        stage.after(0.1)
    assert stage.route.candidates() == ["b"]
    assert stage.route.candidates(fits="b".__ne__) == ["a"]
    assert stage.route.candidates(fits="z".__eq__) == []


def test_slow_engine_goes_behind_the_others_for_new_streams_only() -> None:
    stage = Stage(profile="hosted")
    stage.answers("a", 301)
    stage.answers("b", 299)
    assert stage.route.candidates() == ["b", "c", "a"]
    assert stage.after(61).candidates() == ["a", "b", "c"]


def test_patience_is_for_who_is_alone_and_did_not_fail() -> None:
    stage = Stage()
    assert stage.route.patience_ms("a") == PATIENCE * 400
    stage.route.failed("a", LATE)
    assert stage.route.patience_ms("a") == 400
    assert stage.after(1).patience_ms("a") == 400
    stage.route.begin("a")
    stage.route.succeeded("a", 10)
    assert stage.route.patience_ms("a") == PATIENCE * 400


def test_triggers_are_the_engines_own_then_the_legs_then_the_profiles() -> None:
    route = Stage(
        profile="hosted",
        engines={"b": {"profile": "embedded", "deadline_ms": 3000}, "c": {"cap_ms": 90, "stall_ms": 1000}},
    ).route
    assert route.triggers("a") == Triggers(400, 500, 300)
    assert route.triggers("b") == Triggers(3000, 500, 210)
    assert route.triggers("c") == Triggers(400, 1000, 90)
    assert Stage(cap_ms=50, engines={"b": {"profile": "hosted"}}).route.triggers("b").cap_ms == 300
    assert Stage(cap_ms=50).route.triggers("b").cap_ms == 50
    assert Stage("tts", profile="hosted").route.triggers("a").cap_ms is None
    assert Stage("tts").route.triggers("a").cap_ms == 310  # the profile of the contract


def test_no_cap_no_latency_trigger() -> None:
    stage = Stage("tts", profile="hosted")
    stage.answers("a", 60_000)
    assert stage.route.candidates() == ["a", "b", "c"]


def test_switches_are_told() -> None:
    stage = Stage()
    stage.after(2).switched("a", "b", "late")
    stage.route.switched("b", None, "gone")
    assert stage.told == [Switch("stt", "a", "b", "late", 2.0), Switch("stt", "b", None, "gone", 2.0)]


def test_voices_by_their_name_in_the_configuration() -> None:
    route = Stage("tts", voices={"warm": {"a": "a-17", "b": "bella"}}).route
    assert [route.voice("warm", engine) for engine in "abc"] == ["a-17", "bella", ""]
    # the name of one engine's voice is that of the first
    assert [route.voice("anna", engine) for engine in "abc"] == ["anna", "", ""]


def test_status_tells_health_and_share() -> None:
    stage = Stage(profile="hosted")
    route = stage.route
    for engine in ("a", "a", "a", "b"):
        route.begin(engine)
    for latency_ms in (100, 200, 300):
        route.succeeded("a", latency_ms)
    route.failed("b", LATE)
    a, b, c = stage.after(0.5).status()
    assert (a.engine, a.position, a.breaker, a.n, a.p50_ms, a.cap_ms) == ("a", 1, State.CLOSED, 3, 200, 300)
    assert a.p95_ms == pytest.approx(290)
    assert (a.started, a.serving, a.share) == (3, 3, 0.75)
    assert (b.breaker, b.retry_in_s, b.failed, b.reason, b.p95_ms) == (State.OPEN, 0.5, 1, "late", None)
    assert (c.serving, c.share, c.n) == (0, 0, 0)


def test_new_settings_keep_the_health_of_engines_that_stay() -> None:
    stage = Stage()
    route = stage.route
    route.begin("a")
    route.failed("b", LATE)
    route.update(settings(order=["b", "d"], deadline_ms=900))
    assert route.candidates() == ["d"]
    assert route.triggers("d").deadline_ms == 900
    assert [status.engine for status in route.status()] == ["b", "d"]
    route.end("a")  # its stream goes on to its end
    route.update(settings(order=["a"]))
    assert (route.status()[0].started, route.status()[0].serving) == (1, 0)


steps = st.lists(
    st.tuples(st.sampled_from(["failed", "succeeded", "begin", "wait"]), st.sampled_from("abc")), max_size=80
)


@given(steps, st.sets(st.sampled_from("abc"), min_size=1))
def test_somebody_is_always_to_be_tried(steps: list[tuple[str, str]], fitting: set[str]) -> None:
    stage = Stage(profile="hosted")
    route = stage.route
    for what, engine in steps:
        if what == "failed":
            route.failed(engine, LATE)
        elif what == "succeeded":
            route.succeeded(engine, 500)
        elif what == "wait":
            stage.after(0.4)
        elif engine in route.candidates():
            route.begin(engine)
        found = route.candidates(fits=fitting.__contains__)
        assert found
        assert set(found) <= fitting
        assert len(set(found)) == len(found)
