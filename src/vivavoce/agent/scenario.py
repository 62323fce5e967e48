"""What a rehearsed caller says, and where the agent must be afterwards: a YAML list.

- say: I would like to book an appointment.
  expect: what
- clip: recordings/haircut.wav
  over_s: 0.5
  expect: when
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from vivavoce.agent.heard import Utterance
from vivavoce.agent.script import Script
from vivavoce.errors import ScriptError

_CORRECT = "a scenario is a list of say or clip, each with expect where it matters"


class Part(BaseModel):
    """Text to be synthesised, or a recording, said after `after_s` of the agent's silence, or over what it says,
    `over_s` after it began to; `expect` is the state that the agent answers in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    say: str | None = None
    clip: Path | None = None
    after_s: Annotated[float | None, Field(ge=0)] = None
    over_s: Annotated[float | None, Field(ge=0)] = None
    expect: str | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Part:
        if (self.say is None) == (self.clip is None):
            raise ValueError("either say or clip")
        if self.after_s is not None and self.over_s is not None:
            raise ValueError("either after_s or over_s")
        return self


_PARTS = TypeAdapter(Annotated[list[Part], Field(min_length=1)])


def load_scenario(path: Path, script: Script) -> list[Part]:
    """Clips are looked for beside the file; one that is no YAML is a recording, said as it is. Raises ScriptError."""
    if path.suffix.lower() not in (".yaml", ".yml"):
        return [Part(clip=path)]
    try:
        given = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        parts = _PARTS.validate_python(given)
    except (OSError, UnicodeDecodeError, YAMLError, RecursionError) as error:
        raise ScriptError(f"{path}: {error}", hint=_CORRECT) from error
    except ValidationError as error:
        reasons = [f"{path}: {'.'.join(map(str, item['loc'])) or 'it'}: {item['msg']}" for item in error.errors()]
        raise ScriptError("\n".join(reasons), hint=_CORRECT) from error
    for n, part in enumerate(parts):
        if part.expect is not None and part.expect not in script.states:
            raise ScriptError(f"{path}: {n}.expect: there is no state {part.expect!r}", hint=_CORRECT)
    return [part.model_copy(update={"clip": path.parent / part.clip}) if part.clip else part for part in parts]


def unmet(parts: Sequence[Part], history: Sequence[Utterance]) -> list[str]:
    """Which expectations were not met, in words; the agent's turns are counted, however often it was spoken to."""
    found: list[str] = []
    answers = _answers(history)
    for n, part in enumerate(parts):
        if part.expect is None:
            continue
        state = answers[n] if n < len(answers) else None
        if state != part.expect:
            was = f"was in {state}" if state else "did not answer"
            found.append(f"after “{part.say or part.clip}” the agent {was}: expected {part.expect}")
    return found


def _answers(history: Sequence[Utterance]) -> list[str]:
    """The state of the agent's last line before the caller's next turn, for every turn of the caller's."""
    answers: list[str] = []
    for before, one in zip([None, *history], history, strict=False):
        if one.who == "agent" and before is not None:
            if before.who == "caller":
                answers.append(one.state)
            elif answers:
                answers[-1] = one.state
    return answers
