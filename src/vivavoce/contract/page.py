"""The contract on one page: what each stage owes, what it took, and what is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vivavoce.contract.figures import Measured
from vivavoce.contract.profile import PATH, Profile, Stage, critical_path, path_text


@dataclass(frozen=True, slots=True)
class BudgetRow:
    stage: Stage
    target_ms: float
    cap_ms: float | None
    measured: Measured | None = None

    @property
    def headroom_ms(self) -> float | None:
        """What is left below the cap by the measured p95, or by the target while nothing is measured."""
        if self.cap_ms is None:
            return None
        return self.cap_ms - (self.measured.p95 if self.measured else self.target_ms)

    def to_json(self) -> dict[str, Any]:
        start, end = self.stage.ends
        return {
            "from": start,
            "to": end,
            "target": self.target_ms,
            "cap": self.cap_ms,
            **(asdict(self.measured) if self.measured else {"p50": None, "p95": None}),
            "headroom": self.headroom_ms,
        }


@dataclass(frozen=True, slots=True)
class BudgetPage:
    """A profile beside measurements; `source` says where those come from. Printable on a rich console."""

    profile: Profile
    measured: Mapping[Stage, Measured] = field(default_factory=dict)
    source: str = ""
    added_delay_ms: float = 0.0

    @property
    def rows(self) -> tuple[BudgetRow, ...]:
        return tuple(
            BudgetRow(stage, budget.target_ms, budget.cap_ms, self.measured.get(stage))
            for stage in Stage
            for budget in (self.profile.stages[stage],)
        )

    @property
    def _measured_p50(self) -> dict[Stage, float] | None:
        """A value for every stage of the path, or None: a path with a hole in it says nothing."""
        if any(stage not in self.measured for stage in PATH):
            return None
        return {stage: self.measured[stage].p50 for stage in PATH}

    def to_json(self) -> dict[str, Any]:
        """The page as figures, which `measured_stages` reads back; all in milliseconds."""
        p50 = self._measured_p50
        rows = {str(row.stage): row.to_json() for row in self.rows}
        heard = rows.pop(Stage.HEARD)
        return {
            "profile": self.profile.name,
            "source": self.source or None,
            "added_delay_ms": self.added_delay_ms,
            "stages": rows,
            "heard_ms": heard,
            "path_target_ms": critical_path(self.profile.targets, added_delay_ms=self.added_delay_ms),
            "path_measured_p50_ms": p50 and critical_path(p50, added_delay_ms=self.added_delay_ms),
        }

    def __rich__(self) -> RenderableType:
        table = Table(
            title=f"Latency contract, profile {self.profile.name} (ms)", title_justify="left", box=SIMPLE_HEAD
        )
        table.add_column("stage")
        table.add_column("from → to")
        for heading in ("target", "cap", "p50 / p95", "n", "headroom"):
            table.add_column(heading, justify="right")
        for row in self.rows:
            if row.stage is Stage.HEARD:
                table.add_section()
            table.add_row(
                str(row.stage),
                " → ".join(row.stage.ends),
                f"{row.target_ms:.0f}",
                _number(row.cap_ms),
                _measured_cell(row.measured),
                _number(row.measured.n if row.measured else None),
                _headroom_cell(row),
                style="bold" if row.stage is Stage.HEARD else "",
            )
        lines = [f"critical path of the targets: {path_text(self.profile.targets, added_delay_ms=self.added_delay_ms)}"]
        if p50 := self._measured_p50:
            lines.append(f"critical path, measured p50:  {path_text(p50, added_delay_ms=self.added_delay_ms)}")
        lines.append(
            "target is owed at p50, cap at p95; headroom is the cap less the measured p95"
            + ("" if self.measured else ", here less the target")
        )
        lines.append(f"measured: {self.source}" if self.source else "not measured")
        return Group(table, *(Text(line) for line in lines))


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.0f}"


def _measured_cell(measured: Measured | None) -> str:
    if measured is None:
        return "not measured"
    interval = measured.p95_interval
    spread = f" ({interval[0]:.0f}-{interval[1]:.0f})" if interval else ""
    return f"{measured.p50:.0f} / {measured.p95:.0f}{spread}"


def _headroom_cell(row: BudgetRow) -> Text:
    headroom_ms = row.headroom_ms
    style = "dim" if row.measured is None else "red" if headroom_ms is not None and headroom_ms < 0 else "green"
    return Text(_number(headroom_ms), style=style)
