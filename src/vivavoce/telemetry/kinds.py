"""What a user does about a session."""

from __future__ import annotations

from typing import Literal

Nudge = Literal["late", "resync", "mode"]
"""The dub came too late; it was to be fitted to the picture again; dub and subtitles were exchanged."""
