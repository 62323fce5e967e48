from __future__ import annotations

from datetime import date, time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.agent.dialogue import Choice, Dialogue, Fetch, HangUp, Moment, Step, Transfer
from vivavoce.agent.load import load_script, read_script
from vivavoce.agent.script import Script, SlotType

EXAMPLE = Path(__file__).parents[2] / "examples" / "appointments.yaml"

TABLE = """
name: table
start: hello
person: desk
slots:
  size: {type: number, ask: ["For how many?", "How many will you be?"]}
  name: {type: name, ask: "And your name?"}
  number: {type: text}
silence: {say: "Are you there?", times: 2, to: bye}
unclear: {say: "Sorry?", times: 3, to: desk}
states:
  hello:
    say: Hello.
    go:
      - {to: book, said: [a table please]}
      - {to: bye, said: [nothing, wrong number]}
  book:
    say: For how many, and your name?
    fill: [size, name]
    go:
      - {to: many, when: size > 8}
      - {to: ask, when: size and name}
  many:
    say: "{size} are too many."
    go: [{to: book, forget: [size]}]
  ask:
    say: One moment.
    request:
      url: https://example.org/book?for={size}
      send: {name: "{name}"}
      fill: {number: reference}
      failed: desk
    go: [{to: done}]
  done: {say: "Booked, {number}.", hang_up: true}
  desk: {say: One moment., transfer: "+15550100"}
  bye: {say: Bye., hang_up: true}
"""


def lines(step: Step) -> list[str]:
    return [line.text for line in step.lines]


@pytest.fixture
def dialogue() -> Dialogue:
    return Dialogue(read_script(TABLE))


def test_a_dialogue_from_beginning_to_end(dialogue: Dialogue) -> None:
    step = dialogue.begin()
    assert (lines(step), step.moment.state) == (["Hello."], "hello")
    step = dialogue.hear(step.moment, Choice(way=0))
    assert lines(step) == ["For how many, and your name?"]
    step = dialogue.hear(step.moment, Choice(values={"name": "Ada"}))
    assert (lines(step), step.moment.state) == (["For how many?"], "book")
    step = dialogue.hear(step.moment, Choice(values={"size": 12.0}))
    assert lines(step) == ["12 are too many.", "For how many, and your name?"]
    assert dict(step.moment.values) == {"name": "Ada"}
    step = dialogue.hear(step.moment, Choice(values={"size": 4.0}))
    assert step.action == Fetch("https://example.org/book?for=4", "POST", {"name": "Ada"}, {"number": "reference"}, 5.0)
    step = dialogue.answer(step.moment, {"number": "B 7", "size": 99.0})
    assert (lines(step), step.action, step.moment.over) == (["Booked, B 7."], HangUp(), True)
    assert step.moment.values["size"] == 4.0
    assert dialogue.hear(step.moment, Choice(way=0)) == Step(step.moment)


def test_what_a_caller_says_stays_one_part_of_an_address(dialogue: Dialogue) -> None:
    moment = Moment("book", {"name": "a&b=c/../é"})
    script = read_script(TABLE.replace("for={size}", "for={name}"))
    step = Dialogue(script).hear(moment, Choice(values={"size": 2.0}))
    assert isinstance(step.action, Fetch)
    assert step.action.url == "https://example.org/book?for=a%26b%3Dc%2F..%2F%C3%A9"


def test_a_request_that_fails_has_its_way(dialogue: Dialogue) -> None:
    moment = Moment("ask", {"size": 2.0, "name": "Ada"})
    step = dialogue.answer(moment, None)
    assert (lines(step), step.action) == (["One moment."], Transfer("+15550100"))


def test_silence_and_misunderstanding_end_somewhere(dialogue: Dialogue) -> None:
    step = dialogue.silence(dialogue.begin().moment)
    assert lines(step) == ["Are you there?", "Hello."]
    assert lines(dialogue.silence(step.moment)) == ["Bye."]
    # Who says something is no longer silent.
    step = dialogue.hear(step.moment, Choice())
    assert (lines(step), step.moment.silent, step.moment.unclear) == (["Sorry?", "Hello."], 0, 1)
    step = dialogue.hear(step.moment, Choice())
    step = dialogue.hear(step.moment, Choice())
    assert step.action == Transfer("+15550100")


def test_a_person_is_to_be_had_everywhere(dialogue: Dialogue) -> None:
    step = dialogue.hear(dialogue.begin().moment, Choice(person=True))
    assert step.action == Transfer("+15550100")


def test_lines_without_slots_are_fixed(dialogue: Dialogue) -> None:
    step = dialogue.hear(Moment("book"), Choice(values={"size": 12.0}))
    assert [line.fixed for line in step.lines] == [False, True]


def test_what_a_policy_may_not_choose_is_not_done(dialogue: Dialogue) -> None:
    hello = dialogue.begin().moment
    for choice in (Choice(way=7), Choice(way=-1), Choice(values={"size": 3.0}), Choice(values={"secret": "x"})):
        step = dialogue.hear(hello, choice)
        assert (step.moment.state, dict(step.moment.values)) == ("hello", {})
    # A way that waits for words is not taken for values, nor one with a condition that does not hold.
    assert dialogue.hear(Moment("book"), Choice(way=1)).moment.state == "book"


VALUES = st.one_of(st.booleans(), st.floats(-5, 30), st.text(max_size=5))
NAMES = ["size", "name", "number", "day", "right", "phone", "?"]
CHOICES = st.builds(
    Choice,
    values=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3),
    way=st.one_of(st.none(), st.integers(-2, 6)),
    person=st.booleans(),
)
EVENTS = st.lists(st.one_of(st.just("silence"), st.just("answered"), st.just("failed"), CHOICES), max_size=40)


@pytest.fixture(scope="module")
def scripts() -> list[Script]:
    return [read_script(TABLE), load_script(EXAMPLE)]


@settings(max_examples=300, deadline=None)
@given(events=EVENTS, which=st.integers(0, 1))
def test_nothing_leaves_the_script(scripts: list[Script], events: list[object], which: int) -> None:
    script = scripts[which]
    dialogue = Dialogue(script)
    said = {str(line) for state in script.states.values() for line in state.say}
    said |= {str(line) for slot in script.slots.values() for line in slot.ask}
    prompts = [prompt for name in script.states for prompt in (script.silence_of(name), script.unclear_of(name))]
    said |= {str(line) for prompt in prompts for line in prompt.say}
    fixed = {line for line in said if "{" not in line}
    step = dialogue.begin()
    for event in events:
        before = step.moment
        match event:
            case "silence":
                step = dialogue.silence(before)
            case "answered":
                step = dialogue.answer(before, {"number": "1", "elsewhere": "2"})
            case "failed":
                step = dialogue.answer(before, None)
            case Choice():
                step = dialogue.hear(before, event)
        assert step.moment.state in script.states
        assert set(step.moment.values) <= set(script.slots)
        assert all(line.text in fixed for line in step.lines if line.fixed)
        assert step.moment.over == script.states[step.moment.state].is_final
        if before.over:
            assert step == Step(before)


def random_choice(random: Random, dialogue: Dialogue, moment: Moment) -> Choice:
    """What a caller might mean who answers most of the time."""
    allowed = dialogue.allowed(moment)
    options = [Choice(way=n) for n in allowed.ways]
    values = {name: VALUES_OF[slot.type](random) for name, slot in allowed.slots.items()}
    if values:
        options.append(Choice(values=dict(random.sample(sorted(values.items()), random.randint(1, len(values))))))
    return random.choice([*options, Choice()])


VALUES_OF = {
    SlotType.NAME: lambda _: "Ada",
    SlotType.TEXT: lambda _: "something",
    SlotType.PHONE: lambda _: "+12125550123",
    SlotType.NUMBER: lambda random: float(random.randint(1, 20)),
    SlotType.YES_NO: lambda random: random.random() < 0.5,
    SlotType.CHOICE: lambda random: random.choice(["haircut", "both"]),
    SlotType.DATE: lambda random: date(2026, 3, random.randint(3, 30)),
    SlotType.TIME: lambda random: time(random.randint(7, 19)),
}


@pytest.mark.parametrize("which", [0, 1])
def test_two_hundred_dialogues_come_to_an_end(scripts: list[Script], which: int) -> None:
    dialogue, ends = Dialogue(scripts[which]), set()
    for seed in range(200):
        random, step, turns = Random(seed), dialogue.begin(), 0
        while not step.moment.over:
            turns += 1
            assert turns < 300, (seed, step.moment)
            if isinstance(step.action, Fetch):
                step = dialogue.answer(step.moment, random.choice([None, {"number": "7"}]))
            elif random.random() < 0.1:
                step = dialogue.silence(step.moment)
            else:
                step = dialogue.hear(step.moment, random_choice(random, dialogue, step.moment))
        ends.add(step.moment.state)
    assert ends == {name for name, state in scripts[which].states.items() if state.is_final}
