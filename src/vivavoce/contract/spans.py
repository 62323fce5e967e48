"""Spans: how long each stage took, recorded where the work is done, at under 2 µs each.

    with recorder.span(Stage.STT, utterance=3):
        ...

An open span is a value of its own, so spans nest and overlap freely across tasks; nothing global says which is
current. A row is kept as a plain tuple and becomes a `Span` only when it is read.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

from vivavoce.clock import NS_PER_MS
from vivavoce.contract.profile import Stage

CAPACITY = 65_536


@dataclass(frozen=True, slots=True)
class Span:
    """One passage through a stage, in nanoseconds of the recorder's clock."""

    stage: Stage
    start_ns: int
    end_ns: int
    utterance: int | None = None

    @property
    def duration_ms(self) -> float:
        return (self.end_ns - self.start_ns) / NS_PER_MS


class OpenSpan:
    """A span under way. `end` records it; left unended, it is as if it had never begun."""

    __slots__ = ("_recorder", "_stage", "_start_ns", "_utterance")

    def __init__(self, recorder: SpanRecorder, stage: Stage, utterance: int | None) -> None:
        self._recorder = recorder
        self._stage = stage
        self._utterance = utterance
        self._start_ns = recorder._clock_ns()

    def end(self) -> None:
        recorder = self._recorder
        recorder._append((self._stage, self._start_ns, recorder._clock_ns(), self._utterance))

    def __enter__(self) -> OpenSpan:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Work that failed or was cancelled did not pass through the stage: its time would flatter the figures.
        if kind is None:
            self.end()


class SpanRecorder:
    """Keeps the latest `capacity` spans; older ones are forgotten. Recording is safe from any thread."""

    def __init__(self, clock_ns: Callable[[], int], *, capacity: int = CAPACITY) -> None:
        self._clock_ns = clock_ns
        self._rows: deque[tuple[Stage, int, int, int | None]] = deque(maxlen=capacity)
        self._append = self._rows.append

    def begin(self, stage: Stage, utterance: int | None = None) -> OpenSpan:
        """Start a span now; call `end` on what comes back, or use it in a `with` statement."""
        return OpenSpan(self, stage, utterance)

    span = begin

    def record(self, stage: Stage, start_ns: int, end_ns: int, utterance: int | None = None) -> None:
        """Add a span whose ends are known, for stages that start before anyone knows that they did."""
        self._append((stage, start_ns, end_ns, utterance))

    def durations_ms(self, stage: Stage) -> list[float]:
        """How long each passage through the stage took, oldest first."""
        return [(end - start) / NS_PER_MS for name, start, end, _ in tuple(self._rows) if name is stage]

    def __iter__(self) -> Iterator[Span]:
        """The spans as of now, in the order in which they ended."""
        return (Span(*row) for row in tuple(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def clear(self) -> None:
        self._rows.clear()


def measure_overhead(*, spans: int = 20_000, rounds: int = 5) -> float:
    """Microseconds that one `with recorder.span(…)` costs on this machine: the best of some rounds.

    The best, because a round that was interrupted measures the scheduler.
    """
    best_ns = 0
    for attempt in range(rounds):
        recorder = SpanRecorder(time.monotonic_ns)
        start_ns = time.perf_counter_ns()
        for number in range(spans):
            with recorder.span(Stage.STT, number):
                pass
        took_ns = time.perf_counter_ns() - start_ns
        best_ns = took_ns if attempt == 0 else min(best_ns, took_ns)
    return best_ns / spans / 1000
