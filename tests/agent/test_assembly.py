"""What an agent's calls are served by follows the configuration while they are held."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from vivavoce.agent.assembly import Agent, open_agent
from vivavoce.agent.conversation import Conversation
from vivavoce.agent.load import read_script
from vivavoce.agent.turns import Turn
from vivavoce.clock import SystemClock
from vivavoce.config.holder import ConfigHolder
from vivavoce.errors import ConfigError, LegUnavailable
from vivavoce.telemetry.observer import Passage, Unobserved
from vivavoce.telemetry.signals import SessionSignals

SCRIPT = "name: n\nstart: a\nstates:\n  a: {say: Good morning to you., hang_up: true}\n"
ENGINES = """
class Deaf:
    async def warm_up(self): pass
    async def aclose(self): pass
class French(Deaf):
    LANGUAGES = frozenset({"fr"})
"""


def test_turns_of_a_call_that_breaks_off_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = []

    class Told(Unobserved):
        def passed(self, passage: Passage) -> None:
            passed.append(passage.number)

    class Leg:
        """Ear and voice that nobody asks anything."""

        def metered_by(self, meter: object) -> Leg:
            return self

        async def open(self, **_: object) -> Leg:
            return self

        async def aclose(self) -> None: ...

    async def run(conversation: Conversation) -> None:
        conversation.turns.append(Turn("", "a", 1, 2, True, 1.0))
        raise asyncio.CancelledError

    monkeypatch.setattr(Conversation, "run", run)
    leg: Any = Leg()
    agent = Agent(read_script(SCRIPT), leg, leg, leg, leg, leg)
    signals = SessionSignals()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(agent.converse(leg, clock=SystemClock(), signals=signals, observer=Told()))
    assert passed == [1]
    row = signals.row(session_id="", user_id="", app_id="", codec="", at_ms=0, duration_ms=0.0)
    assert row["utterances"] == 1


def test_routes_follow_the_file_and_hold_who_speaks_the_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "agents_engines.py").write_text(ENGINES, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for variable in ("XDG_STATE_HOME", "VIVAVOCE_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    path = tmp_path / "own.toml"

    def write(stt: str, tts: str) -> None:
        path.write_text(
            '[engines]\ndeaf = "agents_engines:Deaf"\nfrench = "agents_engines:French"\nlost = "no_such_module:Lost"\n'
            f'[agent]\nturn = ""\n[routes]\nstt.order = {stt}\ntts.order = {tts}\n',
            encoding="utf-8",
        )

    async def main() -> None:
        write('["deaf"]', '["french", "espeak"]')
        holder = ConfigHolder(path)
        async with open_agent(holder.settings, read_script(SCRIPT), holder=holder) as agent:
            stt, tts = agent.routes
            assert (stt.order(), tts.order()) == (["deaf"], ["espeak"])
            write('["deaf", "whisper"]', '["french", "deaf", "espeak"]')
            holder.poll()
            assert (stt.order(), tts.order()) == (["deaf", "whisper"], ["deaf", "espeak"])
            write('["deaf"]', '["lost", "espeak"]')
            with pytest.raises(ConfigError, match="no module no_such_module"):
                holder.poll()
            assert (stt.order(), tts.order()) == (["deaf", "whisper"], ["deaf", "espeak"])

    try:
        asyncio.run(main())
    except LegUnavailable as missing:
        pytest.skip(f"{missing}; {missing.hint}")
