"""On which leg a regression lies: the same figure of the legs alone says whether the path has it from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from vivavoce.gate.finding import Finding
from vivavoce.gate.metric import Owner

_WEIGHS: Final = 0.5
"""What a figure of a leg alone must have used of its threshold to be evidence against the leg."""
_QUEUE: Final = "stage.queue."
_SHARE: Final = 0.3
"""A stage explains a later dub when so much of the delay is in it."""


def place(finding: Finding, findings: Mapping[str, Finding]) -> Owner:
    """The leg to which a finding points, among all `findings` of its run by name.

    Figures of a leg alone are that leg's. Texts of the whole path are the leg's whose own figure is worse as well, by
    the share of its threshold; where no leg alone is worse, the path between them did it, "session". A later dub is
    the stage's that has grown most, and so is a longer queue, which a slow leg makes. Without figures of legs alone it
    is the metric's owner.
    """
    room, _, rest = finding.name.partition(".")
    match room:
        case "heard" | "stream_laal":
            return _slowest(finding, findings)
        case "stage" if finding.name.startswith(_QUEUE):
            return _slowest(finding, findings)
        case "wer":
            evidence: dict[Owner, list[str]] = {"stt": _with(["stt.wer"], rest)}
        case "chrf":
            evidence = {"mt": _with(["mt.chrf"], rest), "stt": _with(["stt.wer"], rest.partition("-")[0])}
        case "hallucination":
            evidence = {"mt": ["mt.hallucination"], "stt": ["stt.wer"]}
        case "glossary":
            own = ["mt.glossary.success", "mt.glossary.unaided", "mt.glossary.consistency"]
            evidence = {"mt": own, "stt": ["stt.wer"]}
        case _:
            return finding.metric.owner
    strains: dict[Owner, float] = {}
    for leg, names in evidence.items():
        measured = [findings[name] for name in names if name in findings and findings[name].metric.value is not None]
        if measured:
            strains[leg] = max(each.strain for each in measured)
    if not strains:
        return finding.metric.owner
    leg = max(strains, key=lambda each: strains[each])
    if strains[leg] >= _WEIGHS:
        return leg
    return "stt" if room == "hallucination" and _of_recognition(findings) else "session"


def placed(blocked: Sequence[Finding]) -> tuple[Owner, ...]:
    """The legs of what is blocked, the likeliest first: figures of a leg alone and of stages count twice."""
    votes: dict[Owner, int] = {}
    for finding in blocked:
        alone = finding.name.partition(".")[0] in ("stt", "mt", "stage")
        votes[finding.leg] = votes.get(finding.leg, 0) + (2 if alone else 1)
    return tuple(sorted(votes, key=lambda leg: (-votes[leg], leg == "session")))


def _of_recognition(findings: Mapping[str, Finding]) -> bool:
    """Whether the sign of hallucination that has grown most is one of what was recognised, and not translated."""
    signs = [each for each in findings.values() if each.name.startswith("hallucination.") and each.worse is not None]
    most = max(signs, key=lambda each: each.worse or 0.0, default=None)
    return most is not None and (most.worse or 0.0) > 0 and most.metric.owner == "stt"


def _with(names: Sequence[str], part: str) -> list[str]:
    """The names, and the same for a language or a pair."""
    return [*names, *(f"{name}.{part}" for name in names if part)]


def _slowest(finding: Finding, findings: Mapping[str, Finding]) -> Owner:
    stages = [
        (each.worse, each.metric.owner)
        for each in findings.values()
        if each.name.startswith("stage.") and not each.name.startswith(_QUEUE) and each.worse is not None
    ]
    grown, owner = max(stages, key=lambda each: each[0], default=(0.0, finding.metric.owner))
    if finding.worse is None or not stages:
        return finding.metric.owner
    return owner if grown > 0 and grown >= _SHARE * finding.worse else "session"
