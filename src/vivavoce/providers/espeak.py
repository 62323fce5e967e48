"""espeak-ng as the fast and wide voice."""

from __future__ import annotations

from vivavoce.providers.espeak_process import VOICES, EspeakProcess, voice_for

__all__ = ["VOICES", "EspeakProcess", "voice_for"]
