from __future__ import annotations

import json
from datetime import date, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.agent.dialogue import Moment
from vivavoce.agent.heard import History, Utterance
from vivavoce.agent.record import VERSION, document_of, restored
from vivavoce.errors import StateError

VALUES = st.one_of(
    st.text(), st.booleans(), st.floats(), st.integers(), st.dates(), st.times().map(lambda at: at.replace(fold=0))
)
COUNTS = st.integers(0, 1 << 40)
MOMENTS = st.builds(
    Moment,
    state=st.text(),
    values=st.dictionaries(st.text(), VALUES),
    silent=COUNTS,
    unclear=COUNTS,
    visits=st.dictionaries(st.text(), COUNTS),
    over=st.booleans(),
)
UTTERANCES = st.builds(Utterance, st.sampled_from(["agent", "caller"]), st.text(), st.text(), st.booleans())
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=20,
)


def told(moment: Moment) -> dict[str, str]:
    # Types and signs too: 1 == 1.0 == True, 0.0 == -0.0, and no NaN equals itself.
    return {name: f"{type(value).__name__} {value!r}" for name, value in moment.values.items()}


@given(MOMENTS, st.lists(UTTERANCES))
def test_what_is_stored_comes_back_exactly(moment: Moment, said: list[Utterance]) -> None:
    document = json.loads(json.dumps(document_of(moment, History(said)), allow_nan=False))
    again, history = restored(document)
    assert told(again) == told(moment)
    assert (again.state, again.silent, again.unclear, again.visits, again.over) == (
        moment.state, moment.silent, moment.unclear, moment.visits, moment.over,
    )  # fmt: skip
    assert history.utterances == said


def whole() -> dict[str, Any]:
    moment = Moment("when", {"day": date(2026, 3, 3), "hour": time(15, 30)}, visits={"when": 1})
    return {**document_of(moment, History([Utterance("caller", "tomorrow", "when")]))}


def test_a_record_is_as_versions_to_come_will_find_it() -> None:
    assert whole() == {
        "version": 1,
        "state": "when",
        "values": {"day": {"date": "2026-03-03"}, "hour": {"time": "15:30:00"}},
        "silent": 0,
        "unclear": 0,
        "visits": {"when": 1},
        "over": False,
        "said": [["caller", "tomorrow", "when", False]],
    }


@pytest.mark.parametrize("version", [None, 0, VERSION + 1, "1", True, 1.0])
def test_another_version_is_refused(version: object) -> None:
    with pytest.raises(StateError, match="version"):
        restored(whole() | {"version": version})


@pytest.mark.parametrize("name", ["state", "values", "silent", "unclear", "visits", "over", "said"])
def test_a_part_that_is_missing_is_refused(name: str) -> None:
    document = whole()
    del document[name]
    with pytest.raises(StateError):
        restored(document)


@given(st.sampled_from(["state", "values", "silent", "unclear", "visits", "over", "said"]), ANYTHING)
def test_damage_is_refused_or_is_a_record(name: str, damage: object) -> None:
    try:
        moment, history = restored(whole() | {name: damage})
    except StateError:
        return
    assert document_of(moment, history).keys() == whole().keys()


@given(ANYTHING)
def test_a_damaged_value_is_refused_or_is_a_value(damage: object) -> None:
    try:
        moment, _ = restored(whole() | {"values": {"day": damage}})
    except StateError:
        return
    assert isinstance(moment.values["day"], str | bool | int | float | date | time)


@pytest.mark.parametrize(
    "value", [{"date": "2026-02-30"}, {"time": "25:00"}, {"float": "x"}, {"date": "2026-03-03", "time": "10:00"}, {}]
)
def test_no_value_is_made_up(value: object) -> None:
    with pytest.raises(StateError):
        restored(whole() | {"values": {"day": value}})
