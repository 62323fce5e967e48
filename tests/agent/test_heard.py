from __future__ import annotations

from vivavoce.agent.heard import History


def said(history: History) -> list[tuple[str, bool]]:
    return [(one.text, one.cut) for one in history.utterances]


def playing(*lines: tuple[str, float]) -> History:
    history = History()
    for text, ms in lines:
        history.agent_begins(text, "a")
        history.agent_plays(ms)
    return history


def test_lines_are_cut_where_they_were_heard() -> None:
    history = playing(("one two three four", 1000.0), ("five six", 500.0))
    history.line_is_whole()
    history.interrupted(1250.0)
    assert said(history) == [("one two three four", False), ("five", True)]


def test_what_was_not_heard_was_not_said() -> None:
    history = playing(("one two", 1000.0), ("three", 500.0))
    history.interrupted(600.0)
    assert said(history) == [("one", True)]
    history.caller_said("wait", "a")
    history.interrupted(0.0)
    assert said(history) == [("one", True), ("wait", False)]


def test_of_a_line_that_is_still_made_the_length_is_guessed() -> None:
    history = playing(("one two three four five", 660.0))
    history.interrupted(660.0)
    assert said(history) == [("one two", True)]


def test_what_is_finished_is_cut_no_more() -> None:
    history = playing(("one two", 1000.0))
    history.finished()
    history.interrupted(10.0)
    assert said(history) == [("one two", False)]
