"""What a running session looks like: a live screen on a terminal, plain lines elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from rich.box import ROUNDED
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from vivavoce.clock import NS_PER_MS, Clock, SystemClock
from vivavoce.translate.events import Notice

REFRESH_MS = 100
WIDE = 100
TEXT_LINES = 5
LEAST_TEXT_LINES = 2
NOTICE_LINES = 3
# A share of the cap: below the first it is well, below the second it is near.
WELL, NEAR = 0.85, 1.0
# A full stop ends a sentence where a space follows it, or the end: text grows by whole words.
_SENTENCE = re.compile(r".+?[.!?…]+[\"')»”]*(?=\s|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class StageBar:
    """A stage of the contract: its last value and its p95, None while unknown; `cap_ms` None where nothing caps it."""

    name: str
    last_ms: float | None
    p95_ms: float | None
    target_ms: float
    cap_ms: float | None

    @property
    def scale_ms(self) -> float:
        """What a full bar stands for."""
        return self.cap_ms or 1.5 * self.target_ms or 1.0

    @property
    def colour(self) -> str:
        worst = self.p95_ms if self.p95_ms is not None else self.last_ms
        if worst is None:
            return "bright_black"
        share = worst / self.scale_ms
        return "green" if share <= WELL else "yellow" if share <= NEAR else "red"


@dataclass(frozen=True, slots=True)
class ScreenState:
    """All that is shown. Texts grow at their end, or start afresh with a new `utterance`; the tail may still change."""

    utterance: int = 0
    source_committed: str = ""
    source_tail: str = ""
    target_spoken: str = ""
    position_ms: float = 0.0
    duration_ms: float | None = None
    dub_state: str = "waiting"
    behind_ms: float = 0.0
    notices: tuple[Notice, ...] = ()
    stages: tuple[StageBar, ...] = ()


class Screen:
    """Shows states as they come, at most ten a second; off a terminal, sentences as they are settled.

    A context manager: on leaving, the last state is shown. `source` and `target` name the languages.
    """

    def __init__(
        self, console: Console | None = None, *, source: str = "", target: str = "", clock: Clock | None = None
    ) -> None:
        self._console = console or Console()
        self._names = (source or "spoken", target or "dub")
        self._clock = clock or SystemClock()
        self._state = ScreenState()
        self._shown: ScreenState | None = None
        self._next_ns = 0
        self._live: Live | None = None
        self._lines = tuple(_Lines() for _ in self._names)
        self._notices: tuple[Notice, ...] = ()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, get_renderable=self._render)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            return
        for name, lines in zip(self._names, self._lines, strict=True):
            self._print(name, lines.rest())

    @property
    def due(self) -> bool:
        """Whether an update would be shown now, for callers to whom a state costs something to build."""
        return self._live is None or self._clock.now_ns() >= self._next_ns

    def update(self, state: ScreenState) -> None:
        """Show this state, now or with the next refresh."""
        self._state = state
        if self._live is None:
            self._print_news(state)
        elif self.due and state != self._shown:
            self._next_ns = self._clock.now_ns() + REFRESH_MS * NS_PER_MS
            self._shown = state
            self._live.refresh()

    def _render(self) -> RenderableType:
        return _Picture(self._state, *self._names)

    def _print_news(self, state: ScreenState) -> None:
        texts = (state.source_committed, state.target_spoken)
        for name, lines, text in zip(self._names, self._lines, texts, strict=True):
            for line in lines.take(text, state.utterance):
                self._print(name, line)
        for notice in state.notices:
            if notice not in self._notices:
                self._print("note", notice.text)
        self._notices = state.notices

    def _print(self, name: str, line: str) -> None:
        if line:
            self._console.print(f"{name}: {line}", markup=False, highlight=False, soft_wrap=True)


class _Lines:
    """Cuts a text that grows into whole sentences."""

    def __init__(self) -> None:
        self._text = ""
        self._printed = 0
        self._utterance = 0

    def take(self, text: str, utterance: int) -> list[str]:
        """The sentences that are new and whole; when the text starts afresh, the rest of the old one first."""
        lines = []
        if utterance != self._utterance:
            lines.append(self.rest())
            self._utterance, self._printed = utterance, 0
        self._text = text
        for sentence in _SENTENCE.finditer(text, self._printed):
            lines.append(sentence.group().strip())
            self._printed = sentence.end()
        return lines

    def rest(self) -> str:
        """What is left of a text that ends without a full stop."""
        rest, self._printed = self._text[self._printed :].strip(), len(self._text)
        return rest


@dataclass(frozen=True, slots=True)
class _Picture:
    """A state as a picture of the terminal's width."""

    state: ScreenState
    source: str
    target: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        state, width = self.state, options.max_width
        wide = width >= WIDE
        frames = 3 if wide else 5
        notices = state.notices[-NOTICE_LINES:]
        bars = state.stages
        lines = self._text_lines(console.height - frames - len(bars) - len(notices) - 2, wide)
        if lines < LEAST_TEXT_LINES:  # a low terminal: what was said matters more than how long each part took
            bars, notices = tuple(bar for bar in bars if bar.name == "heard"), notices[-1:]
            lines = self._text_lines(console.height - frames - len(bars) - len(notices) - 2, wide)
        inside = (width - 1) // 2 - 4 if wide else width - 4
        texts = (
            _text_panel(console, self.source, state.source_committed, state.source_tail, inside, lines, "cyan"),
            _text_panel(console, self.target, state.target_spoken, "", inside, lines, "magenta"),
        )
        parts: list[RenderableType] = [_status(state, width)]
        if wide:
            row = Table.grid(expand=True, padding=(0, 1, 0, 0), pad_edge=False)
            row.add_column(ratio=1)
            row.add_column(ratio=1)
            row.add_row(*texts)
            parts.append(row)
        else:
            parts.extend(texts)
        if bars:
            parts.append(_stages(bars))
        if len(bars) > 1:
            parts.append(Text("a full bar is the cap, ╎ the target, ┃ the p95 ", "bright_black", justify="right"))
        parts.extend(Text(f" • {notice.text}", "yellow", no_wrap=True, overflow="ellipsis") for notice in notices)
        yield Group(*parts)

    def _text_lines(self, spare: int, wide: bool) -> int:
        return max(1, min(TEXT_LINES, spare if wide else spare // 2))


def _status(state: ScreenState, width: int) -> RenderableType:
    left = Text.assemble((" ▶ " if state.duration_ms else " ● ", "bold green" if state.duration_ms else "bold red"))
    left.append(_time(state.position_ms))
    if state.duration_ms:
        left.append(f" / {_time(state.duration_ms)} ", "bright_black")
        left.append_text(_progress(state.position_ms / state.duration_ms, max(0, min(24, width // 2 - 24))))
    right = Text.assemble(("AI dub ", "bold"), (state.dub_state, "bold magenta" if state.dub_state else ""))
    if state.behind_ms >= 1000:
        right.append(f"  behind by {state.behind_ms / 1000:.1f} s")
    elif state.behind_ms > 0:
        right.append(f"  behind by {state.behind_ms:.0f} ms")
    row = Table.grid(expand=True)
    row.add_column(no_wrap=True)
    row.add_column(justify="right", no_wrap=True)
    row.add_row(left, right + Text(" "))
    return row


def _time(ms: float) -> str:
    minutes, seconds = divmod(int(ms // 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _progress(share: float, width: int) -> Text:
    full = round(width * min(1.0, max(0.0, share)))
    return Text.assemble(("━" * full, "green"), ("━" * (width - full), "bright_black"))


def _text_panel(
    console: Console, title: str, settled: str, tail: str, width: int, lines: int, colour: str
) -> RenderableType:
    """The end of a text that fits: settled words plain, words that may change dim and marked."""
    room = 2 * lines * width
    text = Text(settled[-room:].partition(" ")[2] if len(settled) > room else settled)
    if tail:
        text.append(f"{' ' if settled else ''}{tail} …", "dim italic")
    wrapped = list(text.wrap(console, max(8, width)))[-lines:]
    shown = Text("\n").join([*wrapped, *(Text() for _ in range(lines - len(wrapped)))])
    return Panel(shown, title=Text(title, colour), title_align="left", box=ROUNDED, border_style="bright_black")


def _stages(stages: tuple[StageBar, ...]) -> RenderableType:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(width=9, no_wrap=True)
    table.add_column(width=8, no_wrap=True, justify="right")
    table.add_column(ratio=1)
    table.add_column(width=15, no_wrap=True, justify="right")
    for stage in stages:
        style = "bold" if stage.name == "heard" else ""
        last = "–" if stage.last_ms is None else f"{stage.last_ms:.0f} ms"
        p95 = "p95 –" if stage.p95_ms is None else f"p95 {stage.p95_ms:.0f}"
        bound = f"{stage.cap_ms:.0f}" if stage.cap_ms is not None else "–"
        figures = Text.assemble((p95, stage.colour), (f" / {bound}", "bright_black"))
        table.add_row(Text(f" {stage.name}", style), Text(last, style), _Bar(stage), figures)
    return table


@dataclass(frozen=True, slots=True)
class _Bar:
    """A bar that is full at the cap: filled up to the last value, ┃ at the p95, ╎ at the target."""

    stage: StageBar

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, stage = max(4, options.max_width), self.stage
        filled = self._place(stage.last_ms or 0.0, width)
        cells = [("━", stage.colour)] * filled + [("─", "bright_black")] * (width - filled)
        for value, mark, style in ((stage.target_ms, "╎", "white"), (stage.p95_ms, "┃", f"bold {stage.colour}")):
            if value:
                cells[max(0, self._place(value, width) - 1)] = (mark, style)
        for (cell, style), run in groupby(cells):
            yield Segment(cell * len(list(run)), Style.parse(style))

    def _place(self, value: float, width: int) -> int:
        return round(width * min(1.0, max(0.0, value / self.stage.scale_ms)))
