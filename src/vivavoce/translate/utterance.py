"""One utterance of a session on its way, from its first sound to its last clause."""

from __future__ import annotations

from dataclasses import dataclass, field

from vivavoce.contract.profile import Stage
from vivavoce.legs.values import Hypothesis, Word
from vivavoce.translate.voiceover import Line

QUEUE = "queue"
"""Not a stage of the contract: the wait behind the dub's own earlier words."""


@dataclass(slots=True)
class Utterance:
    """What is known of it; moments are session ms.

    `settled` words will not change, those of them that no clause has yet are `pending`. `guess` is the clause of a
    `final` hypothesis, asked for at `asked_ms`, that may be taken back until `endpoint_ms`.
    """

    number: int
    start_ms: float
    settled: list[Word] = field(default_factory=list)
    pending: list[Word] = field(default_factory=list)
    confidences: list[float] = field(default_factory=list)
    language: str = ""
    end_ms: float = 0.0
    asked_ms: float = 0.0
    final: Hypothesis | None = None
    final_ms: float = 0.0
    endpoint_ms: float | None = None
    lines: list[Line] = field(default_factory=list)
    guess: Line | None = None

    def passed(self, last: Line) -> dict[str, tuple[float, float]]:
        """The way of the `last` clause by stages; without `heard` where it was not spoken or did not answer the final.

        Only once the endpoint is decided.
        """
        end_ms, endpoint_ms = self.end_ms, self.endpoint_ms
        assert endpoint_ms is not None
        stages: dict[str, tuple[float, float]] = {
            Stage.TRIGGER: (end_ms, self.asked_ms),
            Stage.STT: (self.asked_ms, self.final_ms),
            Stage.ENDPOINT: (end_ms, endpoint_ms),
        }
        if last is not self.guess or last.translated_ms is None:
            return stages
        stages[Stage.MT] = (last.asked_ms, last.translated_ms)
        if last.audible_ms is None or last.heard_ms is None or last.certain_ms is None:
            return stages
        stages[Stage.TTS] = (last.translated_ms, last.audible_ms)
        stages[Stage.ROUTE] = (max(last.audible_ms, last.certain_ms), last.heard_ms - last.waited_ms)
        stages[QUEUE] = (last.heard_ms - last.waited_ms, last.heard_ms)
        stages[Stage.HEARD] = (end_ms, last.heard_ms)
        return stages
