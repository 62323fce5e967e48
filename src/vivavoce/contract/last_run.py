"""The figures of the last session, kept in the user's state folder: numbers only, nothing that was said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from vivavoce.contract.envelope import Envelope
from vivavoce.folders import keep_state, state_dir

FILE_NAME = "last-run.json"


@dataclass(frozen=True, slots=True)
class LastRun:
    """`source` names what was listened to, as the user would recognise it."""

    at: datetime
    source: str
    envelope: Envelope


_ADAPTER: TypeAdapter[LastRun] = TypeAdapter(LastRun)


def save_last_run(envelope: Envelope, *, source: str, at: datetime | None = None, folder: Path | None = None) -> Path:
    """Replace what the last session left, in one step; returns the file. Raises OutputError when it cannot."""
    last = LastRun(at or datetime.now(UTC), source, envelope)
    return keep_state((folder or state_dir()) / FILE_NAME, _ADAPTER.dump_json(last, indent=2))


def load_last_run(*, folder: Path | None = None) -> LastRun | None:
    """What the last session left; None when there was none or its file cannot be read as one."""
    try:
        return _ADAPTER.validate_json(((folder or state_dir()) / FILE_NAME).read_bytes())
    except (OSError, ValidationError):
        return None
