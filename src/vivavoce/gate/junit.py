"""The verdict as JUnit XML: a test suite for each harness, a test case for each metric.

There is no standard. This keeps to what Jenkins, GitLab and GitHub's actions read: the schema of Jenkins' xUnit plug-in
(https://github.com/jenkinsci/xunit-plugin, junit-10.xsd).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from vivavoce.audio.sinks import check_output, output_error
from vivavoce.gate.bars import Harness
from vivavoce.gate.finding import Finding, amount
from vivavoce.gate.page import TITLES, change_text, interval_text, threshold_text
from vivavoce.gate.run import Run
from vivavoce.gate.verdict import Verdict

_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def junit_text(verdict: Verdict, run: Run) -> str:
    """Blocked is a failure, not enough an error, what is only told is skipped; all else, held misses too, passes."""
    suites = ElementTree.Element("testsuites", name="vivavoce eval")
    for harness in TITLES:
        if findings := [each for each in verdict.findings if each.harness == harness]:
            suites.append(_suite(harness, findings, verdict, run))
    for key in ("tests", "failures", "errors"):
        suites.set(key, str(sum(int(suite.get(key, "0")) for suite in suites)))
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def write_junit(path: Path, verdict: Verdict, run: Run) -> None:
    """Raises OutputError when it cannot be written."""
    check_output(path)
    try:
        path.write_text(junit_text(verdict, run), encoding="utf-8")
    except OSError as error:
        raise output_error(path, error) from None


def _suite(harness: Harness, findings: Sequence[Finding], verdict: Verdict, run: Run) -> ElementTree.Element:
    statuses = [finding.status for finding in findings]
    suite = ElementTree.Element(
        "testsuite",
        name=f"vivavoce.eval.{harness}",
        tests=str(len(findings)),
        failures=str(statuses.count("blocked")),
        errors=str(statuses.count("not enough")),
        skipped=str(statuses.count("told")),
        time="0",
        timestamp=datetime.fromtimestamp(run.at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        hostname=_clean(run.machine.cpu),
    )
    properties = ElementTree.SubElement(suite, "properties")
    known = {"plan": run.plan, "run": run.id, "config": run.config_hash, "outcome": verdict.outcome, **run.engines}
    for name, value in known.items():
        ElementTree.SubElement(properties, "property", name=_clean(name), value=_clean(value))
    for finding in findings:
        _case(suite, harness, finding)
    if verdict.notes:
        ElementTree.SubElement(suite, "system-out").text = _clean("\n".join(verdict.notes))
    return suite


def _case(suite: ElementTree.Element, harness: Harness, finding: Finding) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", classname=f"vivavoce.eval.{harness}", name=_clean(finding.name), time="0"
    )
    value = f"{finding.name} = {amount(finding.metric.value, finding.metric.unit)}"
    said = _clean(f"{value}: {finding.reason}")
    match finding.status:
        case "blocked":
            failure = ElementTree.SubElement(case, "failure", message=f"{said} ({finding.leg})", type="blocked")
            failure.text = _clean(_details(finding))
        case "not enough":
            ElementTree.SubElement(case, "error", message=said, type="not enough")
        case "told":
            ElementTree.SubElement(case, "skipped", message=said)
        case _:
            ElementTree.SubElement(case, "system-out").text = f"{finding.status}: {said}\n{_clean(_details(finding))}"


def _details(finding: Finding) -> str:
    unit = finding.metric.unit
    rows = {
        "value": amount(finding.metric.value, unit),
        "95 % interval": interval_text(finding),
        "n": f"{finding.metric.n} {finding.metric.what}",
        "bar": finding.bar,
        "baseline": amount(finding.baseline, unit),
        "change": change_text(finding),
        "a change that blocks": threshold_text(finding),
        "leg": finding.leg,
    }
    return "\n".join(f"{name}: {text}" for name, text in rows.items() if text not in ("", "–"))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
