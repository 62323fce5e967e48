import io
import json

from rich.console import Console

from vivavoce.contract.figures import Measured, measured_stages
from vivavoce.contract.page import BudgetPage
from vivavoce.contract.profile import PATH, PROFILES, Stage

MEASURED = {
    Stage.TRIGGER: Measured(120, 190, 60),
    Stage.STT: Measured(150, 222, 60),
    Stage.MT: Measured(9, 12, 60),
    Stage.TTS: Measured(185, 223, 60),
    Stage.ROUTE: Measured(20, 30, 60),
    Stage.ENDPOINT: Measured(320, 330, 60),
    Stage.HEARD: Measured(526, 557, 60, (548.0, 601.0)),
}


def printed(page: BudgetPage, width: int = 140) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(page)
    return console.export_text()


def test_headroom_is_the_cap_less_the_measured_p95() -> None:
    rows = {row.stage: row for row in BudgetPage(PROFILES["embedded"], MEASURED).rows}
    assert rows[Stage.HEARD].headroom_ms == 143
    assert rows[Stage.STT].headroom_ms == -12
    assert list(rows) == list(Stage)


def test_before_measuring_headroom_is_planned() -> None:
    rows = {row.stage: row for row in BudgetPage(PROFILES["hosted"]).rows}
    assert rows[Stage.HEARD].headroom_ms == 50
    assert rows[Stage.MT].headroom_ms is None


def test_printed_page_shows_every_stage_and_both_paths() -> None:
    text = printed(BudgetPage(PROFILES["embedded"], MEASURED, "bench, 60 clips"))
    assert "finalise asked → final hypothesis" in text
    assert "526 / 557 (548-601)" in text
    assert "max(endpoint 320, trigger 120 + stt 150 + mt 9 + tts 185) + route 20 = 484 ms" in text
    assert "max(endpoint 300, trigger 130 + stt 150 + mt 10 + tts 235) + route 25 = 550 ms" in text
    assert "measured: bench, 60 clips" in text
    assert "not measured" not in text


def test_page_without_measurements_says_so() -> None:
    text = printed(BudgetPage(PROFILES["hosted"]))
    assert text.count("not measured") == len(Stage) + 1
    assert "measured p50:" not in text


def test_no_measured_path_over_a_hole() -> None:
    part = {stage: value for stage, value in MEASURED.items() if stage is not Stage.MT}
    page = BudgetPage(PROFILES["embedded"], part)
    assert page.to_json()["path_measured_p50_ms"] is None
    assert "measured p50:" not in printed(page)


def test_delay_of_transforms_is_on_the_page() -> None:
    page = BudgetPage(PROFILES["embedded"], MEASURED, added_delay_ms=5)
    assert "+ transforms 5 = 555 ms" in printed(page)
    assert page.to_json()["path_target_ms"] == 555


def test_json_reads_back_as_the_measurements_it_shows() -> None:
    data = json.loads(json.dumps(BudgetPage(PROFILES["embedded"], MEASURED, "bench").to_json()))
    assert set(data["stages"]) == set(PATH)
    assert data["stages"]["stt"]["cap"] == 210
    assert data["heard_ms"]["headroom"] == 143
    assert measured_stages(data) == MEASURED
