from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.cost.assumptions import assumptions
from vivavoce.cost.model import CostModel, standard_use
from vivavoce.cost.what_if import KEYS, Known, apply, parse_what_ifs
from vivavoce.errors import ConfigError
from vivavoce.ledger.amounts import decimal
from vivavoce.ledger.prices import packaged_prices

PRICES = packaged_prices()
KNOWN = Known(
    (*PRICES.engines, "gpt-4o-mini", "deepgram@undated"),
    {"pro": {"stt": "deepgram", "mt": "gemini", "tts": "elevenlabs"}},
)
MODEL = CostModel(PRICES)
NEWER = standard_use(assumptions(), "newer")
OLDER = standard_use(assumptions(), "older")


def changed(*texts: str, use=NEWER):
    return apply(use, parse_what_ifs(texts, KNOWN))


def active_hour(*texts: str, use=NEWER) -> str:
    return decimal(MODEL.cost(changed(*texts, use=use)).active_hour.dub.usd, 4)


@pytest.mark.parametrize(
    ("texts", "usd"),
    [
        ([], "0.5049"),
        (["stt.price=x2"], "0.8085"),
        (["stt.price=×2"], "0.8085"),
        (["stt.price=0.0043/min"], "0.3432"),
        (["stt.price=$0.258/h"], "0.3432"),
        (["stt.engine=deepgram@undated"], "0.3432"),
        (["mt.tokens=x2"], "0.5082"),
        (["mt.tokens=24_000,24000"], "0.5082"),
        (["mt.price=0.20,0.80/M"], "0.5082"),
        (["tts.engine=elevenlabs"], "0.8019"),
        (["tier=pro"], "0.8019"),
        (["tier=pro", "tts.engine=cartesia"], "0.5049"),
        (["tts.engine=cartesia", "tier=pro"], "0.5049"),
        (["tts.mix=cartesia:0.5,elevenlabs:0.5"], "0.6534"),
        (["tts.mix=cartesia:50%,elevenlabs:50%"], "0.6534"),
        (["tts.price=x2", "tts.engine=elevenlabs"], "1.2969"),
        (["duty=0.8"], "0.7344"),
        (["duty=80%"], "0.7344"),
        (["stt.engine=whisper"], "0.2013"),
    ],
)
def test_a_change_is_what_it_says(texts, usd):
    assert active_hour(*texts) == usd


def test_hours_and_the_share_of_dub_change_the_month_alone():
    assert active_hour("hours=60", "dub=0.5") == "0.5049"
    assert decimal(MODEL.cost(changed("hours=60")).month.usd, 4) == "30.2940"
    assert decimal(MODEL.cost(changed("dub=50%")).month.usd, 4) == "17.8596"
    assert MODEL.cost(changed("dub=0")).month == MODEL.cost(NEWER).active_hour.subtitles.times(44)


def test_a_price_makes_an_unknown_leg_known():
    assert not MODEL.cost(OLDER).month.whole
    cost = MODEL.cost(changed("mt.price=0.30,2.50/M", use=OLDER))
    assert cost.month.whole
    assert decimal(cost.speech_hour.mt.usd, 4) == "0.0336"


def test_an_engine_without_a_price_makes_its_leg_unknown():
    assert not MODEL.cost(changed("mt.engine=gpt-4o-mini")).speech_hour.mt.whole


@given(st.lists(st.sampled_from(["stt.price", "mt.price", "tts.price", "mt.tokens"]), unique=True))
def test_once_as_much_is_no_change(keys):
    assert MODEL.cost(changed(*(f"{key}=x1" for key in keys))) == MODEL.cost(NEWER)


@given(st.fractions(0, 100, max_denominator=1), st.sampled_from(["stt", "mt", "tts"]))
def test_a_factor_is_linear(factor, leg):
    after = MODEL.cost(changed(f"{leg}.price=x{factor}")).speech_hour.legs[leg]
    assert after == MODEL.cost(NEWER).speech_hour.legs[leg].times(factor)


@given(st.permutations(["stt.price=x3", "tts.engine=elevenlabs", "duty=0.7", "mt.tokens=x2", "tier=pro"]))
def test_their_order_does_not_matter(texts):
    assert MODEL.cost(changed(*texts)) == MODEL.cost(changed(*sorted(texts)))


@pytest.mark.parametrize("text", ["price=x2", "stt.tokens=x2", "duty", "", "=", "STT.price=x2"])
def test_a_wrong_key_is_told_all_there_are(text):
    with pytest.raises(ConfigError) as refused:
        changed(text)
    assert all(key in refused.value.hint for key in KEYS)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stt.price=dear", "no unit; there are s, min, h"),
        ("stt.price=0.0043", "no unit"),
        ("stt.price=x", "no number"),
        ("stt.price=x-1", "no number"),
        ("stt.price=-1/min", "no number"),
        ("stt.price=nan/min", "no number"),
        ("stt.price=1e3/min", "no number"),
        ("mt.price=0.1/M", "two numbers"),
        ("mt.price=0.1,0.4/min", "by the million"),
        ("mt.tokens=12000", "two numbers"),
        ("tts.engine=nobody", "there are whisper"),
        ("tts.engine=", "no engine"),
        ("tts.mix=cartesia:0.5", "add up to 0.5"),
        ("tts.mix=cartesia:0.5,cartesia:0.5", "twice"),
        ("tts.mix=cartesia", "no number"),
        ("tier=gold", "no tier; there are pro"),
        ("duty=1.1", "between 0 and 1"),
        ("duty=120%", "between 0 and 1"),
        ("hours=1/0", "no number"),
        ("dub=all", "no number"),
    ],
)
def test_a_wrong_value_is_told_what_it_may_be(text, told):
    with pytest.raises(ConfigError) as refused:
        changed(text)
    assert told in refused.value.message
    assert KEYS[text.partition("=")[0]] in refused.value.hint


@pytest.mark.parametrize(
    "texts", [("duty=0.5", "duty=0.6"), ("tts.engine=cartesia", "tts.mix=cartesia:0.5,elevenlabs:0.5")]
)
def test_what_contradicts_itself_is_refused(texts):
    with pytest.raises(ConfigError, match=r"twice|both"):
        changed(*texts)


def test_money_and_shares_are_exact():
    assert changed("duty=0.1").duty == Fraction(1, 10)
    assert changed("stt.price=0.0043/min").stt.rates == {"seconds": Fraction(4_300_000, 60)}
