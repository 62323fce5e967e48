"""A script as a picture: Mermaid's state diagram."""

from __future__ import annotations

from collections.abc import Iterator

from vivavoce.agent.script import Script, Transition

_LONGEST = 40


def mermaid(script: Script) -> str:
    """Text that GitHub and mermaid.live draw."""
    return "\n".join(_lines(script)) + "\n"


def _lines(script: Script) -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"    [*] --> {_id(script.start)}"
    for name, state in script.states.items():
        yield f"    state {_quoted(_titled(script, name))} as {_id(name)}"
        for way in state.go:
            yield f"    {_id(name)} --> {_id(way.to)}: {_label(way)}"
        if state.request:
            yield f"    {_id(name)} --> {_id(state.request.failed)}: request failed"
        for word, prompt in (("silence", state.silence), ("not understood", state.unclear)):
            if prompt and prompt.to:
                yield f"    {_id(name)} --> {_id(prompt.to)}: {word} ({prompt.times})"
        if state.is_final:
            yield f"    {_id(name)} --> [*]: {'hang up' if state.hang_up else 'transfer'}"


def _titled(script: Script, name: str) -> str:
    fill = script.states[name].fill
    return f"{name} ({', '.join(fill)})" if fill else name


def _label(way: Transition) -> str:
    said = f"“{_short(way.said[0])}”" + (" …" if len(way.said) > 1 else "") if way.said else ""
    when = f"[{way.when}]" if way.when else ""
    return " ".join(part for part in (said, when) if part).replace(":", "∶") or "then"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _id(name: str) -> str:
    return "s_" + "".join(c if c.isalnum() and c.isascii() else f"_{ord(c):x}_" for c in name)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', "'") + '"'
