"""Data that lies beside the repository where its maintainers work; elsewhere the tests on it are skipped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

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


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A script for emulated recognisers: one clip at 16 kHz of noises that stand for words, three to a phrase."""
    rate_hz, random = 16000, np.random.default_rng(5)
    pieces, words, at_ms = [random.normal(0, 2, rate_hz // 2)], list[tuple[str, float, float]](), 500.0
    text = "one two three, four five six. Seven eight nine, ten eleven twelve."
    for number, word in enumerate(text.split()):
        duration_ms, gap_ms = int(random.integers(150, 400)), 700 if number % 3 == 2 else 60
        noise = np.convolve(random.normal(0, 4000, duration_ms * rate_hz // 1000), np.hanning(12) / 6, mode="same")
        pieces += [noise, random.normal(0, 2, gap_ms * rate_hz // 1000)]
        words.append((word, at_ms, at_ms + duration_ms))
        at_ms += duration_ms + gap_ms
    folder = tmp_path_factory.mktemp("script")
    soundfile.write(folder / "clip.wav", np.concatenate(pieces).astype(np.int16), rate_hz, subtype="PCM_16")
    path = folder / "script.json"
    path.write_text(json.dumps({"clips": [{"audio": "clip.wav", "words": words}]}), "utf-8")
    return path
