"""Shadows beside a session, on virtual time: they get what the primary gets, and change nothing for it."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest

from vivavoce.clock import SystemClock, run_virtual
from vivavoce.errors import LegError, LegRefused, PairUnavailable
from vivavoce.legs.values import Clause, TextChunk, TokenUsage
from vivavoce.routing.shadow import Consent, Shadows, drawn
from vivavoce.routing.shadow_after import Job, compared, rows_of
from vivavoce.routing.shadow_calls import Opening, Push
from vivavoce.routing.shadow_rows import Row
from vivavoce.routing.shadow_run import LIVE_CALLS, Recording, Run, reason, replay
from vivavoce.text.terms import terms_of

TEXT = "and so we go to the house"


class Lengths:
    """A judge that counts words at the same place."""

    def word_errors(self, reference: str, hypothesis: str, *, language: str) -> tuple[int, int] | None:
        mine, theirs = reference.split(), hypothesis.split()
        same = sum(a == b for a, b in zip(mine, theirs, strict=False))
        return max(len(mine), len(theirs)) - same, len(mine)

    def chrf(self, reference: str, hypothesis: str) -> float | None:
        return 100.0 if reference == hypothesis else 50.0


class Echo:
    """Implements `Translator`: gives the text back, in two chunks, so many ms each."""

    def __init__(
        self,
        prefix: str = "",
        *,
        chunk_ms: float = 20.0,
        error: Exception | None = None,
        usage: TokenUsage | None = None,
    ) -> None:
        self.prefix, self.chunk_ms, self.error, self.usage = prefix, chunk_ms, error, usage
        self.heard: list[tuple[str, tuple[str, ...], dict[str, str] | None]] = []

    async def translate(self, clause, *, source, target, context=(), glossary=None):
        self.heard.append((clause.text, tuple(context), glossary))
        for number, text in enumerate((self.prefix, clause.text)):
            await asyncio.sleep(self.chunk_ms / 1000)
            if self.error is not None:
                raise self.error
            yield TextChunk(text, clause.epoch, last=number == 1, usage=self.usage if number else None)

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


def shadows_of(
    kit: Any, leg: str, engines: dict[str, Any], *, embedded: bool = False, share: float = 1.0, **more: Any
) -> Shadows:
    """All consent, all drawn; `engines` are the shadows by name."""

    def make(of: str, name: str) -> Any:
        assert of == leg
        if isinstance(engines[name], Exception):
            raise engines[name]
        return engines[name]

    routes = {leg: kit.settings_of("primary", shadow=dict.fromkeys(engines, share), **more)}
    consent = Consent(shadow=True)
    return Shadows(
        routes, session="s1", consent=consent, make=make, hosted=lambda name: not embedded, clock=SystemClock()
    )


class Talk:
    """A session on a recogniser: utterances of frames at real time, each finalised and then forgotten."""

    def __init__(self, kit: Any, leg: Any) -> None:
        self._kit, self._leg = kit, leg
        self.texts: list[str] = []
        self.latencies_ms: list[float] = []
        self.push_ms: list[float] = []

    async def run(self, *, utterances: int = 2, until_ms: float = 2200.0) -> None:
        loop = asyncio.get_running_loop()
        stream = await self._leg.open(language="en", keyterms=["house"], rate_hz=16000)
        answers = aiter(stream)
        for epoch in range(1, utterances + 1):
            for number in range(round(until_ms / self._kit.FRAME_MS)):
                await asyncio.sleep(self._kit.FRAME_MS / 1000)
                begun_s = loop.time()
                await stream.push(self._kit.frame(number * self._kit.FRAME_MS))
                self.push_ms.append(1000 * (loop.time() - begun_s))
            begun_s = loop.time()
            await stream.finalise(epoch)
            while not (hypothesis := await anext(answers)).final:
                pass
            self.latencies_ms.append(1000 * (loop.time() - begun_s))
            self.texts.append(hypothesis.text)
            stream.reset()
        await stream.aclose()


def talk(kit: Any, shadow: Any, *, primary: Any = None, **more: Any) -> tuple[Talk, Shadows]:
    async def main() -> tuple[Talk, Shadows]:
        shadows = shadows_of(kit, "stt", {"other": shadow}, **more)
        shadows.begin()
        session = Talk(kit, shadows.stt(primary or kit.Recogniser(kit.said(TEXT))))
        await session.run()
        await shadows.end()
        return session, shadows

    return run_virtual(main())


# Who is drawn


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_over_ten_thousand_sessions_the_share_holds(share):
    hits = sum(drawn(f"session-{number}", "moonshine", share) for number in range(10_000))
    assert abs(hits / 10_000 - share) <= 0.01
    assert hits in (0, 10_000) or 0 < share < 1


def test_the_draw_is_the_same_for_a_session_and_apart_for_each_engine():
    ids = [f"session-{number}" for number in range(1000)]
    ours = [drawn(each, "moonshine", 0.5) for each in ids]
    assert ours == [drawn(each, "moonshine", 0.5) for each in ids]
    both = sum(a and drawn(each, "deepgram", 0.5) for each, a in zip(ids, ours, strict=True))
    assert 200 < both < 300


@pytest.mark.parametrize(
    ("text", "allowed"), [("", set()), ("all", {"a", "b"}), ("a", {"a"}), (" a , b ", {"a", "b"}), (",", set())]
)
def test_nobody_hears_what_was_not_allowed(text, allowed):
    consent = Consent.parse(text)
    assert {name for name in ("a", "b") if consent.allows(name)} == allowed
    assert not Consent().allows("a")


def test_without_consent_the_leg_is_given_back_as_it_is(kit):
    leg = kit.Recogniser(())
    routes = {"stt": kit.settings_of("primary", shadow={"other": 1.0})}
    shadows = Shadows(
        routes, session="s", consent=Consent(), make=lambda *_: None, hosted=lambda _: True, clock=SystemClock()
    )
    assert shadows.stt(leg) is leg
    assert shadows.drawn == {"stt": []}


# Recognition


def test_a_shadow_hears_the_session_and_its_finals_are_paired(kit):
    shadow = kit.Recogniser(kit.said("and so we went to the house"), name="other", final_ms=120.0)
    session, shadows = talk(kit, shadow)
    (run,) = shadows.runs
    rows = rows_of(run, Lengths())
    assert session.texts == [TEXT, TEXT]
    assert [row.void for row in rows] == ["", ""]
    assert [(row.errors, row.words) for row in rows] == [(1, 7), (1, 7)]
    assert [(round(row.primary_ms), round(row.shadow_ms)) for row in rows] == [(80, 120), (80, 120)]
    assert [row.primary_quantities for row in rows] == [{"seconds": 2.2}, {"seconds": 2.2}]
    assert {(row.session_id, row.leg, row.primary_engine, row.shadow) for row in rows} == {
        ("s1", "stt", "primary", "other")
    }
    assert shadow.options == {"language": "en", "keyterms": ("house",), "rate_hz": 16000}
    assert (shadow.opened, shadow.closed) == (1, 1)


def test_rows_hold_nothing_of_what_was_said(kit):
    _, shadows = talk(kit, kit.Recogniser(kit.said(TEXT), name="other"))
    told = repr(rows_of(shadows.runs[0], Lengths()))
    assert not set(TEXT.split()) & set(told.replace("'", " ").replace("=", " ").split())


@pytest.mark.parametrize("fault", ["", "refuse", "dead", "deaf", "stall"])
def test_whatever_a_shadow_does_the_primary_is_as_it_was(kit, fault):
    alone, _ = talk(kit, kit.Recogniser((), name="other"), share=0.0)
    beside, shadows = talk(kit, kit.Recogniser(kit.said(TEXT), name="other", fault=fault))
    assert beside.texts == alone.texts
    assert beside.latencies_ms == pytest.approx(alone.latencies_ms)
    assert beside.push_ms == alone.push_ms
    voids = {row.void for row in rows_of(shadows.runs[0], None)}
    assert (
        voids
        == {
            "": {""},
            "refuse": {"LegRefused 503"},
            "dead": {"LegRefused 503"},
            "deaf": {"no answer"},
            "stall": {"no answer"},
        }[fault]
    )


def test_a_shadow_that_does_not_take_sound_falls_behind_and_is_void(kit):
    class Deaf(kit.Recogniser):
        async def open(self, **options: Any) -> Any:
            await asyncio.Event().wait()

    async def main() -> tuple[Talk, Shadows]:
        shadows = shadows_of(kit, "stt", {"other": Deaf((), name="other")})
        session = Talk(kit, shadows.stt(kit.Recogniser(kit.said(TEXT))))
        await session.run(utterances=1, until_ms=20.0 * LIVE_CALLS + 200)
        await shadows.end()
        return session, shadows

    session, shadows = run_virtual(main())
    assert session.texts == [TEXT]
    assert max(session.push_ms) == 0.0
    assert [row.void for row in rows_of(shadows.runs[0], None)] == ["fell behind"]


def test_a_late_final_is_waited_for_before_the_utterance_is_forgotten(kit):
    shadow = kit.Recogniser(kit.said(TEXT), name="other", final_ms=900.0)
    _, shadows = talk(kit, shadow)
    rows = rows_of(shadows.runs[0], Lengths())
    assert [round(row.shadow_ms) for row in rows] == [900, 900]
    assert [row.errors for row in rows] == [0, 0]


def test_what_cannot_be_made_is_void_and_nothing_else(kit):
    session, shadows = talk(kit, ValueError("a key, perhaps"))
    assert session.texts == [TEXT, TEXT]
    assert [row.void for row in rows_of(shadows.runs[0], None)] == ["internal ValueError"]


def test_a_reason_tells_the_kind_of_an_error_and_none_of_its_words():
    inner = LegRefused("key sk-123 refused", status=401)
    assert reason(ExceptionGroup("said", [ExceptionGroup("", [inner])])) == "LegRefused 401"
    assert reason(LegError("he said hello")) == "LegError"


def test_a_shadow_for_other_languages_makes_no_rows(kit):
    shadow = kit.Recogniser(kit.said(TEXT), name="other")
    shadow.LANGUAGES = ("fr",)
    _, shadows = talk(kit, shadow)
    assert rows_of(shadows.runs[0], None) == []


# Afterwards


def test_an_embedded_shadow_is_given_the_session_afterwards(kit):
    shadow = kit.Recogniser(kit.said(TEXT), name="other", final_ms=300.0)
    _, shadows = talk(kit, shadow, embedded=True)
    assert shadow.opened == 0
    (run,) = pickle.loads(pickle.dumps(shadows.runs))
    assert run.calls
    rows = run_virtual(compared(Job([run], lambda leg, name: shadow, Lengths(), "")))
    assert [(row.void, row.errors, round(row.primary_ms), round(row.shadow_ms)) for row in rows] == [
        ("", 0, 80, 300),
        ("", 0, 80, 300),
    ]
    assert shadow.closed == 1


def test_an_engine_that_fails_afterwards_leaves_the_others_their_rows(kit):
    good, bad = (kit.Recogniser(kit.said(TEXT), name=name) for name in ("good", "bad"))

    async def main() -> list[Row]:
        shadows = shadows_of(kit, "stt", {"bad": bad, "good": good}, embedded=True)
        await Talk(kit, shadows.stt(kit.Recogniser(kit.said(TEXT)))).run()
        await shadows.end()
        bad.fault = "dead"
        return await compared(Job(shadows.runs, lambda leg, name: {"good": good, "bad": bad}[name], None, ""))

    assert [(row.shadow, row.void) for row in run_virtual(main())] == [
        ("bad", "LegRefused 503"),
        ("good", ""),
        ("good", ""),
    ]


def test_what_is_kept_of_a_session_is_bounded(kit):
    run = Run("s", "stt", "primary", "other", Opening("en", 16000), 0.0)
    recording = Recording(run, kept_bytes=10_000)
    for number in range(100):
        recording.call(Push(kit.frame(20.0 * number), True))
    assert run.calls is not None
    assert sum(call.pcm.samples.nbytes for call in run.calls if isinstance(call, Push)) <= 10_000
    assert 10 <= len(run.calls) < 20


# Translation


def test_clauses_are_paired_with_context_and_glossary(kit):
    primary, shadow = Echo(), Echo("oh ", chunk_ms=35.0, usage=TokenUsage(70, 2))

    async def main() -> tuple[list[str], Shadows]:
        shadows = shadows_of(kit, "mt", {"other": shadow})
        texts = []
        for said in ("one", "two"):
            leg = shadows.mt(primary)
            clause = Clause(said, 0.0, 1.0)
            chunks = leg.translate(clause, source="en", target="pt", context=["before"], glossary={"One": "one"})
            texts.append("".join([chunk.text async for chunk in chunks]))
        await shadows.end()
        return texts, shadows

    terms_of({"One": "one"}, "en", "pt")  # making it ready takes no virtual time
    texts, shadows = run_virtual(main())
    assert texts == ["one", "two"]
    assert primary.heard == [(said, ("before",), {"One": "one"}) for said in ("one", "two")]
    # Told are the terms of the clause alone, as a router tells them.
    assert shadow.heard == [("one", ("before",), {"one": "one"}), ("two", ("before",), None)]
    rows = rows_of(shadows.runs[0], Lengths())
    assert [(round(row.primary_ms), round(row.shadow_ms), row.chrf) for row in rows] == [(40, 70, 50.0)] * 2
    assert rows[0].primary_quantities == {"characters": 3.0}
    assert rows[0].shadow_quantities == {"characters": 3.0, "tokens_in": 70.0, "tokens_out": 2.0}


def test_afterwards_the_first_clause_is_not_the_one_that_loads_the_engine(kit):
    class Loading(Echo):
        async def translate(self, clause, **more):
            await asyncio.sleep(0 if self.heard else 5.0)
            async for chunk in super().translate(clause, **more):
                yield chunk

    shadow = Loading()

    async def main() -> Shadows:
        shadows = shadows_of(kit, "mt", {"other": shadow}, embedded=True)
        for said in ("one", "two"):
            chunks = shadows.mt(Echo()).translate(Clause(said, 0.0, 1.0), source="en", target="pt")
            assert [chunk.text async for chunk in chunks] == ["", said]
        await shadows.end()

        async def calls():
            for call in shadows.runs[0].calls or ():
                yield call

        await replay(shadows.runs[0], shadow, calls(), clock=SystemClock(), live=False)
        return shadows

    assert [round(row.shadow_ms) for row in rows_of(run_virtual(main()).runs[0], None)] == [40, 40]


def test_a_pair_of_languages_that_a_shadow_is_not_for_is_no_failure(kit):
    async def main() -> Shadows:
        shadows = shadows_of(kit, "mt", {"other": Echo(error=PairUnavailable("not that pair"))})
        chunks = shadows.mt(Echo()).translate(Clause("one", 0.0, 1.0), source="en", target="pt")
        assert [chunk.text async for chunk in chunks] == ["", "one"]
        await shadows.end()
        return shadows

    assert rows_of(run_virtual(main()).runs[0], None) == []


def test_a_clause_that_the_primary_does_not_finish_makes_no_pair(kit):
    async def main() -> Shadows:
        shadows = shadows_of(kit, "mt", {"other": Echo()})
        chunks = shadows.mt(Echo(error=LegError("no"))).translate(Clause("one", 0.0, 1.0), source="en", target="pt")
        with pytest.raises(LegError, match="no"):
            await anext(chunks)
        await shadows.end()
        return shadows

    assert rows_of(run_virtual(main()).runs[0], None) == []


# Synthesis


@pytest.mark.parametrize("embedded", [False, True])
def test_epochs_of_speech_are_paired_and_cancelled_ones_are_not(kit, embedded):
    shadow = kit.Speaker("other", first_ms=150.0)

    async def main() -> Shadows:
        voices = {"alto": {"primary": "p", "other": "o"}}
        shadows = shadows_of(kit, "tts", {"other": shadow}, embedded=embedded, voices=voices)
        stream = await shadows.tts(kit.Speaker()).open(voice="alto", language="pt", rate_hz=16000)
        heard: list[int] = []

        async def listen() -> None:
            async for chunk in stream:
                heard.append(chunk.epoch)

        listening = asyncio.create_task(listen())
        for epoch, text in {1: "a b c", 2: "d e", 3: "f"}.items():
            await stream.push(text, epoch)
            await stream.flush(epoch)
            if epoch == 2:
                stream.cancel(2)
            await stream.settle()
        await stream.aclose()
        await listening
        assert set(heard) == {1, 3}
        await shadows.end()
        if embedded:

            async def calls():
                for call in shadows.runs[0].calls or ():
                    yield call

            await replay(shadows.runs[0], shadow, calls(), clock=SystemClock(), live=False)
        return shadows

    rows = rows_of(run_virtual(main()).runs[0], None)
    assert [(row.void, round(row.primary_ms), round(row.shadow_ms), row.length_ratio) for row in rows] == [
        ("", 50, 150, 1.0),
        # Beside the session it still spoke the first when the session, done with it, asked for the next.
        ("", 50, 150 if embedded else 250, 1.0),
    ]
    assert [row.primary_quantities for row in rows] == [
        {"seconds": pytest.approx(0.6), "characters": 5.0},
        {"seconds": pytest.approx(0.2), "characters": 1.0},
    ]
    assert shadow.options["voice"] == "o"


def test_cancelling_a_session_ends_its_shadows(kit):
    shadow = kit.Recogniser(kit.said(TEXT), name="other")

    async def main() -> Shadows:
        shadows = shadows_of(kit, "stt", {"other": shadow})
        session = asyncio.create_task(Talk(kit, shadows.stt(kit.Recogniser(kit.said(TEXT)))).run())
        await asyncio.sleep(1.0)
        session.cancel()
        await asyncio.gather(session, return_exceptions=True)
        await shadows.end()
        assert len(asyncio.all_tasks()) == 1
        return shadows

    run_virtual(main())
    assert (shadow.opened, shadow.closed) == (1, 1)
