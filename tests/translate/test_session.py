"""The rules of a whole session, on virtual time with scripted legs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.clock import SteppedClock
from vivavoce.errors import AudioError, LegError, OutputError
from vivavoce.legs.values import Clause, TextChunk, Word
from vivavoce.translate.events import Heard, Notice, NoticeKind, Spoken, Translated, TriggerKind, UtteranceDone

LONG = (
    "When the rain stopped, the children ran to the river and they looked for the boat. "
    "Nobody had seen it since the morning, but the old man remembered where it was."
)


def never_rewritten(heard: list[Heard]) -> bool:
    return all(
        after.utterance != before.utterance
        or tuple(w.text for w in after.settled[: len(before.settled)]) == tuple(w.text for w in before.settled)
        for before, after in pairwise(heard)
    )


def test_speech_becomes_a_dub(theatre: Any) -> None:
    stage = theatre.run(lambda: theatre.Stage(theatre.say("Good morning everybody", 500)))
    (said,) = stage.told(Translated)
    (done,) = stage.told(UtteranceDone)
    assert said.text == "GOOD MORNING EVERYBODY"
    assert said.spoken
    assert stage.heard_lines == [said.line]
    assert done.text == "Good morning everybody"
    assert done.stages["heard"][0] == pytest.approx(1250, abs=20)
    assert done.stages["heard"][1] == stage.told(Spoken)[0].start_ms
    assert stage.stt.closed


def test_speculation_is_committed_at_the_endpoint_and_not_before(theatre: Any) -> None:
    stage = theatre.run(lambda: theatre.Stage(theatre.say("Good morning everybody", 500)))
    endpoint_ms = 1250 + theatre.gate.end_ms
    assert stage.stt.finals_ms[0] < endpoint_ms - 200
    assert stage.told(Translated)[0].at_ms == pytest.approx(endpoint_ms, abs=40)
    # Recognition, translation and the first sound were ready: the dub begins with the endpoint.
    assert stage.told(Spoken)[0].start_ms == pytest.approx(endpoint_ms, abs=60)


def test_speculation_is_dropped_when_speech_resumes(theatre: Any) -> None:
    words = theatre.say("He did not", 500) + theatre.say("come home", 1500)
    stage = theatre.run(
        lambda: theatre.Stage(
            words, stt=theatre.Stt(words, latency_ms=20), mt=theatre.Capitals(latency_ms=10), voice=theatre.Voice(10)
        )
    )
    assert "He did not" in stage.mt.asked
    assert len(stage.voice.speeds) == 2
    assert [said.text for said in stage.told(Translated)] == ["HE DID NOT COME HOME"]
    assert stage.heard_lines == [stage.told(Translated)[0].line]
    assert {event.line for event in stage.told(Spoken)} == set(stage.heard_lines)
    assert len(stage.told(UtteranceDone)) == 1


@pytest.mark.parametrize("latency_ms", [5, 60, 150, 250, 400, 900])
def test_a_dropped_epoch_leaves_nothing_however_slow_its_legs_are(theatre: Any, latency_ms: float) -> None:
    words = theatre.say("He did not", 500) + theatre.say("come home", 1500)
    for stt_ms, mt_ms, tts_ms in ((latency_ms, 5, 5), (5, latency_ms, 5), (5, 5, latency_ms)):
        stage = theatre.run(
            lambda s=stt_ms, m=mt_ms, t=tts_ms: theatre.Stage(
                words, stt=theatre.Stt(words, latency_ms=s), mt=theatre.Capitals(m), voice=theatre.Voice(t)
            )
        )
        assert [said.text for said in stage.told(Translated)] == ["HE DID NOT COME HOME"]
        assert stage.heard_lines == [stage.told(Translated)[0].line]


def test_clauses_of_long_speech_leave_while_the_speaker_talks(theatre: Any) -> None:
    words = theatre.say(LONG, 500)
    stage = theatre.run(lambda: theatre.Stage(words))
    said = stage.told(Translated)
    assert len(said) > 2
    assert said[0].at_ms < words[-1].end_ms - 3000
    assert " ".join(line.text for line in said) == LONG.upper()
    assert stage.heard_lines == [line.line for line in said]
    assert said[0].text == "WHEN THE RAIN STOPPED,"


def test_a_clause_leaves_where_its_translation_stands_whatever_follows(theatre: Any) -> None:
    words = theatre.say("red green blue white black brown grey", 500, word_ms=400)
    ear = theatre.replace(theatre.ear, cut=theatre.replace(theatre.cut, anywhere_ms=60_000, min_words=2))

    class Reordering(theatre.Capitals):
        """Puts the second word after the third once that is there."""

        async def translate(self, clause: Clause, **_: Any) -> AsyncIterator[TextChunk]:
            self.asked.append(clause.text)
            await asyncio.sleep(0.01)
            first, *rest = clause.text.upper().split()
            if len(rest) > 1:
                rest[0], rest[1] = rest[1], rest[0]
            yield TextChunk(" ".join([first, *rest]), clause.epoch, True)

    stage = theatre.run(lambda: theatre.Stage(words, mt=Reordering(), ear=ear))
    said = [line.text for line in stage.told(Translated)]
    assert len(said) > 1
    assert " ".join(said) == "RED BLUE GREEN WHITE BLACK BROWN GREY"
    # Cut after two words it would have been "RED GREEN": tried, and not taken.
    assert "red green" in stage.mt.asked
    assert said[0] == "RED BLUE GREEN"


@pytest.mark.parametrize(("pause_ms", "lines"), [(700, 4), (3000, 2)])
def test_a_short_pause_is_no_reason_to_wait_for_the_end_again(theatre: Any, pause_ms: float, lines: int) -> None:
    """Speech is cut in flow only; after a rest it is taken to be short again."""
    first = theatre.say("one two three four five six seven eight", 500, word_ms=400)
    second = theatre.say("red green blue white black brown grey pink", first[-1].end_ms + pause_ms, word_ms=400)
    never = theatre.replace(theatre.cut, hungry_ms=-1)
    ear = theatre.replace(theatre.ear, cut=never, flow=theatre.cut, steady_ms=3500, flow_after_ms=3501, rest_ms=1500)
    stage = theatre.run(lambda: theatre.Stage([*first, *second], ear=ear))
    assert len(stage.told(UtteranceDone)) == 2
    assert len(stage.told(Translated)) == lines


def test_a_language_that_nothing_translates_needs_no_proof(theatre: Any) -> None:
    words = theatre.say("red green blue white black brown grey", 500, word_ms=400)
    ear = theatre.replace(theatre.ear, cut=theatre.replace(theatre.cut, anywhere_ms=60_000, min_words=2))
    stage = theatre.run(lambda: theatre.Stage(words, mt=None, ear=ear))
    assert len(stage.told(Translated)) > 1
    assert " ".join(line.text for line in stage.told(Translated)) == "red green blue white black brown grey"


def test_a_translator_that_fails_while_a_cut_is_tried_loses_no_words(theatre: Any) -> None:
    words = theatre.say(LONG, 500)
    ear = theatre.replace(theatre.ear, cut=theatre.replace(theatre.cut, anywhere_ms=60_000))
    failing = range(1, 400, 2)
    stage = theatre.run(lambda: theatre.Stage(words, mt=theatre.Capitals(failing=failing), ear=ear))
    assert " ".join(line.clause.text for line in stage.told(Translated)) == LONG


def test_only_what_two_hypotheses_agree_on_is_committed(theatre: Any) -> None:
    words = theatre.say(LONG, 500)

    def waver(n: int, heard: list[Word]) -> list[Word]:
        return [Word(f"guess{n}", w.start_ms, w.end_ms) if i == 2 and n < 4 else w for i, w in enumerate(heard)]

    stage = theatre.run(lambda: theatre.Stage(words, stt=theatre.Stt(words, waver=waver)))
    heard = stage.told(Heard)
    assert any("guess0" in [w.text for w in event.tail] for event in heard)
    assert all(len(event.settled) == 2 for event in heard[1:4])
    assert not any("guess" in said.text.casefold() for said in stage.told(Translated))
    assert " ".join(word.text for word in heard[-1].settled) == LONG


def test_partials_are_not_asked_for_in_silence(theatre: Any) -> None:
    words = theatre.say(LONG, 500) + theatre.say("And so it was found.", 8950)
    stage = theatre.run(lambda: theatre.Stage(words))
    spoken_until = [(500, words[-6].end_ms), (8950, words[-1].end_ms)]
    assert len(stage.stt.partials_ms) > 8
    assert all(any(start < at <= end for start, end in spoken_until) for at in stage.stt.partials_ms)


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_committed_words_are_never_rewritten(theatre: Any, data: st.DataObject) -> None:
    pauses = data.draw(st.lists(st.sampled_from([0, 120, 220, 700]), min_size=30, max_size=30))
    words: list[Word] = []
    at = 400.0
    for text, pause in zip(LONG.split(), pauses, strict=False):
        words.append(Word(text, at, at + 240))
        at += 240 + pause
    changes = data.draw(st.lists(st.integers(0, 29), min_size=20, max_size=20))

    def waver(n: int, heard: list[Word]) -> list[Word]:
        return [Word("oops", w.start_ms, w.end_ms) if i >= changes[n % 20] else w for i, w in enumerate(heard)]

    latency = data.draw(st.sampled_from([20, 150, 700]))
    stage = theatre.run(lambda: theatre.Stage(words, stt=theatre.Stt(words, latency_ms=latency, waver=waver)))
    assert never_rewritten(stage.told(Heard))
    said = stage.told(Translated)
    assert [line.line for line in said] == sorted({line.line for line in said})
    assert stage.heard_lines == [line.line for line in said]
    spoken = stage.told(Spoken)
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(spoken))


def test_unclear_speech_gets_subtitles_and_keeps_its_voice(theatre: Any) -> None:
    words = theatre.say("mumbled words here", 500, confidence=0.2)
    stage = theatre.run(lambda: theatre.Stage(words))
    (said,) = stage.told(Translated)
    assert (said.text, said.spoken) == ("MUMBLED WORDS HERE", False)
    assert not stage.told(Spoken)
    assert stage.heard_lines == []
    assert [notice.kind for notice in stage.told(Notice)] == [NoticeKind.LOW_CONFIDENCE]
    assert "heard" not in stage.told(UtteranceDone)[0].stages


def test_another_language_than_stated_keeps_its_voice(theatre: Any) -> None:
    words = theatre.say("bom dia a todos", 500)
    stage = theatre.run(lambda: theatre.Stage(words, stt=theatre.Stt(words, language="pt")))
    assert [said.spoken for said in stage.told(Translated)] == [False]
    assert stage.heard_lines == []
    (notice,) = stage.told(Notice)
    assert notice.kind is NoticeKind.OTHER_LANGUAGE
    assert "pt" in notice.text


def test_auto_takes_the_language_that_is_spoken(theatre: Any) -> None:
    words = theatre.say("hola a todos", 500)
    stage = theatre.run(lambda: theatre.Stage(words, source="auto", stt=theatre.Stt(words, language="es")))
    (said,) = stage.told(Translated)
    assert (said.language, said.spoken) == ("es", True)
    assert not stage.told(Notice)


def test_a_language_without_a_route_is_captioned_as_it_is(theatre: Any) -> None:
    words = theatre.say("dzień dobry państwu", 500)
    stage = theatre.run(lambda: theatre.Stage(words, source="auto", stt=theatre.Stt(words, language="pl"), mt=None))
    (said,) = stage.told(Translated)
    assert (said.text, said.spoken) == ("dzień dobry państwu", False)
    assert [notice.kind for notice in stage.told(Notice)] == [NoticeKind.NO_ROUTE]


def test_without_a_voice_there_are_subtitles(theatre: Any) -> None:
    stage = theatre.run(lambda: theatre.Stage(theatre.say("Good morning everybody", 500), voice=None))
    assert [said.spoken for said in stage.told(Translated)] == [False]
    assert len(stage.told(UtteranceDone)) == 1


def test_silence_gives_nothing(theatre: Any) -> None:
    stage = theatre.run(lambda: theatre.Stage([]))
    assert stage.events == []
    assert stage.stt.finals_ms == []


def test_noise_without_words_gives_no_text(theatre: Any) -> None:
    noise = theatre.say("bang bang bang", 500)
    stage = theatre.run(lambda: theatre.Stage(noise, stt=theatre.Stt([], language="cy")))
    assert stage.stt.finals_ms
    assert [event.kind for event in stage.events] == [TriggerKind.STARTED, TriggerKind.FALSE]


def test_a_dub_that_falls_behind_shortens_pauses_then_speeds_up(theatre: Any) -> None:
    words = theatre.say(LONG + " " + LONG, 500)
    stage = theatre.run(lambda: theatre.Stage(words, voice=theatre.Voice(80, ms_per_character=75)))
    kinds = [notice.kind for notice in stage.told(Notice)]
    assert kinds[0] is NoticeKind.SHORTER_PAUSES
    assert NoticeKind.FASTER in kinds
    assert stage.voice.speeds[0] < max(stage.voice.speeds) <= theatre.dub.max_speed
    firsts = [event for event in stage.told(Spoken) if event.first]
    ends = {event.line: event.end_ms for event in stage.told(Spoken)}
    pauses = [after.start_ms - ends[before.line] for before, after in pairwise(firsts)]
    assert min(pauses) == pytest.approx(theatre.dub.short_pause_ms, abs=1)
    # What is heard at once has to be made at once; what waits has the time that it waits.
    assert stage.voice.leads_ms[0] == 0
    waited = [event.waited_ms for event in firsts]
    assert all((lead > 500) == (wait > 500) for lead, wait in zip(stage.voice.leads_ms, waited, strict=True))
    assert stage.heard_lines == [said.line for said in stage.told(Translated)]


def test_a_dub_on_time_does_not_hurry(theatre: Any) -> None:
    words = theatre.say("Good morning everybody.", 500) + theatre.say("How are you today?", 4000)
    stage = theatre.run(lambda: theatre.Stage(words))
    assert set(stage.voice.speeds) == {1.0}
    assert not stage.told(Notice)


def test_a_source_that_breaks_is_finished_and_then_told(theatre: Any) -> None:
    async def play() -> Any:
        stage = theatre.Stage(theatre.say(LONG, 500), breaks_ms=2600)
        with pytest.raises(AudioError, match="microphone"):
            await stage.interpret()
        return stage

    stage = theatre.on_virtual_time(play())
    said = stage.told(Translated)
    assert " ".join(line.text for line in said) == "WHEN THE RAIN STOPPED, THE CHILDREN RAN TO"
    assert stage.heard_lines == [line.line for line in said]
    assert len(stage.told(UtteranceDone)) == 1
    assert stage.stt.closed


def test_a_translator_that_fails_leaves_captions(theatre: Any) -> None:
    words = theatre.say("Good morning everybody.", 500) + theatre.say("How are you today?", 3000)
    stage = theatre.run(lambda: theatre.Stage(words, mt=theatre.Capitals(failing=[0])))
    assert [(said.text, said.spoken) for said in stage.told(Translated)] == [
        ("Good morning everybody.", False),
        ("HOW ARE YOU TODAY?", True),
    ]
    assert [notice.kind for notice in stage.told(Notice)] == [NoticeKind.MT_FAILED]
    assert stage.heard_lines == [stage.told(Translated)[1].line]


def test_a_voice_that_fails_leaves_subtitles_and_speaks_the_next(theatre: Any) -> None:
    words = theatre.say("Good morning everybody.", 500) + theatre.say("How are you today?", 4000)
    stage = theatre.run(lambda: theatre.Stage(words, voice=theatre.Voice(failing=[0])))
    assert [said.text for said in stage.told(Translated)] == ["GOOD MORNING EVERYBODY.", "HOW ARE YOU TODAY?"]
    assert [notice.kind for notice in stage.told(Notice)] == [NoticeKind.TTS_FAILED]
    assert stage.heard_lines[-1] == stage.told(Translated)[1].line
    assert len(stage.told(UtteranceDone)) == 2


def test_an_utterance_said_while_the_one_before_is_recognised_is_not_lost(theatre: Any) -> None:
    words = theatre.say("Good morning everybody.", 500) + theatre.say("How are you?", 1700)
    for latency_ms in (300, 700, 1200, 1600, 2500):
        stage = theatre.run(lambda ms=latency_ms: theatre.Stage(words, stt=theatre.Stt(words, latency_ms=ms)))
        assert " ".join(said.text for said in stage.told(Translated)) == "GOOD MORNING EVERYBODY. HOW ARE YOU?", (
            latency_ms
        )
        assert stage.stt.closed


@pytest.mark.parametrize("latency_ms", [100, 700, 1500])
def test_a_recogniser_that_fails_loses_one_utterance(theatre: Any, latency_ms: float) -> None:
    words = theatre.say("Good morning everybody.", 500) + theatre.say("How are you?", 1800)
    stt = theatre.Stt(words, latency_ms=latency_ms, failing=[0])
    stage = theatre.run(lambda: theatre.Stage(words, stt=stt))
    assert [said.text for said in stage.told(Translated)] == ["HOW ARE YOU?"]
    assert [notice.kind for notice in stage.told(Notice)].count(NoticeKind.STT_FAILED) == 1
    assert not stage.session._unfinished


def test_a_recogniser_that_fails_after_its_final_loses_nothing(theatre: Any) -> None:
    class Breaking(theatre.Stt):  # type: ignore[misc]
        async def _answer(self, words: list[Word], final: bool, *args: Any, **options: Any) -> None:
            await super()._answer(words, final, *args, **options)
            if final:
                await asyncio.sleep(0.02)
                await self._answers.put(LegError("the connection broke off"))

    words = theatre.say("Good morning everybody", 500)
    stage = theatre.run(lambda: theatre.Stage(words, stt=Breaking(words)))
    assert [line.text for line in stage.told(Translated)] == ["GOOD MORNING EVERYBODY"]
    assert [notice.kind for notice in stage.told(Notice)] == [NoticeKind.STT_FAILED]
    assert stage.told(Notice)[0].at_ms < stage.told(Translated)[0].at_ms


def test_what_had_settled_of_an_utterance_that_fails_is_still_translated(theatre: Any) -> None:
    words = theatre.say(LONG, 500)
    ear = theatre.replace(theatre.ear, cut=theatre.replace(theatre.cut, hungry_ms=-1), steady_ms=60_000)
    stage = theatre.run(lambda: theatre.Stage(words, stt=theatre.Stt(words, failing=range(9)), ear=ear))
    heard = " ".join(word.text for word in stage.told(Heard)[-1].settled)
    assert heard
    assert " ".join(said.clause.text for said in stage.told(Translated)) == heard


def test_a_partial_that_comes_in_a_pause_settles_nothing(theatre: Any) -> None:
    """The final that is under way was asked without it."""
    words = theatre.say("one two three four five six", 500)
    stage = theatre.run(lambda: theatre.Stage(words, stt=theatre.Stt(words, latency_ms=400)))
    paused_ms, final_ms = 2060, 2500
    assert any(1960 < at <= 2000 for at in stage.stt.partials_ms)
    assert not [event for event in stage.told(Heard) if paused_ms < event.at_ms < final_ms - 80]
    assert stage.told(Translated)[0].text == "ONE TWO THREE FOUR FIVE SIX"


def test_a_slow_recogniser_does_not_stop_the_session(theatre: Any) -> None:
    words = [word for n in range(6) for word in theatre.say("Here we are.", 500 + 1200 * n)]
    stage = theatre.run(lambda: theatre.Stage(words, stt=theatre.Stt(words, latency_ms=1500)))
    text = " ".join(said.text for said in stage.told(Translated))
    assert text == " ".join(["HERE WE ARE."] * 6)
    assert not stage.session._unfinished


def test_a_pause_in_speech_that_is_not_listened_to_yet_does_no_harm(theatre: Any) -> None:
    first, second = theatre.say("Good morning everybody.", 500), theatre.say("How are", 1700)
    words = first + second + theatre.say("you today?", 2360) + theatre.say("Fine, thank you.", 6000)
    stage = theatre.run(lambda: theatre.Stage(words, stt=theatre.Stt(words, latency_ms=1500)))
    text = " ".join(said.text for said in stage.told(Translated))
    assert text == "GOOD MORNING EVERYBODY. HOW ARE YOU TODAY? FINE, THANK YOU."


def test_without_pace_the_result_is_the_same(theatre: Any) -> None:
    words = theatre.say(LONG, 500) + theatre.say("And so it was found.", 10_000)

    def texts(stage: Any) -> list[str]:
        return " ".join(said.text for said in stage.told(Translated)).split()

    live = theatre.run(lambda: theatre.Stage(words))
    quick = theatre.run(lambda: theatre.Stage(words, clock=SteppedClock(), paced=False))
    assert texts(quick) == texts(live)
    assert quick.heard_lines == [said.line for said in quick.told(Translated)]


@pytest.mark.parametrize("when", ["first frame", "speech", "stt", "mt", "tts", "playout"])
def test_cancelling_leaves_nothing_behind(theatre: Any, when: str) -> None:
    async def play() -> None:
        before = asyncio.all_tasks()
        words = theatre.say(LONG, 500)
        stage = theatre.Stage(words)
        task = asyncio.create_task(stage.interpret())
        moments = {
            "stt": stage.stt.entered,
            "mt": stage.mt.entered,
            "tts": stage.voice.entered,
            "playout": stage.playing,
        }
        if when in moments:
            await moments[when].wait()
        else:
            await asyncio.sleep({"first frame": 0.005, "speech": 0.8}[when])
        assert not task.done()
        told = len(stage.events)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(5)
        assert asyncio.all_tasks() == before
        assert stage.stt.closed
        assert stage.voice._queue._worker.done()
        assert len(stage.events) == told

    theatre.on_virtual_time(play())


def test_an_output_that_fails_ends_the_session_as_itself(theatre: Any) -> None:
    async def play() -> None:
        before = asyncio.all_tasks()
        stage = theatre.Stage(theatre.say("Good morning everybody", 500))

        def full(event: Any) -> None:
            raise OutputError("the disk is full")

        stage.session._tell = full
        with pytest.raises(OutputError, match="disk is full"):
            await stage.interpret()
        assert asyncio.all_tasks() == before
        assert stage.stt.closed

    theatre.on_virtual_time(play())
