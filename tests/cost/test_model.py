from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.cost.assumptions import LEGS, assumptions
from vivavoce.cost.crossover import crossovers
from vivavoce.cost.model import CostModel, LegUse, standard_use
from vivavoce.cost.plans import Carried, carried, margin
from vivavoce.cost.published import compared_crossover, comparison, published, sensitivities
from vivavoce.errors import ConfigError
from vivavoce.ledger.amounts import NOTHING, UNKNOWN, Amount, decimal, dollars, percent, total
from vivavoce.ledger.prices import Prices, packaged_prices

SAID = published()
MODEL = CostModel(packaged_prices(), at_ms=SAID.at_ms)
NEWER = standard_use(assumptions(), "newer")
BASE = MODEL.cost(NEWER)
PLAN = packaged_prices().plans["published"]
CENT = Fraction(1, 100)

shares = st.fractions(0, 1, max_denominator=1000)
hours = st.fractions(0, 1000, max_denominator=60)


@pytest.mark.parametrize("name", ["stt", "mt", "tts", "dub", "subtitles"])
def test_each_published_cell_of_an_hour_of_speech_is_exact(name):
    hour = BASE.speech_hour
    lines = {**hour.legs, "dub": hour.dub, "subtitles": hour.subtitles}
    assert lines[name].usd == SAID.speech_hour_usd[name].value
    if name != "dub":
        assert SAID.speech_hour_percent[name].is_rounded_from(100 * lines[name].share_of(hour.dub))


def test_an_active_hour_and_a_month_follow():
    assert BASE.active_hour.dub.usd == Fraction("0.5049")
    assert BASE.active_hour.subtitles.usd == Fraction("0.3069")
    assert BASE.month.usd == Fraction("22.2156")
    for name, figure in SAID.active_hour_usd.items():
        assert abs(getattr(BASE.active_hour, name).usd - figure.value) <= CENT
    assert SAID.month_usd.is_rounded_from(BASE.month.usd)


RECOMPUTED = {
    "base": "0.5049",
    "duty 55 → 80 %": "0.7344",
    "STT price doubles": "0.8085",
    "MT tokens double": "0.5082",
    "TTS → ElevenLabs": "0.8019",
    "self-hosted TTS": "0.4301",
}


def test_every_sensitivity_is_recomputed_and_told_whether_it_follows():
    rows = {row.name: row for row in sensitivities(MODEL, NEWER, compared=True)}
    assert {name: decimal(row.usd.usd, 4) for name, row in rows.items()} == RECOMPUTED
    assert [name for name, row in rows.items() if not row.follows] == ["TTS → ElevenLabs", "self-hosted TTS"]
    for row in rows.values():
        if row.follows:
            assert abs(row.difference.usd) <= CENT
    saved = {name: percent(row.saved, sign=True) for name, row in rows.items() if row.saved is not None}
    assert list(saved.values()) == ["−45.5 %", "−60.1 %", "−0.7 %", "−58.8 %", "+14.8 %"]


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("duty 55 → 80 %", ["−46 % is from $0.50 to $0.73 as rounded"]),
        ("STT price doubles", ["$0.8085, which rounds to $0.81"]),
        ("TTS → ElevenLabs", ["that of half Cartesia, half ElevenLabs, $0.6534", "the cells give $0.8019"]),
        ("self-hosted TTS", ["no input cell", "implies $0.224 an hour", "$0.43 is +14 %", "+13 % would imply $0.241"]),
        ("MT tokens double", []),
        ("base", []),
    ],
)
def test_what_does_not_follow_is_explained(name, reasons):
    (row,) = (row for row in sensitivities(MODEL, NEWER, compared=True) if row.name == name)
    assert bool(row.why) == bool(reasons)
    for reason in reasons:
        assert reason in row.why


def test_the_implied_price_is_the_one_that_is_reckoned_with():
    implied = Fraction("0.43") / NEWER.duty - BASE.speech_hour.subtitles.usd
    charge = packaged_prices().named("self-hosted-tts@2026-05").charges[0]
    assert decimal(implied, 3) == decimal(charge.rate * 3600 / 10**9, 3) == "0.224"


def test_the_crossover_is_recomputed_with_both_hosted_prices():
    first, now = crossovers(MODEL, assumptions(), "deepgram")
    assert (first.hosted_name, now.hosted_name) == ("deepgram@undated", "deepgram@2026-05")
    assert first.minutes == Fraction("7.20") / Fraction("0.0042")
    assert (round(first.minutes), round(now.minutes)) == (1714, 791)
    assert first.machines_saved(Fraction(12000)) == 7
    assert first.own == first.rent_shared
    assert round(first.minutes_without_own) == 1674
    assert first.hosted_day(first.minutes) == first.own_day(first.minutes)


def test_what_was_published_is_reckoned_with_the_prices_of_its_day():
    then = comparison()
    assert (then.day, then.cost, then.model.at_ms) == ("2026-05-31", BASE, SAID.at_ms)
    cells = [each for of_table in then.cells.values() for each in of_table.values()]
    assert len(cells) == 5 + 4 + 2
    assert all(each.follows and not each.why for each in [*cells, then.month])
    assert (then.margin.here, then.margin.follows) == (Fraction("-85.13"), True)
    assert then.margin.why == "−83 % is what $22, as rounded, leaves of $12 (−83.3 %)"


def test_the_published_crossover_does_not_follow():
    first, said = compared_crossover()
    assert first == crossovers(MODEL, assumptions(), None)[0]
    assert (said.follows, round(said.here), round(said.difference)) == (False, 1714, -10286)
    assert "12,000 minutes save $50.40, the rent of 7.0 machines and not of one" in said.why
    assert "shared by 50 streams; counted once, it is from 1,674 minutes a day" in said.why
    assert first.why_not(Fraction(1714)) == said.why.split("; ", 1)[1:]
    assert "not dearer" in replace(first, hosted=first.own).why_not(Fraction(12000))[0]


def test_where_hosted_is_not_dearer_there_is_no_crossover():
    (only,) = crossovers(MODEL, assumptions(), "whisper")
    assert replace(only, hosted=only.own).minutes is None
    assert crossovers(CostModel(Prices([])), assumptions(), "deepgram") == []


def test_a_second_machine_is_rented_when_the_first_is_full():
    each, _ = crossovers(MODEL, assumptions(), "deepgram")
    assert each.own_day(Fraction(72_001)) - each.own_day(Fraction(72_000)) == each.rent + each.own


def test_the_older_profile_does_not_take_an_unknown_price_for_nothing():
    cost = MODEL.cost(standard_use(assumptions(), "older"))
    assert cost.speech_hour.stt == dollars("0.258")
    assert cost.speech_hour.tts == dollars("0.90")
    assert not cost.speech_hour.mt.whole
    assert cost.month == Amount(dollars("1.158").nano * NEWER.duty * 44, whole=False)
    assert margin(PLAN, cost.month) is None
    with pytest.raises(ConfigError, match="no profile"):
        standard_use(assumptions(), "oldest")


def test_the_plan_and_a_heavy_user():
    left = margin(PLAN, BASE.month)
    assert left == Fraction("-0.8513")
    assert SAID.margin_percent.is_rounded_from(100 * (1 - SAID.month_usd.value / 12))


def test_a_plan_carries_so_many_dub_minutes():
    found = carried(PLAN, Fraction(0), NEWER, BASE)
    assert found.dub_hours * BASE.active_hour.dub.nano == PLAN.nano
    assert round(Carried.minutes(found.dub_hours, NEWER)) == 784
    assert found.mixed_dub_hours is None


def test_what_costs_nothing_is_carried_without_limit_and_what_is_unknown_is_not():
    free = NEWER
    for leg, engine in (("stt", "whisper"), ("mt", "pairs"), ("tts", "kokoro")):
        free = free.with_leg(leg, replace(free.legs[leg], mix=((engine, Fraction(1)),)))
    assert carried(PLAN, Fraction(0), free, MODEL.cost(free)) == Carried(PLAN, Fraction(0), None, None, unlimited=True)
    nobody = NEWER.with_leg("tts", replace(NEWER.tts, mix=()))
    assert MODEL.cost(nobody).speech_hour.tts == UNKNOWN
    assert not carried(PLAN, Fraction(0), nobody, MODEL.cost(nobody)).unlimited


@given(st.integers(1, 200), shares, hours)
def test_what_a_plan_carries_costs_what_the_margin_leaves(usd, wanted, of_hours):
    plan, use = replace(PLAN, nano=usd * 10**9), replace(NEWER, hours=of_hours)
    cost = MODEL.cost(use)
    found = carried(plan, wanted, use, cost)
    left = plan.nano * (1 - wanted)
    if found.mixed_dub_hours is None:
        assert cost.active_hour.subtitles.nano * of_hours > left
        return
    dub = found.mixed_dub_hours
    spent = dub * cost.active_hour.dub.nano + (of_hours - dub) * cost.active_hour.subtitles.nano
    assert 0 <= dub <= of_hours
    assert spent == left if dub < of_hours else spent <= left


@given(shares, hours, shares, st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_parts_are_the_whole_and_everything_is_linear(duty, of_hours, dub, tokens_in, tokens_out):
    tokens = {"tokens_in": Fraction(tokens_in), "tokens_out": Fraction(tokens_out)}
    use = replace(NEWER, duty=duty, hours=of_hours, dub=dub, mt=replace(NEWER.mt, quantities=tokens))
    cost = MODEL.cost(use)
    for hour in (cost.speech_hour, cost.active_hour):
        assert hour.dub == total(hour.legs.values())
        assert hour.dub.nano - hour.subtitles.nano == hour.tts.nano
    assert cost.active_hour.dub == cost.speech_hour.dub.times(duty)
    blended = dub * cost.active_hour.dub.nano + (1 - dub) * cost.active_hour.subtitles.nano
    assert cost.month.nano == of_hours * blended
    assert MODEL.cost(replace(use, hours=3 * of_hours)).month == cost.month.times(3)
    assert all(isinstance(amount.nano, Fraction) for amount in cost.speech_hour.legs.values())


@given(st.lists(shares, min_size=1, max_size=4))
def test_a_mix_costs_what_its_parts_cost(parts):
    engines = ["cartesia", "elevenlabs", "self-hosted-tts", "kokoro"][: len(parts)]
    mixed = LegUse(tuple(zip(engines, parts, strict=True)), NEWER.tts.quantities)
    alone = [LegUse(((engine, Fraction(1)),), NEWER.tts.quantities) for engine in engines]
    cost = MODEL.cost(NEWER.with_leg("tts", mixed)).speech_hour.tts
    each = [MODEL.cost(NEWER.with_leg("tts", leg)).speech_hour.tts for leg in alone]
    assert cost == total(amount.times(part) for amount, part in zip(each, parts, strict=True))


def test_sums_do_not_drift():
    tenth = dollars("0.1")
    assert total([tenth] * 10) == dollars(1)
    assert sum([0.1] * 10) != 1.0


def test_what_is_unknown_stays_so_except_of_nothing():
    assert (dollars(1) + UNKNOWN).whole is False
    assert UNKNOWN.times(0) == NOTHING
    assert UNKNOWN.share_of(dollars(1)) is None
    assert dollars(1).share_of(NOTHING) is None


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [("0.80845", 4, "0.8085"), ("-0.5", 0, "−1"), ("-0.004", 2, "0.00"), ("1714.2857", 0, "1714"), ("0.05", 1, "0.1")],
)
def test_numbers_are_rounded_where_they_are_shown(value, digits, text):
    assert decimal(Fraction(value), digits) == text


def test_each_leg_has_its_engine_in_each_profile():
    assert all(set(engines) == set(LEGS) for engines in assumptions().profiles.values())
    assert MODEL.cost(replace(NEWER, stt=replace(NEWER.stt, quantities={}))).speech_hour.stt == UNKNOWN
