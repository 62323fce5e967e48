"""The installed program as a user starts it, on real speech and with the real engines."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from vivavoce.models import ModelStore, State

RATE_HZ = 16000
TIMEOUT_S = 60.0
NEEDED = "silero-vad", "whisper-base", "bergamot-enpt", "kokoro-82m"
_CUE = re.compile(r"(\d+)\n(\d\d):(\d\d):(\d\d)\.(\d{3}) --> (\d\d):(\d\d):(\d\d)\.(\d{3})\n(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Program:
    """Runs `vivavoce` in a folder of its own; the user's configuration and state stay out of it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if name not in ("VIVAVOCE_CONFIG", "COLUMNS")}
        own.pop("VIVAVOCE_TRACEBACK", None)
        return own | {f"XDG_{name}_HOME": str(self.folder / name) for name in ("CONFIG", "STATE")}

    def command(self, *arguments: str | Path) -> list[str]:
        return [str(Path(sysconfig.get_path("scripts")) / "vivavoce"), *map(str, arguments)]

    def run(
        self, *arguments: str | Path, cache: Path | None = None, before: Callable[[], None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`cache` replaces the folder of weights; `before` is called in the process before the program starts."""
        environment = self.environment | ({"VIVAVOCE_CACHE": str(cache)} if cache else {})
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            preexec_fn=before,
        )


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture(scope="session")
def weights() -> ModelStore:
    """The store with all that en-pt needs; a test that asks for it is skipped where that was not fetched."""
    store = ModelStore()
    for model in map(store.model, NEEDED):
        for file in model.files:
            if store.check(model, file) is not State.HERE:
                pytest.skip(f"{model.id}: {file.name} is not here; run: vivavoce models fetch")
    return store


@pytest.fixture(scope="session")
def two_sentences(request: pytest.FixtureRequest, weights: ModelStore) -> tuple[NDArray[np.float32], ...]:
    """Two short English sentences at 16 kHz: of ../shared/evalset, else the demo recording's first 3 s and next 3."""
    try:
        folder = request.getfixturevalue("evalset")
    except pytest.skip.Exception:
        path = weights.path("demo-en", "two_cities.wav")
        rate_hz = soundfile.info(path).samplerate
        samples, _ = soundfile.read(path, frames=6 * rate_hz, dtype="float32", always_2d=True)
        places = np.arange(0, len(samples), rate_hz / RATE_HZ)
        demo = np.interp(places, np.arange(len(samples)), samples[:, 0]).astype(np.float32)
        return demo[: 3 * RATE_HZ], demo[3 * RATE_HZ :]
    names = "gcp-brooklyn", "wfw-lamp"
    return tuple(soundfile.read(folder / "audio" / f"{name}.flac", dtype="float32")[0] for name in names)


@pytest.fixture
def speech(two_sentences: tuple[NDArray[np.float32], ...], tmp_path: Path) -> Path:
    """A WAV file of two sentences with 0.8 s between them and a second of silence after them."""
    first, second = two_sentences
    path = tmp_path / "speech.wav"
    pause = np.zeros(RATE_HZ, np.float32)
    soundfile.write(path, np.concatenate((first, pause[: RATE_HZ * 4 // 5], second, pause)), RATE_HZ)
    return path


@pytest.fixture
def short(two_sentences: tuple[NDArray[np.float32], ...], tmp_path: Path) -> Path:
    """A WAV file of one sentence of about two seconds."""
    path = tmp_path / "short.wav"
    soundfile.write(path, two_sentences[0], RATE_HZ)
    return path


@pytest.fixture
def cache_copy(weights: ModelStore, tmp_path: Path) -> Callable[[str], Path]:
    """Makes a cache of links to the weights, without one model: its folder is empty, to be filled otherwise."""

    def copy(without: str) -> Path:
        for folder in (weights.root / "models").iterdir():
            own = tmp_path / "cache" / "models" / folder.name
            own.mkdir(parents=True)
            for file in folder.iterdir() if folder.name != without else ():
                (own / file.name).symlink_to(file)
        return tmp_path / "cache"

    return copy


Cues = list[tuple[int, int, str]]


@pytest.fixture(scope="session")
def read_cues() -> Callable[[Path], Cues]:
    """Reads WebVTT strictly: (from, to, text) in ms; cues are numbered, in order, and do not overlap."""

    def read(path: Path) -> Cues:
        head, *blocks = path.read_text("utf-8").rstrip("\n").split("\n\n")
        assert head.startswith("WEBVTT\n")
        assert "Language: pt" in head
        cues: Cues = []
        for block in blocks:
            if block.startswith("NOTE"):
                continue
            found = _CUE.fullmatch(block)
            assert found is not None, block
            numbers = [int(part) for part in found.groups()[:-1]]
            start_ms, end_ms = _ms(numbers[1:5]), _ms(numbers[5:9])
            assert numbers[0] == len(cues) + 1
            assert (cues[-1][1] if cues else 0) <= start_ms < end_ms
            cues.append((start_ms, end_ms, found.group(10).replace("\n", " ")))
        return cues

    return read


def _ms(parts: list[int]) -> int:
    hours, minutes, seconds, ms = parts
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms


@pytest.fixture(scope="session")
def is_portuguese() -> Callable[[str], bool]:
    """Whether some of the commonest words of Portuguese, and none of English, are in a text."""

    def judge(text: str) -> bool:
        words = set(re.findall(r"\w+", text.casefold()))
        return bool(words & {"o", "a", "os", "de", "da", "do", "que", "é", "era", "foi"}) and not words & {"the", "is"}

    return judge
