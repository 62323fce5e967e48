"""Where a session's sound goes: files and a speaker, together behind one call a frame."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from vivavoce.audio.devices import SpeakerSink
from vivavoce.audio.mixdown import Mixer, MuteWatch
from vivavoce.audio.pcm import Samples
from vivavoce.audio.sinks import WavSink


class Outputs:
    """Writes the dub and the mix as they are heard. Closing keeps what was written, whatever ended the session.

    The speaker, which its owner closes, plays the mix, or the dub alone where the original is in the room already.
    `watch` is told how the original of the mix is lowered.
    """

    def __init__(
        self,
        *,
        dub: Path | None,
        mix: Path | None,
        speaker: SpeakerSink | None,
        speaker_hears_original: bool,
        source: Path | None,
        rate_hz: int,
        duck_db: float,
        watch: MuteWatch | None = None,
    ) -> None:
        others = [path for path in (source,) if path is not None]
        self._dub = self._mix = None
        with ExitStack() as opening:
            if dub is not None:
                self._dub = opening.enter_context(WavSink(dub, rate_hz, sources=others))
                others.append(dub)
            if mix is not None:
                self._mix = opening.enter_context(WavSink(mix, rate_hz, sources=others))
            self._files = opening.pop_all()
        self._speaker = speaker
        self._speaker_hears_original = speaker_hears_original
        self._mixer = Mixer(rate_hz, duck_db=duck_db, watch=watch)
        self._mixed = mix is not None or (speaker is not None and speaker_hears_original)

    async def write(self, original: Samples, dub: Samples) -> None:
        """Take one frame. Raises OutputError when a file cannot grow, DeviceLost when the speaker is gone."""
        if self._dub is not None:
            self._dub.write(dub)
        mixed = self._mixer.mix(original, dub) if self._mixed else dub
        if self._mix is not None:
            self._mix.write(mixed)
        if self._speaker is not None:
            await self._speaker.write(mixed if self._speaker_hears_original else dub)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()
