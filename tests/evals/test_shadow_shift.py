"""The measurement of a shadow's weight, short and over emulators in this process."""

from __future__ import annotations

import asyncio
import json
import math
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from vivavoce.emulators import deepgram
from vivavoce.emulators.faults import GENERAL, Fault
from vivavoce.errors import LegError
from vivavoce.evals import shadow_shift
from vivavoce.evals.failover_stage import KEY


@pytest.fixture
def script(tmp_path) -> Path:
    sound = np.random.default_rng(5).normal(0, 3000, 24000).astype(np.int16)
    soundfile.write(tmp_path / "x.wav", sound, 16000)
    words = [["hello", 200, 600], ["there", 700, 1000]]
    (tmp_path / "script.json").write_text(json.dumps({"clips": [{"audio": "x.wav", "words": words}]}))
    return tmp_path / "script.json"


def measured(script: Path, monkeypatch: pytest.MonkeyPatch, *, shadow_fault: str = "") -> float:
    """The second emulator that is started is the shadow's."""
    faults = iter([[], [Fault.parse(shadow_fault, known=GENERAL)] if shadow_fault else []])

    @asynccontextmanager
    async def emulated(provider: str, *options: str):
        async with deepgram.emulator(script=script, faults=next(faults)).serving() as address:
            yield SimpleNamespace(address=address)

    monkeypatch.setenv(KEY, "a-key-of-nobody")
    monkeypatch.setattr(shadow_shift, "emulated", emulated)
    return asyncio.run(shadow_shift.shadow_shift_ms(script=script, pairs=2))


def test_utterances_with_and_without_a_shadow_are_compared(script, monkeypatch):
    # Generous: how small it is, `bench failover` measures on a machine that does nothing else.
    assert math.fabs(measured(script, monkeypatch)) < 200


def test_a_shadow_that_did_not_hear_it_all_makes_no_figure(script, monkeypatch):
    with pytest.raises(LegError, match="0 of 2 utterances: LegRefused 401"):
        measured(script, monkeypatch, shadow_fault="refuse:401")
