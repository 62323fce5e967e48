"""The clips of the evaluation as they are committed: what is said, where the sound is from, and what is expected.

`clips.json` is {schema, about, clips: [row]}. A row has id, pair ("en-es"), register, duration_s, transcript,
reference with `reference_by` (whose words it is), terms and control ({word: rendering}), passed_over, licence,
source, sha256, and either `parts` or `lines`:

- parts, of recorded sound: files of models (see `vivavoce models list`), each from `from_ms` to `to_ms`, joined with
  `gap_ms` of silence between them. `sha256` is of these files' bytes, one after the other.
- lines, of synthetic sound: what each `voice` of Kokoro says, and the `pause_ms` after it. `sha256` is of the text
  and of the weights that speak it; the sound itself may differ in its last bit from machine to machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from vivavoce.errors import SourceUnreadable
from vivavoce.models import Manifest
from vivavoce.text.phrases import spoken_words

BETWEEN_CLIPS_S = 2.2
"""What a replay adds to a clip: silence that ends its last utterance, and the dub's end."""

VOICE_MODEL = "kokoro-82m"

_STRICT = ConfigDict(extra="forbid")


@checked(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Part:
    """A stretch of a recording; to its end where `to_ms` is None."""

    model: str
    file: str
    from_ms: float = 0.0
    to_ms: float | None = None


@checked(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Line:
    """What is said in one breath, at `speed` times the usual pace, and how long it is quiet then."""

    voice: str
    text: str
    pause_ms: float
    speed: float = 1.0


@checked(frozen=True, slots=True, kw_only=True, config=_STRICT)
class ClipPlan:
    """One row of the set. `passed_over` are words that the draw of `control` met and the reference does not render."""

    id: str
    pair: str
    register: str
    duration_s: float
    transcript: str
    reference: str
    reference_by: str
    terms: Mapping[str, str]
    control: Mapping[str, str]
    licence: str
    source: str
    sha256: str
    passed_over: Sequence[str] = ()
    parts: Sequence[Part] = ()
    gap_ms: float = 0.0
    lines: Sequence[Line] = ()

    @property
    def language(self) -> str:
        return self.pair.partition("-")[0]

    @property
    def target(self) -> str:
        return self.pair.partition("-")[2]

    @property
    def synthetic(self) -> bool:
        return bool(self.lines)


@dataclass(frozen=True, slots=True)
class ClipSet:
    """The rows, and the identity of their contents."""

    clips: tuple[ClipPlan, ...]
    sha256: str = field(repr=False, default="")

    @property
    def planned_s(self) -> float:
        """How long a replay of all of it takes."""
        return sum(clip.duration_s + BETWEEN_CLIPS_S for clip in self.clips)


@cache
def clip_set() -> ClipSet:
    """The set that comes with the package. Raises SourceUnreadable when its manifest is damaged."""
    return parse_clip_set((resources.files(__package__) / "clips.json").read_bytes())


def parse_clip_set(content: bytes) -> ClipSet:
    """A set from its JSON. Raises SourceUnreadable, naming the row and key that are wrong."""
    try:
        rows = json.loads(content)["clips"]
        clips = TypeAdapter(tuple[ClipPlan, ...]).validate_python(rows)
    except (ValidationError, ValueError, TypeError, KeyError) as error:
        raise SourceUnreadable(f"the clip set cannot be read: {error}", hint="install the package anew") from error
    return ClipSet(clips, hashlib.sha256(content).hexdigest())


def speech_checksum(lines: Sequence[Line], manifest: Manifest) -> str:
    """The identity of synthetic sound: SHA-256 of its lines as JSON and of the weights that speak them."""
    weights = {file.name: file.sha256 for file in manifest.models[VOICE_MODEL].files}
    voices = {f"{line.voice}.bin" for line in lines}
    spoken = {
        "lines": [asdict(line) for line in lines],
        "weights": {name: weights[name] for name in sorted(voices | {"model.onnx", "vocab.json"})},
    }
    return hashlib.sha256(json.dumps(spoken, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def occurs(term: str, text: str) -> int:
    """How often a term stands in a text, word by word, without regard to case and punctuation."""
    wanted, words = _words(term), _words(text)
    return sum(words[at : at + len(wanted)] == wanted for at in range(len(words))) if wanted else 0


def _words(text: str) -> list[str]:
    """Spoken forms, "l'abonnement" as "l" and "abonnement"."""
    return [part for word in spoken_words(text) for part in word.replace("’", "'").split("'") if part]
