"""A real call: the media plane, recognition, policy and synthesis, and a caller of the same machine."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from vivavoce.agent.assembly import open_agent
from vivavoce.agent.handset import FRAME
from vivavoce.agent.load import load_script, read_script
from vivavoce.agent.rehearsal import Cue, Manners, RehearsedCaller
from vivavoce.agent.scenario import Part, unmet
from vivavoce.agent.simulation import Simulated, cues_of, simulated
from vivavoce.clock import SystemClock
from vivavoce.config.load import default_settings
from vivavoce.config.settings import Settings
from vivavoce.errors import LegUnavailable, ModelError, OutputError
from vivavoce.telemetry.monitor import open_monitor
from vivavoce.telemetry.observer import AGENT, SessionLabels
from vivavoce.telemetry.otlp import OtlpSettings

EXAMPLE = Path(__file__).parents[2] / "examples" / "appointments.yaml"
PARTS = [
    Part(say="I want to cancel my appointment.", expect="cancel"),
    Part(say="Two one two, five five five, zero one two three.", expect="cancelled"),
]


def unhurried() -> Settings:
    """Settings in which the caller's voice is not given up on a slow machine: the next one is misheard."""
    values = default_settings().model_dump()
    values["routes"]["tts"]["engines"]["kokoro"] |= {"cap_ms": 60_000.0, "deadline_ms": 60_000.0, "stall_ms": 60_000.0}
    return Settings.model_validate(values)


@pytest.mark.realtime
@pytest.mark.timeout(180)
def test_an_appointment_is_cancelled_by_telephone(tmp_path: Path, collector: Any) -> None:
    async def main() -> Simulated:
        script, clock = load_script(EXAMPLE), SystemClock()
        labels = SessionLabels(session_id="s", product=AGENT, name=script.name)
        otlp = OtlpSettings(f"{collector.url}/v1/traces")
        settings = unhurried()
        async with (
            open_monitor(settings, clock=clock, otlp=otlp) as monitor,
            open_agent(settings, script, now=lambda: datetime(2026, 3, 2, 10, 0)) as agent,
        ):
            cues = await cues_of(agent, PARTS, voice="am_michael")
            with monitor.session(labels, clock=clock) as observer:
                return await simulated(agent, cues, observer=observer)

    try:
        call = asyncio.run(asyncio.wait_for(main(), 150))
    except (LegUnavailable, ModelError) as missing:
        pytest.skip(f"{missing}; {missing.hint}")
    assert unmet(PARTS, call.history) == []
    assert call.state == "cancelled"
    assert call.failure is None
    states = [one.state for one in call.history if one.who == "caller"]
    assert states == ["greeting", "cancel"]
    assert [one.gap_ms is not None for one in call.recording.exchanges] == [True, True]
    assert all(decided_ms is not None and decided_ms < 5000 for decided_ms in call.decided_ms)
    (root,), turns = collector.named("invoke_agent appointments"), collector.named("utterance")
    assert [span.attributes["vivavoce.state"] for span in turns] == ["greeting", "cancel"]
    for span in turns:
        assert span.parent == root.id
        inside = {child.name: child for child in collector.children(span)}
        assert {"endpoint", "reply", "heard", "transcribe whisper"} <= inside.keys()
        assert inside["endpoint"].end_ns == inside["reply"].start_ns
    # Neither what the caller said, nor what the agent did.
    assert not [one for one in call.history for body in collector.bodies if one.text.encode() in body]
    call.write(tmp_path / "both.wav")
    sound, rate_hz = soundfile.read(tmp_path / "both.wav", dtype="int16")
    assert rate_hz == 8000
    assert (np.abs(sound).max(axis=0) > 3000).all()
    with pytest.raises(OutputError):
        call.write(tmp_path / "none" / "both.wav")


def test_clips_are_whole_frames_and_silence_ends_the_call() -> None:
    caller = RehearsedCaller([Cue(np.ones(FRAME + 1, np.int16))], manners=Manners(give_up_ms=0.0))
    assert caller.speak(0.0) is None
    patient = RehearsedCaller([Cue(np.ones(FRAME + 1, np.int16))])
    patient.hear(np.ones(FRAME, np.int16), 0.0, patient.playout.take(20.0, 0.0))
    said = [patient.speak(now_ms) for now_ms in (1000.0, 1020.0, 1040.0)]
    assert [int(frame.sum()) for frame in said if frame is not None] == [FRAME, 1, 0]


def speaking_at(cue: Cue) -> list[float]:
    """When a caller is heard whom an agent tells something for 100 ms, from 500 ms on."""
    caller, spoken_ms = RehearsedCaller([cue]), []
    for now_ms in np.arange(0.0, 3000.0, 20.0):
        if 500.0 <= now_ms < 600.0:
            caller.hear(np.ones(FRAME, np.int16), now_ms, caller.playout.take(20.0, now_ms))
        frame = caller.speak(now_ms)
        assert frame is not None
        spoken_ms += [now_ms] if frame.any() else []
    return spoken_ms


def test_cues_tell_when_something_is_said() -> None:
    clip = np.ones(2 * FRAME, np.int16)
    assert speaking_at(Cue(clip)) == [1300.0, 1320.0]
    assert speaking_at(Cue(clip, after_ms=40.0)) == [640.0, 660.0]
    assert speaking_at(Cue(clip, over_ms=40.0)) == [540.0, 560.0]


@pytest.mark.timeout(120)
def test_lines_without_slots_are_made_ahead() -> None:
    text = "name: n\nstart: a\nstates:\n  a: {say: [Good morning to you., Hello there.], hang_up: true}\n"

    async def main() -> tuple[int, dict[str, float]]:
        async with open_agent(default_settings(), read_script(text)) as agent:
            count = await agent.warm()
            return count, {line: sum(piece.duration_ms for piece in sound) for line, sound in agent.fixed.items()}

    try:
        count, lengths_ms = asyncio.run(main())
    except (LegUnavailable, ModelError) as missing:
        pytest.skip(f"{missing}; {missing.hint}")
    assert count == 2
    assert set(lengths_ms) == {"Good morning to you.", "Hello there."}
    assert all(300 < length_ms < 4000 for length_ms in lengths_ms.values())
