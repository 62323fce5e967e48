"""A moment and its history as a document that can be stored, and back, exactly."""

from __future__ import annotations

import math
from datetime import date, time
from typing import Any, TypeVar

from vivavoce.agent.conditions import SlotValue
from vivavoce.agent.dialogue import Moment
from vivavoce.agent.heard import History, Utterance
from vivavoce.errors import StateError
from vivavoce.store.documents import Document

VERSION = 1
T = TypeVar("T")


def document_of(moment: Moment, history: History) -> Document:
    """As it is now: what happens to the history later is not in it."""
    return {
        "version": VERSION,
        "state": moment.state,
        "values": {name: _packed(value) for name, value in moment.values.items()},
        "silent": moment.silent,
        "unclear": moment.unclear,
        "visits": dict(moment.visits),
        "over": moment.over,
        "said": [[one.who, one.text, one.state, one.cut] for one in history.utterances],
    }


def restored(document: Document) -> tuple[Moment, History]:
    """Raises StateError for another version and for what is damaged; unknown names beside ours are passed over.

    Whether the script still has the state is for its caller to see.
    """
    version = document.get("version")
    if type(version) is not int or version != VERSION:
        raise StateError(f"a stored state of version {version!r}", hint=f"this program knows version {VERSION}")
    try:
        moment = Moment(
            state=_is(str, document["state"]),
            values={name: _unpacked(value) for name, value in _is(dict, document["values"]).items()},
            silent=_is(int, document["silent"]),
            unclear=_is(int, document["unclear"]),
            visits={name: _is(int, count) for name, count in _is(dict, document["visits"]).items()},
            over=_is(bool, document["over"]),
        )
        history = History([_utterance(*_is(list, one)) for one in _is(list, document["said"])])
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"a stored state is damaged: {type(error).__name__}", hint="expire it") from error
    return moment, history


def _packed(value: SlotValue) -> object:
    """JSON's own kinds as they are; the others as one name with a text."""
    if isinstance(value, date | time):
        return {type(value).__name__: value.isoformat()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _unpacked(given: object) -> SlotValue:
    match given:
        case str() | bool() | int() | float():
            return given
        case {"date": str(text), **rest} if not rest:
            return date.fromisoformat(text)
        case {"time": str(text), **rest} if not rest:
            return time.fromisoformat(text)
        case {"float": str(text), **rest} if not rest:
            return float(text)
    raise ValueError("no value of a slot")


def _utterance(who: object, text: object, state: object, cut: object) -> Utterance:
    match who:
        case "agent" | "caller":
            return Utterance(who, _is(str, text), _is(str, state), _is(bool, cut))
    raise ValueError("neither agent nor caller")


def _is(kind: type[T], value: Any) -> T:
    # A bool is an int, and yet no count.
    if type(value) is not kind:
        raise TypeError(f"no {kind.__name__}")
    return value
