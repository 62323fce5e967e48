"""The p95 of stages that the last evaluation on this machine found, kept in the user's state folder: numbers only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from vivavoce.folders import keep_state, state_dir

FILE_NAME: Final = "evaluated.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """`p95_ms` is by stage of the contract, heard included; `run` names the evaluation.

    It is of these settings, `engines` by leg (where there were several, by commas) and `pairs` like "en-pt"; none of
    these where it is not known which.
    """

    run: str
    at_ms: int
    p95_ms: Mapping[str, float]
    config_hash: str
    engines: Mapping[str, str]
    pairs: tuple[str, ...]

    def is_like(self, *, config_hash: str, pairs: Iterable[str]) -> bool:
        """Whether sessions of these settings and pairs are comparable; "auto-pt" is from any language."""
        targets = {pair.partition("-")[2] for pair in self.pairs}

        def known(pair: str) -> bool:
            source, _, target = pair.partition("-")
            return pair in self.pairs or (source == "auto" and target in targets)

        return config_hash == self.config_hash and (not self.pairs or all(map(known, pairs)))


_ADAPTER: TypeAdapter[Evaluated] = TypeAdapter(Evaluated)


def save_evaluated(evaluated: Evaluated, *, folder: Path | None = None) -> Path:
    """Replace what the last evaluation left, in one step; returns the file. Raises OutputError when it cannot."""
    return keep_state((folder or state_dir()) / FILE_NAME, _ADAPTER.dump_json(evaluated, indent=2))


def load_evaluated(*, folder: Path | None = None) -> Evaluated | None:
    """What the last evaluation left; None when there was none or its file cannot be read as one."""
    try:
        return _ADAPTER.validate_json(((folder or state_dir()) / FILE_NAME).read_bytes())
    except (OSError, ValidationError):
        return None
