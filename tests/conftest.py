"""Data that lies beside the repository where its maintainers work; elsewhere the tests on it are skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _folder(path: Path) -> Path:
    if not path.is_dir():
        pytest.skip(f"../{path.relative_to(SHARED.parent)} is not here")
    return path


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder `shared` next to the repository."""
    return _folder(SHARED)


@pytest.fixture(scope="session")
def evalset() -> Path:
    """Real recordings in several languages, described by the folder's `manifest.json`."""
    return _folder(SHARED / "evalset")
