"""One connection of Deepgram Flux (`/v2/listen`), with its turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from vivavoce.emulators.deepgram_listen import REQUEST_ID, Connection
from vivavoce.emulators.line import Line
from vivavoce.emulators.recognition import Recogniser, Told
from vivavoce.legs.values import Word

_EAGER_MS, _END_MS = 600.0, 1500.0
"""Sound without words after which a turn may be, or is, over."""
_CONFIDENCE = 0.99


class FluxSession:
    """A turn begins with its first word. It ends by ForceEndTurn, or after 1.5 s without words if `eot_threshold` is
    below 1; EagerEndOfTurn comes after 0.6 s if it was asked for."""

    def __init__(self, line: Line, recogniser: Recogniser) -> None:
        query = parse_qs(urlsplit(line.path).query)
        multi = query["model"][0].endswith("-multi")
        hint = query.get("language_hint", ["auto"])[0]
        self._multi = multi
        self._connection = Connection(line, recogniser, language=hint if multi else "en")
        self._line = line
        self._ends = float(query.get("eot_threshold", ["0.7"])[0]) < 1
        self._eager = "eager_eot_threshold" in query
        self._sequence = self._turn = 0
        self._from_ms = 0.0
        self._words = 0
        self._in_turn = self._awaiting = self._resumed = False

    async def run(self, *, idle_s: float) -> None:
        await self._say("Connected")
        if await self._connection.run(self, idle_s=idle_s):
            await self._line.close(1000)

    async def ask(self, asked: dict[str, Any]) -> bool:
        kind = asked["type"]
        if kind == "ForceEndTurn":
            await self._connection.recognition.flush()
        elif kind == "Configure":
            self._ends = float((asked.get("thresholds") or {}).get("eot_threshold", 0.7 if self._ends else 1.0)) < 1
            await self._say("ConfigureSuccess", thresholds=asked.get("thresholds") or {}, keyterms=[])
        return kind in ("ForceEndTurn", "Configure")

    async def refuse(self, message: str) -> None:
        await self._say("Error", code="UNPARSABLE_CLIENT_MESSAGE", description="The message could not be parsed.")
        await self._line.close(1008, "UNPARSABLE_CLIENT_MESSAGE")

    async def tell(self, told: Told) -> None:
        words, grown = told.words, len(told.words) > self._words
        self._words = len(words)
        if words and not self._in_turn:
            self._in_turn = True
            await self._say_turn("StartOfTurn", told)
        elif self._awaiting and (grown or self._resumed):
            self._awaiting = False
            await self._say_turn("TurnResumed", told)
        elif self._in_turn and not self._awaiting and not told.flushed and self._may_be_over(told):
            self._awaiting = True
            await self._say_turn("EagerEndOfTurn", told)
        elif not told.flushed:
            await self._say_turn("Update", told)
        quiet = bool(words) and told.until_ms - words[-1].end_ms >= _END_MS
        if self._in_turn and (told.flushed or (self._ends and quiet)):
            await self._say_turn("EndOfTurn", told, trigger="manual" if told.flushed else "model")
            self._connection.recognition.settle(words)
            self._turn, self._from_ms, self._words = self._turn + 1, told.until_ms, 0
            self._in_turn = self._awaiting = self._resumed = False

    def _may_be_over(self, told: Told) -> bool:
        if self._line.fault("resumed") and not self._resumed:
            self._resumed = True
            return True
        return self._eager and bool(told.words) and told.until_ms - told.words[-1].end_ms >= _EAGER_MS

    async def _say_turn(self, event: str, told: Told, **rest: Any) -> None:
        if self._multi:
            rest["languages"] = [told.language or "en"]
        await self._say(
            "TurnInfo",
            event=event,
            turn_index=self._turn,
            audio_window_start=self._from_ms / 1000,
            audio_window_end=told.until_ms / 1000,
            transcript=" ".join(word.text for word in told.words),
            words=_words(told.words),
            end_of_turn_confidence=0.9 if "End" in event else 0.1,
            **rest,
        )

    async def _say(self, kind: str, **rest: Any) -> None:
        said = {"type": kind, "request_id": REQUEST_ID, "sequence_id": self._sequence}
        self._sequence += 1
        await self._line.send(said | rest)


def _words(words: Sequence[Word]) -> list[dict[str, Any]]:
    return [
        {"word": word.text, "confidence": _CONFIDENCE, "start": word.start_ms / 1000, "end": word.end_ms / 1000}
        for word in words
    ]
