from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.config.load import default_settings
from vivavoce.errors import ConfigError
from vivavoce.ledger.prices import EMBEDDED, Charge, Cost, Price, Prices, nano_dollars, packaged_prices, read_prices

HOUR_S = 3600


@pytest.mark.parametrize(
    ("engine", "quantities", "nano"),
    [
        ("deepgram", {"seconds": HOUR_S}, 552_000_000),
        ("cartesia", {"seconds": HOUR_S}, 360_000_000),
        ("elevenlabs", {"seconds": HOUR_S}, 900_000_000),
        ("gemini", {"tokens_in": 12_000, "tokens_out": 12_000}, 6_000_000),
        ("whisper", {"seconds": HOUR_S}, 0),
    ],
)
def test_a_full_speech_hour_costs_what_the_requirements_say(engine, quantities, nano):
    cost = packaged_prices().cost(engine, quantities)
    assert cost.nano == nano
    assert cost.price == (EMBEDDED if engine == "whisper" else f"{engine}@2026-05")


def test_what_has_no_price_costs_nobody_knows_what():
    assert packaged_prices().cost("someone", {"seconds": 1}) == Cost(None, None)


def test_a_missing_quantity_is_not_taken_for_nothing():
    assert packaged_prices().cost("gemini", {"tokens_in": 5, "characters": 9}) == Cost(None, "gemini@2026-05")


def test_each_embedded_engine_of_the_packaged_configuration_is_free():
    hosted_or_free = [packaged_prices().price(name) for name in default_settings().engines.paths]
    embedded = [price for price in hosted_or_free if price is not None and price.identity == EMBEDDED]
    assert len(embedded) >= 6


@given(st.integers(0, 10**7), st.integers(0, 10**10), st.integers(1, 10**7))
def test_a_product_is_rounded_half_up_once(quantity, nano, per):
    cost = Charge("seconds", nano, per).cost_nano(quantity)
    assert abs(Fraction(quantity * nano, per) - cost) <= Fraction(1, 2)
    assert Charge("seconds", 1, 2).cost_nano(1) == 1


@given(st.lists(st.floats(0, 60, allow_nan=False), max_size=30))
def test_costs_are_whole_and_never_negative(seconds):
    costs = [packaged_prices().cost("deepgram", {"seconds": each}).nano for each in seconds]
    assert all(isinstance(cost, int) and cost >= 0 for cost in costs)
    # Each is off by half a nano-dollar at most, however many there are.
    exact = sum(Fraction(each) * 9_200_000 / 60 for each in seconds)
    assert abs(exact - sum(costs)) <= Fraction(len(costs), 2)


@pytest.mark.parametrize("quantity", [-1, float("nan"), float("inf")])
def test_what_is_no_quantity_is_refused(quantity):
    with pytest.raises(ValueError, match="cannot be charged"):
        Charge("seconds", 1, 1).cost_nano(quantity)


@pytest.mark.parametrize(("usd", "nano"), [("0.0092", 9_200_000), ("1", 10**9), ("0.000000001", 1), ("0", 0)])
def test_dollars_become_nano_dollars_without_loss(usd, nano):
    assert nano_dollars(usd) == nano


@pytest.mark.parametrize("usd", ["0.0000000001", "-1", "NaN", "dear"])
def test_other_dollars_are_refused(usd):
    with pytest.raises(ConfigError):
        nano_dollars(usd)


@pytest.mark.parametrize(
    "text",
    [
        "[[price]]",
        'price = "x"',
        "embedded = 3",
        "[[price",
        '[[price]]\nengine="a"\nof=""\ndate="2026-05"\nsource=""\ncharges=[]',
        '[[price]]\nengine="a"\nof=""\ndate="2026-05"\nsource=""\ncharges=[{unit="miles",usd="1",per=1}]',
        '[[price]]\nengine="a"\nof=""\ndate="2026-05"\nsource=""\ncharges=[{unit="seconds",usd="1",per=0}]',
        '[[price]]\nengine="a"\nof=""\ndate="2026-13"\nsource=""\ncharges=[{unit="seconds",usd="1",per=1}]',
        'embedded=["a"]\n[[price]]\nengine="a"\nof=""\ndate="2026-05"\nsource=""\ncharges=[{unit="seconds",usd="1",per=1}]',
    ],
)
def test_a_bad_file_of_prices_is_refused_with_its_name(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        read_prices(path)


def test_another_file_may_have_other_prices(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[price]]\nengine="mine"\nof="all"\ndate="2026-01"\nsource="a contract"\n'
        'charges=[{unit="characters",usd="0.5",per=1000}]'
    )
    assert read_prices(path).cost("mine", {"characters": 3}) == Cost(1_500_000, "mine@2026-01")


def of(date: str, nano: int) -> Price:
    return Price("voice", "", date, "", (Charge("seconds", nano, 1),))


def ms(*day: int) -> float:
    return datetime(*day, tzinfo=UTC).timestamp() * 1000


PRICES = Prices([of("2026-11-15", 3), of("undated", 1), of("2026-05", 2)])


@pytest.mark.parametrize(
    ("at_ms", "identity"),
    [
        (0, "voice@undated"),
        (ms(2026, 5, 1) - 1, "voice@undated"),
        (ms(2026, 5, 1), "voice@2026-05"),
        (ms(2026, 11, 15) - 1, "voice@2026-05"),
        (ms(2026, 11, 15), "voice@2026-11-15"),
        (ms(2031, 1, 1), "voice@2026-11-15"),
    ],
)
def test_a_price_holds_from_its_date_until_the_next(at_ms, identity):
    assert PRICES.price("voice", at_ms=at_ms).identity == identity
    assert PRICES.cost("voice", {"seconds": 1}, at_ms=at_ms).price == identity


def test_before_its_first_date_an_engine_has_no_price():
    prices = Prices([of("2026-05", 2)])
    assert prices.price("voice", at_ms=ms(2026, 4, 30)) is None
    assert prices.cost("voice", {"seconds": 1}, at_ms=ms(2026, 4, 30)) == Cost(None, None)


def test_an_old_row_finds_its_price_by_the_identity():
    assert PRICES.named("voice@2026-05") == of("2026-05", 2)
    assert PRICES.named("voice@2026-06") is None
    assert PRICES.named(EMBEDDED).charges == ()
    for name in packaged_prices().engines:
        price = packaged_prices().price(name)
        assert packaged_prices().named(price.identity).charges == price.charges


def test_two_prices_of_one_date_are_refused():
    with pytest.raises(ConfigError, match="two prices at once"):
        Prices([of("2026-05", 1), of("2026-05-01", 2)])


def test_plans_and_machines_have_their_prices_here_too():
    assert packaged_prices().plans["published"].nano == 12 * 10**9
    assert packaged_prices().machines["l4"].nano == 300_000_000
