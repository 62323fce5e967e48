"""One session with one fault: what was heard, said and lost, and how soon somebody else served."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from vivavoce.clock import NS_PER_MS, SystemClock
from vivavoce.errors import VivavoceError, first_of_ours
from vivavoce.evals.clips import Recording
from vivavoce.evals.failover_stage import RETRY_S, Stage
from vivavoce.evals.failover_taps import Taps
from vivavoce.evals.failover_words import Changes, changes, settled
from vivavoce.evals.live import LiveRun, Take
from vivavoce.legs.values import Word
from vivavoce.routing.route import Switch
from vivavoce.translate.events import Heard, Spoken, Translated
from vivavoce.translate.session import Legs, SessionSettings

DEAD = {
    "stt": ("abort", "close:1011", "close:1008", "net0000", "metadata-0", "garbage"),
    "mt": ("abort", "refuse:429", "refuse:503", "cut", "malformed", "garbage"),
    "tts": ("abort", "close:1000", "close:1011", "garbage"),
}
"""Faults that are noticed at once."""
STALLS = {
    "stt": ("stall", "freeze", "slow:1500"),
    "mt": ("stall", "freeze", "first-slow:2000", "stall-after:1"),
    "tts": ("stall", "freeze", "slow:1500"),
}
"""Faults that only a deadline shows."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to the first choice of a leg, `at_ms` after the first sample."""

    leg: str
    kind: str
    at_ms: float

    @property
    def dead(self) -> bool:
        return self.kind in DEAD[self.leg]


@dataclass(frozen=True, slots=True)
class Served:
    """The first thing that somebody else did after a fault: how long it took in ms.

    From the fault, or where that was later from when the request was made, or the word could be committed: that is when
    the next one was said. And beyond when the twin did the same.
    """

    from_fault_ms: float
    late_ms: float


@dataclass(slots=True)
class Outcome:
    """One session over one recording. Moments are ms of its sound; `commits` are (word, when it was committed)."""

    recording: Recording
    fault: Fault | None
    error: str = ""
    words: list[Word] = field(default_factory=list)
    commits: list[tuple[Word, float]] = field(default_factory=list)
    lines: int = 0
    unspoken: int = 0
    silence_ms: float = 0.0
    fault_ms: float | None = None
    switches: list[Switch] = field(default_factory=list)
    served: Served | None = None

    @property
    def survived(self) -> bool:
        return not self.error and self.lines > 0 and not self.unspoken

    def commit_waits_ms(self) -> list[float]:
        """For each committed word but the last: how long after the next one was said it was committed."""
        return [at_ms - self.possible_ms(word, at_ms) for word, at_ms in self.commits[:-1]]

    def possible_ms(self, word: Word, at_ms: float) -> float:
        """When a word that was committed at a moment could be at the earliest: a newest word never is."""
        following = next((each for each in self.words if each.start_ms >= word.end_ms), word)
        return min(following.end_ms, at_ms)

    def against(self, words: Sequence[Word]) -> Changes:
        """Its words against those that were said, or its twin's."""
        return changes(words, self.words)


async def run_once(
    stage: Stage,
    legs: Legs,
    settings: SessionSettings,
    recording: Recording,
    switches: list[Switch],
    *,
    fault: Fault | None = None,
    twin: Outcome | None = None,
) -> Outcome:
    """Play the recording at real time, with the fault; the emulators are healed afterwards, and breakers half open.

    `switches` is what the routes tell into, `twin` the same without fault.
    """
    taps = Taps()
    clock = SystemClock()
    run = LiveRun(legs=taps.around(legs), settings=settings, clock=clock, gap_ms=500.0)
    outcome = Outcome(recording, fault)
    switches.clear()
    harm = asyncio.create_task(_harm(stage, fault, run)) if fault else None
    try:
        await run.play([recording.pcm.samples])
    except (VivavoceError, BaseExceptionGroup) as error:
        known = first_of_ours(error)
        if known is None:
            raise
        outcome.error = str(known)
    finally:
        fault_s = None
        if harm is not None:
            harm.cancel()
            found = await asyncio.gather(harm, return_exceptions=True)
            fault_s = found[0] if isinstance(found[0], float) else None
        await stage.heal()
    if outcome.fault is not None:
        await clock.sleep_until(clock.now_ns() + RETRY_S * 1_000_000_000)
    outcome.switches = list(switches)
    if run.takes:
        _describe(outcome, run.takes[0])
        if fault is not None and fault_s is not None:
            origin_s = run.origin_ns / 1e9
            outcome.fault_ms = 1000.0 * (fault_s - origin_s) - run.takes[0].start_ms
            outcome.served = _served(outcome, twin or outcome, taps, fault, fault_s, origin_s)
    return outcome


async def _harm(stage: Stage, fault: Fault, run: LiveRun) -> float:
    """Inject at its moment; the second of the monotonic clock at which it began."""
    await run.started.wait()
    await SystemClock().sleep_until(run.origin_ns + round(fault.at_ms * NS_PER_MS))
    injected_s = time.monotonic()
    await stage.primaries[fault.leg].inject(fault.kind)
    return injected_s


def _describe(outcome: Outcome, take: Take) -> None:
    outcome.words = settled(take.events, start_ms=take.start_ms)
    outcome.commits = [
        (word, event.at_ms)
        for event in take.of(Heard)
        for word in event.settled[len(event.settled) - event.newly_settled :]
    ]
    lines = take.of(Translated)
    spoken = take.of(Spoken)
    outcome.lines = len(lines)
    outcome.unspoken = sum(line.line not in {each.line for each in spoken} for line in lines)
    if spoken:
        voiced_ms = sum(each.end_ms - each.start_ms for each in spoken)
        outcome.silence_ms = max(each.end_ms for each in spoken) - take.start_ms - voiced_ms


def _served(
    outcome: Outcome, twin: Outcome, taps: Taps, fault: Fault, fault_s: float, origin_s: float
) -> Served | None:
    switch = next((s for s in outcome.switches if s.leg == fault.leg and s.to_engine and s.at_s >= fault_s), None)
    if switch is None:
        return None
    if fault.leg != "stt":
        passage = taps.first_after(fault.leg, switch.at_s)
        if passage is None:
            return None
        took_ms = 1000.0 * (passage.answers_s[0] - max(fault_s, passage.asked_s))
        return Served(took_ms, took_ms)
    switch_ms, fault_ms = 1000.0 * (switch.at_s - origin_s), 1000.0 * (fault_s - origin_s)
    found = next(((word, at_ms) for word, at_ms in outcome.commits if at_ms >= switch_ms), None)
    if found is None:
        return None
    word, at_ms = found
    # The first word that the twin committed after the fault is the first that was missing.
    due_ms = next((twin_ms for _, twin_ms in twin.commits if twin_ms >= fault_ms), at_ms)
    return Served(at_ms - max(fault_ms, outcome.possible_ms(word, at_ms)), max(0.0, at_ms - due_ms))


def plan(
    recordings: Sequence[Recording], runs: int, draw: Callable[[float, float], float]
) -> list[tuple[Recording, Fault]]:
    """Every fault of every leg in turn, each at a random moment of a recording's speech."""
    # Legs in turn, not one after the other: a short run has all three.
    by_leg = [[(leg, kind) for kind in (*DEAD[leg], *STALLS[leg])] for leg in DEAD]
    kinds = [each for turn in zip_longest(*by_leg) for each in turn if each is not None]
    planned = []
    for number in range(runs):
        leg, kind = kinds[number % len(kinds)]
        recording = recordings[number % len(recordings)]
        planned.append((recording, Fault(leg, kind, draw(0.0, recording.speech.end_ms))))
    return planned
