"""`vivavoce emulate` as a program: it tells where it serves, obeys its standard input, and ends by Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner

from vivavoce.cli.emulate import PROVIDERS
from vivavoce.cli.main import app
from vivavoce.errors import ConfigError, LegError, LegRefused
from vivavoce.providers.deepgram import Deepgram

COMMAND = [sys.executable, "-c", "from vivavoce.cli.main import main; main()", "emulate"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_its_failures_are_listed(provider: str) -> None:
    listed = CliRunner().invoke(app, ["emulate", provider, "--list-faults"])
    kinds = [line.split()[0] for line in listed.output.splitlines()]
    assert {"refuse", "abort", "close", "stall", "freeze", "slow", "garbage"} < {*kinds}


def test_what_it_does_not_know_is_refused() -> None:
    for args in (["nobody"], ["deepgram", "--fault", "nonsense"], ["deepgram", "--script", "missing.json"]):
        result = CliRunner().invoke(app, ["emulate", *args])
        assert isinstance(result.exception, ConfigError)


def test_it_serves_until_ctrl_c_and_obeys_its_input(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "canary-emulate")
    arguments = ["deepgram", "--script", str(script), "--seed", "7", "--fault", "refuse:503x1"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*COMMAND, *arguments], **pipes, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert first["provider"] == "deepgram"

        def asked(line: str) -> object:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        # The planned fault has the first connection, the injected one all until it is healed.
        assert asyncio.run(attempt(first["address"], script)) == 503
        assert asyncio.run(attempt(first["address"], script)) == "one two three,"
        assert asked("refuse:429") == {"injected": "refuse:429"}
        assert asyncio.run(attempt(first["address"], script)) == 429
        assert asked("heal") == {"healed": True}
        assert asyncio.run(attempt(first["address"], script)) == "one two three,"
        assert "nonsense" in asked("nonsense")["error"]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (130, "")


async def attempt(address: str, script: Path) -> int | str:
    """What is heard of the first phrase, or the status that a connection is refused with."""
    from vivavoce.audio.pcm import Pcm

    deepgram = Deepgram(url=f"ws://{address}", spare=0)
    try:
        async with asyncio.timeout(60):
            stream = await deepgram.open(language="en")
            sound, _ = soundfile.read(script.parent / "clip.wav", dtype="int16")
            await stream.push(Pcm(sound[:32000], 16000))
            await stream.finalise(1)
            text = await anext(hypothesis.text async for hypothesis in stream if hypothesis.final)
            await stream.aclose()
            return text
    except LegRefused as error:
        return error.status
    except LegError as error:
        return error.message
    finally:
        await deepgram.aclose()
