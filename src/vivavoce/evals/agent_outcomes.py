"""What became of each turn of a call: the callers' log beside what the agent says that it decided."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from vivavoce.clock import NS_PER_MS
from vivavoce.contract.figures import latency_figures
from vivavoce.contract.stats import quantile
from vivavoce.evals.agent_callers import GIVE_UP_MS, CallLog, Heard, Said

LATE_ANSWER_MS = 200.0
"""What comes so soon after a turn began answers the one before."""
CLEAR_WITHIN_MS = 1000.0
"""After the interrupting words, at most."""
WORTH_A_CLEAR_MS = 500.0
"""A reply that goes on for less may just be heard to its end."""
SAME_REPLY_MS = 300.0
"""A longer gap in the agent's sound begins another reply: it takes longer to hear that a turn is over."""
SAME_CUT_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Decided:
    """A turn as the agent took it, on CLOCK_MONOTONIC; `fixed` where the answer's first line was made ahead."""

    silent_ns: int
    decided_ns: int
    fixed: bool


@dataclass(frozen=True, slots=True)
class Cut:
    """What the agent says was heard of its newest reply when it was interrupted."""

    at_ns: int
    heard_ms: float


@dataclass(slots=True)
class Call:
    """Both sides of one call. `failure` is what broke it off."""

    log: CallLog
    turns: list[Decided] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    failure: str = ""
    refused: bool = False

    def at_ms(self, moment_ns: int) -> float:
        """A moment in the log's time."""
        return (moment_ns - self.log.began_ns) / NS_PER_MS


@dataclass(frozen=True, slots=True)
class Outcome:
    """`answer_ms` is from the turn's true end, at `end_ms`, to the answer's first message. A turn that was cut off was
    answered before its end, in or after its pause number `pause`, or without any. A void one cannot be told from the
    one before."""

    kind: Literal["answered", "cut", "missed", "void"]
    end_ms: float
    answer_ms: float | None = None
    pause: int | None = None
    pauses: int = 0


def outcomes(log: CallLog) -> Iterator[Outcome]:
    """One for each turn that was not said over the agent. `pauses` counts those in which nobody had answered yet."""
    was_missed = False
    for said, until_ms in _turns(log):
        if said.over_ms:
            was_missed = False
            continue
        first = _first(log.heard, said.start_ms, until_ms)
        if first is not None and was_missed and first.at_ms < said.start_ms + LATE_ANSWER_MS:
            outcome = Outcome("void", said.end_ms)
        elif first is not None and first.at_ms < said.end_ms:
            before = [n for n, pause in enumerate(said.pauses) if pause.start_ms <= first.at_ms]
            outcome = Outcome("cut", said.end_ms, pause=before[-1] if before else None, pauses=len(before))
        elif first is None or first.at_ms >= said.end_ms + GIVE_UP_MS:
            outcome = Outcome("missed", said.end_ms, pauses=len(said.pauses))
        else:
            outcome = Outcome("answered", said.end_ms, first.at_ms - said.end_ms, pauses=len(said.pauses))
        was_missed = outcome.kind == "missed"
        yield outcome


def interruptions_ms(log: CallLog) -> Iterator[float | None]:
    """From the first words over the agent to its `clear`; None where none came though the agent went on."""
    for said, until_ms in _turns(log):
        if not said.over_ms:
            continue
        latest_ms = min(until_ms, said.end_ms + CLEAR_WITHIN_MS)
        cleared_ms = next((at_ms for at_ms in log.clears_ms if said.start_ms <= at_ms < latest_ms), None)
        if cleared_ms is not None:
            yield cleared_ms - said.start_ms
        elif _first(log.heard, said.start_ms + WORTH_A_CLEAR_MS, latest_ms) is not None:
            yield None


def heard_errors_ms(call: Call) -> Iterator[float]:
    """How far what the agent says was heard is from what was, for each `clear` that it knows of."""
    for n, clear_ms in enumerate(call.log.clears_ms):
        cut = min(call.cuts, key=lambda cut: abs(call.at_ms(cut.at_ns) - clear_ms), default=None)
        if cut is not None and abs(call.at_ms(cut.at_ns) - clear_ms) <= SAME_CUT_MS:
            since_ms = call.log.clears_ms[n - 1] if n else 0.0
            yield cut.heard_ms - heard_ms(call.log.heard, since_ms, clear_ms)


def heard_ms(heard: Sequence[Heard], since_ms: float, until_ms: float) -> float:
    """How much was heard of the reply that plays at `until_ms`, and came after `since_ms`."""
    total_ms, next_ms = 0.0, until_ms
    for one in reversed([one for one in heard if since_ms < one.at_ms <= until_ms]):
        if next_ms - (one.from_ms + one.length_ms) > SAME_REPLY_MS:
            break
        total_ms += max(0.0, min(one.from_ms + one.length_ms, until_ms) - one.from_ms)
        next_ms = one.from_ms
    return total_ms


def decided_to_audio_ms(call: Call, *, fixed: bool) -> Iterator[float]:
    """From a turn's decision to the first message of its answer, for answers that were made ahead, or not."""
    moments_ms = [call.at_ms(turn.decided_ns) for turn in call.turns]
    for turn, (at_ms, next_ms) in zip(call.turns, pairwise([*moments_ms, float("inf")]), strict=True):
        first = _first(call.log.heard, at_ms, min(next_ms, at_ms + GIVE_UP_MS))
        if first is not None and turn.fixed == fixed:
            yield first.at_ms - at_ms


def live_lines_ms(call: Call) -> Iterator[float]:
    """From a turn's true end to an answer that had to be made."""
    for outcome, turn in _answered(call):
        if not turn.fixed and outcome.answer_ms is not None:
            yield outcome.answer_ms


def silences_ms(call: Call) -> Iterator[float]:
    """From a turn's true end to where its silence began for the agent."""
    for outcome, turn in _answered(call):
        yield call.at_ms(turn.silent_ns) - outcome.end_ms


def _answered(call: Call) -> Iterator[tuple[Outcome, Decided]]:
    """Turns that were answered, with the decision that they were answered by."""
    for outcome in outcomes(call.log):
        if outcome.answer_ms is not None:
            at_ms = outcome.end_ms + outcome.answer_ms
            decided = [turn for turn in call.turns if call.at_ms(turn.decided_ns) <= at_ms]
            if decided:
                yield outcome, decided[-1]


def figures(calls: Sequence[Call]) -> dict[str, Any]:
    """Shares are of pauses, of turns and of interruptions; what was not measured is left out."""
    told = [outcome for call in calls for outcome in outcomes(call.log)]
    cut = [outcome for outcome in told if outcome.kind == "cut"]
    cleared = [ms for call in calls for ms in interruptions_ms(call.log)]
    pauses, missed = sum(outcome.pauses for outcome in told), sum(outcome.kind == "missed" for outcome in told)
    timings = {
        "decided_to_audio_ms": [ms for call in calls for ms in decided_to_audio_ms(call, fixed=True)],
        "speech_end_to_audio_ms": [outcome.answer_ms for outcome in told if outcome.answer_ms is not None],
        "silence_seen_ms": [ms for call in calls for ms in silences_ms(call)],
        "live_line_ms": [ms for call in calls for ms in live_lines_ms(call)],
        "interrupt_ms": [ms for ms in cleared if ms is not None],
        "heard_error_ms": [abs(ms) for call in calls for ms in heard_errors_ms(call)],
    }
    return {
        "calls": len(calls),
        "turns": len(told),
        "pauses": pauses,
        "interruptions": len(cleared),
        **{name: spread for name, values in timings.items() if (spread := latencies(values))},
        **_share("false_cutoffs", len(cut), pauses),
        **_share("missed_ends", missed, len(told)),
        **_share("missed_clears", cleared.count(None), len(cleared)),
        "counts": {
            "cut": len(cut),
            "cut_outside_pauses": sum(outcome.pause is None for outcome in cut),
            "missed_ends": missed,
            "missed_clears": cleared.count(None),
            "void": sum(outcome.kind == "void" for outcome in told),
            "clears_untold": sum(len(call.log.clears_ms) - len(list(heard_errors_ms(call))) for call in calls),
            "broken": sum(bool(call.failure) for call in calls),
        },
    }


def latencies(values: Sequence[float]) -> dict[str, Any]:
    """`{n, p50, p90, p95, p99, p95_interval}`; nothing of nothing."""
    return latency_figures(values) | {"p90": round(quantile(sorted(values), 0.9), 2)} if values else {}


def call_of(log: CallLog, told: Mapping[str, Any]) -> Call:
    """A log with what the agent told of that call."""
    turns = [Decided(turn["silent_ns"], turn["decided_ns"], turn["fixed"]) for turn in told["turns"]]
    cuts = [Cut(cut["at_ns"], cut["heard_ms"]) for cut in told["cuts"]]
    return Call(log, turns, cuts, told["failure"], told["refused"])


def _turns(log: CallLog) -> Iterator[tuple[Said, float]]:
    """Each with the moment at which the next begins."""
    starts_ms = [said.start_ms for said in log.said[1:]]
    return zip(log.said, [*starts_ms, float("inf")], strict=True)


def _first(heard: Sequence[Heard], from_ms: float, until_ms: float) -> Heard | None:
    n = bisect_left(heard, from_ms, key=lambda one: one.at_ms)
    return heard[n] if n < len(heard) and heard[n].at_ms < until_ms else None


def _share(name: str, part: int, whole: int) -> dict[str, float]:
    return {name: part / whole} if whole else {}
