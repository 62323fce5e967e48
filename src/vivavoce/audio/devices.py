"""Microphone and speaker, over sounddevice (the optional group `devices`).

PortAudio calls back on a thread of its own. The callback only copies a block and wakes the event loop; everything else
happens there. A device that stops calling back is taken for lost.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, Self

import numpy as np

from vivavoce.audio.pcm import FRAME_MS, Pcm, Samples, pcm16
from vivavoce.audio.resample import Resampler
from vivavoce.clock import NS_PER_MS, Clock
from vivavoce.errors import DeviceLost

# The first callback may take long (Bluetooth); after it, a second without one means that the device is gone.
START_MS = 3000
STALL_MS = 1000
MIC_QUEUE_MS = 10_000

Device = int | str | None


class DeviceStream(Protocol):
    """The part of a sounddevice raw stream that is used."""

    @property
    def samplerate(self) -> float: ...

    def start(self) -> None: ...

    def abort(self) -> None: ...

    def close(self) -> None: ...


# (device, asked rate, on_block(bytes or bytearray to fill), on_finished) -> stream
OpenStream = Callable[[Device, int, Callable[[Any], None], Callable[[], None]], DeviceStream]


class _DeviceEnd:
    """What a microphone and a speaker share: the stream, the wake-up, and the watch over its callbacks."""

    kind = "device"

    def __init__(self, opener: OpenStream, device: Device, clock: Clock, rate_hz: int) -> None:
        self.rate_hz = self._device_hz = rate_hz
        self._opener = opener
        self._device = device
        self._clock = clock
        self._stream: DeviceStream | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._deadline_ns = 0
        self._finished = self._closed = False

    async def start(self) -> None:
        """Open the device, which may take a while; otherwise the first use does."""
        if self._stream is not None or self._closed:
            return
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._open)
        if self._stream is not None:
            self._deadline_ns = self._clock.now_ns() + START_MS * NS_PER_MS
            self._stream.start()

    def _open(self) -> None:
        self._stream = self._opener(self._device, self.rate_hz, self._on_block, self._on_finished)
        self._device_hz = round(self._stream.samplerate)
        self._prepare()
        if self._closed:  # while it opened
            self._shut()

    def _shut(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.abort()
            stream.close()

    def _prepare(self) -> None: ...

    def _on_block(self, block: Any) -> None: ...

    def _on_finished(self) -> None:
        self._finished = True
        self._tell(self._woken.set)

    def _tell(self, callback: Callable[..., object], *args: object) -> None:
        """Call something on the loop from the device's thread; a loop that is gone wants to know nothing."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            return

    def _alive(self) -> None:
        self._deadline_ns = self._clock.now_ns() + STALL_MS * NS_PER_MS
        self._woken.set()

    async def _wait(self) -> None:
        """Wait for the next callback. Raises DeviceLost when none comes in time."""
        if self._finished and not self._closed:
            raise self._lost("it was unplugged or its driver stopped")
        remaining_ns = self._deadline_ns - self._clock.now_ns()
        if remaining_ns <= 0:
            raise self._lost("it has stopped answering")
        self._woken.clear()
        try:
            async with asyncio.timeout(remaining_ns / 1e9):
                await self._woken.wait()
        except TimeoutError:
            return  # the caller looks again, and the deadline has passed unless the clock runs otherwise

    def _lost(self, reason: str) -> DeviceLost:
        name = "the default " + self.kind if self._device is None else f"the {self.kind} {self._device}"
        return DeviceLost(
            f"{name} is lost: {reason}", hint="Plug it in again and start anew. What was done before is kept."
        )

    async def aclose(self) -> None:
        """Stop the device. Safe to call again."""
        self._closed = True
        self._woken.set()
        # PortAudio joins its own thread here, which may take some blocks' time.
        await asyncio.to_thread(self._shut)


class MicSource(_DeviceEnd):
    """A microphone as an asynchronous iterator of 20 ms frames, until `aclose`.

    When nobody takes frames for 10 s the newest are dropped and silence stands in their place, so that sample time
    stays contiguous; `dropped_ms` counts them. Raises DeviceLost when the device is missing or vanishes.
    """

    kind = "microphone"

    def __init__(
        self, *, device: Device = None, clock: Clock, rate_hz: int = 16000, open_stream: OpenStream | None = None
    ) -> None:
        super().__init__(open_stream or open_input, device, clock, rate_hz)
        self._pieces: deque[tuple[int, Samples]] = deque()
        self._resampler: Resampler | None = None
        self._waiting: Samples = np.zeros(0, dtype=np.int16)
        self._heard = self._queued = self._expected = self._taken = self._frames = 0
        self.dropped_ms = 0.0

    @property
    def codec(self) -> str:
        """What it gives: samples at its own rate, which is known once it has started."""
        return pcm16(self._device_hz)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Pcm:
        if self._closed:
            raise StopAsyncIteration
        await self.start()
        size = (self._frames + 1) * FRAME_MS * self.rate_hz // 1000 - self._taken
        while len(self._waiting) < size:
            while not self._pieces:
                await self._wait()
                if self._closed:
                    raise StopAsyncIteration
            place, block = self._pieces.popleft()
            self._queued -= len(block)
            gap = np.zeros(place - self._expected, dtype=np.int16)
            self._expected = place + len(block)
            block = np.concatenate((gap, block))
            self._waiting = np.concatenate((self._waiting, self._resampler.push(block) if self._resampler else block))
        frame = Pcm(self._waiting[:size], self.rate_hz, 1000.0 * self._taken / self.rate_hz)
        self._waiting = self._waiting[size:]
        self._taken += size
        self._frames += 1
        return frame

    def _prepare(self) -> None:
        if self._device_hz != self.rate_hz:
            self._resampler = Resampler(self._device_hz, self.rate_hz)

    def _on_block(self, block: Any) -> None:
        self._tell(self._take, np.frombuffer(bytes(block), dtype=np.int16))

    def _take(self, block: Samples) -> None:
        place, self._heard = self._heard, self._heard + len(block)
        if self._queued + len(block) > MIC_QUEUE_MS * self._device_hz // 1000:
            self.dropped_ms += 1000.0 * len(block) / self._device_hz
        else:
            self._pieces.append((place, block))
            self._queued += len(block)
        self._alive()


class SpeakerSink(_DeviceEnd):
    """A speaker that samples are written to; `write` waits while more than `queue_ms` are not played yet.

    Nothing to play is silence. Raises DeviceLost when the device is missing or vanishes.
    """

    kind = "speaker"

    def __init__(
        self,
        *,
        device: Device = None,
        clock: Clock,
        rate_hz: int = 24000,
        queue_ms: float = 200.0,
        open_stream: OpenStream | None = None,
    ) -> None:
        super().__init__(open_stream or open_output, device, clock, rate_hz)
        self._queue_ms = queue_ms
        self._resampler: Resampler | None = None
        self._lock = threading.Lock()
        self._bytes = bytearray()

    @property
    def queued_ms(self) -> float:
        """What was written and is not played yet."""
        return 500.0 * len(self._bytes) / self._device_hz

    async def write(self, samples: Samples) -> None:
        """Queue samples for playing, and wait while the queue is longer than it should be."""
        await self.start()
        self._add(self._resampler.push(samples) if self._resampler else samples)
        await self._until(self._queue_ms)

    async def drain(self) -> None:
        """Wait until all was handed to the device."""
        if self._resampler is not None:
            self._add(self._resampler.flush())
        await self._until(0.0)

    def _add(self, samples: Samples) -> None:
        with self._lock:
            self._bytes += samples.astype(np.int16, copy=False).tobytes()

    async def _until(self, queued_ms: float) -> None:
        while self.queued_ms > queued_ms and not self._closed:
            await self._wait()

    def _prepare(self) -> None:
        if self._device_hz != self.rate_hz:
            self._resampler = Resampler(self.rate_hz, self._device_hz)

    def _on_block(self, block: Any) -> None:
        with self._lock:
            data = bytes(self._bytes[: len(block)])
            del self._bytes[: len(data)]
        block[: len(data)] = data
        block[len(data) :] = bytes(len(block) - len(data))
        self._tell(self._alive)


def open_input(
    device: Device, rate_hz: int, on_block: Callable[[Any], None], on_finished: Callable[[], None]
) -> DeviceStream:
    """Open a microphone at `rate_hz`, or at its own rate where it refuses that one. Raises DeviceLost."""
    return _open("input", device, rate_hz, lambda block, *_: on_block(block), on_finished)


def open_output(
    device: Device, rate_hz: int, on_block: Callable[[Any], None], on_finished: Callable[[], None]
) -> DeviceStream:
    """Open a speaker at `rate_hz`, or at its own rate where it refuses that one. Raises DeviceLost."""
    return _open("output", device, rate_hz, lambda block, *_: on_block(block), on_finished)


def _open(
    direction: str, device: Device, rate_hz: int, callback: Callable[..., None], on_finished: Callable[[], None]
) -> DeviceStream:
    try:
        import sounddevice
    except ImportError:
        raise DeviceLost(
            "sounddevice is not installed", hint="Install it: pip install 'vivavoce[devices]', or give a file."
        ) from None
    except OSError:
        raise DeviceLost(
            "the PortAudio library is not installed",
            hint="Install it (Debian, Ubuntu: apt-get install libportaudio2), or give a file.",
        ) from None
    kind = "microphone" if direction == "input" else "speaker"
    build = sounddevice.RawInputStream if direction == "input" else sounddevice.RawOutputStream
    try:
        own_hz = round(sounddevice.query_devices(device, direction)["default_samplerate"])
        check = sounddevice.check_input_settings if direction == "input" else sounddevice.check_output_settings
        try:
            check(device=device, samplerate=rate_hz, channels=1, dtype="int16")
        except sounddevice.PortAudioError:
            rate_hz = own_hz
        stream: DeviceStream = build(
            samplerate=rate_hz,
            blocksize=rate_hz * FRAME_MS // 1000,
            device=device,
            channels=1,
            dtype="int16",
            callback=callback,
            finished_callback=on_finished,
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        named = "no default" if device is None else f"no usable '{device}' as a"
        raise DeviceLost(
            f"there is {named} {kind}: {error}",
            hint="List the devices with: python -m sounddevice. Then plug one in, or give a file.",
        ) from None
    return stream
