"""From what a session tells to subtitles: cues at broadcast length and reading speed, and a WebVTT file of them.

Source of the format: W3C WebVTT, https://www.w3.org/TR/webvtt1/. Source of the figures: the BBC subtitle guidelines
and EBU-TT practice for live subtitles (42 characters, two lines, 15 to 17 characters a second).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from vivavoce.audio.sinks import check_output, output_error
from vivavoce.translate.events import Event, Spoken, Translated, UtteranceDone
from vivavoce.translate.layout import Block, lay_out

Timing = Literal["spoken", "live"]
"""`spoken`: with the dub, and with the original voice where that stays. `live`: when the text was committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CueRules:
    """A cue whose reading takes longer than its speech may hold the next one back by at most `late_ms`."""

    line_characters: int = 42
    lines: int = 2
    characters_per_s: float = 17.0
    min_ms: int = 1000
    max_ms: int = 7000
    gap_ms: int = 80
    late_ms: int = 800

    def reading_ms(self, lines: Block) -> int:
        """How long these lines must stand to be read."""
        characters = sum(map(len, lines))
        return min(self.max_ms, max(self.min_ms, -int(-1000 * characters // self.characters_per_s)))


@dataclass(frozen=True, slots=True)
class Cue:
    start_ms: int
    end_ms: int
    lines: Block

    @property
    def characters_per_s(self) -> float:
        """The reading speed it asks for; over the rules' where speech left no more time."""
        return 1000.0 * sum(map(len, self.lines)) / (self.end_ms - self.start_ms)


@dataclass(slots=True)
class _Line:
    said: Translated
    complete: bool
    start_ms: float | None = None
    end_ms: float = 0.0


class CuePlanner:
    """Turns events into cues. A cue is given out once, when the beginning of the next one is known, and is final."""

    def __init__(self, *, language: str, timing: Timing = "spoken", rules: CueRules | None = None) -> None:
        self._language = language
        self._timing = timing
        self._rules = rules or CueRules()
        self._lines: dict[int, _Line] = {}
        self._open: Cue | None = None

    def take(self, event: Event) -> list[Cue]:
        """The cues that are final since this event."""
        if isinstance(event, Translated):
            self._lines[event.line] = _Line(event, self._timing == "live" or not event.spoken)
        elif isinstance(event, Spoken):
            self._note_place(event)
        elif isinstance(event, UtteranceDone):
            for line in self._lines.values():
                line.complete |= line.said.utterance <= event.utterance
        return self._ready()

    def finish(self) -> list[Cue]:
        """The cues that were still waiting for what comes after them."""
        for line in self._lines.values():
            line.complete = True
        cues = self._ready()
        if self._open is not None:
            cues.append(self._open)
            self._open = None
        return cues

    def _note_place(self, event: Spoken) -> None:
        for number, line in self._lines.items():
            # The voice speaks in order: what came before this line has its place.
            line.complete |= number < event.line
        own = self._lines.get(event.line)
        if own is not None:
            own.start_ms = event.start_ms if own.start_ms is None else own.start_ms
            own.end_ms = event.end_ms

    def _ready(self) -> list[Cue]:
        cues: list[Cue] = []
        while self._lines and (line := next(iter(self._lines.values()))).complete:
            del self._lines[line.said.line]
            cues += [done for cue in self._cues(line) if (done := self._after_open(cue)) is not None]
        return cues

    def _cues(self, line: _Line) -> list[Cue]:
        """The cues of a line as they would stand alone, its time shared out by characters."""
        rules, said = self._rules, line.said
        blocks = lay_out(said.text, language=self._language, line_characters=rules.line_characters, lines=rules.lines)
        if self._timing == "live":
            start_ms, end_ms = said.at_ms, said.at_ms + sum(map(rules.reading_ms, blocks))
        elif line.start_ms is not None:
            start_ms, end_ms = line.start_ms, line.end_ms
        else:
            start_ms, end_ms = said.clause.start_ms, said.clause.end_ms
        weights = [sum(map(len, block)) for block in blocks]
        cues: list[Cue] = []
        for block, weight in zip(blocks, weights, strict=True):
            until_ms = start_ms + (end_ms - start_ms) * weight / sum(weights[len(cues) :])
            shown_ms = min(rules.max_ms, max(round(until_ms - start_ms), rules.reading_ms(block)))
            cues.append(Cue(round(start_ms), round(start_ms) + shown_ms, block))
            start_ms = until_ms
        return cues

    def _after_open(self, cue: Cue) -> Cue | None:
        """Make `cue` the open one; the one before is final then, and ends in time for it."""
        rules, before = self._rules, self._open
        if before is None:
            self._open = cue
            return None
        latest_ms = max(before.start_ms + rules.min_ms, cue.start_ms + rules.late_ms - rules.gap_ms)
        enough_ms = max(before.start_ms + rules.reading_ms(before.lines), cue.start_ms - rules.gap_ms)
        end_ms = min(before.end_ms, enough_ms, latest_ms)
        start_ms = max(cue.start_ms, end_ms + rules.gap_ms)
        shown_ms = max(cue.end_ms - start_ms, rules.reading_ms(cue.lines))
        self._open = replace(cue, start_ms=start_ms, end_ms=start_ms + shown_ms)
        return replace(before, end_ms=end_ms)


class SubtitleWriter:
    """A WebVTT file that grows cue by cue and is whole at any moment; the newest cue is written on `close` at the
    latest.

    An existing file is replaced. Raises OutputError when the disk fills up; the cues before are kept.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        language: str,
        timing: Timing = "spoken",
        rules: CueRules | None = None,
        sources: Iterable[str | Path] = (),
    ) -> None:
        self.path = Path(path).expanduser()
        self.cues = 0
        self._planner = CuePlanner(language=language, timing=timing, rules=rules)
        check_output(self.path, sources=sources)
        try:
            self._file: int | None = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise output_error(self.path, error) from None
        self._bytes = 0
        self._append(f"WEBVTT\nKind: subtitles\nLanguage: {language}\n\nNOTE AI-generated translation\n")

    def take(self, event: Event) -> None:
        """Write what is final since this event."""
        self._write(self._planner.take(event))

    def close(self) -> None:
        """Write what is left and finish the file. Safe to call again, and after an error."""
        try:
            self._write(self._planner.finish())
        finally:
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, cues: Iterable[Cue]) -> None:
        for cue in cues:
            if self._file is not None:
                self._append(cue_block(cue, number=self.cues + 1))
                self.cues += 1

    def _append(self, text: str) -> None:
        assert self._file is not None
        data = memoryview(text.encode())
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError as error:
            self._forget(written)
            raise output_error(self.path, error) from None
        self._bytes += written

    def _forget(self, part: int) -> None:
        """Take back a cue of which only a part fitted, and close."""
        assert self._file is not None
        try:
            if part:
                os.ftruncate(self._file, self._bytes)
        except OSError:
            pass  # no regular file: what was sent cannot be taken back
        finally:
            self._release()

    def _release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def cue_block(cue: Cue, *, number: int) -> str:
    """A cue as WebVTT, with the blank line before it."""
    text = "\n".join(line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in cue.lines)
    return f"\n{number}\n{_stamp(cue.start_ms)} --> {_stamp(cue.end_ms)}\n{text}\n"


def _stamp(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
