from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tracemalloc
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vivavoce.audio.files import AudioFile, FileSource, open_audio
from vivavoce.audio.pcm import Pcm
from vivavoce.clock import SteppedClock, SystemClock, run_virtual
from vivavoce.errors import SourceMissing, SourceUnreadable

RATES = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000]
FORMATS = [("wav", "PCM_16"), ("wav", "PCM_24"), ("wav", "FLOAT"), ("flac", "PCM_16"), ("ogg", "VORBIS")]
TONE_HZ = 440.0
LEFT, RIGHT = 0.5, 0.3
SECONDS = 0.71

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def tone(rate_hz: int, channels: int = 1, seconds: float = SECONDS) -> np.ndarray:
    wave_ = np.sin(2 * np.pi * TONE_HZ * np.arange(round(rate_hz * seconds)) / rate_hz)
    return wave_ * LEFT if channels == 1 else np.stack([wave_ * LEFT, wave_ * RIGHT], axis=1)


def write_tone(
    path: Path, rate_hz: int, channels: int = 1, subtype: str | None = None, seconds: float = SECONDS
) -> Path:
    soundfile.write(path, tone(rate_hz, channels, seconds), rate_hz, subtype=subtype)
    return path


def encode(source: Path, target: Path, *options: str) -> Path:
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(source), *options, str(target)], check=True)
    return target


def joined(blocks: list[Pcm]) -> np.ndarray:
    return np.concatenate([block.samples for block in blocks]).astype(np.float64) / 32768.0


def check_tone(file: AudioFile, channels: int, *, rate_hz: int | None, level_db: float, frames_off: int = 1) -> None:
    """Frames are 20 ms and contiguous; duration, pitch and level are those of the tone."""
    blocks = list(file.blocks(rate_hz=rate_hz))
    rate = rate_hz or file.rate_hz
    assert {block.rate_hz for block in blocks} == {rate}
    ends = np.cumsum([len(block.samples) for block in blocks])
    assert ends.tolist() == [(k + 1) * 20 * rate // 1000 for k in range(len(blocks))]
    assert [block.start_ms for block in blocks] == pytest.approx([0.0, *(1000.0 * ends[:-1] / rate)])
    assert -20.0 < 20.0 * len(blocks) - 1000.0 * SECONDS <= 20.0 * frames_off
    middle = joined(blocks)[rate // 10 : rate // 2]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 8 * len(middle)))
    assert np.argmax(spectrum) * rate / (8 * len(middle)) == pytest.approx(TONE_HZ, abs=1.0)
    expected = (LEFT if channels == 1 else (LEFT + RIGHT) / 2) / np.sqrt(2)
    assert abs(20 * np.log10(np.sqrt(np.mean(middle**2)) / expected)) < level_db


@pytest.mark.parametrize(("extension", "subtype"), FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", RATES)
def test_every_rate_and_format_keeps_its_sound(
    tmp_path: Path, rate_hz: int, channels: int, extension: str, subtype: str
) -> None:
    file = open_audio(write_tone(tmp_path / f"tone.{extension}", rate_hz, channels, subtype))
    assert (file.rate_hz, file.channels) == (rate_hz, channels)
    assert file.duration_ms == pytest.approx(1000 * SECONDS, abs=1)
    level_db = 0.5 if extension == "ogg" else 0.05
    check_tone(file, channels, rate_hz=None, level_db=level_db)
    check_tone(file, channels, rate_hz=16000, level_db=level_db + 0.1)


@needs_ffmpeg
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("name", "rate_hz", "options"),
    [
        ("tone.mp3", 8000, ()),
        ("tone.mp3", 44100, ()),
        ("tone.m4a", 16000, ("-c:a", "aac")),
        ("tone.m4a", 96000, ("-c:a", "aac")),
        ("tone.mkv", 48000, ("-c:a", "libopus")),
        ("tone.opus", 48000, ()),
        ("tone.webm", 48000, ("-c:a", "libopus")),
        ("tone.aiff", 22050, ()),
        ("tone.au", 8000, ("-c:a", "pcm_mulaw")),
        ("tone.wma", 44100, ()),
    ],
)
def test_what_others_encode_is_read(
    tmp_path: Path, name: str, rate_hz: int, options: tuple[str, ...], channels: int
) -> None:
    file = open_audio(encode(write_tone(tmp_path / "tone.wav", rate_hz, channels), tmp_path / name, *options))
    assert (file.rate_hz, file.channels) == (rate_hz, channels)
    # These pad their last packet, and the container does not say how much of it is sound.
    off = {"tone.m4a": 1 + 1024 * 50 // rate_hz, "tone.wma": 5}.get(name, 1)
    check_tone(file, channels, rate_hz=None, level_db=1.0, frames_off=off)
    check_tone(file, channels, rate_hz=16000, level_db=1.0, frames_off=off)


@needs_ffmpeg
def test_g722_is_read(tmp_path: Path) -> None:
    file = open_audio(encode(write_tone(tmp_path / "tone.wav", 16000), tmp_path / "tone.g722"))
    check_tone(file, 1, rate_hz=8000, level_db=1.0)


@needs_ffmpeg
def test_a_film_gives_its_sound(tmp_path: Path) -> None:
    picture = ("-f", "lavfi", "-i", "color=s=32x32:d=1", "-shortest", "-c:a", "aac")
    film = encode(write_tone(tmp_path / "tone.wav", 44100, 2), tmp_path / "film.mp4", *picture)
    check_tone(open_audio(film), 2, rate_hz=16000, level_db=1.0, frames_off=2)


def test_16_bit_samples_come_through_unchanged(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).integers(-32768, 32768, 3200).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 16000)
    blocks = list(open_audio(tmp_path / "a.wav").blocks())
    assert np.array_equal(np.concatenate([block.samples for block in blocks]), samples)


def test_the_last_frame_is_padded_with_silence(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(330, 0.5), 16000)
    *_, last = open_audio(tmp_path / "a.wav").blocks()
    assert len(last.samples) == 320
    assert (last.samples[:10] != 0).all()
    assert (last.samples[10:] == 0).all()


def test_float_files_are_made_safe(tmp_path: Path) -> None:
    soundfile.write(
        tmp_path / "a.wav", np.array([np.nan, np.inf, -np.inf, 3.0, -3.0, 0.5] * 60), 16000, subtype="FLOAT"
    )
    first = next(open_audio(tmp_path / "a.wav").blocks())
    assert first.samples[:6].tolist() == [0, 32767, -32768, 32767, -32768, 16384]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 48000, 0, "NONE", ""))
        file.writeframes(b"\0\0\0\0" * 48000 * 120)
    file_ = open_audio(path)
    assert file_.duration_ms == 120_000
    tracemalloc.start()
    try:
        assert sum(1 for _ in file_.blocks(rate_hz=16000)) == 6000
        # Other threads of the process count, too; the file is 23 MB.
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    write_tone(tmp_path / "interview.wav", 16000)
    with pytest.raises(SourceMissing) as caught:
        open_audio(tmp_path / "Intervew.wav")
    assert "interview.wav" in caught.value.hint
    with pytest.raises(SourceMissing) as caught:
        open_audio(tmp_path / "interview.flac")
    assert "interview.wav" in caught.value.hint
    with pytest.raises(SourceMissing) as caught:
        open_audio(tmp_path / "no" / "such" / "file.wav")
    assert str(tmp_path) in caught.value.hint
    with pytest.raises(SourceMissing) as caught:
        open_audio("https://example.org/a.mp3")
    assert "Download" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.wav", b"", "is empty"),
        ("noise.bin", np.random.default_rng(7).bytes(100_000), "no known sound format"),
        ("noise.mp3", np.random.default_rng(7).bytes(100_000), "no known sound format"),
        ("samples.raw", np.random.default_rng(7).bytes(3200), "no known sound format"),
        ("four.wav", b"RIFF", "no known sound format"),
    ],
)
@needs_ffmpeg
def test_what_is_no_sound_is_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceUnreadable, match=says) as caught:
        open_audio(tmp_path / name)
    assert caught.value.hint


def test_folders_devices_and_locked_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="is a folder"):
        open_audio(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceUnreadable, match="not a regular file"):
        open_audio(tmp_path / "pipe")
    if os.geteuid() != 0:
        write_tone(tmp_path / "locked.wav", 16000).chmod(0)
        with pytest.raises(SourceUnreadable, match="may not be read"):
            open_audio(tmp_path / "locked.wav")


def test_no_samples_and_odd_rates_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16000)
    with pytest.raises(SourceUnreadable, match="holds no samples"):
        open_audio(tmp_path / "none.wav")
    soundfile.write(tmp_path / "slow.wav", np.zeros(100), 2000)
    with pytest.raises(SourceUnreadable, match="2,000 samples a second"):
        open_audio(tmp_path / "slow.wav")


@needs_ffmpeg
def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "silent.mp4"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=s=32x32:d=1", str(target)]
    subprocess.run(command, check=True)
    with pytest.raises(SourceUnreadable, match="no sound in"):
        open_audio(target)


def test_without_ffmpeg_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tone(tmp_path / "tone.mp3", 16000)
    (tmp_path / "tone.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert open_audio(tmp_path / "tone.mp3").channels == 1
    with pytest.raises(SourceUnreadable, match="without ffmpeg") as caught:
        open_audio(tmp_path / "tone.m4a")
    assert "apt-get install ffmpeg" in caught.value.hint


ENCODINGS: dict[str, tuple[str, ...]] = {
    "tone.flac": (),
    "tone.ogg": ("-c:a", "libvorbis"),
    "tone.mp3": (),
    "tone.m4a": ("-c:a", "aac", "-movflags", "+faststart"),
    "tone.mkv": ("-c:a", "libopus"),
}


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "harm"),
    # Plain samples carry no checksum: noise written over them cannot be told from sound.
    [("tone.wav", "cut"), *((name, harm) for name in ENCODINGS for harm in ("cut", "overwritten"))],
)
def test_damage_is_told_after_what_can_be_read(tmp_path: Path, name: str, harm: str) -> None:
    rng = np.random.default_rng(3)
    soundfile.write(tmp_path / "noise.wav", rng.normal(0, 0.1, 16000 * 20), 16000)
    path = tmp_path / name
    if name in ENCODINGS:
        encode(tmp_path / "noise.wav", path, *ENCODINGS[name])
    else:
        (tmp_path / "noise.wav").rename(path)
    data = bytearray(path.read_bytes())
    middle = len(data) * 6 // 10
    data[middle:] = b"" if harm == "cut" else rng.bytes(4000) + data[middle + 4000 :]
    path.write_bytes(data)
    blocks: list[Pcm] = []
    with pytest.raises(SourceUnreadable, match="damaged or cut short") as caught:
        blocks.extend(open_audio(path).blocks(rate_hz=16000))
    assert caught.value.hint
    assert 20 * len(blocks) > 8000
    assert {len(block.samples) for block in blocks} == {320}


@needs_ffmpeg
def test_an_abandoned_reading_leaves_no_process(tmp_path: Path) -> None:
    path = encode(write_tone(tmp_path / "tone.wav", 48000, seconds=30), tmp_path / "tone.mkv", "-c:a", "flac")
    blocks = open_audio(path).blocks()
    next(blocks)
    assert decoders_of_this_process() == 1
    blocks.close()
    assert decoders_of_this_process() == 0


def decoders_of_this_process() -> int:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    if not children.exists():
        pytest.skip("this system does not tell the children of a process")
    names = [Path(f"/proc/{child}/comm").read_text().strip() for child in children.read_text().split()]
    return names.count("ffmpeg")


async def arrivals(source: FileSource, clock: SystemClock | SteppedClock) -> list[float]:
    began = clock.now_ns()
    return [(clock.now_ns() - began) / 1e6 async for _ in source]


def test_a_paced_source_keeps_to_the_clock(tmp_path: Path) -> None:
    source = FileSource(write_tone(tmp_path / "tone.wav", 44100, 2, seconds=1.0), clock=SystemClock())
    assert source.duration_ms == 1000
    assert run_virtual(arrivals(source, SystemClock())) == [20.0 * (k + 1) for k in range(50)]


def test_a_slow_reader_makes_a_paced_source_catch_up(tmp_path: Path) -> None:
    clock = SystemClock()

    async def run() -> list[float]:
        times = []
        async for frame in FileSource(write_tone(tmp_path / "tone.wav", 16000, seconds=0.4), clock=clock):
            times.append(clock.now_ns() / 1e6)
            if frame.start_ms == 100:
                await clock.sleep_until(clock.now_ns() + 90_000_000)
        return times

    times = run_virtual(run())
    assert times[5:11] == [120, 210, 210, 210, 210, 220]
    assert times[-1] == 400


def test_an_unpaced_source_takes_no_time(tmp_path: Path) -> None:
    source = FileSource(write_tone(tmp_path / "tone.wav", 16000), clock=SystemClock(), paced=False)
    assert set(run_virtual(arrivals(source, SystemClock()))) == {0.0}


def test_a_stepped_clock_is_moved_by_the_source(tmp_path: Path) -> None:
    clock = SteppedClock()
    source = FileSource(write_tone(tmp_path / "tone.wav", 16000, seconds=0.1), clock=clock)
    assert asyncio.run(arrivals(source, clock)) == [20, 40, 60, 80, 100]


def test_a_cancelled_wait_loses_no_frame(tmp_path: Path) -> None:
    async def run() -> list[float]:
        source = FileSource(write_tone(tmp_path / "tone.wav", 16000, seconds=0.1), clock=SystemClock())
        starts = []
        for _ in range(40):
            try:
                async with asyncio.timeout(0.007):
                    starts.append((await anext(source)).start_ms)
            except TimeoutError:
                continue
            except StopAsyncIteration:
                break
        return starts

    assert run_virtual(run()) == [0, 20, 40, 60, 80]


def test_a_closed_source_ends(tmp_path: Path) -> None:
    async def run() -> int:
        source = FileSource(write_tone(tmp_path / "tone.wav", 16000), clock=SystemClock())
        await anext(source)
        await source.aclose()
        await source.aclose()
        return len([frame async for frame in source])

    assert run_virtual(run()) == 0
