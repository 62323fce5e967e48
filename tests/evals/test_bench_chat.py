from __future__ import annotations

import asyncio
import json
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from vivavoce.cli.main import app
from vivavoce.evals.bench_chat import ChatBench, ChatPlan
from vivavoce.evals.chat_table import chat_page

PROXY = """
import asyncio, json, sys
config, port = sys.argv[sys.argv.index("--config") + 1], int(sys.argv[sys.argv.index("--port") + 1])
base = json.load(open(config))["model_list"][0]["litellm_params"]["api_base"]
host, of = base.removeprefix("http://").removesuffix("/v1").split(":")

async def pump(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()

async def pass_on(reader, writer):
    there = await asyncio.open_connection(host, int(of))
    await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

async def main():
    async with await asyncio.start_server(pass_on, "127.0.0.1", port) as server:
        await server.serve_forever()

asyncio.run(main())
"""
"""Stands where LiteLLM's proxy would: it is started as that is, and finds the endpoint in its configuration."""


def shown(figures: dict[str, Any]) -> str:
    console = Console(file=StringIO(), width=140)
    console.print(chat_page(figures))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_every_client_is_measured_at_every_number(tmp_path: Path) -> None:
    (tmp_path / "proxy.py").write_text(PROXY, "utf-8")
    told: list[str] = []
    plan = ChatPlan(at_once=(1, 3), requests=4, litellm=[sys.executable, str(tmp_path / "proxy.py")])
    bench = ChatBench(plan, on_progress=lambda label, *_: told.append(label))
    asyncio.run(bench.run())
    figures = bench.figures()
    assert figures["missing"] == {}
    assert list(figures["first_token_ms"]) == ["vivavoce", "vivavoce through LiteLLM", "openai SDK", "bare sockets"]
    for row in figures["first_token_ms"].values():
        assert list(row) == ["1", "3"]
        for found in row.values():
            assert found["n"] == 4
            assert 0 < found["p50"] <= found["p95"] <= found["p99"] < 5000
    assert told[0] == "vivavoce, 1 at once"
    assert len(told) == 8
    assert "vivavoce through LiteLLM" in shown(figures)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "LiteLLM was not named"),
        (("no-such-program",), "listen"),
        ((sys.executable, "-c", "raise SystemExit"), "listen"),
    ],
)
def test_a_proxy_that_is_not_there_leaves_its_row_out(words: tuple[str, ...], why: str) -> None:
    bench = ChatBench(ChatPlan(at_once=(1,), requests=1, litellm=words))
    asyncio.run(bench.run())
    figures = bench.figures()
    assert list(figures["missing"]) == ["vivavoce through LiteLLM"]
    assert why in figures["missing"]["vivavoce through LiteLLM"]
    assert list(figures["first_token_ms"]) == ["vivavoce", "openai SDK", "bare sockets"]
    assert why in shown(figures)


def test_the_command_prints_an_envelope(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["bench", "chat", "--at-once", "1", "--requests", "2", "--json"])
    assert result.exit_code == 0
    envelope = json.loads(result.stdout)
    assert (envelope["command"], envelope["n"], envelope["valid"]) == ("vivavoce bench chat", 2, True)
    assert envelope["figures"]["first_token_ms"]["vivavoce"]["1"]["n"] == 2


@pytest.mark.parametrize("text", ["0", "x", "", "1,-2"])
def test_numbers_at_once_are_checked(text: str) -> None:
    result = CliRunner().invoke(app, ["bench", "chat", "--at-once", text])
    assert result.exit_code == 2
