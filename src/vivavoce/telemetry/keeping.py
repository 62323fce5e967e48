"""The one way of signals and nudges to the user's own store, and whether they take it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Table

from vivavoce.config.settings import TelemetrySettings
from vivavoce.store.tables import NUDGES, SIGNALS
from vivavoce.telemetry.kinds import Nudge
from vivavoce.telemetry.signals import SessionSignals

VARIABLE: Final = "VIVAVOCE_TELEMETRY"
_OFF: Final = frozenset({"off", "0", "false", "no"})


def allowed(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether anything may be told of single sessions: neither VIVAVOCE_TELEMETRY=off nor DO_NOT_TRACK=1 forbids it.

    Source: consoledonottrack.com, where any value but empty, 0 and false is a wish.
    """
    if environment.get(VARIABLE, "").strip().lower() in _OFF:
        return False
    return environment.get("DO_NOT_TRACK", "").strip().lower() in ("", "0", "false")


def wanted(settings: TelemetrySettings, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether signals may be kept: the environment allows it, and the settings wish it."""
    return allowed(environment) and settings.profiles


class Telemetry:
    """Gives rows to `put`, an outbox's, as long as they are `wanted`, which is asked for each."""

    def __init__(self, put: Callable[[Table, Mapping[str, Any]], None], *, wanted: Callable[[], bool]) -> None:
        self._put, self._wanted = put, wanted

    def session(
        self,
        signals: SessionSignals,
        *,
        session_id: str,
        user_id: str,
        app_id: str,
        codec: str,
        at_ms: int,
        duration_ms: float,
    ) -> None:
        """Keep what a session told; see `SessionSignals.row`."""
        if self._wanted():
            row = signals.row(
                session_id=session_id,
                user_id=user_id,
                app_id=app_id,
                codec=codec,
                at_ms=at_ms,
                duration_ms=duration_ms,
            )
            self._put(SIGNALS, row)

    def nudge(self, kind: Nudge, *, session_id: str, user_id: str, at_ms: int) -> None:
        """Keep what a user did about a session; `at_ms` is ms since 1970."""
        if self._wanted():
            self._put(NUDGES, nudge_row(kind, session_id=session_id, user_id=user_id, at_ms=at_ms))


def nudge_row(kind: Nudge, *, session_id: str, user_id: str, at_ms: int) -> dict[str, Any]:
    """A row of `nudges`, with an identity of its own."""
    return {"id": uuid.uuid4().hex, "session_id": session_id, "user_id": user_id, "at_ms": at_ms, "kind": kind}
