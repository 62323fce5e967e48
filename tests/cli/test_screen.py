from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from vivavoce.cli.screen import Screen, ScreenState, StageBar
from vivavoce.cli.summary import CAPPED
from vivavoce.clock import SteppedClock
from vivavoce.translate.events import Notice, NoticeKind

STAGES = (
    StageBar("trigger", 122, 141, 130, 210),
    StageBar("tts", 201, 322, 235, 310),
    StageBar("heard", 541, 622, 560, 700),
)


def notices(*texts: str) -> tuple[Notice, ...]:
    """One a second."""
    return tuple(Notice(NoticeKind.DRIFT, text, 1000.0 * n) for n, text in enumerate(texts))


STATE = ScreenState(
    source_committed="What was said.",
    source_tail="and what may",
    target_spoken="O que foi dito.",
    position_ms=73_400,
    duration_ms=191_000,
    dub_state="speaking",
    behind_ms=840,
    notices=notices("dub sped up to ×1.12"),
    stages=STAGES,
)


def terminal(width: int = 110, height: int = 30) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, height=height, color_system="truecolor", _environ={})
    return console, out


def last_picture(state: ScreenState, width: int = 110, height: int = 30) -> list[str]:
    """The lines that are left on a terminal, colours taken away."""
    console = Console(record=True, file=io.StringIO(), force_terminal=True, width=width, height=height, _environ={})
    with Screen(console, source="English", target="Português") as screen:
        screen.update(state)
    text = console.export_text()
    return text[text.rindex(" ▶ ") :].splitlines()


def test_a_terminal_shows_everything() -> None:
    text = "\n".join(last_picture(STATE))
    for part in (
        "1:13 / 3:11",
        "AI dub speaking",
        "behind by 840 ms",
        "English",
        "Português",
        "• dub sped up",
    ):
        assert part in text
    assert "What was said. and what may …" in text
    assert "541 ms" in text
    assert "p95 622 / 700" in text


@pytest.mark.parametrize(("width", "height"), [(200, 60), (100, 24), (80, 24), (60, 15), (40, 10)])
def test_it_fits_every_terminal(width: int, height: int) -> None:
    long = replace(STATE, source_committed="word " * 3000, notices=notices(*["a notice that goes on " * 10] * 9))
    lines = last_picture(long, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert any("may …" in line for line in lines)
    assert any("heard" in line for line in lines)


@pytest.mark.parametrize(("width", "height"), [(110, 30), (80, 24), (60, 15)])
def test_a_cap_is_on_the_screen(width: int, height: int) -> None:
    (status, *_) = last_picture(replace(STATE, dub_state=CAPPED, behind_ms=0.0), width, height)
    assert "1:13 / 3:11" in status
    assert status.rstrip().endswith("AI dub subtitles only: cap reached")


def test_the_end_of_a_long_text_is_shown() -> None:
    text = "\n".join(last_picture(replace(STATE, source_committed=" ".join(map(str, range(3000))), source_tail="")))
    assert "2999" in text
    assert " 17 " not in text


def test_the_tail_looks_different_from_what_is_settled() -> None:
    console, out = terminal()
    with Screen(console) as screen:
        screen.update(STATE)
    assert "\x1b[2;3m and what may …" in out.getvalue()


def test_brackets_in_a_text_are_only_brackets() -> None:
    text = "\n".join(last_picture(replace(STATE, source_committed="[bold]loud[/bold] [/]", source_tail="")))
    assert "[bold]loud[/bold] [/]" in text


@pytest.mark.parametrize(
    ("p95", "cap", "colour"),
    [(500, 700, "green"), (650, 700, "yellow"), (701, 700, "red"), (None, 700, "bright_black"), (30, None, "green")],
)
def test_bars_are_coloured_by_headroom(p95: float | None, cap: float | None, colour: str) -> None:
    assert StageBar("heard", None, p95, 560, cap).colour == colour


def test_it_is_drawn_at_most_ten_times_a_second() -> None:
    clock = SteppedClock()
    console, out = terminal()
    with Screen(console, clock=clock) as screen:
        for millisecond in range(0, 2000, 20):
            clock._now_ns = millisecond * 1_000_000
            assert screen.due == (millisecond % 100 == 0)
            screen.update(replace(STATE, position_ms=60_000 + millisecond))
        drawn = out.getvalue().count("AI dub")
    assert 18 <= drawn <= 22


def test_the_last_state_is_shown_at_the_end() -> None:
    console, out = terminal()
    with Screen(console, clock=SteppedClock()) as screen:
        screen.update(STATE)
        screen.update(replace(STATE, source_tail="", source_committed="The very last words."))
    assert "The very last words." in out.getvalue().rsplit("AI dub", 1)[1]


def plain(*states: ScreenState) -> list[str]:
    out = io.StringIO()
    with Screen(Console(file=out, width=40), source="en", target="pt") as screen:
        for state in states:
            screen.update(state)
    return out.getvalue().splitlines()


def test_off_a_terminal_sentences_are_printed_once_settled() -> None:
    lines = plain(
        ScreenState(source_committed="We meet", source_tail="on Friday."),
        ScreenState(source_committed="We meet on Thursday. Nobody", target_spoken="Nos encontramos na quinta."),
        ScreenState(source_committed="We meet on Thursday. Nobody knows", target_spoken="Nos encontramos na quinta."),
        ScreenState(
            source_committed="We meet on Thursday. Nobody knows",
            target_spoken="Nos encontramos na quinta. Ninguém [sabe]",
        ),
        ScreenState(utterance=1, source_committed="A new start!"),
        ScreenState(utterance=2, source_committed="A new start!"),
    )
    assert lines == [
        "en: We meet on Thursday.",
        "pt: Nos encontramos na quinta.",
        "en: Nobody knows",
        "en: A new start!",
        "pt: Ninguém [sabe]",
        "en: A new start!",
    ]


def test_off_a_terminal_each_notice_is_printed_once() -> None:
    one, two, again, three = notices("one", "two", "two", "three")
    lines = plain(
        ScreenState(notices=(one,)),
        ScreenState(notices=(one, two)),
        ScreenState(notices=(one, two)),
        ScreenState(notices=(two, again, three)),
    )
    assert lines == ["note: one", "note: two", "note: two", "note: three"]
