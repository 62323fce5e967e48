"""The figures of the last session, kept in the user's state folder: numbers only, nothing that was said."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from vivavoce.contract.envelope import Envelope
from vivavoce.errors import OutputError
from vivavoce.folders import state_dir

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
    folder = folder or state_dir()
    path = folder / FILE_NAME
    text = _ADAPTER.dump_json(LastRun(at or datetime.now(UTC), source, envelope), indent=2)
    temporary: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=FILE_NAME, delete=False) as file:
            temporary = Path(file.name)
            file.write(text)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise OutputError(f"{path}: {error.strerror}", hint="free some space or set XDG_STATE_HOME") from error
    return path


def load_last_run(*, folder: Path | None = None) -> LastRun | None:
    """What the last session left; None when there was none or its file cannot be read as one."""
    try:
        return _ADAPTER.validate_json(((folder or state_dir()) / FILE_NAME).read_bytes())
    except (OSError, ValidationError):
        return None
