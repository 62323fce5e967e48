"""What an agent's calls are served by follows the configuration while they are held."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from vivavoce.agent.assembly import open_agent
from vivavoce.agent.load import read_script
from vivavoce.config.holder import ConfigHolder
from vivavoce.errors import ConfigError, LegUnavailable

SCRIPT = "name: n\nstart: a\nstates:\n  a: {say: Good morning to you., hang_up: true}\n"
ENGINES = """
class Deaf:
    async def warm_up(self): pass
    async def aclose(self): pass
class French(Deaf):
    LANGUAGES = frozenset({"fr"})
"""


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
