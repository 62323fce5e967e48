"""Drawings as SVG files that are readable on light and on dark paper: the frame around them, and their text."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

STYLE: Final = """
svg { font: 13px system-ui, sans-serif; --paper: #fcfcfb; --ink: #1c1c1a; --dim: #63625c; --grid: #dddcd6; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #1a1a19; --ink: #f2f1ec; --dim: #aaa9a1; --grid: #45443f; }
}
.paper { fill: var(--paper); } text { fill: var(--ink); } .dim { fill: var(--dim); }
.title { font-weight: 600; font-size: 15px; } .middle { text-anchor: middle; } .end { text-anchor: end; }
"""


def frame(parts: Iterable[str], *, width: float, height: float, about: str, style: str) -> str:
    """A whole file; `style` is CSS beyond `STYLE`, `about` is for who cannot see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(about)}">\n<style>{STYLE}{style.lstrip()}</style>\n'
        f'<rect width="{width}" height="{height}" class="paper"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def text(x: float, y: float, said: str, kind: str = "", *, whole: str = "") -> str:
    """A line of text of the classes `kind`; `whole` is shown where a pointer rests on what was cut."""
    title = f"<title>{escape(whole)}</title>" if whole and whole != said else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind.strip()}">{escape(said)}{title}</text>'
