"""Whose an engine's answer was, by its time."""

from __future__ import annotations

from vivavoce.clock import NS_PER_MS
from vivavoce.ledger.usage import Work
from vivavoce.telemetry.observer import Passage
from vivavoce.telemetry.placing import place
from vivavoce.telemetry.trace import Asked


def asked(leg: str, start_ms: float, end_ms: float) -> Asked:
    return Asked(leg, "e", round(start_ms * NS_PER_MS), round(end_ms * NS_PER_MS), Work(), None)


def passage(number: int, start_ms: float, end_ms: float, **stages: tuple[float, float]) -> Passage:
    return Passage(
        number=number,
        start_ns=round(start_ms * NS_PER_MS),
        end_ns=round(end_ms * NS_PER_MS),
        stages={name: (round(a * NS_PER_MS), round(b * NS_PER_MS)) for name, (a, b) in stages.items()},
    )


FIRST = passage(1, 0, 3000, endpoint=(2000, 2300), stt=(2064, 2200), mt=(2200, 2400), tts=(2400, 2700))


def test_an_answer_within_its_stage_was_it() -> None:
    (placed,), rest = place([FIRST], [asked("stt", 2064, 2199), asked("mt", 2201, 2404), asked("tts", 2401, 2690)])
    assert {stage: len(those) for stage, those in placed.within.items()} == {"stt": 1, "mt": 1, "tts": 1}
    assert not rest


def test_an_earlier_clause_is_the_utterances_own() -> None:
    clause = asked("mt", 900, 1000)
    (placed,), rest = place([FIRST], [clause])
    assert (placed.others, rest) == ([clause], [])


def test_what_is_asked_while_the_dub_is_still_awaited_is_for_the_next() -> None:
    following = asked("mt", 2800, 2900)
    _, rest = place([FIRST], [following])
    assert rest == [following]
    second = passage(2, 2600, 5000, endpoint=(4000, 4300), mt=(4200, 4400))
    (_, placed), rest = place([second, FIRST], [following])
    assert (placed.passage.number, placed.others, rest) == (2, [following], [])
