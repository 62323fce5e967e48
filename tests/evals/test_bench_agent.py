"""What callers of the agent's benchmark do, and what is made of their logs."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from vivavoce.agent.handset import FRAME
from vivavoce.agent.load import read_script
from vivavoce.cli.main import app
from vivavoce.evals.agent_callers import GIVE_UP_MS, CallLog, Heard, Said, TalkingCaller
from vivavoce.evals.agent_material import WAYS_TO_REPEAT, Material
from vivavoce.evals.agent_outcomes import (
    Call,
    Cut,
    Decided,
    decided_to_audio_ms,
    figures,
    heard_errors_ms,
    heard_ms,
    interruptions_ms,
    live_lines_ms,
    outcomes,
    silences_ms,
)
from vivavoce.evals.agent_rounds import Done, Round
from vivavoce.evals.agent_server import bench_script
from vivavoce.evals.agent_table import agent_page
from vivavoce.evals.bench_agent import AgentBench, Plan, Row
from vivavoce.evals.speech_ends import Speech
from vivavoce.evals.spliced import Pause, Turn

MS = 1_000_000
TWO_PAUSES = (Pause(1500.0, 400.0), Pause(2600.0, 400.0))


def sound(*starts_ms: float, frames: int = 10) -> list[Heard]:
    """Replies of so many messages of 20 ms, each sent 60 ms ahead of being heard."""
    return [
        Heard(start_ms + max(0.0, n * 20.0 - 60.0), start_ms + n * 20.0, 20.0)
        for start_ms in starts_ms
        for n in range(frames)
    ]


def call(log: CallLog, turns: tuple[Decided, ...] = (), cuts: tuple[Cut, ...] = ()) -> Call:
    return Call(log, list(turns), list(cuts))


def test_an_answer_is_timed_from_the_true_end() -> None:
    log = CallLog([Said(1000.0, 3000.0, TWO_PAUSES)], sound(100.0, 3450.0))
    (outcome,) = outcomes(log)
    assert (outcome.kind, outcome.answer_ms, outcome.pauses) == ("answered", 450.0, 2)


@pytest.mark.parametrize(
    ("answered_ms", "pause", "pauses"), [(1700.0, 0, 1), (2100.0, 0, 1), (2990.0, 1, 2), (1200.0, None, 0)]
)
def test_who_is_answered_before_the_end_was_cut_off(answered_ms: float, pause: int | None, pauses: int) -> None:
    log = CallLog([Said(1000.0, 3000.0, TWO_PAUSES)], sound(100.0, answered_ms, 3300.0))
    (outcome,) = outcomes(log)
    assert (outcome.kind, outcome.pause, outcome.pauses, outcome.answer_ms) == ("cut", pause, pauses, None)


def test_an_end_that_nobody_noticed_is_missed_and_its_late_answer_is_none() -> None:
    said = [Said(1000.0, 2000.0), Said(6000.0, 7000.0), Said(12_000.0, 13_000.0)]
    log = CallLog(said, sound(2000.0 + GIVE_UP_MS, 6100.0, 13_200.0))
    assert [outcome.kind for outcome in outcomes(log)] == ["missed", "void", "answered"]


def test_interruptions_are_cleared_or_missed() -> None:
    said = [Said(start_ms, start_ms + 1000.0, over_ms=60.0) for start_ms in (1000.0, 5000.0, 9000.0)]
    # The second reply goes on, the third is over just then.
    heard = [*sound(0.0, frames=55), *sound(4000.0, frames=200), *sound(8900.0, frames=10)]
    log = CallLog(said, heard, clears_ms=[400.0, 1120.0])
    assert list(interruptions_ms(log)) == [120.0, None]


def test_what_was_heard_is_the_newest_reply_until_then() -> None:
    heard = [*sound(0.0), *sound(5000.0, frames=100)]
    assert heard_ms(heard, 0.0, 5400.0) == 400.0
    # 60 ms that were sent ahead were not heard; what came before an earlier clear is another reply.
    assert heard_ms(sound(1000.0, 1300.0, frames=5), 0.0, 1330.0) == 130.0
    assert heard_ms(sound(1000.0, 1300.0, frames=5), 1200.0, 1330.0) == 30.0


def test_the_agent_s_cut_is_held_against_the_caller_s_ear() -> None:
    log = CallLog(heard=sound(1000.0, frames=100), clears_ms=[1700.0], began_ns=7 * MS)
    known = call(log, cuts=(Cut(1702 * MS, 725.0), Cut(9000 * MS, 1.0)))
    assert list(heard_errors_ms(known)) == [25.0]
    assert list(heard_errors_ms(call(log))) == []


def test_a_decision_is_followed_by_its_own_answer() -> None:
    log = CallLog([Said(0.0, 1000.0), Said(3000.0, 4000.0)], sound(1400.0, 4900.0), began_ns=100 * MS)
    known = call(
        log,
        (
            Decided(1100 * MS, 1470 * MS, fixed=True),
            Decided(4110 * MS, 4200 * MS, fixed=False),
            Decided(0, 9000 * MS, fixed=True),
        ),
    )
    assert list(decided_to_audio_ms(known, fixed=True)) == [30.0]
    assert list(decided_to_audio_ms(known, fixed=False)) == [800.0]
    assert list(live_lines_ms(known)) == [900.0]
    assert list(silences_ms(known)) == [0.0, 10.0]


def test_figures_are_shares_of_what_could_go_wrong() -> None:
    cut = CallLog([Said(1000.0, 3000.0, TWO_PAUSES)], sound(1700.0))
    fine = CallLog([Said(1000.0, 3000.0, TWO_PAUSES), Said(9000.0, 9900.0)], sound(3300.0))
    found = figures([call(cut), call(fine)])
    assert (found["calls"], found["turns"], found["pauses"]) == (2, 3, 3)
    assert found["false_cutoffs"] == pytest.approx(1 / 3)
    assert found["missed_ends"] == pytest.approx(1 / 3)
    assert found["speech_end_to_audio_ms"]["p50"] == 300.0
    assert found["speech_end_to_audio_ms"].keys() >= {"n", "p50", "p90", "p95", "p95_interval"}
    assert "interrupt_ms" not in found
    assert "missed_clears" not in found


def turn(frames: int) -> Turn:
    return Turn(np.full(frames * FRAME, 500, np.int16), Speech(0.0, frames * 20.0 - 30.0), (), np.ones(FRAME, np.int16))


def test_what_is_repeated_to_callers_never_is_the_same_line() -> None:
    material = Material([], [turn(n) for n in range(10, 17)], [], [])
    dealt = material.repeated(3, 8)
    lines = [(len(said.samples), n % WAYS_TO_REPEAT) for call in dealt for n, said in enumerate(call)]
    assert len(lines) == len(set(lines)) >= 16
    assert [len(call) for call in material.repeated(9, 8)][:2] == [8, 8]
    script = bench_script("live")
    assert len(script.states["repeated"].say) == WAYS_TO_REPEAT


class Stage:
    """A caller whose agent answers when it is told to."""

    def __init__(self, turns: int, *, interrupts: bool = False) -> None:
        self.caller = TalkingCaller([turn(10)] * turns, interrupts=interrupts, dice=np.random.default_rng(1))
        self.now_ms = 0.0
        self.said = ""

    def goes_on(self, ms: float, *, reply: bool = False) -> None:
        until_ms = self.now_ms + ms
        while self.now_ms < until_ms:
            if reply:
                samples = np.zeros(FRAME, np.int16)
                self.caller.hear(samples, self.now_ms, self.caller.playout.take(20.0, self.now_ms))
            frame = self.caller.speak(self.now_ms)
            self.said += "!" if frame is None else "s" if frame[0] == 500 else "."
            self.now_ms += 20.0


def test_a_caller_waits_for_the_answer_and_hangs_up_in_the_end() -> None:
    stage = Stage(2)
    stage.goes_on(1000)
    assert "s" not in stage.said
    stage.goes_on(500, reply=True)
    stage.goes_on(1500)
    assert stage.said.count("s") == 10
    stage.goes_on(GIVE_UP_MS + 100)
    assert stage.said.count("s") == 20
    stage.goes_on(300, reply=True)
    stage.goes_on(700)
    assert stage.said.endswith("!")
    first, second = stage.caller.log.said
    assert (first.start_ms, first.end_ms) == (2100.0, 2260.0)
    assert second.start_ms - first.end_ms == pytest.approx(GIVE_UP_MS + 600, abs=40)


def test_who_interrupts_speaks_while_the_agent_does() -> None:
    stage = Stage(1, interrupts=True)
    stage.goes_on(2500, reply=True)
    (said,) = stage.caller.log.said
    assert 1000.0 <= said.start_ms <= 1820.0
    assert said.over_ms > 0


def test_nobody_answers_and_the_caller_hangs_up() -> None:
    stage = Stage(1)
    stage.goes_on(21_000)
    assert stage.said.endswith("!")


def test_rounds_follow_the_plan() -> None:
    plan = Plan(calls=3, turns=5, rows=(Row.TURNS, Row.SETTINGS, Row.INTERRUPT))
    shown = [(one.name, one.preset, one.start, one.at_once) for one in plan.rounds]
    assert shown == [
        ("usual", "", "short", 1), ("usual, expected", "", "expected", 1),
        ("quick", "quick", "short", 1), ("patient", "patient", "short", 1),
        ("interruptions", "", "long", 1), ("interruptions, 20 calls", "", "long", 20),
    ]  # fmt: skip
    assert plan.steps == []
    assert [one.at_once for one in Plan(rows=(Row.AT_ONCE,)).steps][:3] == [1, 2, 4]


def test_a_script_that_expects_what_is_said_takes_each_text_for_a_way_of_its_own() -> None:
    script = bench_script("expected", ["Turn the lamp on.", "How old is the bridge?"])
    assert script.start == "expected"
    assert [way.said for way in script.states["expected"].go] == [("Turn the lamp on.",), ("How old is the bridge?",)]


def done(name: str, *, answer_ms: float, late_ms: float = 0.5, at_once: int = 1) -> Done:
    log = CallLog([Said(1000.0, 3000.0, TWO_PAUSES)], sound(3000.0 + answer_ms), late_ms=[late_ms])
    counts = {"late_ms": {"p99": 1.0}, "rss_mib": 700.0}
    round_ = Round(name=name, calls=at_once, turns=1, at_once=at_once)
    return Done(round_, [call(log)] * at_once, counts, [90.0], 0.2)


def test_the_page_shows_what_was_measured_and_no_more() -> None:
    bench = AgentBench(Plan())
    bench.done = {"usual": done("usual", answer_ms=350.0), "quick": done("quick", answer_ms=250.0)}
    bench.steps = [done("1", answer_ms=300.0), done("2", answer_ms=340.0, at_once=2), done("4", answer_ms=700.0)]
    bench.admitted = done("all", answer_ms=330.0, at_once=3)
    found = bench.figures()
    assert found["speech_end_to_audio_ms"]["p50"] == 350.0
    assert (found["false_cutoffs"], found["missed_ends"]) == (0.0, 0.0)
    assert "live_line_ms" not in found
    assert found["at_once"]["held"] == 2
    assert found["at_once"]["admitted"]["times_p95"] == 1.1
    assert bench.n == 9
    console = Console(width=140, file=StringIO())
    console.print(agent_page(found, {}))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "p50 < 400" in text
    assert "250" in text
    assert "2 calls within 1.2 times" in text
    assert "clear" not in text


def test_callers_who_are_late_void_a_run() -> None:
    bench = AgentBench(Plan())
    bench.done = {"usual": done("usual", answer_ms=350.0, late_ms=9.0)}
    assert bench.void_reason == "usual: the callers themselves were 9 ms late"


@pytest.mark.parametrize("start", ["short", "live", "long"])
def test_the_script_can_begin_in_each_of_its_parts(start: str) -> None:
    script = bench_script(start)  # type: ignore[arg-type]
    assert script.states[script.start].listens
    assert script.states["long"].interrupt == "strict"
    assert read_script("name: n\nstart: a\nstates:\n  a: {say: Hello., hang_up: true}\n").start == "a"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--rows", "turns,naps"], "no-recognition"),
        (["--server", "pipecat"], "NAME=COMMAND"),
        (["--calls", "0"], "greater"),
    ],
)
def test_wrong_options_are_refused_with_what_there_is(options: list[str], told: str) -> None:
    result = CliRunner().invoke(app, ["bench", "agent", *options])
    assert result.exit_code == 2
    assert told in result.output
