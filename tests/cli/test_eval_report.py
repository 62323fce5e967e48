from __future__ import annotations

import random
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from vivavoce.cli.eval_report import render, write_eval_report
from vivavoce.contract.envelope import Machine
from vivavoce.contract.stats import Interval
from vivavoce.errors import OutputError
from vivavoce.gate.baseline import new_baseline
from vivavoce.gate.metric import Metric
from vivavoce.gate.run import ClauseRun, ClipRun, Run, UtteranceRun
from vivavoce.gate.verdict import Verdict, judge

SAID = [
    ("The committee will meet again on Thursday.", "O comitê se reunirá novamente na quinta-feira."),
    ("Nobody expects that the vote will be unanimous.", "Ninguém espera que a votação seja unânime."),
    ("Three of the five members would rather wait.", "Três dos cinco membros preferem esperar."),
]
HOSTILE = "<script>alert('x')</script> & \"quoted\""


def a_clip(number: int, *, pair: str = "en-pt", register: str = "lecture") -> ClipRun:
    rng, clauses, utterances, at_ms = random.Random(number), [], [], 300.0
    for source, target in SAID:
        end_ms = at_ms + 2200.0
        trigger, stt, mt = end_ms + 130, end_ms + 290 + 40 * rng.random(), end_ms + 345
        tts = mt + 230 + 200 * rng.random()
        clauses.append(
            ClauseRun(text=source, translation=target, start_ms=at_ms, end_ms=end_ms, shown_ms=mt, heard_ms=tts + 25)
        )
        stages = {
            "trigger": (end_ms, trigger), "stt": (trigger, stt), "mt": (stt, mt), "tts": (mt, tts),
            "route": (tts, tts + 25), "endpoint": (end_ms, end_ms + 310),
        }  # fmt: skip
        utterances.append(
            UtteranceRun(label_start_ms=at_ms, label_end_ms=end_ms, wait_ms=tts + 25 - end_ms, stages=stages)
        )
        at_ms = end_ms + 900
    return ClipRun(
        id=f"clip-{number}",
        pair=pair,
        register=register,
        reference=" ".join(source for source, _ in SAID),
        reference_translation=" ".join(target for _, target in SAID),
        transcript=" ".join(source for source, _ in SAID).replace("Nobody", "No body"),
        speech_ms=6600.0,
        synthetic=number % 2 == 0,
        terms={"committee": "comitê", "vote": "escrutínio"},
        clauses=tuple(clauses),
        utterances=tuple(utterances),
        shown=30,
    )


def a_run(*clips: ClipRun, paced: bool = True) -> Run:
    return Run(
        id="r1",
        at_ms=1_767_225_600_000,
        plan="whole:0f1e2d3c",
        paced=paced,
        machine=Machine("Some CPU", 2, "Linux 6", 8192),
        versions={"vivavoce": "0.1.0"},
        config_hash="c0ffee",
        speed_ms=10.0,
        engines={"stt": "whisper", "mt": "bergamot", "tts": "kokoro"},
        caps_ms={"tts": 310.0},
        clips=clips,
    )


def some_metrics(run: Run, *, wer: float = 8.0, tts_ms: float = 290.0) -> list[Metric]:
    ids = [clip.id for clip in run.clips if not clip.problem]
    spread = {name: float(10 * at) for at, name in enumerate(ids)}
    waits = Interval(560.0, 690.0)
    return [
        Metric(name="heard.p95", value=640.0, unit="ms", n=80, what="utterances", owner="session", interval=waits,
               parts={name: 600.0 + 10 * value for name, value in spread.items()}),
        Metric(name="stage.tts.p95", value=tts_ms, unit="ms", n=80, what="utterances", owner="tts"),
        Metric(name="wer", value=wer, unit="%", n=1400, what="words", owner="stt", parts=spread),
        Metric(name="chrf.en-pt", value=58.0, unit="", n=6, what="clips", owner="session", better="higher",
               parts={name: 70.0 - value for name, value in spread.items()}),
        Metric(name="hallucination", value=1.0, unit="%", n=210, what="clauses", owner="mt", parts={ids[-1]: 33.3}),
        Metric(name="hallucination.repetition", value=1.0, unit="%", n=210, what="clauses", owner="mt",
               parts={ids[-1]: 33.3}),
        Metric(name="glossary.success", value=97.0, unit="%", n=12, what="terms", owner="mt", better="higher",
               parts={ids[0]: 100.0}),
    ]  # fmt: skip


def a_verdict(run: Run, *, wer: float = 8.0, tts_ms: float = 290.0) -> Verdict:
    usual = [each for each in some_metrics(run) if run.paced or not each.name.startswith(("heard", "stage"))]
    baseline = new_baseline([(replace(run, id="b"), usual)])
    return judge(some_metrics(run, wer=wer, tts_ms=tts_ms), run, baseline)


RUN = a_run(
    a_clip(1),
    a_clip(2, register="banter"),
    replace(a_clip(3, pair="de-en"), silent_text=("Thank you.",), erased=2, notices=("slow: a dub was late",)),
    replace(a_clip(4), clauses=(), utterances=(), transcript="", problem="the recogniser was lost"),
)


class Outline(HTMLParser):
    """Raises where a tag is closed that is not the open one; gathers tags, ids, links and all text."""

    VOID = ("meta", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.ids += [str(values["id"])] if "id" in values else []
        self.links += [str(values[name]) for name in ("href", "src") if name in values]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_it_is_one_page_that_needs_nothing_else() -> None:
    outline = Outline(render(a_verdict(RUN), RUN))
    assert "script" not in outline.tags
    assert all(link.startswith("#") for link in outline.links)
    assert {link.removeprefix("#") for link in outline.links} <= set(outline.ids)
    assert len(outline.ids) == len(set(outline.ids))


def test_the_verdict_is_on_top_and_every_figure_below() -> None:
    verdict = a_verdict(RUN, wer=20.0, tts_ms=500.0)
    page = render(verdict, RUN)
    text = Outline(page).text
    assert text.index("Blocked") < text.index("blocked by stage.tts.p95, wer") < text.index("Latency: replayed")
    for finding in verdict.findings:
        assert f'<th scope="row">{finding.name}<' in page
        assert finding.reason in page
    assert "< 700 ms" in text
    assert "cap 310 ms" in text
    assert "560–690" in text
    # Less than the least is said beside n.
    assert "12of 40" in text


def test_the_worst_clip_is_first() -> None:
    page = render(a_verdict(RUN), RUN)
    assert re.findall(r'<article id="clip-(clip-\d)"', page) == ["clip-4", "clip-3", "clip-2", "clip-1"]


def test_a_clip_has_its_texts_its_signs_and_its_waterfall() -> None:
    page = render(a_verdict(RUN), RUN)
    third = page[page.index('id="clip-clip-3"') : page.index('id="clip-clip-2"')]
    assert "<del>Nobody</del> <mark>No body</mark> expects" in third
    assert "repetition 33.3 % of clauses" in third
    assert "2 settled words taken back" in third
    assert "<mark>Thank you.</mark>" in third
    assert "comitê" in third
    assert re.search(r"comitê <span class=\"mark good\">", third)
    assert re.search(r"escrutínio <span class=\"mark bad\">", third)
    assert third.count('<rect class="tts"') == 2 * len(SAID)
    assert "slow: a dub was late" in third
    failed = page[page.index('id="clip-clip-4"') : page.index('id="clip-clip-3"')]
    assert "the recogniser was lost" in failed


def test_means_by_pair_and_register() -> None:
    page = render(a_verdict(RUN), RUN)
    grid = page[page.index("Word errors, %</h3>") : page.index("chrF++</h3>")]
    assert [*re.findall(r"<th>(\w+)</th>", grid)] == ["lecture", "banter"]
    assert re.findall(r">([\d.]+)<small>(\d)", grid) == [("0.0", "1"), ("10.0", "1"), ("20.0", "1")]


def test_whatever_was_said_is_only_text() -> None:
    clause = replace(a_clip(1).clauses[0], text=HOSTILE, translation=HOSTILE)
    clip = replace(
        a_clip(1), id=HOSTILE, register=HOSTILE, reference=HOSTILE, reference_translation=HOSTILE, transcript=HOSTILE,
        clauses=(clause,), terms={HOSTILE: HOSTILE}, silent_text=(HOSTILE,), notices=(HOSTILE,),
    )  # fmt: skip
    run = replace(a_run(clip, replace(a_clip(2), problem=HOSTILE)), void_reason=HOSTILE, engines={"mt": HOSTILE})
    page = render(judge(some_metrics(run), run, None), run)
    outline = Outline(page)
    assert "script" not in outline.tags
    assert outline.text.count(HOSTILE) > 10


def test_moments_of_a_hurried_run_are_not_drawn() -> None:
    run = a_run(a_clip(1), paced=False)
    page = render(a_verdict(run), run)
    assert "not at real time" in page
    assert "<circle" not in page
    assert "Três dos cinco" in page


def test_a_run_without_clips_has_a_page() -> None:
    run = a_run()
    text = Outline(render(judge([], run, None), run)).text
    assert "Undecided" in text
    assert "No clip was replayed." in text


def test_it_is_written(tmp_path: Path) -> None:
    write_eval_report(tmp_path / "report.html", a_verdict(RUN), RUN)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(OutputError, match="is a folder"):
        write_eval_report(tmp_path, a_verdict(RUN), RUN)


def test_a_browser_draws_it(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium is installed")
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    write_eval_report(page, a_verdict(RUN, wer=20.0), RUN)
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1200,3200",
        f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}", page.as_uri(),
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"Chromium does not run here: {error}")
    assert picture.read_bytes().startswith(b"\x89PNG")
