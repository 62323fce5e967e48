"""One version of a prompt for translation: a template, and the messages that come of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Final

from vivavoce.errors import ConfigError

CONTEXT_CLAUSES: Final = 6
"""The last of the clauses before that are told."""
_ALWAYS: Final = frozenset({"source", "target"})
_AT_TIMES: Final = frozenset({"context", "terms"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """`system` is the template of the system's message; the user's message is the clause.

    It has the fields `{source}` and `{target}`, codes of languages, and may have `{context}`, what was said before, and
    `{terms}`, locked terms as `term = rendering; …`. A line with one of these two is left out where there is none.
    Raises ConfigError for another field, and for a template that does not say into which language.
    """

    version: str
    system: str

    def __post_init__(self) -> None:
        try:
            fields = _fields(self.system)
        except ValueError as error:
            raise ConfigError(f"the prompt {self.version} is no template: {error}") from error
        if unknown := fields - _ALWAYS - _AT_TIMES:
            raise ConfigError(f"the prompt {self.version} has the unknown field {{{min(unknown)}}}")
        if missing := _ALWAYS - fields:
            raise ConfigError(f"the prompt {self.version} lacks the field {{{min(missing)}}}")

    @property
    def hash(self) -> str:
        """SHA-256 of the template."""
        return hashlib.sha256(self.system.encode()).hexdigest()

    def messages(
        self,
        text: str,
        *,
        source: str,
        target: str,
        context: Sequence[str] = (),
        terms: Mapping[str, str] | None = None,
    ) -> list[dict[str, str]]:
        """What asks a chat endpoint for a clause's translation."""
        given = {
            "source": source,
            "target": target,
            "context": _line(context[-CONTEXT_CLAUSES:]),
            "terms": "; ".join(f"{_line([term])} = {_line([rendering])}" for term, rendering in (terms or {}).items()),
        }
        told = _ALWAYS | {name for name in _AT_TIMES if given[name]}
        lines = [line.format(**given) for line in self.system.splitlines() if _fields(line) <= told]
        return [{"role": "system", "content": "\n".join(lines)}, {"role": "user", "content": text}]


def _fields(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def _line(texts: Iterable[str]) -> str:
    """In one line, for a line of the template is an instruction of ours and what is said is none."""
    return " ".join(" ".join(texts).split())
