"""The benchmark of translation as a page: each bar beside what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must reach. `path` leads to it in the figures; `holds` says whether a value passes."""

    what: str
    bar: str
    path: str
    holds: Callable[[float], bool]
    show: str = "{:.0f}"


def _under(limit: float) -> Callable[[float], bool]:
    return lambda value: value < limit


def _at_most(limit: float) -> Callable[[float], bool]:
    return lambda value: value <= limit


def _at_least(limit: float) -> Callable[[float], bool]:
    return lambda value: value >= limit


def _within(limit: float) -> Callable[[float], bool]:
    return lambda value: abs(value) <= limit


BARS = (
    Bar("up to 5 s: speech end → dub heard, ms", "p95 < 700 (aim 560)", "heard_ms.p95", _under(700)),
    Bar("the same with espeak, ms", "p95 < 450", "espeak.heard_ms.p95", _under(450)),
    Bar("over 5 s: the last clause, ms", "p95 < 900", "heard_long_ms.p95", _under(900)),
    Bar("over 5 s: speech start → dub starts, ms", "p50 ≤ 3000", "first_from_start_ms.p50", _at_most(3000)),
    Bar("continuous: word end → translation heard, ms", "p50 < 3000", "continuous.lag_ms.p50", _under(3000)),
    Bar("continuous: word end → translation heard, ms", "p95 < 5000", "continuous.lag_ms.p95", _under(5000)),
    Bar("continuous: lag growth, ms a minute", "within ± 50", "lag_growth_ms_per_min", _within(50), "{:+.1f}"),
    Bar("continuous: translated words voiced", "≥ 0.98", "voiced", _at_least(0.98), "{:.4f}"),
    Bar(
        "continuous: memory growth, MiB a minute", "flat (within ± 1)", "continuous.rss_growth_mib_per_min",
        _within(1), "{:+.2f}",
    ),
    Bar("word error rate, %", "≤ 4 (English)", "wer", _at_most(4), "{:.2f}"),
    Bar("chrF spoken against whole, up to 5 s", "≥ 96", "chrf_spoken_vs_whole.short", _at_least(96), "{:.1f}"),
    Bar("chrF spoken against whole, over 5 s", "≥ 92", "chrf_spoken_vs_whole.long", _at_least(92), "{:.1f}"),
    Bar("committed words rewritten", "0", "erasure.committed", _at_most(0)),
    Bar("continuous: committed words rewritten", "0", "continuous.erasure.committed", _at_most(0)),
    Bar("word end → committed, ms", "p95 < 2500", "commit_ms.p95", _under(2500)),
    Bar("continuous: word end → committed, ms", "p95 < 2500", "continuous.commit_ms.p95", _under(2500)),
    Bar("texts in silence, music and noise", "0", "silence.texts", _at_most(0)),
    Bar("CPU s per second of speech, up to 5 s", "≤ 0.70", "cpu_per_speech_s.short", _at_most(0.7), "{:.2f}"),
    Bar("CPU s per second of speech, over 5 s", "≤ 1.00", "cpu_per_speech_s.long", _at_most(1.0), "{:.2f}"),
    Bar("the same with espeak, up to 5 s", "≤ 0.15", "espeak.cpu_per_speech_s.short", _at_most(0.15), "{:.2f}"),
    Bar("the same with espeak, over 5 s", "≤ 0.45", "espeak.cpu_per_speech_s.long", _at_most(0.45), "{:.2f}"),
    Bar("memory, MiB", "< 900", "rss_mib", _under(900)),
)  # fmt: skip
"""What the benchmark must show, in the order of its page."""


def value_at(figures: Mapping[str, Any], path: str) -> float | None:
    """The number at a dotted path, None where nothing was measured."""
    found: Any = figures
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) else None


def missed_bars(figures: Mapping[str, Any]) -> list[Bar]:
    """The bars that were measured and not reached."""
    return [bar for bar in BARS if (value := value_at(figures, bar.path)) is not None and not bar.holds(value)]


def bench_page(figures: Mapping[str, Any]) -> RenderableType:
    """Bars, stages, pairs and what else has to be known to read them."""
    parts: list[RenderableType] = [_bars(figures)]
    if "stages" in figures:
        parts.append(_stages(figures))
    if "pairs" in figures:
        parts.append(_pairs(figures["pairs"]))
    parts.extend(Text(line) for line in _remarks(figures))
    return Group(*parts)


def _bars(figures: Mapping[str, Any]) -> Table:
    table = Table("figure", "bar", "measured", "n", "", title=f"bench translate {figures.get('pair', '')}", box=SIMPLE)
    table.columns[2].justify = table.columns[3].justify = "right"
    for bar in BARS:
        value = value_at(figures, bar.path)
        if value is None:
            table.add_row(bar.what, bar.bar, "–", "", "[dim]not measured[/dim]")
            continue
        verdict = "[green]pass[/green]" if bar.holds(value) else "[red]miss[/red]"
        parent, _, last = bar.path.rpartition(".")
        count = value_at(figures, f"{parent}.n") if last.startswith("p") else None
        shown = bar.show.format(value) + _interval(figures, bar.path)
        table.add_row(bar.what, bar.bar, shown, "" if count is None else f"{count:.0f}", verdict)
    return table


def _interval(figures: Mapping[str, Any], path: str) -> str:
    found: Any = figures
    *parents, last = path.split(".")
    for key in parents:
        found = found.get(key, {})
    interval = found.get("p95_interval") if last == "p95" else None
    if last == "lag_growth_ms_per_min":
        interval = figures.get("continuous", {}).get("lag_growth_interval")
    return f" ({interval[0]:.0f} to {interval[1]:.0f})" if interval else ""


def _stages(figures: Mapping[str, Any]) -> Table:
    table = Table("stage", "p50", "p95", "cap", "n", title="stages, ms", box=SIMPLE)
    rows = {
        **figures["stages"],
        "heard, up to 5 s": figures.get("heard_ms"),
        "heard, over 5 s": figures.get("heard_long_ms"),
        "heard, by segment of the detector": figures.get("segments", {}).get("heard_ms"),
        "label less detector's end": figures.get("label_ms"),
    }
    for name, row in rows.items():
        if row:
            cap = row.get("cap")
            table.add_row(
                name, f"{row['p50']:.0f}", f"{row['p95']:.0f}", "" if cap is None else f"{cap:.0f}", str(row["n"])
            )
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _pairs(pairs: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table("pair", "voice", "n", "heard p50", "p95", "WER %", "chrF", "of", title="other pairs", box=SIMPLE)
    for name, row in pairs.items():
        heard = row.get("heard_ms", {})
        table.add_row(
            name,
            str(row["voice"]),
            str(row["n"]),
            _number(heard.get("p50"), "{:.0f}"),
            _number(heard.get("p95"), "{:.0f}"),
            _number(row.get("wer"), "{:.1f}"),
            _number(row.get("chrf_reference"), "{:.1f}"),
            str(row.get("chrf_reference_n") or ""),
        )
    for column in table.columns[2:]:
        column.justify = "right"
    return table


def _number(value: float | None, show: str) -> str:
    return "–" if value is None else show.format(value)


def _remarks(figures: Mapping[str, Any]) -> Iterator[str]:
    for name, of in (("clips", figures), ("espeak", figures.get("espeak", {}))):
        if "n" in of:
            counts = ", ".join(f"{of[key]} {key}" for key in ("void", "unspoken", "missed"))
            yield f"{name}: {of['n']} utterances, of these without latency: {counts}"
    if "wer_offline" in figures:
        yield f"WER of the same recogniser on whole clips: {figures['wer_offline']:.2f} %"
    if "erasure" in figures:
        yield f"visible words taken back per word in the end: {figures['erasure']['visible']:.3f}"
    for text in figures.get("silence", {}).get("what", ()):
        yield f"text where nobody speaks: {text['sound']}: {text['text']}"
