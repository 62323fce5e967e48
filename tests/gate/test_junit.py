from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from vivavoce.errors import OutputError
from vivavoce.gate.baseline import Baseline
from vivavoce.gate.junit import junit_text, write_junit
from vivavoce.gate.metric import Metric
from vivavoce.gate.run import Run
from vivavoce.gate.verdict import judge

Figures = Callable[..., list[Metric]]
MakeRun = Callable[..., Run]

# What junit-10.xsd of Jenkins' xUnit plug-in allows, of what is used.
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname"},
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message"},
    "system-out": set(),
}


def test_a_suite_for_each_harness_and_a_case_for_each_metric(
    figures: Figures, a_run: MakeRun, baseline: Baseline
) -> None:
    metrics = [replace(each, n=3) if each.name == "chrf.en-pt" else each for each in figures(wer=20.0)]
    verdict = judge(metrics, a_run(), baseline)
    root = ElementTree.fromstring(junit_text(verdict, a_run()))
    latency, quality = root
    assert [suite.get("name") for suite in root] == ["vivavoce.eval.latency", "vivavoce.eval.quality"]
    assert [case.get("name") for case in root.iter("testcase")] == [
        each.name for harness in ("latency", "quality") for each in verdict.findings if each.harness == harness
    ]
    assert (latency.get("failures"), latency.get("errors"), latency.get("skipped")) == ("0", "0", "1")
    assert (quality.get("failures"), quality.get("errors"), quality.get("skipped")) == ("1", "1", "3")
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == (str(len(metrics)), "1", "1")
    (failure,) = root.iter("failure")
    assert "12.00 points worse than the baseline" in str(failure.get("message"))
    assert "bar: < 12 %" in str(failure.text)
    (error,) = root.iter("error")
    assert error.get("message") == "chrf.en-pt = 58.00: 3 clips, 5 are needed"


def test_it_keeps_to_the_schema(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    root = ElementTree.fromstring(junit_text(judge(figures(wer=20.0, failed=None), a_run(), baseline), a_run()))
    for element in root.iter():
        assert set(element.attrib) <= ATTRIBUTES[element.tag]
    for suite in root:
        order = [child.tag for child in suite]
        assert order == sorted(order, key=["properties", "testcase", "system-out"].index)
        assert sum(child.tag == "testcase" for child in suite) == int(suite.get("tests", ""))


def test_what_xml_cannot_hold_is_replaced(figures: Figures, a_run: MakeRun) -> None:
    run = a_run(void_reason='a "<&>" \x00\x1b\ud800 reason')
    root = ElementTree.fromstring(junit_text(judge(figures(), run, None), run).encode())
    assert 'a "<&>" \ufffd\ufffd\ufffd reason' in str(next(root.iter("error")).get("message"))


def test_it_is_written(tmp_path: Path, figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    write_junit(tmp_path / "gate.xml", judge(figures(), a_run(), baseline), a_run())
    assert ElementTree.parse(tmp_path / "gate.xml").getroot().tag == "testsuites"
    with pytest.raises(OutputError, match="is a folder"):
        write_junit(tmp_path, judge(figures(), a_run(), baseline), a_run())
