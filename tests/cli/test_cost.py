from __future__ import annotations

import asyncio
import json
import re
import time
import xml.etree.ElementTree as ET
from contextlib import aclosing
from importlib import resources
from pathlib import Path

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner, Result

from vivavoce.cli.main import app
from vivavoce.config.load import default_settings
from vivavoce.cost.what_if import KEYS, Known, parse_what_ifs
from vivavoce.errors import ConfigError, OutputError
from vivavoce.ledger.prices import packaged_prices, read_prices
from vivavoce.store.database import Database
from vivavoce.store.tables import USAGE

AT = ("--at", "2026-05-31")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIVAVOCE_CONFIG", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["cost", *map(str, arguments)])


def run(*arguments: str | Path) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def lines(text: str) -> list[str]:
    """Each line with single spaces."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_page_sets_every_published_figure_beside_the_models_own() -> None:
    text = run(*AT)
    for line in (
        "stt deepgram@2026-05 60 min×0.0092 0.552 0.5520 60.1 % 60 %",
        "mt gemini@2026-05 12k×0.10/M + 12k×0.40/M 0.006 0.0060 0.7 % 1 %",
        "tts cartesia@2026-05 60 min×0.0060 0.360 0.3600 39.2 % 39 %",
        "dub stt + mt + tts 0.918 0.9180 100.0 %",
        "subtitles stt + mt 0.558 0.5580 60.8 % 61 %",
        "active hour with a dub 0.50 0.5049",
        "active hour with subtitles 0.31 0.3069",
        "heavy user's month, 44 hours 22 22.2156",
        "gross margin of $12 a month with that user −83 % −85.1 % [1]",
        "base 0.50 0.5049 +0.0049 yes",
        "duty 55 → 80 % 0.73 0.7344 +0.0044 −45.5 % −46 % yes [2]",
        "STT price doubles 0.80 0.8085 +0.0085 −60.1 % −60 % yes [3]",
        "MT tokens double 0.51 0.5082 −0.0018 −0.7 % about 0 yes",
        "TTS → ElevenLabs 0.65 0.8019 +0.1519 −58.8 % −30 % no [4]",
        "self-hosted TTS 0.43 0.4301 +0.0001 +14.8 % +13 % no [5]",
        "TTS → ElevenLabs 35.28 −194.0 % −108.9",
        "deepgram@undated 0.0043 0.0001 7.20 1,714 12,000 −10,286 no [6]",
        "deepgram@2026-05 0.0092 0.0001 7.20 791",
        "$12 0 % 23.8 784 none: those alone cost 13.50",
    ):
        assert line in lines(text)
    told = " ".join(text.split())
    assert "[6] crossover: 12,000 minutes save $50.40, the rent of 7.0 machines and not of one;" in told
    assert "[5] self-hosted TTS: it has no input cell: $0.43 implies $0.224" in told


def test_the_page_fits_a_terminal_of_eighty_columns() -> None:
    for arguments in ((), ("--profile", "older"), ("--what-if", "duty=0.8", "--what-if", "hours=60")):
        text = run(*AT, *arguments)
        assert max(map(len, text.splitlines())) <= 80
        assert "…" not in text.replace("if …", "")


def test_the_older_profile_tells_what_is_not_known() -> None:
    text = run(*AT, "--profile", "older")
    assert "No price of gemini-2.5-flash is known: --what-if mt.price=IN,OUT/M sets one." in text
    assert "dub stt + mt + tts ≥ 1.1580 —" in lines(text)
    assert "base ≥ 28.02 ≤ −133.5 %" in lines(text)
    assert "No price" not in run(*AT, "--profile", "older", "--what-if", "mt.price=0.30,2.50/M")


def test_a_what_if_shows_before_after_and_change() -> None:
    text = run(*AT, "--what-if", "stt.price=x2", "--what-if", "tts.engine=elevenlabs")
    for line in (
        "stt, hour of speech 0.5520 1.1040 +0.5520 +100.0 %",
        "tts, hour of speech 0.3600 0.9000 +0.5400 +150.0 %",
        "dub, active hour 0.5049 1.1055 +0.6006 +119.0 %",
        "month of 44 hours 22.2156 48.6420 +26.4264 +119.0 %",
        "gross margin of $12 −85.1 % −305.4 % −220.2 points",
        "served by: tts elevenlabs",
        "stt.price=x2 0.5049 0.8085 +0.3036 35.57",
        "tts.engine=elevenlabs 0.5049 0.8019 +0.2970 35.28",
    ):
        assert line in lines(text)


def test_a_tier_is_that_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "vivavoce.toml").write_text(
        '[routes]\nstt.order = ["deepgram", "whisper"]\nmt.order = ["gemini", "pairs"]\n'
        'tts.order = ["cartesia", "kokoro"]\ntts.tiers.pro = ["elevenlabs", "cartesia"]\nstt.tiers.free = ["whisper"]\n'
    )
    assert "dub, active hour 0.5049 0.8019 +0.2970 +58.8 %" in lines(run(*AT, "--what-if", "tier=pro"))
    free = lines(run(*AT, "--what-if", "tier=free", "--what-if", "mt.engine=pairs", "--what-if", "tts.engine=kokoro"))
    assert "$12 0 % no limit no limit no limit" in free
    assert "subtitles, active hour 0.3069 0.0033 −0.3036 −98.9 %" in lines(run(*AT, "--what-if", "tier=free"))
    assert "dub, active hour 0.5049 0.5049 0.0000 0.0 %" in lines(run(*AT, "--what-if", "tier=usual"))


def test_plans_and_margins_can_be_given() -> None:
    text = run(*AT, "--plan", "29", "--plan", "$49.90", "--margin", "30%")
    assert "month margin of $29 points margin of $49.90 points" in lines(text)
    assert "base 22.22 23.4 % 55.5 %" in lines(text)
    assert "$29 30 % 40.2 1,327 1,133" in lines(text)
    assert "$49.90 30 % 69.2 2,283 1,452" in lines(text)


def test_json_is_an_envelope_of_whole_nano_dollars() -> None:
    envelope = json.loads(run(*AT, "--json", "--what-if", "duty=0.8"))
    assert (envelope["command"], envelope["valid"], envelope["n"]) == ("vivavoce cost", True, 6)
    figures = envelope["figures"]
    assert figures["base"]["active_hour"]["dub"] == {"nano": 504_900_000, "whole": True, "share": 1.0}
    assert figures["what_if"]["after"]["active_hour"]["dub"]["nano"] == 734_400_000
    said = figures["published"]
    assert [row["follows"] for row in said["sensitivities"]] == [True, True, True, True, False, False]
    assert (said["at"], said["differs_now"], said["active_hour_usd"]["dub"]["published"]) == (
        "2026-05-31",
        False,
        "0.50",
    )
    margin, crossover = said["margin_percent"], figures["published_crossover"]
    assert (margin["published"], margin["here"], margin["follows"]) == ("-83", -85.13, True)
    assert "as rounded" in margin["why"]
    assert (crossover["published"], crossover["follows"]) == ("12000", False)
    assert round(crossover["difference"]) == -10286
    assert "the rent of 7.0 machines" in crossover["why"]
    assert round(figures["crossovers"][0]["minutes_a_day"], 2) == 1714.29
    assert figures["plans"] == [{"name": "published", "nano": 12 * 10**9, "margin": -0.8513}]


def test_the_picture_shows_every_row_and_no_text_over_another(tmp_path: Path) -> None:
    path = tmp_path / "cost.svg"
    assert f"drawn into {path}" in run(*AT, "--plot", path).replace("\n", "")
    space = "{http://www.w3.org/2000/svg}"
    root = ET.parse(path).getroot()
    assert len(root.findall(f"{space}rect[@class='stt']")) == 1 + 6
    assert len(root.findall(f"{space}line[@class='mark']")) == 1 + 6
    texts = [(each.text or "", each.get("class") or "", each) for each in root.iter(f"{space}text")]
    assert {"0.8019", "0.65", "−58.8 %", "1,714 minutes", "791 minutes", "12,000 published"} <= {t for t, _, _ in texts}
    _nothing_overlaps(root)
    assert "prefers-color-scheme: dark" in path.read_text("utf-8")


def _nothing_overlaps(root: ET.Element) -> None:
    texts = [(each.text or "", each.get("class") or "", each) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    boxes = [_box(text, kind, each) for text, kind, each in texts if text]
    for number, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0
        assert right <= 960
        for other in boxes[:number]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top, texts[number][0]


def test_a_picture_at_other_prices_shows_those_beside(tmp_path: Path, dear: Path) -> None:
    path = tmp_path / "cost.svg"
    text = run("--plot", path, "--prices", dear, "--at", "2026-12-01", "--what-if", "duty=0.8")
    assert "published" not in text
    root = ET.parse(path).getroot()
    _nothing_overlaps(root)
    texts = {each.text for each in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {
        "0.5049",
        "0.50",
        "1.4157",
        "2026-12-01",
        "at prices of 2026-12-01",
        "196 minutes",
        "as changed, 2026-12-01",
    } <= texts


def _box(text: str, kind: str, each: ET.Element) -> tuple[float, float, float, float]:
    """About where a text stands, at seven pixels a letter."""
    size = 7.0 if "title" not in kind else 8.0
    x, y, width = float(each.get("x", 0)), float(each.get("y", 0)), size * len(text)
    left = x - width if kind.split()[-1:] in (["end"], ["figure"]) else x - width / 2 if "middle" in kind else x
    return left, y - 11, left + width, y + 2


def test_a_picture_of_what_ifs_has_one_bar_more(tmp_path: Path) -> None:
    path = tmp_path / "cost.svg"
    run(*AT, "--plot", path, "--what-if", "stt.price=x40", "--profile", "older")
    text = path.read_text("utf-8")
    assert "as changed: stt.price=x40" in text
    assert text.count('class="stt"') == 1 + 7
    assert isinstance(invoke("--plot", tmp_path / "nowhere" / "cost.svg").exception, OutputError)


@pytest.mark.parametrize("arguments", [("--what-if", "foo=1"), ("--profile", "first"), ("--plan", "dear")])
def test_what_it_does_not_know_is_refused(arguments: tuple[str, ...]) -> None:
    assert isinstance(invoke(*arguments).exception, ConfigError)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--at", "soon"),
        ("--margin", "100"),
        ("--margin", "much"),
        ("--actual", "--since", "always"),
        ("--reprice",),
        ("--user", "ann"),
    ],
)
def test_what_cannot_be_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert invoke(*arguments).exit_code == 2


def test_another_file_of_prices_may_lack_some(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[price]]\nengine="deepgram"\nof=""\ndate="2026-01"\nsource="a contract"\n'
        'charges=[{unit="seconds",usd="0.005",per=60}]'
    )
    text = run(*AT, "--prices", path)
    assert "stt deepgram@2026-01 60 min×0.0050 0.3000 —" in lines(text)
    assert "base 0.50 0.5049 +0.0049 yes ≥ 0.1650" in lines(text)
    assert "No price of cartesia is known" in text


@pytest.fixture
def dear(tmp_path: Path) -> Path:
    """The packaged prices, and a dearer one for recognition from November on."""
    path = tmp_path / "dear.toml"
    packaged = (resources.files("vivavoce.ledger") / "prices.toml").read_text("utf-8")
    path.write_text(
        packaged + '\n[[price]]\nengine="deepgram"\nof=""\ndate="2026-11"\nsource="a letter"\n'
        'charges=[{unit="seconds",usd="0.0368",per=60}]\n'
    )
    return path


def test_another_price_changes_nothing_of_what_was_published(dear: Path) -> None:
    text = run("--prices", dear, "--at", "2026-12-01")
    for line in (
        "publ. here 2026-12-01",
        "active hour with a dub 0.50 0.5049 1.4157",
        "gross margin of $12 a month with that user −83 % −85.1 % −419.1 % [1]",
        "publ. here differs saved publ. follows 2026-12-01",
        "base 0.50 0.5049 +0.0049 yes 1.4157",
        "STT price doubles 0.80 0.8085 +0.0085 −60.1 % −60 % yes [3] 2.6301",
        "self-hosted TTS 0.43 0.4301 +0.0001 +14.8 % +13 % no [5] 1.3409",
        "stt deepgram@2026-11 60 min×0.0368 2.2080 85.8 %",
        "stt deepgram@2026-05 60 min×0.0092 0.552 0.5520 60.1 % 60 %",
        "self-hosted TTS 59.00 −391.7 % +27.4",
        "deepgram@2026-11 0.0368 0.0001 7.20 196",
    ):
        assert line in lines(text)
    assert "implies $0.224 an hour of speech, which is reckoned with here" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80
    assert run("--prices", dear, *AT) == run(*AT)
    notes = [line for line in lines(run(*AT)) if line.startswith("[")]
    assert [line for line in lines(text) if line.startswith("[")] == notes
    figures = json.loads(run("--prices", dear, "--at", "2026-12-01", "--json"))["figures"]
    before = json.loads(run(*AT, "--json"))["figures"]
    assert figures["published"] == before["published"] | {"differs_now": True}
    assert figures["published_crossover"] == before["published_crossover"]
    assert figures["base"]["active_hour"]["dub"]["nano"] == 1_415_700_000


def _spend(url: str) -> None:
    now_ms = int(time.time() * 1000)
    same = dict.fromkeys(("app_id", "codec", "prompt_version", "why"), "")
    same |= dict.fromkeys(
        ("characters", "tokens_in", "tokens_out", "p50_ms", "p95_ms", "cost_nano", "price", "sound_ms")
    )
    same |= {"session_id": "s", "user_id": "ann", "interval_ms": 60_000, "asked": 0, "place": 1}
    rows = [
        {"leg": "stt", "engine": "deepgram", "price": "deepgram@undated", "cost_nano": 4_300_000, "sound_ms": 60_000},
        {"leg": "mt", "engine": "gpt-4o-mini", "tokens_in": 300, "tokens_out": 100},
        {"leg": "tts", "engine": "cartesia", "price": "cartesia@2026-05", "cost_nano": 3_000_000, "sound_ms": 30_000},
    ]

    async def main() -> None:
        async with aclosing(Database(url)) as database, database.begin() as connection:
            at = {"at_ms": now_ms - 120_000}
            values = [same | at | {"number": number} | each for number, each in enumerate(rows)]
            for value in values:
                await connection.execute(insert(USAGE), [value])

    asyncio.run(main())


def test_actual_tells_what_was_spent(database_url: str, tmp_path: Path) -> None:
    _spend(database_url)
    (tmp_path / "vivavoce.toml").write_text(f'[store]\nurl = "{database_url}"\n')
    text = run("--actual", "--reprice")
    for line in (
        "stt deepgram@undated 0.017 h 1 0.0043 0.0092",
        "mt gpt-4o-mini 300 in, 100 out 1 unknown unknown",
        "tts cartesia@2026-05 0.008 h 1 0.0030 0.0030",
        "all 3 ≥ 0.0073 ≥ 0.0122",
        "spent, an hour of sound recognised ≥ 0.4380 0.9180",
        "duty: sound recognised ÷ sessions 100.0 % 55.0 %",
        "dub: sound spoken ÷ sound recognised 50.0 % 100.0 %",
        "tokens in, an hour of speech 18,000 12,000",
        "rows without a known cost, which are in no sum: gpt-4o-mini 1",
    ):
        assert line in lines(text)
    told = " ".join(text.split())
    assert "too little to go by: 1.0 minutes of sound were recognised, less than an hour" in told
    assert "No price of gpt-4o-mini@unpriced is known" in told
    assert max(map(len, text.splitlines())) <= 80
    envelope = json.loads(run("--actual", "--json", "--user", "ann"))
    assert (envelope["n"], envelope["valid"]) == (3, True)
    assert envelope["figures"]["cost"] == {"nano": 7_300_000, "whole": False}
    assert envelope["figures"]["unpriced_rows"] == 1
    assert envelope["figures"]["report"]["base"]["active_hour"]["dub"]["whole"] is False
    assert envelope["figures"]["model"]["base"]["active_hour"]["dub"]["whole"] is True
    assert "no usage of bob within 30d" in run("--actual", "--user", "bob")
    assert json.loads(run("--actual", "--json", "--user", "bob"))["figures"]["report"] is None
    assert "not drawn: no sound was recognised" in invoke("--actual", "--user", "bob", "--plot", "x.svg").output


def test_actual_is_the_same_page_and_picture_beside_the_models(database_url: str, tmp_path: Path) -> None:
    _spend(database_url)
    (tmp_path / "vivavoce.toml").write_text(f'[store]\nurl = "{database_url}"\n')
    given = ("--actual", "--what-if", "mt.price=0.10,0.40/M", "--plan", "29", "--margin", "30")
    path = tmp_path / "cost.svg"
    text = run(*given, "--plot", path)
    for line in (
        "before after change of cost model",
        "stt, hour of speech 0.2580 0.2580 0.0000 0.0 % 0.5520",
        "dub, active hour ≥ 0.6180 0.6222 — — 0.5049",
        "subtitles, active hour ≥ 0.2580 0.2622 — — 0.3069",
        "month of 44 hours ≥ 19.2720 19.4568 — — 22.2156",
        "gross margin of $29 ≤ 33.5 % 32.9 % — 23.4 %",
        "$29 30 % 32.6 1,958 1,327 1,461",
    ):
        assert line in lines(text)
    root = ET.parse(path).getroot()
    _nothing_overlaps(root)
    assert {"as the model assumes", "tts.engine=elevenlabs"} <= {each.text for each in root.iter() if each.text}
    figures = json.loads(run(*given, "--json"))["figures"]
    assert figures["report"]["use"]["dub"] == 0.5
    assert figures["report"]["what_if"]["after"]["active_hour"]["dub"]["nano"] == 622_200_000
    assert set(figures["report"]) == set(figures["model"])
    everything = run("--actual")
    for line in (
        "stt deepgram@undated 60 min×0.0043 0.2580 —",
        "stt deepgram@2026-05 60 min×0.0092 0.5520 60.1 %",
        "measured saved model saved",
        "duty=0.80 ≥ 0.4944 — 0.7344 −45.5 %",
        "subtitles alone ≥ 11.35 ≤ 5.4 % −12.5 %",
    ):
        assert line in lines(everything)
    assert max(map(len, everything.splitlines())) <= 80


def test_the_guide_says_what_is_so() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cost.md").read_text("utf-8")
    what_ifs = re.findall(r"--what-if ([a-z.]+=[a-z0-9]+)", page)
    table = page[page.index("| key | value |") :].split("\n\n")[0]
    for keys, values in (row.split("|")[1:3] for row in table.splitlines()[2:]):
        examples = [value for value in re.findall(r"`([^`]+)`", values) if re.match(r"\d|x\d|\w+:", value)]
        what_ifs += [f"{key}={value}" for key in re.findall(r"`([^`]+)`", keys) for value in examples]
    known = Known(packaged_prices().engines, {})
    assert len([parse_what_ifs([text], known) for text in what_ifs]) >= 12
    assert all(f"`{key}`" in page for key in KEYS)
    unpriced = [name for name in default_settings().engines.paths if packaged_prices().price(name) is None]
    assert all(f"`{name}`" in page for name in unpriced)
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    path = Path("mine.toml")
    path.write_text(example)
    assert read_prices(path).named("deepgram@2027-01") is not None
