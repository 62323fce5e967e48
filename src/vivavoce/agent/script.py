"""A script: the states of a dialogue, what is said in each, what may be filled there, and where it may go.

Values as a YAML file gives them; `vivavoce.agent.load` reads and checks one. Nothing outside a script is said or done.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from vivavoce.agent.conditions import Condition
from vivavoce.agent.templates import Template


class SlotType(StrEnum):
    NAME = "name"
    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    PHONE = "phone"
    EMAIL = "email"
    YES_NO = "yes-no"
    CHOICE = "choice"
    TEXT = "text"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def _several(value: Any) -> Any:
    """One line may stand without its list."""
    return [value] if isinstance(value, str) else value


def _templates(value: Any) -> Any:
    return [Template.of(line) if isinstance(line, str) else line for line in _several(value)]


def _condition(value: Any) -> Any:
    return Condition.of(value) if isinstance(value, str) else value


Lines = Annotated[tuple[Template, ...], BeforeValidator(_templates)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]


class Slot(_Part):
    """Something to be known. `ask` is said where it is missing; `options` are a choice's names and their words."""

    type: SlotType
    ask: Lines = ()
    options: dict[str, Texts] = Field(default_factory=dict)
    least: float | None = None
    most: float | None = None

    @model_validator(mode="after")
    def _fits_its_type(self) -> Slot:
        if (self.type is SlotType.CHOICE) != bool(self.options):
            raise ValueError("a choice, and nothing else, has options")
        if self.type is not SlotType.NUMBER and (self.least is not None or self.most is not None):
            raise ValueError("only a number has least and most")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError("least is more than most")
        return self


class Transition(_Part):
    """A way out of a state: taken when the caller says something like `said`, and `when` holds.

    What it forgets is asked for again.
    """

    to: str
    said: Texts = ()
    forget: tuple[str, ...] = ()
    when: Annotated[Condition | None, BeforeValidator(_condition)] = None


class Prompt(_Part):
    """What is said when there is no answer or none that is understood; at the last of `times`, where it goes."""

    say: Lines = ()
    times: Annotated[int, Field(ge=1)] = 2
    to: str | None = None


class Silence(Prompt):
    after_s: Annotated[float, Field(gt=0)] = 6.0


class Request(_Part):
    """An HTTP call. What it returns as JSON fills slots; where it fails or takes too long, `failed` comes next."""

    url: Template
    method: Literal["GET", "POST"] = "POST"
    send: dict[str, Template] = Field(default_factory=dict)
    fill: dict[str, str] = Field(default_factory=dict)
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 5.0
    failed: str

    @model_validator(mode="before")
    @classmethod
    def _lines(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        url, send = given.get("url"), given.get("send")
        more: dict[str, Any] = {"url": Template.of(url)} if isinstance(url, str) else {}
        if isinstance(send, dict):
            more["send"] = {name: Template.of(text) if isinstance(text, str) else text for name, text in send.items()}
        return given | more


class State(_Part):
    """`say` is said on arrival, one of its lines. A state that fills slots or has ways with `said` listens."""

    say: Lines = ()
    fill: tuple[str, ...] = ()
    go: tuple[Transition, ...] = ()
    silence: Silence | None = None
    unclear: Prompt | None = None
    request: Request | None = None
    transfer: str | None = None
    hang_up: bool = False
    interrupt: Literal["strict", "patient", "off"] = "patient"
    patience: Literal["usual", "more"] | None = None

    @property
    def is_final(self) -> bool:
        return self.hang_up or self.transfer is not None

    @property
    def listens(self) -> bool:
        return bool(self.fill) or any(way.said for way in self.go)

    @model_validator(mode="after")
    def _does_one_thing(self) -> State:
        if self.hang_up and self.transfer is not None:
            raise ValueError("a state hangs up or transfers, not both")
        if self.is_final and (self.go or self.fill or self.request):
            raise ValueError("nothing follows a hang-up or a transfer: no go, fill or request")
        return self


class Script(_Part):
    """The whole. `person` is where it goes when the caller wants a person."""

    name: str
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] = "en"
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "US"
    start: str
    person: str | None = None
    slots: dict[str, Slot] = Field(default_factory=dict)
    states: Annotated[dict[str, State], Field(min_length=1)]
    silence: Silence = Field(default_factory=Silence)
    unclear: Prompt = Field(default_factory=Prompt)

    def silence_of(self, state: str) -> Silence:
        return self.states[state].silence or self.silence

    def unclear_of(self, state: str) -> Prompt:
        return self.states[state].unclear or self.unclear
