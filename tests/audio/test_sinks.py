from __future__ import annotations

import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vivavoce.audio.pcm import Samples
from vivavoce.audio.sinks import HEADER_BYTES, RIFF_LIMIT_BYTES, WavSink, check_output, wav_header
from vivavoce.errors import OutputError


def frame(value: int = 1000) -> Samples:
    return np.full(320, value, dtype=np.int16)


def test_what_is_written_can_be_read_back(tmp_path: Path) -> None:
    samples = np.random.default_rng(2).integers(-32768, 32768, 5000).astype(np.int16)
    with WavSink(tmp_path / "a.wav", 24000) as sink:
        for start in range(0, 5000, 480):
            sink.write(samples[start : start + 480])
        assert sink.duration_ms == pytest.approx(5000 / 24)
    read, rate_hz = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert rate_hz == 24000
    assert np.array_equal(read, samples)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getparams()[:4] == (1, 2, 24000, 5000)


def test_the_file_is_whole_while_it_grows(tmp_path: Path) -> None:
    sink = WavSink(tmp_path / "a.wav", 16000)
    for count in range(1, 121):
        sink.write(frame())
        with wave.open(str(tmp_path / "a.wav")) as file:
            assert file.getnframes() == count // 50 * 50 * 320
    sink.flush()
    assert soundfile.info(tmp_path / "a.wav").frames == 120 * 320
    sink.close()
    sink.close()
    with pytest.raises(OutputError, match="is closed"):
        sink.write(frame())


def test_a_killed_process_leaves_what_it_wrote(tmp_path: Path) -> None:
    code = (
        "import os, sys, numpy; from vivavoce.audio.sinks import WavSink\n"
        "sink = WavSink(sys.argv[1], 16000)\n"
        "for _ in range(75): sink.write(numpy.full(320, 7, dtype='int16'))\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.wav")], check=False, env=with_package())
    samples, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert len(samples) == 16000
    assert set(samples.tolist()) == {7}


def test_a_full_disk_keeps_what_fitted(tmp_path: Path) -> None:
    code = (
        "import resource, sys, numpy\n"
        "from vivavoce.audio.sinks import WavSink; from vivavoce.errors import OutputError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50001, 50001))\n"
        "sink = WavSink(sys.argv[1], 16000)\n"
        "try:\n"
        "    while True: sink.write(numpy.full(320, 7, dtype='int16'))\n"
        "except OutputError as error: print(error, error.hint, sep='|')\n"
        "sink.close()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.wav")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=with_package())
    message, hint = done.stdout.strip().split("|")
    assert message.endswith("the file may not grow larger here")
    assert "Free some space" in hint
    samples, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert len(samples) == (50000 - HEADER_BYTES) // 2
    assert set(samples.tolist()) == {7}


def with_package() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_device_without_room_is_told() -> None:
    with pytest.raises(OutputError, match="the disk is full"):
        WavSink("/dev/full", 16000)


def test_past_four_gibibytes_it_is_rf64(tmp_path: Path) -> None:
    samples = (RIFF_LIMIT_BYTES + 2000) // 2
    path = tmp_path / "huge.wav"
    with path.open("wb") as file:
        file.write(wav_header(samples, 16000))
        file.truncate(HEADER_BYTES + 2 * samples)  # sparse: takes no room
    found = soundfile.info(path)
    assert (found.format, found.frames, found.samplerate) == ("RF64", samples, 16000)
    path.unlink()


def test_below_that_it_is_plain_riff() -> None:
    assert len(wav_header(RIFF_LIMIT_BYTES // 2, 16000)) == len(wav_header(1 << 32, 16000)) == HEADER_BYTES
    assert wav_header(RIFF_LIMIT_BYTES // 2, 16000).startswith(b"RIFF")
    assert wav_header(RIFF_LIMIT_BYTES // 2 + 1, 16000).startswith(b"RF64")


def test_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no folder") as caught:
        WavSink(tmp_path / "no" / "a.wav", 16000)
    assert "mkdir" in caught.value.hint
    with pytest.raises(OutputError, match="is a folder"):
        WavSink(tmp_path, 16000)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(OutputError, match="no regular file"):
        WavSink(tmp_path / "pipe", 16000)
    os.close(reader)
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(OutputError, match="may not be written"):
            WavSink(tmp_path / "a.wav", 16000)
        tmp_path.chmod(0o700)


def test_the_source_is_never_overwritten(tmp_path: Path) -> None:
    source = tmp_path / "source.wav"
    soundfile.write(source, np.zeros(100), 16000)
    before = source.read_bytes()
    (tmp_path / "link.wav").symlink_to(source)
    os.link(source, tmp_path / "hard.wav")
    for name in ("source.wav", "link.wav", "hard.wav"):
        with pytest.raises(OutputError, match="is the file that is read"):
            WavSink(tmp_path / name, 16000, sources=[source])
    assert source.read_bytes() == before
    with pytest.raises(OutputError, match="written twice"):
        check_output(tmp_path / "new.wav", sources=[tmp_path / "new.wav"])
