"""The door: telephone calls, whose frames Rust moves, as Python sees them."""

from vivavoce.media.call import Call
from vivavoce.media.engine import Engine, EngineSettings
from vivavoce.media.events import (
    END_MS,
    PAUSE_MS,
    Arrivals,
    CallEvent,
    Closed,
    Confirmed,
    Dtmf,
    Ducked,
    Mark,
    Refuted,
    SpeechEnd,
    SpeechPause,
    SpeechResume,
    SpeechStart,
    Started,
    Underrun,
)

__all__ = [
    "END_MS",
    "PAUSE_MS",
    "Arrivals",
    "Call",
    "CallEvent",
    "Closed",
    "Confirmed",
    "Dtmf",
    "Ducked",
    "Engine",
    "EngineSettings",
    "Mark",
    "Refuted",
    "SpeechEnd",
    "SpeechPause",
    "SpeechResume",
    "SpeechStart",
    "Started",
    "Underrun",
]
