"""The clips of the gate's report: what was said, what was made of it and when, and means by pair and register."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import escape
from statistics import fmean
from typing import Final

from vivavoce.cli.eval_waterfall import clauses_chart, stages_chart
from vivavoce.cli.report_charts import figure
from vivavoce.evals.hallucination import signs
from vivavoce.gate.finding import Finding, amount
from vivavoce.gate.run import ClauseRun, ClipRun, Run
from vivavoce.text.terms import places

BOUND_MS: Final = 700.0
_SIGNS: Final = "hallucination."


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFigures:
    """A clip's own part of the run's figures, None where it has none; `signs` are in percent of its clauses."""

    clip: ClipRun
    wer: float | None
    chrf: float | None
    hallucination: float | None
    glossary: float | None
    heard_ms: float | None
    signs: Mapping[str, float]

    @property
    def badness(self) -> float:
        """Each figure in parts of its bar; a clip that failed is the worst. chrF++ has no bar: 40 is missing to 60."""
        parts = (
            (self.wer or 0.0) / 12,
            (self.hallucination or 0.0) / 2,
            (100.0 - (100.0 if self.glossary is None else self.glossary)) / 5,
            (self.heard_ms or 0.0) / BOUND_MS,
            (100.0 - (60.0 if self.chrf is None else self.chrf)) / 40,
        )
        return sum(parts) + (1000.0 if self.clip.problem else 0.0)


def clip_figures(clip: ClipRun, findings: Sequence[Finding]) -> ClipFigures:
    """What the run's metrics hold for a clip."""
    own = {each.name: parts[clip.id] for each in findings if clip.id in (parts := each.metric.parts or {})}
    return ClipFigures(
        clip=clip,
        wer=own.get("wer"),
        chrf=own.get(f"chrf.{clip.pair}"),
        hallucination=own.get("hallucination"),
        glossary=own.get("glossary.success"),
        heard_ms=own.get("heard.p95"),
        signs={name.removeprefix(_SIGNS): value for name, value in own.items() if name.startswith(_SIGNS) and value},
    )


def by_pair_and_register(figures: Sequence[ClipFigures]) -> Iterator[str]:
    """A table for each figure that any clip has."""
    for title, unit, name, worst_is_high in (
        ("Word errors, %", "", "wer", True),
        ("chrF++", "", "chrf", False),
        ("Hallucinated clauses, %", "", "hallucination", True),
        ("Locked terms kept, %", "", "glossary", False),
        ("Heard after, p95 of a clip, ms", "ms", "heard_ms", True),
    ):
        cells: dict[tuple[str, str], list[float]] = {}
        for each in figures:
            value: float | None = getattr(each, name)
            if value is not None:
                cells.setdefault((each.clip.pair, each.clip.register), []).append(value)
        if cells:
            yield _grid(title, unit, cells, worst_is_high=worst_is_high)


def clip_articles(run: Run, figures: Sequence[ClipFigures]) -> str:
    """Every clip, the worst first. Utterances are numbered through the run."""
    firsts, number = {}, 1
    for clip in run.clips:
        firsts[clip.id] = number
        number += len(clip.utterances)
    worst = sorted(figures, key=lambda each: (-each.badness, each.clip.id))
    return "".join(_article(each, paced=run.paced, first=firsts[each.clip.id]) for each in worst)


def _grid(title: str, unit: str, cells: Mapping[tuple[str, str], list[float]], *, worst_is_high: bool) -> str:
    pairs, registers = (list(dict.fromkeys(key[at] for key in cells)) for at in (0, 1))
    means = {key: fmean(values) for key, values in cells.items()}
    low, high = min(means.values()), max(means.values())

    def cell(pair: str, register: str) -> str:
        if (pair, register) not in means:
            return "<td>–</td>"
        mean, count = means[pair, register], len(cells[pair, register])
        share = (mean - low) / (high - low) if high > low else 0.0
        depth = 25.0 * (share if worst_is_high else 1.0 - share) if high > low else 0.0
        return (
            f'<td style="background:color-mix(in srgb, var(--bad) {depth:.0f}%, transparent)" '
            f'title="{count} clips">{_cell(mean, unit)}<small>{count}</small></td>'
        )

    heads = "".join(f"<th>{escape(register)}</th>" for register in registers)
    rows = "".join(
        f'<tr><th scope="row">{escape(pair)}</th>{"".join(cell(pair, register) for register in registers)}</tr>'
        for pair in pairs
    )
    return (
        f'<div class="card"><h3>{escape(title)}</h3><table><thead><tr><th></th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(value: float, unit: str) -> str:
    return f"{value:.0f}" if unit == "ms" else f"{value:.1f}"


def _article(figures: ClipFigures, *, paced: bool, first: int) -> str:
    clip = figures.clip
    name = escape(clip.id)
    anchors = "".join(f'<i id="u{number}"></i>' for number in range(first, first + len(clip.utterances)))
    charts = ""
    if paced:
        stages = stages_chart(clip, BOUND_MS, first=first)
        charts = clauses_chart(clip) + (
            f"<h3>From the end of each utterance to its dub, by stages</h3>{stages}" if stages else ""
        )
    problem = f'<p class="void">Could not be interpreted to its end: {escape(clip.problem)}</p>' if clip.problem else ""
    return (
        f'<article id="clip-{name}">{anchors}<header><a href="#clip-{name}">{name}</a>'
        f"{''.join(_marks(figures))}</header>"
        f"{problem}{_texts(clip)}{_terms(clip)}{_silent(clip)}{_clauses(clip, paced=paced)}{charts}{_notices(clip)}"
        "</article>"
    )


def _marks(figures: ClipFigures) -> Iterator[str]:
    clip = figures.clip
    about = [f"{clip.source} → {clip.target}", clip.register, f"{clip.speech_ms / 1000:.0f} s of speech"]
    about += ["synthetic voice"] if clip.synthetic else []
    yield f"<span>{escape(', '.join(about))}</span>"
    for text, bad in (
        (_said("heard after p95", figures.heard_ms, "ms"), (figures.heard_ms or 0.0) >= BOUND_MS),
        (_said("word errors", figures.wer, "%"), (figures.wer or 0.0) >= 12.0),
        (_said("chrF++", figures.chrf, ""), False),
        (_said("terms kept", figures.glossary, "%"), figures.glossary is not None and figures.glossary <= 95.0),
    ):
        if text:
            yield f'<span class="mark {"bad" if bad else ""}">{escape(text)}</span>'
    for sign, value in figures.signs.items():
        yield f'<span class="mark bad">{escape(sign)} {value:.1f} % of clauses</span>'
    if clip.erased:
        yield f'<span class="mark bad">{clip.erased} settled words taken back</span>'


def _said(what: str, value: float | None, unit: str) -> str:
    return "" if value is None else f"{what} {amount(value, unit)}"


def _texts(clip: ClipRun) -> str:
    source, target = escape(clip.source), escape(clip.target)
    left = f'<h4>said</h4><p lang="{source}">{escape(clip.reference) or "–"}</p>' + (
        f'<h4>recognised</h4><p lang="{source}">{_compared(clip.reference, clip.transcript) or "–"}</p>'
    )
    right = f'<h4>reference translation</h4><p lang="{target}">{escape(clip.reference_translation) or "–"}</p>' + (
        f'<h4>translation</h4><p lang="{target}">{escape(clip.translation) or "–"}</p>'
    )
    return f'<div class="texts"><div>{left}</div><div>{right}</div></div>'


def _compared(reference: str, text: str) -> str:
    """The text with its words that are not in the reference marked, and those it lacks struck through."""
    wanted, found = reference.split(), text.split()
    parts: list[str] = []
    matcher = SequenceMatcher(None, list(map(_plain, wanted)), list(map(_plain, found)), autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        missing, extra = escape(" ".join(wanted[i:j])), escape(" ".join(found[k:m]))
        if kind == "equal":
            parts.append(extra)
            continue
        parts += [f"<del>{missing}</del>"] if missing else []
        parts += [f"<mark>{extra}</mark>"] if extra else []
    return " ".join(parts)


def _plain(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum()) or word


def _terms(clip: ClipRun) -> str:
    items = []
    for term, rendering in clip.terms.items():
        # An inflected form counts as kept in the figures; here it is shown as what it is.
        there = bool(places(rendering, clip.translation))
        mark = '<span class="mark good">there</span>' if there else '<span class="mark bad">not in this form</span>'
        items.append(f"<li>{escape(term)} → {escape(rendering)} {mark}</li>")
    return f'<h3>Locked terms</h3><ul class="terms">{"".join(items)}</ul>' if items else ""


def _silent(clip: ClipRun) -> str:
    texts = [*(clause.text for clause in clip.clauses if clause.silent), *clip.silent_text]
    items = "".join(f"<li><mark>{escape(text)}</mark></li>" for text in texts)
    return f"<h3>Recognised where nobody speaks</h3><ul>{items}</ul>" if items else ""


def _clauses(clip: ClipRun, *, paced: bool) -> str:
    if not clip.clauses:
        return ""
    times = "<th>shown</th><th>heard</th>" if paced else ""
    rows = "".join(_clause(clip, number, clause, paced=paced) for number, clause in enumerate(clip.clauses, 1))
    heading = "Clauses; milliseconds from the end of each" if paced else "Clauses"
    return (
        f'<h3>{heading}</h3><div class="scroll"><table class="clauses"><thead><tr>'
        f'<th></th><th class="text">recognised</th><th class="text">translation</th>{times}<th>sure</th><th>terms</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _clause(clip: ClipRun, number: int, clause: ClauseRun, *, paced: bool) -> str:
    heard = None if clause.heard_ms is None else clause.heard_ms - clause.end_ms
    times = f'<td class="num">{figure(clause.shown_ms - clause.end_ms)}</td><td class="num">{figure(heard)}</td>'
    found = signs(
        clause.text,
        clause.translation,
        source=clip.source,
        target=clip.target,
        start_ms=clause.start_ms,
        end_ms=clause.end_ms,
    )
    marks = "".join(f' <span class="mark bad">{sign}</span>' for sign in found)
    terms = f"{clause.terms - clause.rescued} + {clause.rescued}" if clause.rescued else str(clause.terms or "")
    return (
        f'<tr><th scope="row">{number}</th><td class="text">{escape(clause.text)}</td>'
        f'<td class="text">{escape(clause.translation)}{marks}</td>{times if paced else ""}'
        f'<td class="num">{clause.confidence:.2f}</td><td class="num">{terms}</td></tr>'
    )


def _notices(clip: ClipRun) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in clip.notices)
    return f"<h3>Notices</h3><ul>{items}</ul>" if items else ""
