"""A telephone call as it is traced and counted, and who may read the counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from vivavoce.accounts.accounts import open_accounts
from vivavoce.clock import SystemClock
from vivavoce.config.load import default_settings
from vivavoce.gateway.app import application
from vivavoce.gateway.books import Books
from vivavoce.gateway.keys import Keys
from vivavoce.telemetry.keeping import Telemetry
from vivavoce.telemetry.monitor import Monitor, open_monitor
from vivavoce.telemetry.otlp import OtlpSettings

pytest.importorskip("prometheus_client", reason="the group telemetry is not installed")

from prometheus_client.parser import text_string_to_metric_families


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@asynccontextmanager
async def monitored(collector: Any) -> AsyncIterator[tuple[Monitor, Books]]:
    settings, clock = default_settings(), SystemClock()
    otlp = OtlpSettings(f"{collector.url}/v1/traces")
    async with (
        open_monitor(settings, clock=clock, metrics=True, otlp=otlp) as monitor,
        open_accounts(lambda: settings) as accounts,
    ):
        telemetry = Telemetry(accounts.outbox.put, wanted=lambda: False)
        yield monitor, Books(accounts, telemetry, language="en", clock=clock, monitor=monitor, script="desk")


async def called(gateway: Any, books: Books, digit: str) -> None:
    async with (
        gateway.opened(books=books) as exchange,
        exchange.stream(await exchange.token("CA-canary"), "CA-canary") as socket,
    ):
        await exchange.agent.until(gateway.Started)
        await gateway.press(socket, digit)
        await exchange.post("/twilio/after", CallSid="CA-canary")


def test_a_call_is_traced_and_counted_and_not_named(gateway: Any, collector: Any) -> None:
    async def main() -> str:
        async with monitored(collector) as (monitor, books):
            await called(gateway, books, "#")
            await called(gateway, books, "0")
            await called(gateway, books, "8")
            assert monitor.metrics is not None
            return monitor.metrics.text().decode()

    text = gateway.run(main())
    samples = {
        (sample.name, sample.labels.get("outcome", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert [samples["vivavoce_sessions_total", outcome] for outcome in ("done", "failed")] == [1, 2]
    assert samples["vivavoce_sound_seconds_total", ""] == 1.5
    done, *failed = sorted(collector.named("invoke_agent desk"), key=lambda span: span.start_ns)
    assert not done.failed
    assert [(span.failed, span.attributes["error.type"]) for span in failed] == [(True, "LegError")] * 2
    assert (done.attributes["vivavoce.app"], done.attributes["vivavoce.stt.whisper.sound_s"]) == ("twilio", 0.5)
    assert "canary" not in text
    assert all(b"canary" not in body for body in collector.bodies)


def test_metrics_are_read_here_and_not_through_the_proxy(gateway: Any, collector: Any) -> None:
    async def main() -> None:
        async with monitored(collector) as (monitor, books), gateway.opened(books=books) as exchange:
            assert monitor.metrics is not None
            monitor.metrics.watch_media(exchange.engine.stats)
            keys = Keys(gateway.TWILIO, gateway.ASTERISK)
            settings = gateway.settings(metrics_from=["10.1.0.0/16", "2001:db8::7"])
            for metrics, peer, headers, status in (
                (monitor.metrics, "127.0.0.1", {}, 200),
                (monitor.metrics, "::ffff:127.0.0.1", {}, 200),
                (monitor.metrics, "10.1.2.3", {}, 200),
                (monitor.metrics, "2001:db8::7", {}, 200),
                (monitor.metrics, "10.2.0.1", {}, 404),
                (monitor.metrics, "203.0.113.9", {}, 404),
                (monitor.metrics, "127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, 404),
                (monitor.metrics, "10.1.2.3", {"X-Real-IP": "203.0.113.9"}, 404),
                (None, "127.0.0.1", {}, 404),
            ):
                app = application(exchange.calls, exchange.engine, settings, keys, clock=SystemClock(), metrics=metrics)
                transport = httpx.ASGITransport(app, client=(peer, 4711))
                async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                    answer = await client.get("/metrics", headers=headers)
                assert answer.status_code == status
                if status == 200:
                    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
                    assert "vivavoce_media_calls" in answer.text

    gateway.run(main())
