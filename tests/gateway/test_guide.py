"""The guide's files fit what is served."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from vivavoce.config.load import read_settings
from vivavoce.gateway import asterisk, telephony
from vivavoce.gateway.keys import ASTERISK, TWILIO, Keys

GUIDE = (Path(__file__).parents[2] / "docs" / "telephone.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return [textwrap.dedent(text) for text in re.findall(rf" *```{language}\n(.*?) *```", GUIDE, re.DOTALL)]


def test_the_configuration_is_one(tmp_path: Path) -> None:
    path = tmp_path / "vivavoce.toml"
    (text,) = blocks("toml")
    path.write_text(text, "utf-8")
    settings = read_settings(path).serve
    assert Keys.of({TWILIO: "t"}, settings).twilio == "t"
    (proxy,) = blocks("caddy")
    assert telephony.stream_url(settings) == f"wss://{proxy.split()[0]}{telephony.STREAM}"
    assert re.findall(r"handle (\S+) \{\s+reverse_proxy (\S+)", proxy) == [
        (telephony.STREAM, f"{settings.host}:{settings.media_port}"),
        (f"{telephony.STREAM}/*", f"{settings.host}:{settings.port}"),
    ]
    assert all(path.startswith(f"{telephony.STREAM}/") for path in (telephony.VOICE, telephony.AFTER, telephony.STATUS))


def test_the_dialplan_asks_what_is_answered() -> None:
    client, _, plan = blocks("ini")
    assert f"uri = ws://127.0.0.1:8081{asterisk.SOUND}" in client
    base = re.search(r"VIVAVOCE = http://127.0.0.1:8080(\S+)", plan)
    asked = [f"{base[1]}{path}" for path in re.findall(r"\$\{VIVAVOCE\}(\S+?)\?id=", plan)] if base else []
    assert asked == [asterisk.CALL, asterisk.AFTER]
    assert f"Bearer ${{ENV({ASTERISK})}}" in plan
    assert "Set(_TOKEN=" in plan


def test_secrets_are_named_as_they_are() -> None:
    said = "\n".join(blocks("sh"))
    assert f"export {TWILIO}" in said
    assert f"{ASTERISK}=" in said
