import tomllib
from importlib import resources

import pytest
from pydantic import ValidationError

from vivavoce.config.load import default_settings
from vivavoce.config.routes import EngineRoute, RouteSettings, RoutesSettings
from vivavoce.config.settings import (
    AgentSettings,
    ServeSettings,
    Settings,
    TranslateSettings,
    TurnOverrides,
    config_hash,
)
from vivavoce.contract.profile import PROFILES, Stage, StageBudget
from vivavoce.errors import ConfigError, ContractError


def packaged() -> dict[str, dict[str, object]]:
    return tomllib.loads((resources.files("vivavoce.config") / "vivavoce.toml").read_text(encoding="utf-8"))


def test_packaged_file_holds_every_setting_and_keeps_its_contract() -> None:
    settings = default_settings()
    assert settings.profile() == PROFILES["embedded"]
    assert set(packaged()["translate"]) == set(TranslateSettings.model_fields)
    assert set(packaged()["serve"]) == set(ServeSettings.model_fields)
    assert set(packaged()["agent"]) | {"turns"} == set(AgentSettings.model_fields)
    assert set(settings.engines.paths) == {
        "silero", "whisper", "moonshine", "bergamot", "apertium", "kokoro", "espeak", "smart-turn",
        "deepgram", "deepgram-flux", "openai-transcription", "cartesia", "elevenlabs", "aura", "gemini", "gpt-4o-mini",
    }  # fmt: skip


def test_every_value_is_described() -> None:
    sections = (
        TranslateSettings,
        AgentSettings,
        TurnOverrides,
        ServeSettings,
        RoutesSettings,
        RouteSettings,
        EngineRoute,
    )
    assert all(field.description for section in sections for field in section.model_fields.values())


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        default_settings().translate.max_speed = 1.1  # type: ignore[misc]


def test_overrides_change_the_profile_and_only_what_they_name() -> None:
    data = packaged()
    data["contract"]["stages"] = {"stt": {"target_ms": 140}, "tts": {"cap_ms": 300}}
    profile = Settings.model_validate(data).profile()
    assert profile.stages[Stage.STT] == StageBudget(140, 210)
    assert profile.stages[Stage.TTS] == StageBudget(235, 300)
    assert profile.stages[Stage.MT] == PROFILES["embedded"].stages[Stage.MT]


def test_overrides_belong_to_the_configured_profile() -> None:
    data = packaged()
    data["contract"]["stages"] = {"stt": {"target_ms": 140}}
    settings = Settings.model_validate(data)
    assert settings.profile("embedded").stages[Stage.STT] == StageBudget(140, 210)
    assert settings.profile("hosted") == PROFILES["hosted"]


def test_added_delay_can_break_the_contract() -> None:
    with pytest.raises(ContractError, match="transforms 20"):
        default_settings().profile(added_delay_ms=20)


def test_silence_that_outlasts_the_contract_is_refused() -> None:
    data = packaged()
    data["translate"]["endpoint_ms"] = 401
    with pytest.raises(ContractError, match="endpoint has a cap of 400 ms, below the 401 ms"):
        Settings.model_validate(data)


@pytest.mark.parametrize(
    ("section", "key", "value", "reason"),
    [
        ("translate", "max_speed", 1.3, "less than or equal to 1.25"),
        ("translate", "max_speed", float("nan"), "finite"),
        ("translate", "first_unit_words", "2", "valid integer"),
        ("translate", "min_confidence", True, "valid number"),
        ("translate", "speculate_after_ms", 330, "must not exceed endpoint_ms"),
        ("translate", "speculate", 64, "Extra inputs"),
        ("contract", "stages", {"vad": {"target_ms": 1}}, "Input should be"),
        ("contract", "stages", {"stt": {"target": 1}}, "Extra inputs"),
        ("engines", "whisper", "vivavoce.providers.whisper", "pattern"),
        ("engines", "whisper", 3, "valid string"),
        ("engines", "options", {"whisper": 3}, "valid dictionary"),
        ("serve", "port", 70_000, "less than or equal to 65535"),
        ("serve", "public_url", "voice.example.org", "pattern"),
        ("serve", "public_url", "https://voice.example.org/?a=b", "pattern"),
        ("serve", "media_url", "https://voice.example.org/twilio", "pattern"),
        ("serve", "max_call_s", 0, "greater than 0"),
        ("serve", "token_ttl_s", 301, "less than or equal to 300"),
        ("serve", "busy_line", "", "at least 1"),
        ("serve", "twilio_auth_token", "t", "Extra inputs"),
    ],
)
def test_bad_values_are_refused(section: str, key: str, value: object, reason: str) -> None:
    data = packaged()
    data[section][key] = value
    with pytest.raises(ValidationError, match=reason):
        Settings.model_validate(data)


@pytest.mark.parametrize(("section", "key"), [("translate", "detector"), ("agent", "turn")])
def test_engine_that_is_not_listed_is_refused(section: str, key: str) -> None:
    data = packaged()
    data[section][key] = "parrot"
    with pytest.raises(ConfigError, match=rf"{section}\.{key}: no engine is named 'parrot'") as caught:
        Settings.model_validate(data)
    assert "whisper" in caught.value.hint


def test_options_of_an_engine_that_is_not_listed_are_refused() -> None:
    data = packaged()
    data["engines"]["options"] = {"wisper": {"threads": 1}}
    with pytest.raises(ConfigError, match=r"engines\.options\.wisper"):
        Settings.model_validate(data)


def test_hash_follows_values_not_their_order() -> None:
    data = packaged()
    turned = {section: dict(reversed(list(values.items()))) for section, values in reversed(list(data.items()))}
    turned["translate"]["duck_db"] = -18.0
    base = config_hash(Settings.model_validate(data))
    assert base == config_hash(Settings.model_validate(turned))
    data["engines"]["options"]["whisper"] = {"threads": 2}
    assert base != config_hash(Settings.model_validate(data))
    assert len(base) == 16
