"""The engine: it runs the media plane, and brings what happens there to the calls."""

from __future__ import annotations

import asyncio
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from vivavoce import _media
from vivavoce.audio.pcm import Pcm
from vivavoce.errors import ConfigError, LegUnavailable, MediaError
from vivavoce.media.call import Call, Policy
from vivavoce.models import ModelStore

Scheduling = Literal["real-time", "short-slice", "default"]

DRAIN_MS = 20
PIECES_MS = range(20, 101)
LEADS_MS = range(20, 101)


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineSettings:
    """How calls are terminated. `port` 0 is any; sound of callers comes at `rate_hz`.

    `scheduling` is the most that the kernel is asked for; `Engine.stats` tells what it granted. `lead_ms` is how far
    ahead of real time we speak. `voices` off leaves voice detection, and with it every policy, out.
    """

    host: str = "127.0.0.1"
    port: int = 0
    workers: int = 1
    calls: int = 1000
    anonymous: int = 256
    rate_hz: Literal[8000, 16000, 24000, 48000] = 16000
    lead_ms: int = 60
    scheduling: Scheduling = "real-time"
    voices: bool = True

    def __post_init__(self) -> None:
        if self.lead_ms not in LEADS_MS:
            raise ConfigError(f"a lead of {self.lead_ms} ms is not between {LEADS_MS[0]} and {LEADS_MS[-1]}")
        if self.workers < 1 or not 1 <= self.calls <= 1 << 16 or self.anonymous < 1:
            raise ConfigError("an engine has at least one worker, and between 1 and 65536 calls")


class Engine:
    """An async context manager: inside, `port` is listened to and calls that are expected are let in."""

    def __init__(self, settings: EngineSettings | None = None, *, store: ModelStore | None = None) -> None:
        self.settings = settings or EngineSettings()
        self._store = store
        self._plane: _media.Plane | None = None
        self._calls: dict[int, Call] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._running = False

    @property
    def plane(self) -> _media.Plane:
        if self._plane is None:
            raise MediaError("the engine is not running", hint="use it with `async with`")
        return self._plane

    @property
    def port(self) -> int:
        return self.plane.port

    async def __aenter__(self) -> Self:
        settings = self.settings
        try:
            self._plane = await asyncio.to_thread(self._started)
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            raise MediaError(f"cannot listen at {where}: {error}", hint="choose another port") from error
        except ValueError as error:
            raise ConfigError(str(error)) from error
        except RuntimeError as error:
            raise LegUnavailable(f"Silero did not start: {error}", hint="reinstall onnxruntime") from error
        self._running = True
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._plane.bell, self._drain)
        self._tick()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self.plane.bell)
        self.plane.stop()
        self._running = False
        self._drain()

    def expect(self, token: str, *, ttl_ms: int, policy: Policy = "strict", piece_ms: int = 100) -> Call:
        """Let in the call that shows `token` within `ttl_ms`, once; its sound comes in pieces of `piece_ms`."""
        if piece_ms not in PIECES_MS:
            raise ConfigError(f"pieces of {piece_ms} ms are not between {PIECES_MS[0]} and {PIECES_MS[-1]}")
        if not self._running:
            raise MediaError("the engine is not running", hint="expect calls inside its `async with`")
        try:
            number = self.plane.expect(token.encode(), ttl_ms=ttl_ms, policy=policy, piece_ms=piece_ms)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        except ConnectionError as error:
            raise MediaError(str(error), hint="raise EngineSettings.calls, or wait for calls to end") from error
        call = self._calls[number] = Call(self, number)
        return call

    def stats(self) -> dict[str, Any]:
        """Counts since the start, and latencies as n, p50, p95, p99, p999 and max, in ms."""
        return self.plane.stats()

    def _tick(self) -> None:
        self._timer = self._loop.call_later(DRAIN_MS / 1000, self._tick)
        self._drain()

    def _drain(self) -> None:
        events, sounds = self.plane.drain()
        for number, start, samples in sounds:
            self._calls[number].on_sound(self._pcm(start, samples))
        for number, name, a, b, _ in events:
            call = self._calls[number]
            call.on_event(name, a, b)
            if name == "closed":
                self._part(number, call)

    def _part(self, number: int, call: Call) -> None:
        while (rest := self.plane.rest(number)) is not None and rest[2]:
            call.on_sound(self._pcm(rest[1], rest[2]))
        self.plane.forget(number)
        del self._calls[number]
        call.on_end()

    def _pcm(self, start: int, samples: bytearray) -> Pcm:
        rate_hz = self.settings.rate_hz
        return Pcm(np.frombuffer(samples, np.int16), rate_hz, 1000.0 * start / rate_hz)

    def _started(self) -> _media.Plane:
        settings = self.settings
        return _media.Plane(
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            calls=settings.calls,
            anonymous=settings.anonymous,
            rate_hz=settings.rate_hz,
            lead_ms=settings.lead_ms,
            scheduling=settings.scheduling,
            door_s=2,
            events=128,
            silero=(_onnxruntime(), self._silero()) if settings.voices else None,
        )

    def _silero(self) -> bytes:
        def make(model: Path) -> bytes:
            from vivavoce.media.silero_batched import batched

            return batched(model)

        store = self._store or ModelStore()
        model = store.derived("silero-vad", "silero_vad.onnx", recipe="8-khz-1", make=make)
        return model if isinstance(model, bytes) else model.read_bytes()


def _onnxruntime() -> Path:
    """The library inside the package, which is not imported for it."""
    found = importlib.util.find_spec("onnxruntime")
    libraries = (
        sorted((Path(found.origin).parent / "capi").glob("libonnxruntime.so*")) if found and found.origin else []
    )
    if not libraries:
        raise LegUnavailable("voice detection needs onnxruntime", hint="pip install onnxruntime")
    return libraries[0]
