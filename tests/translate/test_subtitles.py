from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.errors import OutputError
from vivavoce.legs.values import Clause
from vivavoce.translate.events import Event, Spoken, Translated, UtteranceDone
from vivavoce.translate.layout import lay_out
from vivavoce.translate.subtitles import Cue, CuePlanner, CueRules, SubtitleWriter, Timing, cue_block

RULES = CueRules()


def translated(
    line: int, text: str, *, span: tuple[float, float] = (0, 1000), at: float = 0, spoken: bool = False
) -> Translated:
    return Translated(line, line, Clause("source", *span), text, "en", spoken, at)


def spoken(line: int, start: float, end: float, *, first: bool = True) -> Spoken:
    return Spoken(line, line, "", start, end, 0.0, first)


def done(utterance: int) -> UtteranceDone:
    return UtteranceDone(utterance, 0, 0, "", "en", 1.0, {})


def plan(events: list[Event], *, timing: Timing = "spoken") -> list[Cue]:
    planner = CuePlanner(language="pt", timing=timing)
    return [cue for event in events for cue in planner.take(event)] + planner.finish()


def test_a_dubbed_clause_is_shown_while_the_dub_is_heard() -> None:
    cues = plan([translated(1, "Bom dia a todos.", spoken=True, at=900), spoken(1, 1500, 3200), done(1)])
    assert cues == [Cue(1500, 3200, ("Bom dia a todos.",))]


def test_the_stretches_of_a_clause_are_one_time() -> None:
    events = [
        translated(1, "Bom dia a todos.", spoken=True),
        spoken(1, 1500, 2000),
        spoken(1, 2000, 3900, first=False),
        done(1),
    ]
    assert plan(events) == [Cue(1500, 3900, ("Bom dia a todos.",))]


def test_a_clause_that_is_not_dubbed_is_shown_with_the_original_voice() -> None:
    assert plan([translated(1, "Talvez assim.", span=(400, 2400))]) == [Cue(400, 2400, ("Talvez assim.",))]


def test_a_dub_that_failed_leaves_its_subtitle() -> None:
    cues = plan([translated(1, "Perdido.", span=(100, 1900), spoken=True), done(1)])
    assert cues == [Cue(100, 1900, ("Perdido.",))]


def test_live_timing_shows_text_when_it_was_committed() -> None:
    cues = plan([translated(1, "Bom dia a todos.", at=2222, spoken=True), spoken(1, 4000, 5000)], timing="live")
    assert cues[0].start_ms == 2222


def test_a_quick_clause_stands_until_it_was_read() -> None:
    (cue,) = plan([translated(1, "x " * 34, span=(0, 1500))])
    assert cue.end_ms == pytest.approx(1000 * sum(map(len, cue.lines)) / RULES.characters_per_s, abs=1)


def test_nothing_stands_longer_than_seven_seconds() -> None:
    assert plan([translated(1, "Longe.", span=(0, 30_000))]) == [Cue(0, 7000, ("Longe.",))]


def test_a_cue_is_given_out_once_the_next_begins() -> None:
    planner = CuePlanner(language="pt")
    assert planner.take(translated(1, "Um.", span=(0, 900))) == []
    assert planner.take(translated(2, "Dois.", span=(950, 2500))) == [Cue(0, 1000, ("Um.",))]
    assert planner.finish() == [Cue(1080, 2500, ("Dois.",))]
    assert planner.finish() == []


def test_a_clause_waits_for_the_one_before_it() -> None:
    planner = CuePlanner(language="pt")
    planner.take(translated(1, "Primeiro.", spoken=True))
    planner.take(translated(2, "Segundo.", span=(3000, 5000)))
    planner.take(spoken(1, 5200, 6400))
    assert [cue.lines for cue in planner.take(done(1))] == [("Primeiro.",)]


@st.composite
def sessions(draw: st.DrawFn) -> list[Event]:
    events: list[Event] = []
    at, dub = 0.0, 0.0
    for line in range(1, draw(st.integers(1, 12)) + 1):
        length = draw(st.integers(100, 9000))
        text = " ".join(["ab"] * draw(st.integers(1, 60)))
        is_spoken = draw(st.booleans())
        begin, at = at, at + length + draw(st.sampled_from([0, 50, 3000]))
        events.append(translated(line, text, span=(begin, begin + length), at=at, spoken=is_spoken))
        if is_spoken:
            dub = max(dub, at) + draw(st.integers(0, 500))
            events.append(spoken(line, dub, dub := dub + 40.0 * len(text)))
        if draw(st.booleans()):
            events.append(done(line))
    return events


@given(events=sessions(), timing=st.sampled_from(["spoken", "live"]))
def test_every_rule_of_time_holds(events: list[Event], timing: Timing) -> None:
    cues = plan(events, timing=timing)
    assert all(RULES.min_ms <= cue.end_ms - cue.start_ms <= RULES.max_ms for cue in cues)
    assert all(before.end_ms + RULES.gap_ms <= after.start_ms for before, after in pairwise(cues))
    texts = [e.text for e in events if isinstance(e, Translated)]
    assert " ".join(" ".join(cue.lines) for cue in cues) == " ".join(texts)
    # Too fast for reading only where the next cue would not wait any longer.
    for before, after in pairwise(cues):
        assert before.characters_per_s <= RULES.characters_per_s or after.start_ms == before.end_ms + RULES.gap_ms


@given(events=sessions())
def test_live_text_is_not_shown_before_it_was_committed(events: list[Event]) -> None:
    cues = iter(plan(events, timing="live"))
    for event in events:
        if isinstance(event, Translated):
            shown = [next(cues) for _ in lay_out(event.text, language="pt")]
            assert all(cue.start_ms >= event.at_ms for cue in shown)


def test_a_cue_is_escaped() -> None:
    block = cue_block(Cue(0, 3_723_004, ("a < b & c --> d", "<i>é</i>")), number=7)
    assert block == "\n7\n00:00:00.000 --> 01:02:03.004\na &lt; b &amp; c --&gt; d\n&lt;i&gt;é&lt;/i&gt;\n"


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "out.vtt"
    with SubtitleWriter(path, language="pt") as writer:
        writer.take(translated(1, "Olá, João.", span=(0, 2000)))
    assert path.read_bytes().decode("utf-8") == (
        "WEBVTT\nKind: subtitles\nLanguage: pt\n\nNOTE AI-generated translation\n"
        "\n1\n00:00:00.000 --> 00:00:02.000\nOlá, João.\n"
    )


def test_what_is_on_disk_only_grows(tmp_path: Path) -> None:
    path = tmp_path / "out.vtt"
    before = ""
    with SubtitleWriter(path, language="pt") as writer:
        for line in range(1, 6):
            writer.take(translated(line, f"Frase {line}.", span=(line * 3000, line * 3000 + 1500)))
            text = path.read_text(encoding="utf-8")
            assert text.startswith(before)
            assert text.count("-->") == line - 1
            before = text
    assert path.read_text(encoding="utf-8").startswith(before)
    assert path.read_text(encoding="utf-8").count("-->") == 5


def test_an_interrupted_run_keeps_what_was_said(tmp_path: Path) -> None:
    path = tmp_path / "out.vtt"

    def interrupted() -> None:
        with SubtitleWriter(path, language="pt") as writer:
            writer.take(translated(1, "Meio caminho.", spoken=True))
            writer.take(spoken(1, 100, 1400))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "00:00:00.100 --> 00:00:01.400\nMeio caminho." in path.read_text(encoding="utf-8")


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    writer = SubtitleWriter(tmp_path / "out.vtt", language="pt")
    writer.close()
    writer.close()
    assert writer.cues == 0


@contextmanager
def small_files(most_bytes: int) -> Iterator[None]:
    """No file may grow past `most_bytes` meanwhile, as on a disk that is full; the test's own report included."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_keeps_the_cues_before(tmp_path: Path) -> None:
    path = tmp_path / "out.vtt"
    writer = SubtitleWriter(path, language="pt")

    def write_all() -> None:
        for line in range(1, 9):
            writer.take(translated(line, f"Frase número {line}.", span=(line * 3000, line * 3000 + 1500)))

    with small_files(160), pytest.raises(OutputError, match="could not be written") as caught:
        write_all()
    with small_files(160):
        writer.close()
    assert caught.value.hint
    text = path.read_text(encoding="utf-8")
    assert 0 < text.count("-->") == writer.cues < 8
    assert text.endswith(f"Frase número {writer.cues}.\n")
    assert len(text.encode()) <= 160


def test_a_device_without_room_is_refused() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    with pytest.raises(OutputError, match="disk is full"):
        SubtitleWriter("/dev/full", language="pt")


def test_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no folder"):
        SubtitleWriter(tmp_path / "none" / "out.vtt", language="pt")
