"""From a YAML file to a script, or a refusal that names file, key and reason."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from vivavoce.agent.check import flaws
from vivavoce.agent.script import Script
from vivavoce.errors import ScriptError

_CORRECT = "correct the script and run `vivavoce agent check` on it"
_LARGEST_BYTES = 1 << 20


def load_script(path: Path) -> Script:
    """Raises ScriptError with all that is wrong, a line each."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ScriptError(f"{path}: larger than 1 MiB", hint="a script is a page or two of text")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ScriptError(f"{path}: not UTF-8 text at byte {error.start}", hint=_CORRECT) from error
    except OSError as error:
        raise ScriptError(f"{path}: {error.strerror}", hint="name a script that can be read") from error
    return read_script(text, name=str(path))


def read_script(text: str, *, name: str = "script") -> Script:
    """The same from text. Raises ScriptError."""
    try:
        given = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ScriptError(f"{name}: {error.problem}{where}", hint=_CORRECT) from error
    except (YAMLError, RecursionError) as error:
        raise ScriptError(f"{name}: no YAML: {error}", hint=_CORRECT) from error
    if not isinstance(given, dict):
        raise ScriptError(f"{name}: a script is a table of name, start, slots and states", hint=_CORRECT)
    try:
        script = Script.model_validate(given)
    except ValidationError as error:
        reasons = [f"{name}: {'.'.join(map(str, item['loc']))}: {_said(item['msg'])}" for item in error.errors()]
        raise ScriptError("\n".join(reasons), hint=_CORRECT) from error
    if found := flaws(script):
        raise ScriptError("\n".join(f"{name}: {flaw}" for flaw in found), hint=_CORRECT)
    return script


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")
