"""A call's events and turns as what traces, metrics and alarms are told of it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from vivavoce.agent.turns import Turn
from vivavoce.clock import Clock
from vivavoce.media import CallEvent, Confirmed, Refuted, SpeechStart
from vivavoce.telemetry.observer import Observer, Passage


class ObservedCall:
    """Takes the events of one call as they happen, and each turn once it can no longer be taken back."""

    def __init__(self, observer: Observer, *, clock: Clock) -> None:
        self._observer, self._clock = observer, clock
        self._starts_ns: list[int] = []
        self._told = self._until_ns = 0

    def take(self, event: CallEvent) -> None:
        match event:
            case SpeechStart():
                self._starts_ns.append(self._clock.now_ns())
            case Confirmed():
                self._observer.interrupted(confirmed=True)
            case Refuted():
                self._observer.interrupted(confirmed=False)

    def answered(self, turns: Sequence[Turn], replies_ns: Sequence[int], *, over: bool = False) -> None:
        """The turns that stand so far; `replies_ns` is when the first sound of each reply was given to the call.

        Each is told once, the last one as soon as it has its reply or the call is `over`.
        """
        while self._told < len(turns):
            turn = turns[self._told]
            stages = {"endpoint": (turn.silent_ns, turn.decided_ns)}
            next_ns = turns[self._told + 1].silent_ns if self._told + 1 < len(turns) else None
            at = bisect_left(replies_ns, turn.decided_ns)
            if at < len(replies_ns) and (next_ns is None or replies_ns[at] < next_ns):
                stages["reply"] = (turn.decided_ns, replies_ns[at])
                stages["heard"] = (turn.silent_ns, replies_ns[at])
            elif next_ns is None and not over:
                return
            self._told += 1
            self._observer.passed(
                Passage(
                    number=self._told,
                    start_ns=self._began_ns(self._until_ns, turn.silent_ns),
                    end_ns=max(end_ns for _, end_ns in stages.values()),
                    stages=stages,
                    told={"state": turn.state, "fixed": turn.fixed, "certainty": round(turn.certainty, 3)},
                )
            )
            self._until_ns = turn.decided_ns

    def _began_ns(self, after_ns: int, before_ns: int) -> int:
        """When speech first began between two moments; the later one where nobody was heard to begin."""
        at = bisect_right(self._starts_ns, after_ns)
        return self._starts_ns[at] if at < len(self._starts_ns) and self._starts_ns[at] < before_ns else before_ns
