"""The guide to routes: what it lets one write is taken, and what it says of the packaged settings is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from vivavoce.config.load import default_settings, read_settings
from vivavoce.contract.profile import Stage

GUIDE = (Path(__file__).parents[2] / "docs" / "routing.md").read_text("utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_is_taken(tmp_path: Path, example: str) -> None:
    path = tmp_path / "vivavoce.toml"
    path.write_text(example, encoding="utf-8")
    routes = read_settings(path).routes
    for leg, told in tomllib.loads(example)["routes"].items():
        assert routes.legs[leg].order == told["order"]


def test_examples_show_every_leg() -> None:
    assert {leg for example in EXAMPLES for leg in tomllib.loads(example)["routes"]} == {"stt", "mt", "tts"}


def test_table_says_what_is_packaged() -> None:
    rows = dict(re.findall(r"^\| (`[^|]+`) \|[^|]+\| ([^|]+) \|$", GUIDE, re.MULTILINE))
    stt, tts = default_settings().routes.stt, default_settings().routes.tts
    whisper = stt.engines["whisper"]
    assert rows["`deadline_ms`"] == f"{stt.deadline_ms:.0f}, {whisper.deadline_ms:.0f}"
    assert rows["`stall_ms`"] == f"{stt.stall_ms:.0f}, {whisper.stall_ms:.0f}"
    hosted = default_settings().contract.resolve(stt.profile).stages[Stage.STT].cap_ms
    assert rows["`cap_ms`"] == f"{hosted:.0f} for `stt`; voices of this machine {tts.engines['kokoro'].cap_ms:.0f}"
    assert rows["`window_s`, `least`"] == f"{stt.window_s:.0f} s, {stt.least}"
    assert rows["`retry_s`, `longest_retry_s`"] == f"{stt.retry_s:.0f} s, {stt.longest_retry_s:.0f} s"


def test_keys_are_those_of_hosted_engines() -> None:
    rows = re.findall(r"^\| ([^|]+) \| `(\w+_API_KEY)` \|$", GUIDE, re.MULTILINE)
    named = {name for cell, _ in rows for name in re.findall(r"`(.+?)`", cell)}
    settings = default_settings()
    own = {"silero", "whisper", "moonshine", "bergamot", "apertium", "kokoro", "espeak", "smart-turn"}
    assert named == set(settings.engines.paths) - own
    keys = {key for _, key in rows}
    assert {options["key"] for options in settings.engines.options.values()} <= keys
