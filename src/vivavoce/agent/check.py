"""What can be wrong with a script as a whole: names, ways and values, found before anybody calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vivavoce.agent.script import Prompt, Script, State, Transition
from vivavoce.agent.templates import Template
from vivavoce.agent.words import WORDS


@dataclass(frozen=True, slots=True)
class Flaw:
    """`path` is the key in the file: `states.greeting.go.2.to`."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def flaws(script: Script) -> list[Flaw]:
    """All that is wrong, in the order of the file; the ways are only followed where every name is known."""
    found = [*_unknown_language(script), *_unknown_states(script), *_unknown_slots(script), *_ambiguous(script)]
    if not found:
        found = [*_unreachable(script), *_dead_ends(script), *_silent_circles(script), *_unfilled(script)]
    return found


def ways(script: Script, state: str) -> Iterator[tuple[str, str]]:
    """Each state that may follow, and the key that says so."""
    of = script.states[state]
    for n, way in enumerate(of.go):
        yield way.to, f"go.{n}.to"
    if of.request:
        yield of.request.failed, "request.failed"
    if of.listens:
        for name, prompt in (("silence", script.silence_of(state)), ("unclear", script.unclear_of(state))):
            if prompt.to:
                yield prompt.to, f"{name}.to"
        if script.person and state != script.person:
            yield script.person, "person"


def _unknown_language(script: Script) -> Iterator[Flaw]:
    if script.language not in WORDS:
        yield Flaw("language", f"nobody here understands {script.language!r}, only {', '.join(WORDS)}")


def _unknown_states(script: Script) -> Iterator[Flaw]:
    def unknown(path: str, name: str | None) -> Iterator[Flaw]:
        if name is not None and name not in script.states:
            yield Flaw(path, f"there is no state {name!r}")

    yield from unknown("start", script.start)
    yield from unknown("person", script.person)
    yield from unknown("silence.to", script.silence.to)
    yield from unknown("unclear.to", script.unclear.to)
    for name, state in script.states.items():
        for n, way in enumerate(state.go):
            yield from unknown(f"states.{name}.go.{n}.to", way.to)
        for key, prompt in (("silence", state.silence), ("unclear", state.unclear)):
            yield from unknown(f"states.{name}.{key}.to", prompt.to if prompt else None)
        yield from unknown(f"states.{name}.request.failed", state.request.failed if state.request else None)


def _unknown_slots(script: Script) -> Iterator[Flaw]:
    for path, names in _mentioned(script):
        for name in names:
            if name not in script.slots:
                yield Flaw(path, f"there is no slot {name!r}")


def _mentioned(script: Script) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield from _lines("silence.say", script.silence.say)
    yield from _lines("unclear.say", script.unclear.say)
    for name, slot in script.slots.items():
        yield from _lines(f"slots.{name}.ask", slot.ask)
    for name, state in script.states.items():
        at = f"states.{name}"
        yield from _lines(f"{at}.say", state.say)
        yield f"{at}.fill", state.fill
        for n, way in enumerate(state.go):
            yield f"{at}.go.{n}.forget", way.forget
            if way.when:
                yield f"{at}.go.{n}.when", tuple(sorted(way.when.slots))
        for key, prompt in (("silence", state.silence), ("unclear", state.unclear)):
            yield from _lines(f"{at}.{key}.say", prompt.say if prompt else ())
        if request := state.request:
            yield from _lines(f"{at}.request.url", (request.url,))
            for key, line in request.send.items():
                yield from _lines(f"{at}.request.send.{key}", (line,))
            yield f"{at}.request.fill", tuple(request.fill)


def _lines(path: str, lines: tuple[Template, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for n, line in enumerate(lines):
        yield path if len(lines) == 1 else f"{path}.{n}", line.slots


def _ambiguous(script: Script) -> Iterator[Flaw]:
    for name, state in script.states.items():
        at = f"states.{name}.go"
        said: dict[str, int] = {}
        open_way: int | None = None
        conditions: dict[str, int] = {}
        for n, way in enumerate(state.go):
            for text in way.said:
                other = said.setdefault(normalised(text), n)
                if other != n and _may_both_hold(state.go[other], way):
                    yield Flaw(f"{at}.{n}.said", f"{text!r} leads to {state.go[other].to!r}, too")
            if way.said:
                continue
            if open_way is not None:
                yield Flaw(f"{at}.{n}", f"it is never taken: go.{open_way} before it always is")
            if way.when is None:
                open_way = n if open_way is None else open_way
            elif (other := conditions.setdefault(way.when.text, n)) != n:
                yield Flaw(f"{at}.{n}.when", f"{way.when} leads to {state.go[other].to!r}, too")


def _may_both_hold(one: Transition, other: Transition) -> bool:
    return one.when is None or other.when is None or one.when == other.when


def normalised(text: str) -> str:
    """What is said without case and marks."""
    return " ".join("".join(c if c.isalnum() or c in "'" else " " for c in text.casefold()).split())


def _unreachable(script: Script) -> Iterator[Flaw]:
    seen, waiting = {script.start}, [script.start]
    while waiting:
        for to, _ in ways(script, waiting.pop()):
            if to not in seen:
                seen.add(to)
                waiting.append(to)
    for name in script.states:
        if name not in seen:
            yield Flaw(f"states.{name}", f"no way leads here from {script.start!r}")


def _dead_ends(script: Script) -> Iterator[Flaw]:
    """A caller who answers must come to an end; to be silent until one is hung up is none."""
    ending = {name for name, state in script.states.items() if state.is_final}
    grown = True
    while grown:
        more = {name for name, state in script.states.items() if any(way.to in ending for way in state.go)} - ending
        ending |= more
        grown = bool(more)
    for name, state in script.states.items():
        if name not in ending:
            why = "its ways lead to no end" if state.go else "it has no way out, and neither hangs up nor transfers"
            yield Flaw(f"states.{name}", why)


def _silent_circles(script: Script) -> Iterator[Flaw]:
    """States that do not listen must not lead into each other for ever, and must always have a way."""
    for name, state in script.states.items():
        if state.listens or not state.go:
            continue
        if state.go[-1].when is not None:
            yield Flaw(f"states.{name}.go", "it does not listen: its last way must have no condition")
        seen, at = set(), [name]
        while at:
            for way in script.states[at.pop()].go:
                next_state = script.states[way.to]
                if way.to == name:
                    yield Flaw(f"states.{name}", "it leads back to itself, and nobody listens on the way")
                    at = []
                    break
                if not next_state.listens and way.to not in seen:
                    seen.add(way.to)
                    at.append(way.to)


def _unfilled(script: Script) -> Iterator[Flaw]:
    """What a line says must be known on every way to it."""
    known: dict[str, frozenset[str]] = {script.start: frozenset()}
    waiting = [script.start]
    while waiting:
        name = waiting.pop()
        for to, after in _known_after(script, name, known[name]):
            before = known.get(to)
            now = after if before is None else before & after
            if now != before:
                known[to] = now
                waiting.append(to)
    for name, state in script.states.items():
        for path, slots in _said_in(script, name, state):
            for slot in slots:
                if slot not in known[name]:
                    yield Flaw(path, f"{slot!r} is not known on every way to {name!r}")


def _known_after(script: Script, name: str, before: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    state = script.states[name]
    answered = before | (frozenset(state.request.fill) if state.request else frozenset())
    for way in state.go:
        yield way.to, (answered | (way.when.sure if way.when else frozenset())) - frozenset(way.forget)
    for to, key in ways(script, name):
        if not key.startswith("go."):
            yield to, before


def _said_in(script: Script, name: str, state: State) -> Iterator[tuple[str, tuple[str, ...]]]:
    at = f"states.{name}"
    yield from _lines(f"{at}.say", state.say)
    for slot in state.fill:
        yield from _lines(f"slots.{slot}.ask", script.slots[slot].ask)
    prompts: list[tuple[str, Prompt]] = []
    if state.listens:
        prompts = [("silence", script.silence_of(name)), ("unclear", script.unclear_of(name))]
    for key, prompt in prompts:
        yield from _lines(f"{at}.{key}.say", prompt.say)
    if state.request:
        yield from _lines(f"{at}.request.url", (state.request.url,))
        for key, line in state.request.send.items():
            yield from _lines(f"{at}.request.send.{key}", (line,))
