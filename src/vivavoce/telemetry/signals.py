"""What a session tells of how well it went, without anything of what was said in it.

Words come in to be compared and are gone when the utterance is; what is kept are counts and quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from vivavoce.telemetry.network import network_of
from vivavoce.telemetry.sample import Sample
from vivavoce.text.phrases import spoken_form


@dataclass(frozen=True, slots=True, kw_only=True)
class Packets:
    """How a caller's packets came; `gaps` of them more than 60 ms later than the one before foretold.

    The jitter is RFC 3550's (§6.4.1), which changes with each packet: its p50 and p95.
    """

    count: int
    gaps: int
    jitter_p50_ms: float
    jitter_p95_ms: float


class SessionSignals:
    """Collects the signals of one session; every method takes microseconds. Times are ms of the session."""

    def __init__(self) -> None:
        self._packets: Packets | None = None
        self._utterances = 0
        self._heard = Sample()
        self._triggers = self._false_triggers = self._resumed = 0
        self._mutes = self._mutes_refuted = 0
        self._muted_ms = 0.0
        self._muted_from_ms: float | None = None
        self._mute_late, self._unmute_late = Sample(), Sample()
        self._words = self._words_revised = 0
        self._utterance: int | None = None
        self._shown: tuple[str, ...] = ()

    def packets_came(self, packets: Packets) -> None:
        """Once, at the end of a call."""
        self._packets = packets

    def speech_started(self) -> None:
        self._triggers += 1

    def nothing_heard(self) -> None:
        """There was a start of speech, and nothing was recognised; what was shown of it is gone."""
        self._false_triggers += 1
        self.words_gone()

    def speech_resumed(self) -> None:
        """What was taken for an end of speech was none."""
        self._resumed += 1

    def utterance_done(self, heard_ms: float | None = None) -> None:
        """Something was said; `heard_ms` after its end its answer, or its last words in the dub, began to be heard."""
        self._utterances += 1
        if heard_ms is not None:
            self._heard.add(heard_ms)

    def words_shown(self, utterance: int, settled: Sequence[str], open_words: Sequence[str]) -> None:
        """A hypothesis of an utterance: words that are newly settled, and after them such as may still change."""
        if utterance != self._utterance:
            self.words_gone()
            self._utterance = utterance
        shown = tuple(spoken_form(word) for word in (*settled, *open_words))
        self._words += len(settled)
        self._words_revised += len(self._shown) - _kept(self._shown, shown)
        self._shown = shown[len(settled) :]

    def words_settled(self) -> None:
        """All words that were shown stay."""
        self._words += len(self._shown)
        self._shown = ()

    def words_gone(self) -> None:
        """Words that were shown and not settled are taken back."""
        self._words_revised += len(self._shown)
        self._shown = ()

    def lowered(self, *, at_ms: float, sound_ms: float | None = None) -> None:
        """The original is down since `at_ms`, for a dub that is heard since `sound_ms`; for a caller: our voice is."""
        self._mutes += 1
        self._muted_from_ms = at_ms
        if sound_ms is not None:
            self._mute_late.add(at_ms - sound_ms)

    def restored(self, *, at_ms: float, sound_ms: float | None = None) -> None:
        """What was lowered is back since `at_ms`; the dub's last sound was heard at `sound_ms`."""
        if self._muted_from_ms is None:
            return
        self._muted_ms += at_ms - self._muted_from_ms
        self._muted_from_ms = None
        if sound_ms is not None:
            self._unmute_late.add(at_ms - sound_ms)

    def refuted(self) -> None:
        """What our voice was lowered for was no interruption."""
        self._mutes_refuted += 1

    def row(
        self, *, session_id: str, user_id: str, app_id: str, codec: str, at_ms: int, duration_ms: float
    ) -> dict[str, Any]:
        """A row of `profiles`. `at_ms` is the session's begin in ms since 1970, `duration_ms` how long it was."""
        packets, muted_ms = self._packets, self._muted_ms
        if self._muted_from_ms is not None:
            muted_ms += max(0.0, duration_ms - self._muted_from_ms)
        return {
            "session_id": session_id,
            "user_id": user_id,
            "at_ms": at_ms,
            "app_id": app_id,
            "codec": codec,
            "network": network_of(packets.jitter_p95_ms, packets.gaps / packets.count) if packets else network_of(),
            "duration_ms": round(duration_ms),
            "utterances": self._utterances,
            "jitter_p50_ms": packets.jitter_p50_ms if packets else None,
            "jitter_p95_ms": packets.jitter_p95_ms if packets else None,
            "gaps": packets.gaps if packets else None,
            "triggers": self._triggers,
            "false_triggers": self._false_triggers,
            "resumed": self._resumed,
            "mutes": self._mutes,
            "mutes_refuted": self._mutes_refuted,
            "muted_ms": round(muted_ms),
            "mute_late_p95_ms": self._mute_late.quantile(0.95),
            "unmute_late_p95_ms": self._unmute_late.quantile(0.95),
            "words": self._words,
            "words_revised": self._words_revised,
            "heard_p50_ms": self._heard.quantile(0.5),
            "heard_p95_ms": self._heard.quantile(0.95),
        }


def _kept(before: tuple[str, ...], now: tuple[str, ...]) -> int:
    """How many words of `before` are still in `now`, in the same order."""
    if now[: len(before)] == before:
        return len(before)
    return sum(block.size for block in SequenceMatcher(None, before, now, autojunk=False).get_matching_blocks())
