"""The ear of a session: from sound to clauses that are certain enough to be translated.

An utterance is tried at the first silence (an epoch), long before it is known to be over; what came of it is dropped
when speech resumes and let out when the endpoint is decided. In long speech, clauses that have settled leave early.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vivavoce.audio.pcm import Pcm
from vivavoce.clock import NS_PER_MS
from vivavoce.contract.profile import Stage
from vivavoce.contract.spans import SpanRecorder
from vivavoce.errors import LegCapped, LegError
from vivavoce.legs.stt import SttStream
from vivavoce.legs.vad import VoiceDetector
from vivavoce.legs.values import Clause, Hypothesis, VoiceEvent, VoiceEventKind, Word
from vivavoce.translate.clauses import FLOW, Cut, CutSettings, cuts
from vivavoce.translate.events import Event, Heard, Notice, NoticeKind, Trigger, TriggerKind, UtteranceDone
from vivavoce.translate.stability import Agreement
from vivavoce.translate.utterance import QUEUE, Utterance
from vivavoce.translate.voiceover import Line, Voiceover


@dataclass(frozen=True, slots=True)
class EarSettings:
    """`lead_in_ms` of sound before a speech start is recognised too; partials begin after `first_partial_ms`.

    Speech is cut as `cut` says; from `steady_ms` on ever more as `flow` does, which holds after `flow_after_ms`: the
    longer someone has spoken, the less soon an end is to be expected. A pause of less than `rest_ms` does not count as
    an end.
    """

    lead_in_ms: float = 260.0
    first_partial_ms: float = 1450.0
    partial_every_ms: float = 600.0
    edge_ms: float = 120.0
    certain_ms: float = 2200.0
    min_confidence: float = 0.4
    cut: CutSettings = field(default_factory=CutSettings)
    flow: CutSettings = FLOW
    steady_ms: float = 5_000.0
    flow_after_ms: float = 15_000.0
    rest_ms: float = 1200.0

    def cut_after(self, spoken_ms: float) -> CutSettings:
        """How to cut speech that has lasted so long since the last rest."""
        share = (spoken_ms - self.steady_ms) / (self.flow_after_ms - self.steady_ms)
        return self.cut.towards(self.flow, min(1.0, max(0.0, share)))


_TRIALS = 3
"""Translations of a doubtful cut take 10 to 20 ms each."""
_TERM_MS = 4000.0
"""For so long past `anywhere_ms` speech is not cut where only the inside of a term is left to cut."""


class Interpreter:
    """Hears frames and takes hypotheses; says clauses to a `Voiceover`. Everything runs on one event loop.

    `language` is what was stated, or "auto"; a clause in another one, or one heard with little confidence, gets
    subtitles and the original voice.
    """

    def __init__(
        self,
        *,
        detector: VoiceDetector,
        stt: SttStream,
        voiceover: Voiceover,
        language: str,
        settings: EarSettings,
        spans: SpanRecorder,
        now_ms: Callable[[], float],
        tell: Callable[[Event], None],
    ) -> None:
        self._detector = detector
        self._stt = stt
        self._voiceover = voiceover
        self._language = language
        self._settings = settings
        self._spans = spans
        self._now_ms = now_ms
        self._tell = tell
        self._agreement = Agreement(edge_ms=settings.edge_ms, certain_ms=settings.certain_ms)
        self._unheard: deque[Pcm] = deque()
        self._current: Utterance | None = None
        self._ending: Utterance | None = None
        self._late: Utterance | None = None
        self._closing: list[Utterance] = []
        self._paused = False
        self._epoch = 0
        self._utterances = 0
        self._last_partial_ms = 0.0
        self._speaking_since_ms = 0.0
        self._rest_from_ms = -math.inf
        self._position_ms = 0.0
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self.activity = 0

    @property
    def unfinished(self) -> bool:
        return bool(self._current or self._ending or self._closing)

    async def hear(self, pcm: Pcm) -> None:
        """Take the next sound, contiguous in sample time."""
        self._position_ms = pcm.end_ms
        self._unheard.append(pcm)
        events = self._detector.push(pcm)
        await self._feed()
        for event in events:
            await self._on_voice(event)
        self._ask_partial()
        self._close_finished()

    async def run(self) -> None:
        """Take hypotheses until the recognition stream is closed."""
        capped = False
        while True:
            try:
                async for hypothesis in self._stt:
                    capped = False
                    self.activity += 1
                    self._at_rest.clear()
                    try:
                        await (self._on_final if hypothesis.final else self._on_partial)(hypothesis)
                    finally:
                        self._at_rest.set()
                return
            except LegError as error:
                if not (capped and isinstance(error, LegCapped)):
                    self._tell(Notice(NoticeKind.STT_FAILED, f"{error}; the original voice stays", self._now_ms()))
                capped = isinstance(error, LegCapped)
                await self._abandon()

    async def settle(self) -> None:
        """Wait until the recogniser has answered and what it said is dealt with."""
        await self._stt.settle()
        await self._at_rest.wait()

    async def _feed(self) -> None:
        """Give the recogniser what belongs to an utterance; keep a lead-in while nobody speaks."""
        if self._current is None and self._late is None:
            while self._unheard and self._unheard[0].end_ms < self._position_ms - self._settings.lead_in_ms - 100:
                self._unheard.popleft()
        elif self._ending is None:
            while self._unheard:
                await self._stt.push(self._unheard.popleft(), voiced=not self._detector.silent)

    async def _on_voice(self, event: VoiceEvent) -> None:
        utterance = self._current
        if event.kind is VoiceEventKind.START:
            self._paused = False
            if self._late is not None:
                # Nobody has listened to it yet: speech that goes on now is recognised in one with it.
                self._current, self._late = self._late, None
                self._current.endpoint_ms = None
                self._tell(Trigger(self._current.number, TriggerKind.RESUMED, event.at_ms))
                return
            self._utterances += 1
            self._current = Utterance(self._utterances, event.at_ms)
            self._tell(Trigger(self._utterances, TriggerKind.STARTED, event.at_ms))
            if event.at_ms > self._rest_from_ms + self._settings.rest_ms:
                self._speaking_since_ms = event.at_ms
            self._last_partial_ms = event.at_ms + self._settings.first_partial_ms - self._settings.partial_every_ms
            while self._unheard and self._unheard[0].end_ms <= event.at_ms - self._settings.lead_in_ms:
                self._unheard.popleft()
            await self._feed()
        elif utterance is None:
            return
        elif event.kind is VoiceEventKind.PAUSE:
            self._paused = True
            utterance.end_ms = event.at_ms
            if self._ending is None:
                await self._speculate(utterance)
        elif event.kind is VoiceEventKind.RESUME:
            self._paused = False
            self._tell(Trigger(utterance.number, TriggerKind.RESUMED, event.at_ms))
            if self._ending is None:
                self._drop_speculation(utterance)
        else:
            utterance.end_ms, utterance.endpoint_ms = event.at_ms, self._now_ms()
            self._rest_from_ms = event.at_ms
            self._current = None
            if utterance.final is not None:
                self._finish(utterance)
            elif self._ending is None:
                self._ending = utterance
            else:
                self._late = utterance

    async def _speculate(self, utterance: Utterance) -> None:
        self._epoch += 1
        utterance.final = None
        utterance.asked_ms = self._now_ms()
        await self._stt.finalise(self._epoch)

    async def _abandon(self) -> None:
        """Give up what is being recognised: its rest was heard as the original. The next utterance is tried."""
        failed = self._ending or self._current
        self._stt.reset()
        self._agreement.reset()
        if failed is None or failed.final is not None:
            return  # what is known of it to its end is said there
        self._drop_speculation(failed)
        if failed.pending:
            await self._say(failed, failed.pending, certain=True)
        if failed is self._ending:
            await self._catch_up()
        else:
            self._current = None
            self._unheard.clear()

    def _drop_speculation(self, utterance: Utterance) -> None:
        self._epoch += 1
        utterance.final = None
        if utterance.guess is not None:
            self._voiceover.drop(utterance.guess)
            utterance.guess = None

    def _ask_partial(self) -> None:
        due = self._position_ms >= self._last_partial_ms + self._settings.partial_every_ms
        if self._current and not self._ending and not self._paused and not self._detector.silent and due:
            self._last_partial_ms = self._position_ms
            self._stt.partial()

    async def _on_partial(self, hypothesis: Hypothesis) -> None:
        utterance = self._current
        if utterance is None or self._ending is not None or utterance.final is not None:
            return
        if self._paused:
            # The final under way does not know what this would settle. If speech goes on, it is asked anew at once.
            self._last_partial_ms = -math.inf
            return
        settled = self._agreement.settled(hypothesis.words, heard_until_ms=hypothesis.heard_until_ms)
        self._settle(utterance, settled, hypothesis.language)
        tail = hypothesis.words[len(settled) :]
        self._tell(Heard(utterance.number, tuple(utterance.settled), tuple(tail), len(settled), self._now_ms()))
        settings = self._settings.cut_after(self._position_ms - self._speaking_since_ms)
        found = cuts(
            utterance.pending,
            tail,
            language=utterance.language,
            backlog_ms=self._voiceover.backlog_ms(),
            settings=settings,
        )
        count = await self._chosen(found, utterance, tail, settings)
        if count and not self._paused and self._current is utterance:
            words, utterance.pending = utterance.pending[:count], utterance.pending[count:]
            utterance.lines.append(await self._say(utterance, words, certain=True))

    async def _chosen(
        self, found: Sequence[Cut], utterance: Utterance, tail: Sequence[Word], settings: CutSettings
    ) -> int:
        """The first of the cuts that is good, as a count of pending words; the translator tries doubtful ones."""
        if not found:
            return 0
        texts, whole = [_text(utterance.pending[: cut.count]) for cut in found], _text([*utterance.pending, *tail])
        apart = await self._voiceover.apart(texts, whole, language=utterance.language)
        good = [(cut, text) for cut, text, is_apart in zip(found, texts, apart, strict=True) if is_apart]
        if not good and tail[-1].end_ms - utterance.pending[0].start_ms > settings.anywhere_ms + _TERM_MS:
            good = list(zip(found, texts, strict=True))  # to fall ever further behind is worse than a term in two
        if not good or not good[0][0].doubtful:
            return good[0][0].count if good else 0
        tried = good[:_TRIALS]
        which = await self._voiceover.standing(
            [text for _, text in tried], whole, utterance=utterance.number, language=utterance.language
        )
        return 0 if which is None else tried[which][0].count

    def _settle(self, utterance: Utterance, words: Sequence[Word], language: str) -> None:
        self._stt.commit(words)
        utterance.language = language
        utterance.settled.extend(words)
        utterance.pending.extend(words)
        utterance.confidences.extend(word.confidence for word in words)

    async def _on_final(self, hypothesis: Hypothesis) -> None:
        utterance = self._ending or self._current
        if utterance is None or hypothesis.epoch != self._epoch:
            return
        utterance.final, utterance.final_ms = hypothesis, self._now_ms()
        utterance.language = hypothesis.language
        words = [*utterance.pending, *hypothesis.words]
        if words:
            line = await self._say(utterance, words, certain=utterance.endpoint_ms is not None)
            if hypothesis.epoch != self._epoch:
                self._voiceover.drop(line)
                return
            utterance.guess = line
        if utterance.endpoint_ms is not None:
            self._finish(utterance)
        if utterance is self._ending:
            await self._catch_up()

    async def _catch_up(self) -> None:
        """Turn to what was said while the utterance before was still being recognised."""
        while self._unheard and (self._current or self._late):
            await self._stt.push(self._unheard.popleft(), voiced=not self._detector.silent)
        self._ending, self._late = self._late, None
        utterance = self._ending or self._current
        if utterance is not None and (self._ending or self._paused):
            await self._speculate(utterance)

    async def _say(self, utterance: Utterance, words: Sequence[Word], *, certain: bool) -> Line:
        confidence = sum(word.confidence for word in words) / len(words)
        clause = Clause(_text(words), words[0].start_ms, words[-1].end_ms, confidence, self._epoch)
        stated = self._language in ("auto", utterance.language)
        spoken = stated and confidence >= self._settings.min_confidence
        return await self._voiceover.say(
            clause, utterance=utterance.number, language=utterance.language, spoken=spoken, certain=certain
        )

    def _finish(self, utterance: Utterance) -> None:
        """The endpoint is decided and the final hypothesis is there."""
        final = utterance.final
        assert final is not None
        utterance.settled.extend(final.words)
        utterance.confidences.extend(word.confidence for word in final.words)
        self._epoch += 1
        self._stt.reset()
        self._agreement.reset()
        if utterance.settled:
            self._tell(Heard(utterance.number, tuple(utterance.settled), (), len(final.words), self._now_ms()))
        else:
            self._tell(Trigger(utterance.number, TriggerKind.FALSE, self._now_ms()))
        if utterance.guess is not None:
            utterance.lines.append(utterance.guess)
            if not utterance.guess.certain:
                self._voiceover.confirm(utterance.guess)
        if utterance.lines:
            self._warn(utterance)
            self._closing.append(utterance)

    def _warn(self, utterance: Utterance) -> None:
        if self._language not in ("auto", utterance.language):
            text = f"this sounds like {utterance.language}, not {self._language}: the original voice stays"
            self._tell(Notice(NoticeKind.OTHER_LANGUAGE, text, self._now_ms()))
        elif any(line.clause.confidence < self._settings.min_confidence for line in utterance.lines):
            self._tell(Notice(NoticeKind.LOW_CONFIDENCE, "heard unclearly: the original voice stays", self._now_ms()))

    def _close_finished(self) -> None:
        for utterance in [u for u in self._closing if all(line.done for line in u.lines)]:
            last = utterance.lines[-1]
            if last.placed_ms is not None and last.heard_ms is None:
                continue
            self._closing.remove(utterance)
            stages = utterance.passed(last)
            for stage, (start_ms, end_ms) in stages.items():
                if stage != QUEUE:
                    self._spans.record(
                        Stage(stage), round(start_ms * NS_PER_MS), round(end_ms * NS_PER_MS), utterance.number
                    )
            confidences = utterance.confidences or [0.0]
            self._tell(
                UtteranceDone(
                    utterance.number,
                    utterance.start_ms,
                    utterance.end_ms,
                    _text(utterance.settled),
                    utterance.language,
                    sum(confidences) / len(confidences),
                    stages,
                )
            )


def _text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)
