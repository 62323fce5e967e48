"""The gate's translation alone as a suite of Promptfoo's: a row for each clip, and one that has the gate's verdict.

Promptfoo calls what `evals/promptfoo_provider.py` hands on to it: https://www.promptfoo.dev/docs/providers/python
There is one verdict: rows of clips tell their scores, and the last row passes where the gate's translation alone does.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from vivavoce.config.settings import Settings, config_hash
from vivavoce.contract.envelope import package_versions, this_machine
from vivavoce.errors import ConfigError
from vivavoce.evals.clips import Clip
from vivavoce.evals.hallucination import signs
from vivavoce.gate.baseline import Baseline
from vivavoce.gate.metrics import measure
from vivavoce.gate.plan import Plan, whole_plan
from vivavoce.gate.plants import plants
from vivavoce.gate.run import MtAlone, Run
from vivavoce.gate.runner import GateRunner, prompts_of
from vivavoce.gate.speed import machine_speed
from vivavoce.gate.verdict import Verdict, judge
from vivavoce.translate.session import Legs

VERDICT: Final = "*"
"""Stands for the clip in the row of the verdict."""
_MT: Final = "mt."
_HINT: Final = "run `make eval-promptfoo` again: it writes it by `promptfoo eval --output`"


def cases(clips: Sequence[Clip]) -> list[dict[str, Any]]:
    """Promptfoo's test cases: every clip that has a transcript, pair by pair, and the verdict."""
    rows = [
        {
            "description": f"{clip.pair} {clip.register}: {clip.id}",
            "vars": {"clip": clip.id, "pair": clip.pair, "text": clip.transcript, "reference": clip.reference},
        }
        for clip in sorted(whole_plan(clips).read, key=lambda clip: clip.pair)
    ]
    verdict = {"clip": VERDICT, "pair": "all", "text": "", "reference": ""}
    return [*rows, {"description": "the gate's verdict", "vars": verdict}]


def planted(name: str) -> Callable[[Legs], Legs]:
    """What a plant of the gate puts around the legs; nothing for "". Raises ConfigError for one that is not there."""
    if not name:
        return lambda legs: legs
    known = {plant.name: plant for plant in plants() if plant.leg == "mt" and plant.prompt is None}
    if name not in known:
        raise ConfigError(f"no regression of translation is named {name!r}", hint=f"there are {', '.join(known)}")
    return known[name].around


class Provider:
    """Promptfoo's provider: the configured route, each pair once, when the first of its clips is asked for."""

    def __init__(
        self, settings: Settings, clips: Sequence[Clip], baseline: Baseline | None, *, plant: str = ""
    ) -> None:
        self._settings, self._clips, self._baseline = settings, clips, baseline
        self._around = planted(plant)
        self._read = {clip.id: clip for clip in whole_plan(clips).read}
        self._made: dict[str, Run] = {}

    def answer(self, clip: str) -> dict[str, Any]:
        """A clip's translation, with what the gate keeps of it as metadata; or the verdict on all. Blocks.

        What cannot be had is told in `error`, as Promptfoo wants it.
        """
        if clip == VERDICT:
            verdict = self.verdict()
            return {"output": verdict.summary, "metadata": {"verdict": verdict.to_json()}}
        if clip not in self._read:
            return {"error": f"no clip is named {clip}"}
        run = self._run_of(self._read[clip].pair)
        alone = next((each for each in run.mt if each.id == clip), None)
        if alone is None:
            return {"error": run.void_reason or f"{clip} was not translated"}
        output = " ".join(sentence.translation for sentence in alone.locked or alone.sentences)
        return {"output": output, "metadata": {"mt": asdict(alone), **_scored(alone)}}

    def verdict(self) -> Verdict:
        """The gate's, of every pair's translation alone."""
        runs = [self._run_of(pair) for pair in dict.fromkeys(clip.pair for clip in self._read.values())]
        lost = next((run.void_reason for run in runs if run.void_reason), None)
        return verdict_on(
            run_of([alone for run in runs for alone in run.mt], self._clips, self._settings, void_reason=lost),
            self._baseline,
        )

    def _run_of(self, pair: str) -> Run:
        if pair not in self._made:
            own = tuple(clip for clip in self._read.values() if clip.pair == pair)
            runner = GateRunner(self._settings, Plan(name="mt", read=own, paced=False), around=self._around)
            asyncio.run(runner.run())
            self._made[pair] = runner.result()
        return self._made[pair]


def run_of(
    alone: Sequence[MtAlone], clips: Sequence[Clip], settings: Settings, *, void_reason: str | None = None
) -> Run:
    """These translations as part of a whole run, so that they are held against the same baseline. Takes a second.

    Raises ConfigError where they are not of these clips.
    """
    read = {clip.id: clip for clip in whole_plan(clips).read}
    if other := [each.id for each in alone if each.id not in read or not _is_of(each, read[each.id])]:
        raise ConfigError(f"{other[0]} is not translated from a clip of this set", hint=_HINT)
    return Run(
        id=uuid.uuid4().hex[:12],
        at_ms=round(time.time() * 1000),
        plan=whole_plan(clips).label,
        paced=True,
        machine=this_machine(),
        versions=package_versions(),
        config_hash=config_hash(settings),
        speed_ms=round(machine_speed(), 3),
        engines={"mt": settings.routes.mt.order[0]},
        prompts=prompts_of(settings),
        mt=tuple(alone),
        void_reason=void_reason,
    )


def _is_of(alone: MtAlone, clip: Clip) -> bool:
    """Whether it is of the clip as it is now."""
    return (alone.pair, alone.reference_translation, dict(alone.terms)) == (clip.pair, clip.reference, dict(clip.terms))


def verdict_on(run: Run, baseline: Baseline | None) -> Verdict:
    """The gate's verdict on translation alone; of a whole run it is the same part."""
    return judge([metric for metric in measure(run) if metric.name.startswith(_MT)], run, baseline).part(_MT)


def _scored(alone: MtAlone) -> dict[str, Any]:
    """A clip's figures and signs by themselves: to be read, since no bar is for one clip."""
    run = Run(
        id=alone.id,
        at_ms=0,
        plan="",
        paced=False,
        machine=this_machine(),
        versions={},
        config_hash="",
        speed_ms=0.0,
        engines={},
        mt=(alone,),
    )
    source, _, target = alone.pair.partition("-")
    return {
        "scores": {metric.name: metric.value for metric in measure(run) if metric.value is not None},
        "signs": [
            f"{sign}: {sentence.translation}"
            for sentence in alone.sentences
            for sign in signs(sentence.text, sentence.translation, source=source, target=target)
        ],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What Promptfoo wrote of an evaluation: its rows, whether all succeeded, and the translations in them."""

    rows: int
    failures: int
    alone: tuple[MtAlone, ...]

    @property
    def passed(self) -> bool:
        return self.rows > 0 and not self.failures


def read_told(path: Path) -> Told:
    """The file that `promptfoo eval --output` writes. Raises ConfigError when it cannot be read."""
    try:
        rows = json.loads(path.read_bytes())["results"]["results"]
        answers = [(row.get("response") or {}).get("metadata") or {} for row in rows]
        alone = TypeAdapter(tuple[MtAlone, ...]).validate_python([each["mt"] for each in answers if "mt" in each])
        return Told(rows=len(rows), failures=sum(not row["success"] for row in rows), alone=alone)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint=_HINT) from error
    except (ValidationError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path} is no output of Promptfoo: {error}", hint=_HINT) from error
