import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.config.load import default_settings, read_settings
from vivavoce.errors import ConfigError
from vivavoce.ledger.prices import Charge, Price, Prices
from vivavoce.routing.spend import Interval, Verdict
from vivavoce.routing.spend_memory import SECONDS_PER_CHARACTER, SpendMemory

SECOND_NANO = 100_000
PRICES = Prices(
    {
        "paid": Price("paid", "", "2026-05", "", (Charge("seconds", 6_000_000, 60),)),
        "free": Price("free", "", "", "", ()),
    }
)


def spoken(seconds: float, *, leg: str = "tts", engine: str = "paid") -> Interval:
    return Interval(leg, engine, seconds, "seconds")


def test_it_goes_until_the_cap_is_reached_and_then_degrades():
    guard = SpendMemory(total_nano=3 * SECOND_NANO, prices=PRICES)
    verdicts = [guard.ask(spoken(1.0)) for _ in range(5)]
    assert verdicts == [Verdict.GO] * 3 + [Verdict.DEGRADE] * 2
    assert guard.spent_nano == 3 * SECOND_NANO


def test_without_a_cap_everything_goes():
    guard = SpendMemory(prices=PRICES)
    assert {guard.ask(spoken(1e6)) for _ in range(10)} == {Verdict.GO}


def test_a_leg_has_its_own_cap():
    guard = SpendMemory(leg_nano={"tts": SECOND_NANO}, prices=PRICES)
    assert [guard.ask(spoken(1.0)) for _ in range(2)] == [Verdict.GO, Verdict.DEGRADE]
    assert guard.ask(spoken(1.0, leg="stt")) is Verdict.GO


def test_what_is_free_goes_on_past_the_cap():
    guard = SpendMemory(total_nano=1, prices=PRICES)
    assert guard.ask(spoken(1.0)) is Verdict.GO
    assert guard.ask(spoken(1.0)) is Verdict.DEGRADE
    assert guard.ask(spoken(1.0, engine="free")) is Verdict.GO


def test_text_is_counted_as_the_speech_that_it_becomes():
    guard = SpendMemory(prices=PRICES)
    guard.ask(Interval("tts", "paid", 1000, "characters"))
    assert guard.spent_nano == pytest.approx(1000 * SECONDS_PER_CHARACTER * SECOND_NANO, abs=1)


def test_the_packaged_configuration_has_no_cap_and_a_negative_one_is_refused(tmp_path):
    assert default_settings().spend.dub_cap_usd == 0
    (tmp_path / "x.toml").write_text("[spend]\ndub_cap_usd = -1\n")
    with pytest.raises(ConfigError, match=r"spend\.dub_cap_usd"):
        read_settings(tmp_path / "x.toml")


legs = st.sampled_from(["stt", "mt", "tts"])
asked = st.lists(st.tuples(legs, st.floats(0, 60, allow_nan=False)), max_size=60)


@given(asked, st.integers(1, 10**7), st.dictionaries(legs, st.integers(1, 10**7)))
def test_what_goes_exceeds_a_cap_by_less_than_one_interval_and_never_goes_again(intervals, total, by_leg):
    guard = SpendMemory(total_nano=total, leg_nano=by_leg, prices=PRICES)
    spent: dict[str, int] = {}
    last: dict[str, int] = {}
    over: set[str] = set()
    for leg, seconds in intervals:
        cost = PRICES.cost("paid", {"seconds": seconds}).nano
        if guard.ask(spoken(seconds, leg=leg)) is Verdict.GO:
            assert leg not in over or not cost
            spent[leg] = spent.get(leg, 0) + cost
            last = {leg: max(cost, last.get(leg, 0)), **{k: v for k, v in last.items() if k != leg}}
        else:
            over.add(leg)
    assert guard.spent_nano == sum(spent.values())
    assert guard.spent_nano < total + max(last.values(), default=0) or not spent
    assert all(spent.get(leg, 0) < cap + last.get(leg, 0) or not spent.get(leg) for leg, cap in by_leg.items())
