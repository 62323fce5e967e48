"""What callers say in the benchmark of the agent, made once for all its rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from vivavoce.audio.files import open_audio
from vivavoce.audio.pcm import Pcm
from vivavoce.errors import NoSpeech
from vivavoce.evals.clips import Clip, Recording, clips_of, load_recording, read_clips
from vivavoce.evals.speech_ends import label_speech
from vivavoce.evals.spliced import Turn, outburst, splice
from vivavoce.legs.values import VoiceEventKind
from vivavoce.models import ModelStore
from vivavoce.providers.silero import RATE_HZ, Silero
from vivavoce.providers.utterance import Stretch
from vivavoce.providers.voice_gate import GateSettings
from vivavoce.providers.whisper import Whisper

LANGUAGE = "en"
LONGEST_S = 8.0
SHORT_S = 4.0
"""What is repeated to the caller, or said over the agent."""
LEAST_S = 1.2
WAYS_TO_REPEAT = 3
"""Lines of the script with what was said in them: the same is not said twice, as it would come from the cache."""
SEED = 4
# Sentences of a reading: what is cut there ends as a turn does.
_GATE = GateSettings(speech=0.5, silence=0.35, start_ms=64, pause_ms=200, resume_ms=64, end_ms=450)


@dataclass(frozen=True, slots=True)
class Material:
    """Turns with pauses; short ones, with one; some that begin at once, to interrupt with; and what all of them say."""

    spliced: Sequence[Turn]
    short: Sequence[Turn]
    bursts: Sequence[Turn]
    texts: Sequence[str]

    def long_turns(self, calls: int, turns: int) -> list[list[Turn]]:
        """For each call; the same for every run."""
        return _dealt(self.spliced, calls, turns)

    def interruptions(self, calls: int, turns: int) -> list[list[Turn]]:
        return _dealt(self.bursts, calls, turns)

    def repeated(self, calls: int, turns: int) -> list[list[Turn]]:
        """No clip twice at a turn that the script answers with the same line; so there may be fewer than asked for."""
        left = [deque(self.short) for _ in range(WAYS_TO_REPEAT)]
        for way, waiting in enumerate(left):
            waiting.rotate(way * len(self.short) // WAYS_TO_REPEAT)
        dealt: list[list[Turn]] = []
        for _ in range(calls):
            dealt.append([])
            for waiting in islice(cycle(left), turns):
                if not waiting:
                    break
                dealt[-1].append(waiting.popleft())
        return [call for call in dealt if call]


NOTHING_TO_SAY = Material((), (), (), ())


def make_material(folder: Path | None, *, wanted: int, store: ModelStore | None = None) -> Material:
    """From the English clips of a folder, else from the demo's recording cut into sentences; at least `wanted` turns.

    Raises SourceMissing, AudioError and NoSpeech.
    """
    store = store or ModelStore()
    whisper = Whisper(store=store)
    if folder is None:
        recordings = sentences(store.path("demo-en", "two_cities.wav"), whisper)
    else:
        clips = [clip for clip in clips_of(read_clips(folder), LANGUAGE) if _is_a_turn(clip)]
        recordings = [load_recording(clip, RATE_HZ) for clip in clips]
    short = [one for one in recordings if LEAST_S <= one.speech.duration_ms / 1000 <= SHORT_S]
    if not short:
        raise NoSpeech(f"none of {len(recordings)} clips is {LEAST_S} to {SHORT_S:.0f} s long", hint="give more clips")
    dice = np.random.default_rng(SEED)

    def spliced(recording: Recording, most: int) -> Turn:
        return splice(recording, lambda sound, text: whisper.align(sound, text, language=LANGUAGE), dice, most=most)

    order = [n for _ in range(-(-wanted // len(recordings))) for n in dice.permutation(len(recordings))][:wanted]
    return Material(
        [spliced(recordings[n], 2) for n in order],
        [spliced(one, 1) for one in short],
        [outburst(one) for one in short],
        sorted({one.clip.transcript for one in recordings}),
    )


def _is_a_turn(clip: Clip) -> bool:
    """Some recordings are cut in the middle of a sentence."""
    return clip.duration_s <= LONGEST_S and not clip.transcript.rstrip().endswith(",")


def sentences(recording: Path, whisper: Whisper) -> list[Recording]:
    """A recording cut where it is silent, with what the recogniser understands."""
    blocks = [block.samples for block in open_audio(recording).blocks(rate_hz=RATE_HZ)]
    spoken = Pcm(np.concatenate(blocks), RATE_HZ)
    found: list[Recording] = []
    start_ms = 0.0
    for event in Silero(gate=_GATE).push(spoken):
        if event.kind is VoiceEventKind.START:
            start_ms = event.at_ms
        elif event.kind is VoiceEventKind.END and LEAST_S <= (event.at_ms - start_ms) / 1000 <= LONGEST_S:
            at, until = (round(ms * RATE_HZ / 1000) for ms in (max(0.0, start_ms - 150), event.at_ms + 200))
            pcm = Pcm(spoken.samples[at:until], RATE_HZ)
            stretch = Stretch(pcm.as_float(), RATE_HZ, 0.0, (), LANGUAGE, final=True)
            text = " ".join(word.text for word in whisper.decode(stretch).words)
            clip = Clip(f"{recording.stem}-{len(found)}", recording.name, LANGUAGE, text, pcm.duration_ms / 1000)
            found.append(Recording(clip, pcm, label_speech(pcm)))
    if not found:
        raise NoSpeech(f"{recording} has no sentence of {LEAST_S} to {LONGEST_S:.0f} s")
    return found


def _dealt(turns: Sequence[Turn], calls: int, each: int) -> list[list[Turn]]:
    return [[turns[(call * each + n) % len(turns)] for n in range(each)] for call in range(calls)]
