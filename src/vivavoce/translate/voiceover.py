"""From clauses to the dub: translated and spoken in order, those begun on speculation silent until they are certain."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vivavoce.errors import LegCapped, LegError, ModelError
from vivavoce.legs.mt import Translator
from vivavoce.legs.tts import SpeechStream
from vivavoce.legs.values import Clause, SpeechChunk, TextChunk
from vivavoce.text.phrases import SENTENCE_ENDS, spoken_words
from vivavoce.text.terms import Terms, ready_terms
from vivavoce.translate.continuation import continuation
from vivavoce.translate.dub import MS_PER_CHARACTER, DubSettings, DubTrack
from vivavoce.translate.events import Event, Notice, NoticeKind, Spoken, Translated

_CONTEXT_CLAUSES = 3
_FIRST_SOUND_MS = 250.0


@dataclass(slots=True)
class Line:
    """One clause on its way. Moments are session ms; `None` until they happened."""

    number: int
    utterance: int
    clause: Clause
    language: str
    spoken: bool
    asked_ms: float
    certain_ms: float | None = None
    dropped: bool = False
    done: bool = False
    text: str | None = None
    terms: int = 0
    rescued: int = 0
    missed: int = 0
    translated_ms: float | None = None
    audible_ms: float | None = None
    placed_ms: float | None = None
    heard_ms: float | None = None
    waited_ms: float = 0.0
    speed: float = 1.0
    pause_ms: float = 0.0
    voiced_ms: float = 0.0
    announced: bool = False
    held: list[SpeechChunk] = field(default_factory=list)

    @property
    def certain(self) -> bool:
        return self.certain_ms is not None


class Voiceover:
    """Owns the order of clauses. `run` is its task; everything else is called from the same event loop.

    `voice` may be None: then there are subtitles only. `translator` gives the leg for a source language, or None.
    `glossary` gives what is locked in a source language.
    """

    def __init__(
        self,
        *,
        translator: Callable[[str], Translator | None],
        voice: SpeechStream | None,
        dub: DubTrack,
        pacing: DubSettings,
        target: str,
        now_ms: Callable[[], float],
        tell: Callable[[Event], None],
        glossary: Callable[[str], Mapping[str, str]] = lambda _: {},
    ) -> None:
        self._translator = translator
        self._voice = voice
        self._dub = dub
        self._pacing = pacing
        self._target = target
        self._now_ms = now_ms
        self._tell = tell
        self._glossary = glossary
        self._terms: dict[str, Terms] = {}
        self._lines: dict[int, Line] = {}
        self._todo: asyncio.Queue[Line] = asyncio.Queue(maxsize=64)
        self._said: deque[str] = deque(maxlen=_CONTEXT_CLAUSES)
        self._numbers = 0
        self._sentence = ("", "")
        self._sentence_of = self._sentence_rescued = self._sentence_missed = 0
        self._speed = 1.0
        self._hurried = False
        self._placed: deque[Line] = deque()
        self._unrouted: set[str] = set()
        self._capped = self._untranslated = False

    async def say(self, clause: Clause, *, utterance: int, language: str, spoken: bool, certain: bool) -> Line:
        """Take the next clause; waits when far too many are under way."""
        self._numbers += 1
        line = Line(self._numbers, utterance, clause, language, spoken, self._now_ms())
        line.certain_ms = line.asked_ms if certain else None
        self._lines[line.number] = line
        await self._todo.put(line)
        return line

    def confirm(self, line: Line) -> None:
        """A speculative clause is certain now: show it, and let be heard what is ready."""
        line.certain_ms = self._now_ms()
        self._announce(line)
        held, line.held = line.held, []
        for chunk in held:
            self._place(line, chunk)
        if line.text is not None and not line.spoken:
            self._finish(line)

    def drop(self, line: Line) -> None:
        """A speculative clause was wrong: nothing of it is ever shown or heard."""
        line.dropped = True
        line.held.clear()
        self._lines.pop(line.number, None)
        if self._voice is not None:
            self._voice.cancel(line.number)

    def backlog_ms(self, *, before: Line | None = None) -> float:
        """How much is still to be heard of what was said: placed sound, and an estimate of what is on its way."""
        waiting_ms = self._dub.behind_ms
        for line in self._lines.values():
            if line is before:
                break
            if not line.dropped and line.spoken:
                characters = len(line.clause.text if line.text is None else line.text)
                waiting_ms += max(0.0, characters * MS_PER_CHARACTER / line.speed - line.voiced_ms)
        return waiting_ms

    @property
    def unfinished(self) -> bool:
        return bool(self._lines or self._placed)

    def listened(self) -> None:
        """To be called after the dub was read: notes which clauses began to be heard."""
        while self._placed and (self._placed[0].placed_ms or 0.0) < self._dub.position_ms:
            line = self._placed.popleft()
            line.heard_ms = max(self._now_ms(), line.placed_ms or 0.0)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._translate_all())
            if self._voice is not None:
                group.create_task(self._collect(self._voice))

    async def settle(self) -> None:
        """Wait until every clause taken so far was translated and synthesised."""
        await self._todo.join()
        if self._voice is not None:
            await self._voice.settle()

    async def _translate_all(self) -> None:
        while True:
            line = await self._todo.get()
            try:
                if not line.dropped:
                    await self._translate(line)
            finally:
                self._todo.task_done()

    async def _translate(self, line: Line) -> None:
        text = ""
        try:
            translator = self._translator(line.language)
            if translator is not None:
                text = await self._in_sentence(line, translator)
                self._untranslated = False
            elif line.language != self._target and line.language not in self._unrouted:
                self._unrouted.add(line.language)
                pair = f"{line.language} to {self._target}"
                self._notice(NoticeKind.NO_ROUTE, f"nothing translates {pair}; the original text is shown")
        except (LegError, ModelError) as error:
            capped = isinstance(error, LegCapped)
            if not (capped and self._untranslated):
                self._notice(NoticeKind.MT_FAILED, f"{error}; the original text is shown")
            self._untranslated = capped
        line.spoken = line.spoken and bool(text.strip())
        line.text = text.strip() or line.clause.text
        line.translated_ms = self._now_ms()
        line.spoken = line.spoken and self._voice is not None
        if line.dropped:
            return
        if line.certain and not (self._capped and line.spoken):
            self._announce(line)
        if self._voice is None or not line.spoken:
            self._finish(line)
            return
        self._pace(line)
        try:
            await self._voice.push(line.text, line.number, speed=line.speed, lead_ms=self.backlog_ms(before=line))
            await self._voice.flush(line.number)
        except LegError as error:
            self._go_without(line, error)
        else:
            if self._capped:
                self._capped = False
                self._notice(NoticeKind.DUB_BACK, "the dub is back")
                if line.certain:
                    self._announce(line)

    def _go_without(self, line: Line, error: LegError) -> None:
        """The original voice stays; told once where it is for a cap, which holds for longer than a clause."""
        capped = isinstance(error, LegCapped)
        if not (capped and self._capped):
            kind = NoticeKind.DUB_CAPPED if capped else NoticeKind.TTS_FAILED
            self._notice(kind, f"{error}; subtitles go on")
        self._capped = capped
        line.spoken = False
        if line.certain:
            self._announce(line)
        self._finish(line)

    async def apart(self, texts: Sequence[str], whole: str, *, language: str) -> list[bool]:
        """Which of the texts, beginnings of `whole`, end outside its locked terms and such as may come about at its
        end."""
        terms = await self._terms_from(language)
        spans = terms.spans(whole) if terms is not None else []
        return [not any(start < len(text) < end for start, end in spans) for text in texts]

    async def standing(self, texts: Sequence[str], whole: str, *, utterance: int, language: str) -> int | None:
        """Which of the texts, beginnings of `whole`, is the first whose translation begins that of `whole`.

        All of them continue what was said of the utterance's sentence. None where none does; the first of all where
        nothing translates the language, since then its text is shown as it is.
        """
        source = self._sentence[0] if self._sentence_of == utterance else ""
        try:
            translator = self._translator(language)
            if translator is None:
                return 0
            said = await self._render(Clause(_joined(source, whole), 0.0, 0.0), language, translator)
            target = spoken_words(said.text)
            for number, text in enumerate(texts):
                said = await self._render(Clause(_joined(source, text), 0.0, 0.0), language, translator)
                beginning = spoken_words(said.text)
                if beginning == target[: len(beginning)]:
                    return number
        except (LegError, ModelError):
            pass  # told when the clause itself is translated
        return None

    async def _in_sentence(self, line: Line, translator: Translator) -> str:
        """Translate a clause as the continuation of what was said of its sentence, where that is possible."""
        source, target = self._sentence_so_far(line)
        terms = await self._terms_from(line.language)
        locked = terms.find(line.clause.text) if terms is not None else []
        line.terms = line.missed = len(locked)
        if source:
            clause = replace(line.clause, text=_joined(source, line.clause.text))
            whole = await self._render(clause, line.language, translator)
            text = continuation(target, whole.text)
            # What the sentence has a rendering for may stand before what was spoken, and would not be heard.
            missing = terms.missing(locked, text) if terms is not None and text is not None else []
            if text is not None and len(missing) <= max(0, whole.missed - self._sentence_missed):
                line.missed = len(missing)
                line.rescued = min(line.terms - line.missed, max(0, whole.rescued - self._sentence_rescued))
                return text
        said = await self._render(line.clause, line.language, translator)
        line.rescued, line.missed = said.rescued, said.missed
        return said.text

    async def _terms_from(self, language: str) -> Terms | None:
        """The glossary for a source language; the first time it is made ready."""
        if language not in self._terms and (glossary := self._glossary(language)):
            self._terms[language] = await ready_terms(glossary, language, self._target)
        return self._terms.get(language)

    def _sentence_so_far(self, line: Line) -> tuple[str, str]:
        return self._sentence if self._sentence_of == line.utterance else ("", "")

    async def _render(self, clause: Clause, language: str, translator: Translator) -> TextChunk:
        """The whole translation as one piece."""
        chunks = [
            chunk
            async for chunk in translator.translate(
                clause,
                source=language,
                target=self._target,
                context=tuple(self._said),
                glossary=self._glossary(language) or None,
            )
        ]
        text = "".join(chunk.text for chunk in chunks).strip()
        rescued, missed = sum(chunk.rescued for chunk in chunks), sum(chunk.missed for chunk in chunks)
        return TextChunk(text, clause.epoch, last=True, rescued=rescued, missed=missed)

    def _pace(self, line: Line) -> None:
        """Choose the clause's speed and the pause before it; tell when the dub begins to hurry."""
        late_ms = self._now_ms() + _FIRST_SOUND_MS + self.backlog_ms(before=line) - line.clause.end_ms
        line.speed, line.pause_ms = self._pacing.speed(late_ms), self._pacing.pause(late_ms)
        hurried = line.pause_ms < self._pacing.pause_ms
        if hurried and not self._hurried:
            self._notice(NoticeKind.SHORTER_PAUSES, f"{late_ms:.0f} ms behind: pauses are shortened")
        if line.speed > max(1.0, self._speed):
            self._notice(NoticeKind.FASTER, f"{late_ms:.0f} ms behind: speaking {line.speed:.2f} times as fast")
        self._hurried, self._speed = hurried, line.speed

    def _notice(self, kind: NoticeKind, text: str) -> None:
        self._tell(Notice(kind, text, self._now_ms()))

    async def _collect(self, voice: SpeechStream) -> None:
        while True:
            try:
                async for chunk in voice:
                    self._take(chunk)
                return
            except LegError as error:
                # The clause is lost to the ear; its subtitle stands, and the next one is tried.
                self._notice(NoticeKind.TTS_FAILED, f"{error}; subtitles go on")

    def _take(self, chunk: SpeechChunk) -> None:
        line = self._lines.get(chunk.epoch)
        if line is None or line.dropped:
            return
        if line.audible_ms is None and len(chunk.pcm.samples):
            line.audible_ms = self._now_ms()
        if line.certain:
            self._place(line, chunk)
        else:
            line.held.append(chunk)

    def _place(self, line: Line, chunk: SpeechChunk) -> None:
        self._announce(line)
        if len(chunk.pcm.samples):
            placed = self._dub.put(chunk.pcm.samples, line=line.number, pause_ms=line.pause_ms)
            line.voiced_ms += placed.end_ms - placed.start_ms
            first = line.placed_ms is None
            if first:
                line.placed_ms, line.waited_ms = placed.start_ms, placed.waited_ms
                self._placed.append(line)
            self._tell(
                Spoken(line.utterance, line.number, chunk.text, placed.start_ms, placed.end_ms, placed.waited_ms, first)
            )
        if chunk.last:
            self._finish(line)

    def _announce(self, line: Line) -> None:
        if line.text is None or line.announced:
            return
        line.announced = True
        self._said.append(line.text)
        source, target = self._sentence_so_far(line)
        self._sentence_rescued = line.rescued + (self._sentence_rescued if source else 0)
        self._sentence_missed = line.missed + (self._sentence_missed if source else 0)
        self._sentence_of = line.utterance
        self._sentence = (f"{source} {line.clause.text}".strip(), f"{target} {line.text}".strip())
        if line.clause.text.endswith(SENTENCE_ENDS):
            self._sentence = ("", "")
        self._tell(
            Translated(
                line.utterance,
                line.number,
                line.clause,
                line.text,
                line.language,
                line.spoken,
                self._now_ms(),
                terms=line.terms,
                rescued=line.rescued,
                missed=line.missed,
            )
        )

    def _finish(self, line: Line) -> None:
        if line.certain:
            line.done = True
            self._lines.pop(line.number, None)


def _joined(before: str, text: str) -> str:
    return f"{before} {text}".strip()
