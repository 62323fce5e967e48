from pathlib import Path
from typing import Any

import pytest

from vivavoce.config.load import default_settings, read_settings
from vivavoce.config.routes import RouteSettings
from vivavoce.contract.profile import PROFILES
from vivavoce.errors import ConfigError

HOSTED = """
[routes]
stt.order = ["deepgram", "whisper"]
stt.tiers.free = ["whisper"]
stt.shadow = { openai-transcription = 0.05 }
mt.order = ["gemini", "gpt-4o-mini", "pairs"]
tts.order = ["cartesia", "elevenlabs", "kokoro", "espeak"]
tts.voices.warm = { cartesia = "a-b-c", kokoro = "pf_dora" }
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "own.toml"


def test_packaged_legs_are_of_this_machine_and_have_time() -> None:
    routes = default_settings().routes
    assert {leg: route.order for leg, route in routes.legs.items()} == {
        "stt": ["whisper"],
        "mt": ["pairs"],
        "tts": ["kokoro", "espeak"],
    }
    for route in routes.legs.values():
        for engine in route.order:
            own = route.engines[engine]
            assert own.profile == "embedded"
            assert own.deadline_ms is not None
            assert own.deadline_ms >= 2000


def test_order_alone_puts_hosted_engines_first(own: Path) -> None:
    own.write_text(HOSTED, encoding="utf-8")
    routes = read_settings(own).routes
    assert routes.stt.order_of() == ["deepgram", "whisper"]
    assert routes.stt.order_of("pro") == ["deepgram", "whisper"]
    assert routes.stt.order_of("free") == ["whisper"]
    assert (routes.stt.deadline_ms, routes.stt.engines["whisper"].deadline_ms) == (400, 3000)
    assert routes.stt.shadow == {"openai-transcription": 0.05}
    assert routes.tts.voices["warm"]["cartesia"] == "a-b-c"


def test_chosen_engine_leads_and_the_others_stay_behind_it() -> None:
    tts = default_settings().routes.tts
    assert tts.led_by("espeak").order == ["espeak", "kokoro"]
    assert tts.led_by("aura").order == ["aura", "kokoro", "espeak"]
    tiered = tts.model_copy(update={"tiers": {"free": ["espeak"]}})
    assert tiered.led_by("aura").order_of("free") == ["aura", "espeak"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[routes.stt]\norder = []\n", ["routes.stt.order: ", "at least 1"]),
        ("[routes.stt]\norder = ['whisper', 'whisper']\n", ["routes.stt: ", "order names an engine twice"]),
        ("[routes.stt]\norder = ['parrot']\n", ["routes.stt.order: ", "'parrot'"]),
        ("[routes.stt]\norder = ['pairs']\n", ["routes.stt.order: ", "'pairs'"]),
        ("[routes.tts.tiers]\nfree = ['parrot']\n", ["routes.tts.tiers.free: ", "'parrot'"]),
        ("[routes.tts.tiers]\ngold = ['espeak']\n", ["routes.tts.tiers.gold"]),
        ("[routes.tts.engines.parrot]\ncap_ms = 1\n", ["routes.tts.engines.parrot: ", "'parrot'"]),
        ("[routes.tts.engines.kokoro]\ncap = 1\n", ["routes.tts.engines.kokoro.cap: "]),
        ("[routes.tts.engines.kokoro]\ncap_ms = 0\n", ["routes.tts.engines.kokoro.cap_ms: ", "greater than 0"]),
        ("[routes.mt.shadow]\ngemini = 1.5\n", ["routes.mt.shadow.gemini: ", "less than or equal to 1"]),
        ("[routes.mt.shadow]\nparrot = 0.5\n", ["routes.mt.shadow.parrot: ", "'parrot'"]),
        ("[routes.stt.voices.warm]\nwhisper = 'x'\n", ["routes: ", "stt.voices: only tts has voices"]),
        ("[routes.tts.voices.warm]\nparrot = 'x'\n", ["routes.tts.voices.warm: ", "'parrot'"]),
        ("[routes.stt]\nretry_s = 90\n", ["routes.stt: ", "longest_retry_s must not be below retry_s"]),
        ("[routes.stt]\nprofile = 'fast'\n", ["routes.stt.profile: ", "'fast'"]),
        ("[routes.tts.engines.kokoro]\nprofile = 'fast'\n", ["routes.tts.engines.kokoro.profile: ", "'fast'"]),
        ("[routes.llm]\norder = ['gemini']\n", ["routes.llm: ", "Extra inputs"]),
        ("[translate]\nstt = 'whisper'\n", ["translate.stt: ", "Extra inputs"]),
    ],
)
def test_refusal_names_key_path_and_reason(own: Path, text: str, parts: list[str]) -> None:
    own.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_settings(own)
    assert all(part in caught.value.message for part in [str(own), *parts])


def test_profile_of_a_route_needs_not_be_kept_by_this_machine(own: Path) -> None:
    # 120 ms of silence before recognition is past what the hosted profile has room for
    own.write_text("[translate]\nspeculate_after_ms = 120\n", encoding="utf-8")
    settings = read_settings(own)
    assert settings.contract.resolve("hosted") == PROFILES["hosted"]


def test_every_number_is_needed() -> None:
    given: dict[str, Any] = default_settings().routes.stt.model_dump()
    for name in ("order", "deadline_ms", "stall_ms", "window_s", "least", "retry_s", "longest_retry_s"):
        with pytest.raises(ValueError, match=name):
            RouteSettings.model_validate({key: value for key, value in given.items() if key != name})
