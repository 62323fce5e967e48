"""What a replay of the clip set gave: plain values, to JSON and back, from which every figure of the gate is computed.

All `*_ms` of a clip are from its first sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vivavoce.contract.envelope import Machine
from vivavoce.contract.reading import read_as


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseRun:
    """One clause that was translated: what was recognised, what came out, and when.

    `shown_ms` is when the translation was shown, `heard_ms` when its first sound was; None where it was not spoken.
    `terms` locked terms occur in it, of which the output's check had to mend `rescued`, and could not mend `missed`.
    `silent`: nobody speaks there.
    """

    text: str
    translation: str
    start_ms: float
    end_ms: float
    shown_ms: float
    heard_ms: float | None = None
    confidence: float = 1.0
    terms: int = 0
    rescued: int = 0
    missed: int = 0
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UtteranceRun:
    """One utterance: from `label_end_ms`, where its speech ends by its energy alone, the listener waits `wait_ms`.

    `wait_ms` is None where nothing was spoken of it. `stages` are the contract's, each as (from, to).
    """

    label_start_ms: float
    label_end_ms: float
    wait_ms: float | None
    stages: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRun:
    """One clip through the whole path into one language. `pair` is like "en-pt", `speech_ms` its labelled speech.

    `terms` are those that were locked in its session and occur in `reference`, with their renderings; `control` is as
    many words drawn at random, with what `reference_translation` makes of them, that nobody locked. `erased` words were
    shown as settled and then changed, `wavered` the unstable tail included; `shown` stand in the end. `silent_text` is
    what was recognised where nobody speaks, and not translated. `impossible` labelled utterances are not in
    `utterances`, because the session had ended them before their label does. `problem` says why it could not be
    interpreted to its end.
    """

    id: str
    pair: str
    register: str
    reference: str
    reference_translation: str
    transcript: str
    speech_ms: float
    synthetic: bool = False
    terms: Mapping[str, str] = field(default_factory=dict)
    control: Mapping[str, str] = field(default_factory=dict)
    clauses: tuple[ClauseRun, ...] = ()
    utterances: tuple[UtteranceRun, ...] = ()
    erased: int = 0
    wavered: int = 0
    shown: int = 0
    silent_text: tuple[str, ...] = ()
    impossible: int = 0
    notices: tuple[str, ...] = ()
    cpu_s: float = 0.0
    problem: str = ""

    @property
    def source(self) -> str:
        return self.pair.partition("-")[0]

    @property
    def target(self) -> str:
        return self.pair.partition("-")[2]

    @property
    def translation(self) -> str:
        return " ".join(clause.translation for clause in self.clauses)


@dataclass(frozen=True, slots=True, kw_only=True)
class SttAlone:
    """A clip's sound through recognition and nothing else, which failed at `failed_windows` of it.

    `problem` says why it could not be heard at all.
    """

    id: str
    language: str
    register: str
    reference: str
    transcript: str
    failed_windows: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MtAlone:
    """A clip's reference transcript, sentence by sentence, through translation and nothing else.

    `sentences` without a glossary, `locked` with the clip's terms, `controlled` with its control words locked instead;
    the two are empty for a clip without them. `seconds` is what `sentences` took.
    """

    id: str
    pair: str
    register: str
    reference_translation: str
    terms: Mapping[str, str]
    control: Mapping[str, str]
    sentences: tuple[ClauseRun, ...]
    locked: tuple[ClauseRun, ...] = ()
    controlled: tuple[ClauseRun, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the gate. `speed_ms` is what a fixed piece of arithmetic took on this machine, before it.

    `plan` says what was replayed; runs of different plans are not compared. `paced` is False for a run faster than
    real time, whose moments mean nothing. `engines` are the first choices by leg, `prompts` the versions of prompts.
    `invented` is what a judge said of each clause, `judge_problem` why the one that is configured said nothing. Sound
    was played at most `latest_tick_ms` late.
    """

    id: str
    at_ms: int
    plan: str
    paced: bool
    machine: Machine
    versions: Mapping[str, str]
    config_hash: str
    speed_ms: float
    engines: Mapping[str, str]
    prompts: tuple[str, ...] = ()
    caps_ms: Mapping[str, float] = field(default_factory=dict)
    clips: tuple[ClipRun, ...] = ()
    stt: tuple[SttAlone, ...] = ()
    mt: tuple[MtAlone, ...] = ()
    invented: Mapping[str, bool] = field(default_factory=dict)
    judge_problem: str = ""
    latest_tick_ms: float = 0.0
    void_reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read_run(path: Path) -> Run:
    """The run in a file. Raises ConfigError when there is none to be had."""
    return read_as(Run, path, what="run of the gate", hint="name a file that `vivavoce eval --out` wrote")
