from __future__ import annotations

import os
import random
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from vivavoce.cli.report import NoticeRow, ReportData, StageRow, UtteranceRow, render, write_report
from vivavoce.errors import OutputError

LINES = [
    ("The committee will meet again on Thursday.", "O comitê se reunirá novamente na quinta-feira."),
    ("Nobody expects that the vote will be unanimous.", "Ninguém espera que a votação seja unânime."),
    ("Three of the five members would rather wait.", "Três dos cinco membros preferem esperar."),
    ("That leaves two people who have not said anything yet, and one who may.", "Restam duas pessoas que não falaram."),
]


def sample(utterances: int = 12) -> ReportData:
    """A made-up session with everything a report can show."""
    rng, rows, at_ms = random.Random(4), [], 400.0
    for number in range(utterances):
        source, target = LINES[number % len(LINES)]
        end_ms = at_ms + 1800 + 30 * len(source)
        trigger = 120 + rng.random() * 25
        stt = trigger + 140 + rng.random() * 60
        mt = stt + 8 + rng.random() * 6
        tts = mt + 190 + rng.random() * (220 if number == 7 else 70)
        heard = tts + 24
        stages = {
            "trigger": (0.0, trigger),
            "stt": (trigger, stt),
            "mt": (stt, mt),
            "tts": (mt, tts),
            "route": (tts, heard),
            "endpoint": (0.0, 305 + rng.random() * 30),
            "heard": (0.0, heard),
        }
        unsure = number == 5
        cut_ms = end_ms + heard + 900
        dub = ((end_ms + heard, cut_ms, target[:20]), (cut_ms + 60, cut_ms + 1500, target[20:]))
        rows.append(
            UtteranceRow(
                id=str(number + 1),
                source_text=source,
                target_text=target,
                speech_start_ms=at_ms,
                speech_end_ms=end_ms,
                stages={} if unsure else stages,
                heard_ms=None if unsure else heard,
                confidence=0.41 if unsure else 0.93,
                spoken=not unsure,
                dub=() if unsure else dub,
            )
        )
        at_ms = end_ms + 700 + rng.random() * 1500
    return ReportData(
        source="interview.wav",
        source_language="en",
        target_language="pt",
        engines={"recognition": "whisper-base", "translation": "bergamot en→pt", "synthesis": "kokoro pf_dora"},
        machine="2 cores, 4 GiB",
        date="2026-03-01 10:15",
        duration_ms=at_ms + 1000,
        stages=(
            StageRow("trigger", 130, 210, 131, 143),
            StageRow("stt", 150, 210, 168, 199),
            StageRow("mt", 10, 30, 11, 14),
            StageRow("tts", 235, 310, 226, 334),
            StageRow("route", 25, 40, 24, 24),
            StageRow("endpoint", 300, 400, 318, 332),
            StageRow("heard", 560, 700, 561, 676),
        ),
        utterances=tuple(rows),
        notices=(NoticeRow(21_400, "pauses shortened by 320 ms"), NoticeRow(33_050, "dub sped up to ×1.12")),
        version="0.1.0",
    )


class Reader(HTMLParser):
    """Checks that tags are closed in order, and collects what a person reads and what a browser would load."""

    VOID = frozenset({"meta", "br", "link", "img", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(data: ReportData) -> Reader:
    reader = Reader()
    reader.feed(render(data))
    reader.close()
    assert reader.open == []
    return reader


def test_it_tells_what_happened() -> None:
    text = " ".join(read(sample()).text)
    for part in ("interview.wav", "en → pt", "whisper-base", "kokoro pf_dora", "2 cores, 4 GiB", "2026-03-01"):
        assert part in text
    for source, target in LINES:
        assert source in text
        assert target in text
    assert "pauses shortened by 320 ms" in text
    assert "low confidence 0.41" in text
    assert "subtitles only, original voice kept" in text


def test_it_says_that_the_dub_is_synthetic() -> None:
    reader = read(sample())
    text = " ".join(reader.text)
    assert "AI-generated dub" in text
    assert "synthetic" in text
    assert any(tag == "meta" and attrs.get("name") == "ai-generated" for tag, attrs in reader.tags)


def test_the_contract_has_a_row_for_each_stage() -> None:
    rows = re.findall(r"<tr class=.*?</tr>", render(sample()))
    cells = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in rows]
    assert cells[0][:5] == ["130", "210", "131", "143", "+67"]
    assert cells[3][:5] == ["235", "310", "226", "334", "-24"]
    assert 'class="bad">-24' in rows[3]
    assert 'class="near">+24' in rows[-1]


def test_a_waterfall_stands_to_scale() -> None:
    row = replace(sample().utterances[0], stages={"trigger": (0, 100), "stt": (100, 300)}, heard_ms=500)
    html = render(replace(sample(), utterances=(row,)))
    article = html[html.index("<article") :]
    found = dict(re.findall(r'<rect class="(\w+)" x="([\d.]+)%', article))
    widths = dict(re.findall(r'<rect class="(\w+)" x="[\d.]+%" y="[\d.]+" width="([\d.]+)%', article))
    assert float(widths["stt"]) == pytest.approx(2 * float(widths["trigger"]), abs=0.02)
    assert float(found["stt"]) == pytest.approx(float(found["trigger"]) + float(widths["trigger"]), abs=0.02)
    assert float(widths["heard"]) == pytest.approx(5 * float(widths["trigger"]), abs=0.05)
    assert float(found["heard"]) == float(found["trigger"])
    bound = re.search(r'<line class="bound" x1="([\d.]+)%', article)
    assert bound is not None
    assert float(bound[1]) - float(found["heard"]) == pytest.approx(7 * float(widths["trigger"]), abs=0.05)
    assert "stt: 100 → 300 ms, took 200 ms" in article


def test_it_needs_nothing_from_elsewhere() -> None:
    reader = read(sample())
    assert not {tag for tag, _ in reader.tags} & {"script", "link", "img", "iframe", "object"}
    for _, attrs in reader.tags:
        assert not {"src", "srcset", "onclick", "onload"} & attrs.keys()
        assert (attrs.get("href") or "#").startswith("#")
    assert "url(" not in render(sample())
    assert "@import" not in render(sample())


def test_text_is_never_markup() -> None:
    evil = "</title><script>alert('1')</script> & \"quoted\" $source"
    row = replace(sample().utterances[0], id='1"><b>', source_text=evil, target_text=evil, dub=((0, 900, evil),))
    data = replace(
        sample(),
        source=evil,
        source_language=evil,
        engines={evil: evil},
        machine=evil,
        date=evil,
        utterances=(row,),
        notices=(NoticeRow(0, evil),),
        void_reason=evil,
        version=evil,
        stages=(StageRow(evil, 1, 2, 3, 4),),
    )
    reader = read(data)
    assert {tag for tag, _ in reader.tags} <= {tag for tag, _ in read(sample()).tags} | {"p"}
    assert " ".join(reader.text).count(evil) >= 8


def test_an_empty_session_is_a_report_too() -> None:
    data = replace(sample(), utterances=(), notices=(), stages=(StageRow("heard", 560, 700, None, None),))
    text = " ".join(read(data).text)
    assert "No speech was found." in text
    assert "No utterance has timings." in text


def test_latency_that_means_nothing_says_so() -> None:
    text = " ".join(read(replace(sample(), void_reason="not played at real time")).text)
    assert "not played at real time" in text


def test_a_long_session_stays_small() -> None:
    assert len(render(sample(600))) < 5_000_000


def test_it_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, sample())
    first = path.read_text(encoding="utf-8")
    assert first.startswith("<!doctype html>")
    write_report(path, sample(2))
    assert path.read_text(encoding="utf-8") != first
    assert os.listdir(tmp_path) == ["report.html"]


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no folder"):
        write_report(tmp_path / "no" / "report.html", sample(1))
    with pytest.raises(OutputError, match="is a folder"):
        write_report(tmp_path, sample(1))
    if Path("/dev/full").exists():
        with pytest.raises(OutputError, match="the disk is full"):
            write_report("/dev/full", sample(1))
        assert not Path("/dev/full").is_file()
