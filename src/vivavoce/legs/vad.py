"""The voice detector."""

from __future__ import annotations

from typing import Protocol

from vivavoce.audio.pcm import Pcm
from vivavoce.legs.values import VoiceEvent


class VoiceDetector(Protocol):
    @property
    def silent(self) -> bool:
        """Whether the newest sound held no speech; work that could wait should not begin then."""
        ...

    def push(self, pcm: Pcm) -> list[VoiceEvent]:
        """Hear the next sound and tell what began or stopped in it."""
        ...

    def reset(self) -> None: ...
