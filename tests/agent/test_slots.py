from __future__ import annotations

from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.agent.conditions import SlotValue
from vivavoce.agent.script import Slot, SlotType
from vivavoce.agent.slots import Hearing, value_of

# A Monday.
HEARING = Hearing("en", "US", datetime(2026, 3, 2, 10, 0))
SLOTS = {kind: Slot(type=kind) for kind in SlotType if kind is not SlotType.CHOICE} | {
    SlotType.CHOICE: Slot(type=SlotType.CHOICE, options={"haircut": ("cut", "hair"), "beard": ("beard trim",)}),
    SlotType.NUMBER: Slot(type=SlotType.NUMBER, least=1, most=20),
}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (SlotType.YES_NO, "Yeah.", True),
        (SlotType.YES_NO, "Yes.", True),
        (SlotType.YES_NO, "that's right", True),
        (SlotType.YES_NO, "No, that's not right.", False),
        (SlotType.YES_NO, "I suppose that would be fine", True),
        (SlotType.YES_NO, "maybe", None),
        (SlotType.NUMBER, "For twelve people, please.", 12.0),
        (SlotType.NUMBER, "4", 4.0),
        (SlotType.NUMBER, "thirty", None),
        (SlotType.NUMBER, "four or five", None),
        (SlotType.DATE, "tomorrow", date(2026, 3, 3)),
        (SlotType.DATE, "on Friday please", date(2026, 3, 6)),
        (SlotType.DATE, "March 14th", date(2026, 3, 14)),
        (SlotType.DATE, "Friday at eleven", date(2026, 3, 6)),
        (SlotType.DATE, "Monday", date(2026, 3, 9)),
        (SlotType.DATE, "the day after tomorrow", date(2026, 3, 4)),
        (SlotType.DATE, "Wednesday or Thursday", None),
        (SlotType.DATE, "on the third of April at two", date(2026, 4, 3)),
        (SlotType.DATE, "Friday, March 13th", date(2026, 3, 13)),
        (SlotType.DATE, "I may call again in a second", None),
        (SlotType.DATE, "I do not know", None),
        (SlotType.TIME, "at half past three", time(15, 30)),
        (SlotType.TIME, "ten o'clock", time(10, 0)),
        (SlotType.TIME, "3 pm", time(15, 0)),
        (SlotType.TIME, "a quarter to eleven", time(10, 45)),
        (SlotType.TIME, "at noon", time(12, 0)),
        (SlotType.TIME, "14:15", time(14, 15)),
        (SlotType.TIME, "in the morning", None),
        (SlotType.PHONE, "two one two, five five five, zero one two three", "+12125550123"),
        (SlotType.PHONE, "It's 212 555 0123.", "+12125550123"),
        (SlotType.PHONE, "five five five", None),
        (SlotType.EMAIL, "Ada dot Lovelace at example dot com", "ada.lovelace@example.com"),
        (SlotType.EMAIL, "ada@example.com.", "ada@example.com"),
        (SlotType.EMAIL, "I have none", None),
        (SlotType.NAME, "My name is Ada Lovelace.", "Ada Lovelace"),
        (SlotType.NAME, "it's ada", "Ada"),
        (SlotType.NAME, "yes", None),
        (SlotType.NAME, "I would like to cancel my appointment", None),
        (SlotType.CHOICE, "A beard trim, please", "beard"),
        (SlotType.CHOICE, "just a cut", "haircut"),
        (SlotType.CHOICE, "hair and beard trim", None),
        (SlotType.TEXT, " anything ", "anything"),
    ],
)
def test_values(kind: SlotType, text: str, value: SlotValue | None) -> None:
    assert value_of(SLOTS[kind], text, HEARING) == value


@given(text=st.text(max_size=60), kind=st.sampled_from(list(SlotType)))
def test_nothing_that_is_said_breaks_a_parser(text: str, kind: SlotType) -> None:
    value = value_of(SLOTS[kind], text, HEARING)
    if kind is SlotType.NUMBER and value is not None:
        assert 1 <= value <= 20
