"""Who understands what was said, among what a moment allows."""

from __future__ import annotations

from typing import Protocol

from vivavoce.agent.dialogue import Allowed, Choice


class Policy(Protocol):
    """A policy sees the text and what is allowed, and nothing else; what it returns beyond that is not done."""

    async def choose(self, text: str, allowed: Allowed) -> Choice: ...
