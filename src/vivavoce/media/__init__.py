"""The door: telephone calls, whose frames Rust moves, as Python sees them."""

from vivavoce.media.call import Call
from vivavoce.media.engine import Engine, EngineSettings
from vivavoce.media.events import (
    CallEvent,
    Closed,
    Confirmed,
    Dtmf,
    Ducked,
    Mark,
    Refuted,
    SpeechEnd,
    SpeechStart,
    Started,
    Underrun,
)

__all__ = [
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
    "SpeechStart",
    "Started",
    "Underrun",
]
