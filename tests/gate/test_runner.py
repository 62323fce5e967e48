"""Real clips through the real engines, as fast as they go; and what is left of a run that did not come to its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from vivavoce.config.load import default_settings
from vivavoce.config.settings import Settings
from vivavoce.errors import ConfigError, LegUnavailable, ModelMissing, WrongLanguage
from vivavoce.evals.clips import Clip, clips_of, read_clips
from vivavoce.gate.plan import Plan
from vivavoce.gate.run import Run, read_run
from vivavoce.gate.runner import GateRunner, prompts_of
from vivavoce.legs.mt import Translator
from vivavoce.legs.values import Clause, TextChunk
from vivavoce.prompts import CURRENT
from vivavoce.translate.session import Legs

pytest.importorskip("jiwer", reason="the group eval is not installed")
pytest.importorskip("psutil", reason="the group eval is not installed")


@pytest.fixture(scope="module")
def clips(evalset: Path) -> list[Clip]:
    """Three short recordings, to be interpreted into Portuguese."""
    found = sorted(clips_of(read_clips(evalset), "en"), key=lambda clip: clip.duration_s)
    return [replace(clip, target="pt") for clip in found if 2.0 < clip.duration_s < 4.0][:3]


class _Breaking:
    """A translator that ends the session at its `at`-th clause; at 0 the first that is no clause of a session's."""

    def __init__(self, translator: Translator, at: int) -> None:
        self._translator, self._left = translator, at
        self._alone = at == 0

    async def translate(
        self,
        clause: Clause,
        *,
        source: str,
        target: str,
        context: Sequence[str] = (),
        glossary: Mapping[str, str] | None = None,
    ) -> AsyncIterator[TextChunk]:
        self._left -= 1
        if not self._left or (self._alone and not clause.end_ms):
            raise WrongLanguage("this clause breaks everything")
        async for chunk in self._translator.translate(clause, source=source, target=target):
            yield chunk

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


def _breaking(at: int) -> object:
    made: list[_Breaking] = []

    def around(legs: Legs) -> Legs:
        def translator(language: str) -> Translator | None:
            found = legs.translator(language)
            if found is not None and not made:
                made.append(_Breaking(found, at))
            return made[0] if made else None

        return replace(legs, translator=translator)

    return around


def _ran(plan: Plan, settings: Settings | None = None, **more: object) -> Run:
    runner = GateRunner(settings or default_settings(), plan, **more)  # type: ignore[arg-type]
    try:
        asyncio.run(runner.run())
    except (ModelMissing, LegUnavailable) as error:
        pytest.skip(f"engines are not here: {error}")
    run = runner.result()
    if any("vivavoce models fetch" in clip.problem for clip in run.clips):
        pytest.skip("engines are not here")
    return run


def test_a_run_has_the_whole_path_and_each_leg_alone(clips: list[Clip], tmp_path: Path) -> None:
    told: list[float] = []
    plan = Plan(name="test", replayed=tuple(clips[:1]), heard=tuple(clips[:1]), read=tuple(clips), paced=False)
    run = _ran(plan, on_progress=lambda label, done_s, planned_s: told.append(done_s / planned_s))
    clip, silence = run.clips
    assert (clip.pair, clip.problem, silence.id, silence.silent_text) == ("en-pt", "", "silence-en-pt", ())
    assert clip.transcript
    assert clip.translation
    assert clip.shown > 0
    assert clip.erased == 0
    assert len(clip.utterances) >= 1
    assert [heard.id for heard in run.stt] == [clips[0].id]
    assert run.stt[0].transcript
    assert [read.id for read in run.mt] == [clip.id for clip in clips]
    assert all(sentence.translation for read in run.mt for sentence in read.sentences)
    assert run.engines == {"stt": "whisper", "mt": "pairs"}
    assert run.speed_ms > 0
    assert run.void_reason is None
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run.to_json()), "utf-8")
    assert read_run(path) == run


def test_what_breaks_or_cannot_be_played_is_told_and_loses_nothing_else(clips: list[Clip], tmp_path: Path) -> None:
    nowhere = replace(clips[1], id="nowhere", path=tmp_path / "nowhere.flac")
    unroutable = replace(clips[1], id="unroutable", target="xx")
    plan = Plan(
        name="test", replayed=(nowhere, *clips, unroutable), heard=(nowhere, unroutable), paced=False, silence_s=0.0
    )
    run = _ran(plan, around=_breaking(2))
    problems = {clip.id: clip.problem for clip in run.clips}
    assert list(problems) == ["nowhere", *(clip.id for clip in clips), "unroutable"]
    assert "nowhere.flac" in problems["nowhere"]
    assert "xx" in problems["unroutable"]
    broken = [clip.id for clip in clips if "this clause breaks everything" in problems[clip.id]]
    assert len(broken) == 1
    assert all(clip.translation for clip in run.clips if clip.id in {each.id for each in clips} - set(broken))
    # What could not be read was not heard; a pair without legs says nothing of recognition.
    assert [heard.id for heard in run.stt] == ["nowhere"]
    assert "nowhere.flac" in run.stt[0].problem


def test_a_pair_that_is_lost_makes_a_run_of_legs_alone_void(clips: list[Clip]) -> None:
    run = _ran(Plan(name="test", read=(replace(clips[0], target="xx"),)))
    assert run.void_reason is not None
    assert run.void_reason.startswith("en-xx could not be evaluated")


def test_what_breaks_after_all_was_played_loses_nothing_and_makes_the_run_void(clips: list[Clip]) -> None:
    run = _ran(Plan(name="test", replayed=tuple(clips[:1]), read=tuple(clips[:1]), paced=False), around=_breaking(0))
    assert run.clips[0].problem == ""
    assert run.clips[0].translation
    assert run.mt == ()
    assert run.void_reason == "en-pt could not be evaluated: this clause breaks everything"


def test_what_is_configured_wrongly_is_no_regression(clips: list[Clip]) -> None:
    settings = default_settings()
    engines = settings.engines.model_copy(update={"options": {"whisper": {"no-such-option": 1}}})
    with pytest.raises(ConfigError):
        asyncio.run(
            GateRunner(
                settings.model_copy(update={"engines": engines}), Plan(name="test", replayed=tuple(clips[:1]))
            ).run()
        )


def test_what_was_measured_before_an_interruption_is_kept(clips: list[Clip]) -> None:
    async def interrupted() -> Run:
        under_way = asyncio.Event()

        def on_progress(label: str, done_s: float, planned_s: float) -> None:
            if runner.result().clips:
                under_way.set()

        plan = Plan(name="test", replayed=tuple(clips), heard=tuple(clips), paced=False)
        runner = GateRunner(default_settings(), plan, on_progress=on_progress)
        running = asyncio.create_task(runner.run())
        waiting = asyncio.create_task(under_way.wait())
        done, _ = await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if running in done:
            running.result()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return runner.result(void_reason="interrupted")

    run = asyncio.run(interrupted())
    if any("vivavoce models fetch" in clip.problem for clip in run.clips):
        pytest.skip("engines are not here")
    assert 1 <= len(run.clips) < len(clips)
    assert run.clips[0].translation
    assert run.stt == ()
    assert run.void_reason == "interrupted"


def test_the_prompts_of_a_route_are_told() -> None:
    settings = default_settings()
    assert prompts_of(settings) == ()
    chat = settings.routes.mt.model_copy(update={"order": ["gemini", "pairs"]})
    routes = settings.routes.model_copy(update={"mt": chat})
    assert prompts_of(settings.model_copy(update={"routes": routes})) == (CURRENT,)
