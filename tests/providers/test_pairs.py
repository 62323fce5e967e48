from __future__ import annotations

from pathlib import Path

import pytest

from vivavoce.errors import ConfigError, PairUnavailable
from vivavoce.providers.pairs import Hop, PairTable, Route

ROW = '[[pair]]\nsource = "en"\ntarget = "pt"\nhops = ["bergamot:enpt"]\n'


def test_the_table_has_the_promised_pairs() -> None:
    table = PairTable.load()
    promised = {"en-pt", "en-es", "en-fr", "en-it", "en-ca", "es-pt", "es-ca"}
    promised |= {f"{name[3:]}-{name[:2]}" for name in promised}
    assert {route.name for route in table.routes()} == promised
    assert all(route.chrf and route.measured_n >= 60 and route.measured_on for route in table.routes())


def test_a_route_tells_its_hops() -> None:
    route = PairTable.load().route("en", "es")
    assert route.hops == (Hop("bergamot", "enpt"), Hop("apertium", "pt-es"))
    assert [str(hop) for hop in route.hops] == ["bergamot:enpt", "apertium:pt-es"]


def test_a_pair_that_is_not_there_names_the_near_ones() -> None:
    with pytest.raises(PairUnavailable, match="'en' to 'de'") as caught:
        PairTable.load().route("en", "de")
    assert "en-pt" in caught.value.hint
    assert "pt-es" not in caught.value.hint
    with pytest.raises(PairUnavailable) as caught:
        PairTable.load().route("xx", "yy")
    assert "pt-es" in caught.value.hint


def test_adding_a_pair_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "pairs.toml").write_text(ROW + ROW.replace('"pt"', '"de"').replace("enpt", "ende"))
    table = PairTable.load(tmp_path / "pairs.toml")
    assert table.route("en", "de") == Route("en", "de", (Hop("bergamot", "ende"),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pair = 3", "pairs.toml"),
        ("", "pair"),
        ("[[pair", "pairs.toml"),
        (ROW + "speed = 3\n", "unknown speed"),
        (ROW.replace("enpt", ""), "ENGINE:MODE"),
        (ROW.replace('["bergamot:enpt"]', "[]"), "hops are needed"),
        (ROW.replace('source = "en"\n', ""), "source"),
        (ROW + ROW, "two rows are for en-pt"),
    ],
)
def test_a_table_that_is_wrong_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pairs.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        PairTable.load(tmp_path / "pairs.toml")
