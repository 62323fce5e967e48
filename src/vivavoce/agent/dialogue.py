"""A dialogue after a script, without I/O and without time: what was said goes in, what to say and do comes out.

A `Moment` is all that a dialogue knows, and never changes: the next one is made from it. So a turn can be thought ahead
and dropped, and a moment can be stored. Whatever a policy chooses, only what the moment's state allows is done.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from vivavoce.agent.conditions import SlotValue
from vivavoce.agent.heard import Utterance
from vivavoce.agent.script import Prompt, Request, Script, Slot, State, Transition
from vivavoce.agent.speaking import spoken, written
from vivavoce.agent.templates import Template

_MOST_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """What is to be said. `fixed` is a line without slots, which can be synthesised ahead."""

    text: str
    fixed: bool


@dataclass(frozen=True, slots=True)
class Fetch:
    """An HTTP call to be made; its answer goes to `Dialogue.answer`."""

    url: str
    method: str
    send: Mapping[str, str]
    fill: Mapping[str, str]
    timeout_s: float

    def values(self, answer: object) -> dict[str, SlotValue] | None:
        """What an answer fills, or None where it is not an object with all that is expected."""
        if not isinstance(answer, dict):
            return None
        values = {slot: _value(answer.get(key)) for slot, key in self.fill.items()}
        known = {slot: value for slot, value in values.items() if value is not None}
        return known if len(known) == len(values) else None


@dataclass(frozen=True, slots=True)
class Transfer:
    to: str


@dataclass(frozen=True, slots=True)
class HangUp:
    pass


Action = Fetch | Transfer | HangUp


@dataclass(frozen=True, slots=True)
class Moment:
    """`silent` and `unclear` count how often in a row nothing was said or understood, `visits` arrivals at a state."""

    state: str
    values: Mapping[str, SlotValue] = field(default_factory=dict)
    silent: int = 0
    unclear: int = 0
    visits: Mapping[str, int] = field(default_factory=dict)
    over: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What a policy understood: values of slots, the way that was meant, a wish for a person, or nothing of it.

    `likeness` is how near that is to what is expected: 1 for a value or an example, None where anything can be meant.
    """

    values: Mapping[str, SlotValue] = field(default_factory=dict)
    way: int | None = None
    person: bool = False
    why: str = ""
    likeness: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Where the dialogue is now, what it says on the way there, what it does, and why."""

    moment: Moment
    lines: tuple[Line, ...] = ()
    action: Action | None = None
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a policy may choose from at a moment: slots that may be filled, and ways by their number.

    `said` is the conversation so far, as it was heard.
    """

    state: str
    slots: Mapping[str, Slot]
    ways: Mapping[int, Transition]
    missing: str | None
    person: bool
    said: Sequence[Utterance] = ()


class Dialogue:
    """The rules of one script."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def begin(self) -> Step:
        return self._arrive(Moment(self.script.start), self.script.start, ["it begins"])

    def allowed(self, moment: Moment, *, said: Sequence[Utterance] = ()) -> Allowed:
        state = self._state(moment)
        return Allowed(
            state=moment.state,
            slots={name: self.script.slots[name] for name in state.fill},
            ways={n: way for n, way in enumerate(state.go) if way.said},
            missing=self._missing(state, moment.values),
            person=self.script.person is not None and moment.state != self.script.person,
            said=tuple(said),
        )

    def hear(self, moment: Moment, choice: Choice, *, cut: bool = False) -> Step:
        """Go on after something was said; `cut` tells that it was said over our last line.

        Who did not hear a question is asked again, and is not to blame for an answer that does not fit it.
        """
        if moment.over:
            return Step(moment)
        state, allowed = self._state(moment), self.allowed(moment)
        why = [choice.why] if choice.why else []
        if choice.person and allowed.person and self.script.person is not None:
            return self._arrive(moment, self.script.person, [*why, "a person is wanted"])
        values = {name: value for name, value in choice.values.items() if name in allowed.slots}
        why += [f"{name} = {spoken(value, self.script.language)}" for name, value in values.items()]
        heard = replace(moment, values={**moment.values, **values}, silent=0)
        for n, way in enumerate(state.go):
            meant = n == choice.way if way.said else bool(values) or not allowed.slots
            if meant and self._holds(way, heard):
                return self._arrive(_without(heard, way), way.to, [*why, self._reason(n, way)])
        if values:
            missing = self._missing(state, heard.values)
            asked = self._line(self.script.slots[missing].ask or state.say, heard) if missing else None
            return Step(replace(heard, unclear=0), (asked,) if asked else (), None, (*why, f"{missing} is missing"))
        if cut:
            return self._ask(heard, [*why, "not understood, over our line"], heard.unclear)
        heard = replace(heard, unclear=heard.unclear + 1)
        return self._again(heard, heard.unclear, self.script.unclear_of(moment.state), [*why, "not understood"])

    def silence(self, moment: Moment) -> Step:
        """Go on after nothing was said for the state's time."""
        if moment.over:
            return Step(moment)
        moment = replace(moment, silent=moment.silent + 1)
        return self._again(moment, moment.silent, self.script.silence_of(moment.state), ["nothing was said"])

    def answer(self, moment: Moment, values: Mapping[str, SlotValue] | None) -> Step:
        """Go on after a request: with what it filled, or None where it failed."""
        request = self._state(moment).request
        if moment.over or request is None:
            return Step(moment)
        if values is None:
            return self._arrive(moment, request.failed, ["the request failed"])
        known = {name: value for name, value in values.items() if name in request.fill}
        return self._leave(replace(moment, values={**moment.values, **known}), ["the request was answered"])

    def _arrive(self, moment: Moment, to: str, why: list[str]) -> Step:
        """Enter a state, and those that it leads to without listening."""
        lines: list[Line] = []
        for _ in range(_MOST_STEPS):
            state = self.script.states[to]
            visits = {**moment.visits, to: moment.visits.get(to, 0) + 1}
            moment = replace(moment, state=to, silent=0, unclear=0, visits=visits)
            why.append(f"→ {to}")
            asked_in_vain = bool(state.fill) and not self._missing(state, moment.values)
            if not asked_in_vain and (line := self._line(state.say, moment)):
                lines.append(line)
            if state.is_final:
                action: Action = Transfer(state.transfer) if state.transfer is not None else HangUp()
                return Step(replace(moment, over=True), tuple(lines), action, tuple(why))
            if state.request:
                return Step(moment, tuple(lines), self._fetch(state.request, moment), tuple(why))
            way = self._open_way(state, moment)
            if way is None:
                return Step(moment, tuple(lines), None, tuple(why))
            moment, to = _without(moment, way), way.to
        raise AssertionError("a script that was checked has no silent circle")

    def _leave(self, moment: Moment, why: list[str]) -> Step:
        state = self._state(moment)
        way = self._open_way(state, moment)
        if way is None:
            return Step(moment, (), None, tuple(why))
        return self._arrive(_without(moment, way), way.to, why)

    def _open_way(self, state: State, moment: Moment) -> Transition | None:
        """The way out of a state that does not listen, or has nothing left to ask."""
        if state.listens and (self._missing(state, moment.values) or not state.fill):
            return None
        return next((way for way in state.go if not way.said and self._holds(way, moment)), None)

    def _again(self, moment: Moment, times: int, prompt: Prompt, why: list[str]) -> Step:
        """Ask once more, or give up; `moment` counts this time already."""
        if times >= prompt.times and prompt.to:
            return self._arrive(moment, prompt.to, [*why, f"for the {times}. time"])
        return self._ask(moment, why, times, before=self._line(prompt.say, moment, times - 1))

    def _ask(self, moment: Moment, why: list[str], turn: int, *, before: Line | None = None) -> Step:
        state = self._state(moment)
        missing = self._missing(state, moment.values)
        ask = self.script.slots[missing].ask if missing else ()
        said = (before, self._line(ask or state.say, moment, turn))
        return Step(moment, tuple(line for line in said if line), None, tuple(why))

    def _fetch(self, request: Request, moment: Moment) -> Fetch:
        plain = {name: written(value) for name, value in moment.values.items()}
        send = {key: line.filled(plain) for key, line in request.send.items()}
        # What a caller says must stay one part of the address.
        url = request.url.filled({name: quote(text, safe="") for name, text in plain.items()})
        return Fetch(url, request.method, send, request.fill, request.timeout_s)

    def _line(self, lines: tuple[Template, ...], moment: Moment, turn: int | None = None) -> Line | None:
        if not lines:
            return None
        line = lines[(moment.visits.get(moment.state, 1) - 1 if turn is None else turn) % len(lines)]
        words = {name: spoken(value, self.script.language) for name, value in moment.values.items()}
        return Line(line.filled(words), fixed=not line.slots)

    def _missing(self, state: State, values: Mapping[str, SlotValue]) -> str | None:
        return next((name for name in state.fill if name not in values), None)

    def _holds(self, way: Transition, moment: Moment) -> bool:
        return way.when is None or way.when.holds(moment.values)

    def _reason(self, n: int, way: Transition) -> str:
        return f"go.{n}" + (f" as {way.when}" if way.when else "")

    def _state(self, moment: Moment) -> State:
        return self.script.states[moment.state]


def _value(given: object) -> SlotValue | None:
    """What JSON gave, as a slot holds it: every number is a float, and text can be sent and said."""
    match given:
        case bool():
            return given
        case int() | float() if abs(given) <= sys.float_info.max:
            return float(given)
        case str() if given.encode(errors="ignore").decode() == given:
            return given
    return None


def _without(moment: Moment, way: Transition) -> Moment:
    kept = {name: value for name, value in moment.values.items() if name not in way.forget}
    return replace(moment, values=kept)
