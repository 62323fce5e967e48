"""The whole gateway on ports of its own, and the command that starts it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from vivavoce.cli.main import app
from vivavoce.cli.serve import where_to_call
from vivavoce.clock import SystemClock
from vivavoce.errors import ConfigError, LegError, MediaError, ModelError
from vivavoce.gateway import packages
from vivavoce.gateway.keys import ASTERISK, TWILIO, Keys
from vivavoce.gateway.serving import Ports, serve

EXAMPLE = Path(__file__).parents[2] / "examples" / "appointments.yaml"


async def served(
    gateway: Any, agent: Any, stopping: asyncio.Event, ports: asyncio.Future[Ports], **changes: Any
) -> None:
    settings, keys = gateway.settings(**changes), Keys(gateway.TWILIO, gateway.ASTERISK)
    await serve(
        agent, settings, keys, clock=SystemClock(), stopping=stopping, opened=ports.set_result, media=gateway.QUIET
    )


def test_it_serves_until_the_last_call_is_over(gateway: Any) -> None:
    async def main() -> None:
        stopping, ports = asyncio.Event(), asyncio.get_running_loop().create_future()
        agent = gateway.Listener()
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(served(gateway, agent, stopping, ports))
            found = await ports
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{found.http}") as client:
                line = gateway.Exchange(client, gateway.At(found.media), agent, None)
                async with line.stream(await line.token()) as socket:
                    await agent.until(gateway.Started)
                    health = (await client.get("/health")).json()
                    assert (health["status"], health["calls"]) == ("serving", {"held": 1, "talking": 1})
                    assert health["late_ms"].keys() >= {"p50", "p95", "p99"}
                    stopping.set()
                    while (await client.get("/health")).json()["status"] != "draining":
                        pass
                    assert "<Hangup" in (await line.post("/twilio/voice", CallSid="CA2")).text
                    assert (await line.dialplan("/asterisk/call?id=1")).status_code == 503
                    assert not serving.done()
                    await gateway.press(socket, "#")
                await serving
                with pytest.raises(httpx.ConnectError):
                    await client.get("/health")

    gateway.run(main())


def test_cancelling_ends_it_with_its_calls(gateway: Any) -> None:
    async def main() -> None:
        stopping, ports = asyncio.Event(), asyncio.get_running_loop().create_future()
        agent = gateway.Listener()
        serving = asyncio.create_task(served(gateway, agent, stopping, ports))
        found = await ports
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{found.http}") as client:
            line = gateway.Exchange(client, gateway.At(found.media), agent, None)
            async with line.stream(await line.token()):
                await agent.until(gateway.Started)
                serving.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await serving

    gateway.run(main())


def test_a_port_that_is_taken_is_told(gateway: Any) -> None:
    async def main() -> None:
        stopping, ports = asyncio.Event(), asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(served(gateway, gateway.Listener(), stopping, ports))
        taken = (await ports).http
        with pytest.raises(MediaError, match=f"cannot listen at 127.0.0.1:{taken}") as refused:
            await served(gateway, gateway.Listener(), stopping, ports, port=taken)
        assert "--port" in refused.value.hint
        stopping.set()
        await serving

    gateway.run(main())


def test_it_says_what_to_put_where(gateway: Any) -> None:
    said = where_to_call(gateway.settings(), Keys("t", "s"), Ports(8080, 8081))
    assert said == [
        "health        http://127.0.0.1:8080/health",
        "Twilio        a call comes in: https://voice.example.org/line/twilio/voice (POST)",
        "              call status changes: https://voice.example.org/line/twilio/status",
        "reverse proxy wss://voice.example.org/twilio to ws://127.0.0.1:8081/twilio, the rest to http://127.0.0.1:8080",
        "Asterisk      websocket_client.conf: uri = ws://127.0.0.1:8081/asterisk",
        "              dialplan: http://127.0.0.1:8080/asterisk/call and /asterisk/after",
    ]
    assert len(where_to_call(gateway.settings(), Keys(asterisk="s"), Ports(1, 2))) == 3


def refusal(*words: str) -> BaseException | None:
    return CliRunner().invoke(app, ["serve", *words]).exception


def test_without_a_secret_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (TWILIO, ASTERISK):
        monkeypatch.delenv(name, raising=False)
    error = refusal(str(EXAMPLE))
    assert isinstance(error, ConfigError)
    assert "nobody could call" in error.message


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "twilio" else object())
    error = refusal(str(EXAMPLE))
    assert isinstance(error, ConfigError)
    assert error.message == "serving needs twilio"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("impatient", [False, True])
def test_a_signal_ends_the_command_and_a_second_one_at_once(tmp_path: Path, impatient: bool) -> None:
    script = tmp_path / "s.yaml"
    script.write_text("name: n\nstart: a\nstates:\n  a: {say: Good morning., hang_up: true}\n", "utf-8")
    program = str(Path(sysconfig.get_path("scripts")) / "vivavoce")
    environment = os.environ | {ASTERISK: "canary", "XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    environment.pop(TWILIO, None)
    command = [program, "serve", str(script), "--port", "0", "--media-port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = re.search(r"http://[^/]+", process.stdout.readline())
        if address is None:
            error = process.communicate()[1]
            assert process.returncode in (ModelError.exit_code, LegError.exit_code), error
            pytest.skip(error)
        with httpx.Client(base_url=address[0]) as client:
            assert client.get("/health").json()["status"] == "serving"
            if impatient:
                assert client.get("/asterisk/call?id=1", headers={"Authorization": "Bearer canary"}).text
            process.send_signal(signal.SIGTERM)
            if impatient:
                while client.get("/health").json()["status"] != "draining":
                    pass
                process.send_signal(signal.SIGTERM)
        said, error = process.communicate(timeout=60)
    assert process.returncode == (130 if impatient else 0)
    assert "no more calls" in said
    assert "canary" not in said + error
    assert "Traceback" not in error
