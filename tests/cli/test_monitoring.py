"""The installed program and what it tells of itself: a trace of a real session, and a dead collector."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile


def translate(program: Any, source: Path, endpoint: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in program.environment.items() if not name.startswith("OTEL_")}
    own |= {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    for name in ("VIVAVOCE_TELEMETRY", "DO_NOT_TRACK"):
        own.pop(name, None)
    command = program.command("translate", source, "--from", "en", "--to", "pt", "--no-pace", "--voice", "espeak")
    return subprocess.run(command, cwd=program.folder, env=own, capture_output=True, text=True, timeout=60)


def test_a_session_is_traced_leg_by_leg(program: Any, short: Path, collector: Any) -> None:
    done = translate(program, short, collector.url)
    assert done.returncode == 0, done.stderr
    (root,) = collector.named("interpret en-pt")
    assert (root.attributes["vivavoce.outcome"], root.attributes["vivavoce.paced"]) == ("done", False)
    utterances = collector.named("utterance")
    assert len(utterances) == root.attributes["vivavoce.utterances"] >= 1
    assert {span.parent for span in utterances} == {root.id}
    stages = {span.name for utterance in utterances for span in collector.children(utterance)}
    assert stages >= {"trigger", "stt", "mt", "tts", "endpoint", "route", "heard"}
    legs = {span.attributes["vivavoce.leg"] for span in collector.spans if "vivavoce.leg" in span.attributes}
    assert legs == {"stt", "mt", "tts"}
    assert (
        "gen_ai.request.model" in next(span for span in collector.spans if "vivavoce.leg" in span.attributes).attributes
    )
    # Sample 0 was at the session's beginning: nothing of it lies in the future.
    assert all(abs(span.start_ns - time.time_ns()) < 120e9 for span in collector.spans)


@pytest.mark.usefixtures("weights")
def test_a_dead_collector_costs_a_note(program: Any, tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(8000), 16000)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = translate(program, silence, f"http://127.0.0.1:{port}")
    assert done.returncode == 4, "nobody speaks in it"
    assert "note: 1 of 1 spans did not reach the collector of traces" in done.stdout
    assert not {"Traceback", "opentelemetry", "retrying"} & set(done.stderr.split())
