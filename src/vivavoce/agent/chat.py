"""A dialogue by typing, for those who write scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from vivavoce.agent.dialogue import Dialogue, Fetch, HangUp, Moment, Step, Transfer
from vivavoce.agent.policy import Policy
from vivavoce.agent.script import Script
from vivavoce.agent.speaking import spoken


@dataclass(frozen=True, slots=True)
class Shown:
    """One turn: what is said, where the dialogue is, what it knows and why; `asks` is what to type, or was done."""

    said: tuple[str, ...]
    state: str
    slots: Mapping[str, str]
    why: tuple[str, ...]
    asks: str = ""
    over: bool = False


class Chat:
    """Types for a caller. A request is not made: its answer is typed, as JSON or empty for a failure."""

    def __init__(self, script: Script, policy: Policy) -> None:
        self._script, self._policy, self._dialogue = script, policy, Dialogue(script)
        self._step = Step(Moment(script.start))

    def begin(self) -> Shown:
        return self._show(self._dialogue.begin())

    async def typed(self, text: str) -> Shown:
        """Go on with what was typed."""
        moment = self._step.moment
        if isinstance(self._step.action, Fetch):
            return self._answered(text, self._step.action)
        if not text.strip():
            return self._show(self._dialogue.silence(moment))
        choice = await self._policy.choose(text, self._dialogue.allowed(moment))
        return self._show(self._dialogue.hear(moment, choice))

    def _answered(self, text: str, fetch: Fetch) -> Shown:
        moment = self._step.moment
        if not text.strip():
            return self._show(self._dialogue.answer(moment, None))
        try:
            answer = json.loads(text)
        except ValueError as error:
            return self._again(f"that is no JSON: {error}; once more")
        values = fetch.values(answer)
        if values is None:
            wanted = ", ".join(fetch.fill.values())
            return self._again(f"an object with {wanted} is expected; once more")
        return self._show(self._dialogue.answer(moment, values))

    def _again(self, asks: str) -> Shown:
        moment = self._step.moment
        return Shown((), moment.state, self._slots(moment), (), asks)

    def _show(self, step: Step) -> Shown:
        self._step = step
        said = tuple(line.text for line in step.lines)
        return Shown(said, step.moment.state, self._slots(step.moment), step.why, _asked(step), step.moment.over)

    def _slots(self, moment: Moment) -> dict[str, str]:
        return {name: spoken(value, self._script.language) for name, value in moment.values.items()}


def _asked(step: Step) -> str:
    match step.action:
        case Fetch(url=url, method=method, send=send):
            sent = json.dumps(dict(send), ensure_ascii=False)
            return f"{method} {url} {sent}; its answer as JSON, or nothing for a failure:"
        case Transfer(to=to):
            return f"transferred to {to}"
        case HangUp():
            return "hung up"
    return ""
