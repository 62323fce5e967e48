"""What a run of the gate replays: which clips, and how."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from vivavoce.errors import SourceMissing
from vivavoce.evals.clips import Clip, spread
from vivavoce.models.disk import sha256_of
from vivavoce.providers.pairs import PairTable
from vivavoce.text.lemmas import forms_of
from vivavoce.text.terms import terms_of, tokens

SILENCE_S = 4.0
"""Sound without speech at the end of each pair's session."""
_FEW_PAIRS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`replayed` go through the whole path, `heard` through recognition alone, `read` through translation alone.

    Without `paced` the path goes as fast as it can and nothing is spoken: its texts are the same, its moments mean
    nothing.
    """

    name: str
    replayed: tuple[Clip, ...] = ()
    heard: tuple[Clip, ...] = ()
    read: tuple[Clip, ...] = ()
    paced: bool = True
    silence_s: float = SILENCE_S

    @property
    def label(self) -> str:
        """The name, and a digest of all that makes two plans' figures differ.

        Sound is read where a manifest has no `sha256`.
        """
        identities = {id(clip): clip.sha256 or _identity(clip) for part in self.parts for clip in part}
        parts = [[[clip.id, clip.pair, identities[id(clip)]] for clip in part] for part in self.parts]
        text = json.dumps([parts, self.paced, self.silence_s])
        return f"{self.name}:{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def parts(self) -> tuple[tuple[Clip, ...], ...]:
        return self.replayed, self.heard, self.read

    @property
    def pairs(self) -> list[str]:
        """Those of all parts, in the order in which they first occur."""
        return list(dict.fromkeys(clip.pair for part in self.parts for clip in part))


def _identity(clip: Clip) -> str:
    """A digest of what a clip's figures depend on: of its row, and of its sound where that is there."""
    row = [clip.transcript, clip.reference, dict(clip.terms), dict(clip.control), clip.target]
    with suppress(OSError):  # a clip without sound fails in the run, which says why
        row.append(sha256_of(clip.path))
    return hashlib.sha256(json.dumps(row).encode()).hexdigest()


def whole_plan(clips: Sequence[Clip], *, name: str = "whole", paced: bool = True) -> Plan:
    """Every clip in every part. A sound that several pairs have is heard once."""
    once = {str(clip.path): clip for clip in reversed(clips)}
    heard = tuple(clip for clip in clips if once[str(clip.path)] is clip)
    read = tuple(clip for clip in clips if clip.transcript)
    return Plan(name=name, replayed=tuple(clips), heard=heard, read=read, paced=paced)


def short_plan(clips: Sequence[Clip], *, name: str = "short") -> Plan:
    """Quality alone in seconds, of two pairs: all text read, and two clips replayed, the shortest and one with terms.

    Recognition is not heard alone: its words in the path are enough to see that it is worse.
    """
    pairs = few_pairs(clips)
    own = [clip for clip in clips if clip.pair in pairs]
    ids = set()
    for pair in pairs:
        short_first = sorted((clip for clip in own if clip.pair == pair), key=lambda clip: (clip.duration_s, clip.id))
        ids |= {short_first[0].id, max(short_first, key=lambda clip: len(clip.terms)).id}
    replayed = tuple(clip for clip in own if clip.id in ids)
    read = tuple(clip for clip in own if clip.transcript)
    return Plan(name=name, replayed=replayed, read=read, paced=False, silence_s=0.0)


def few_pairs(clips: Sequence[Clip]) -> list[str]:
    """Two pairs that are soon opened, with many terms: by the hops of their embedded route, then by terms."""
    table = PairTable.load()
    hops = {f"{route.source}-{route.target}": len(route.hops) for route in table.routes()}
    terms: dict[str, int] = {}
    for clip in clips:
        if clip.target:
            terms[clip.pair] = terms.get(clip.pair, 0) + len(clip.terms)
    return sorted(terms, key=lambda pair: (hops.get(pair, 0), -terms[pair], pair))[:_FEW_PAIRS]


def chosen(
    clips: Sequence[Clip], *, pairs: Sequence[str] = (), registers: Sequence[str] = (), limit: int | None = None
) -> list[Clip]:
    """The clips of those pairs and registers, of each pair at most `limit`; all where nothing is said.

    Raises SourceMissing, naming what there is, where nothing is left.
    """
    for option, wanted, known in (
        ("--pair", pairs, {clip.pair for clip in clips}),
        ("--register", registers, {clip.register for clip in clips}),
    ):
        if missing := [name for name in wanted if name not in known]:
            raise SourceMissing(
                f"{option}: no clip is of {', '.join(missing)}", hint=f"there are {', '.join(sorted(known)) or 'none'}"
            )
    found = [
        clip
        for clip in clips
        if clip.target and (not pairs or clip.pair in pairs) and (not registers or clip.register in registers)
    ]
    if not found:
        raise SourceMissing("no clip is left to replay", hint="each names its target, the language to interpret into")
    by_pair: dict[str, list[Clip]] = {}
    for clip in found:
        by_pair.setdefault(clip.pair, []).append(clip)
    return [clip for own in by_pair.values() for clip in spread(own, limit)]


def glossary_of(clips: Sequence[Clip]) -> dict[str, str]:
    """Every clip's terms: what the session of a pair locks."""
    return {term: rendering for clip in clips for term, rendering in clip.terms.items()}


def occurring(text: str, glossary: Mapping[str, str], *, source: str, target: str) -> dict[str, str]:
    """What of a glossary is in a text, inflected or not. The first time for a glossary it takes a second."""
    if not glossary:
        return {}
    return {found.term: glossary[found.term] for found in terms_of(glossary, source, target).find(text)}


def read_inflections(clips: Iterable[Clip]) -> None:
    """Let the forms of all words of glossaries be known, so that nothing reads dictionaries while a clip is played.

    Takes a second a language.
    """
    words: dict[str, set[str]] = {}
    for clip in clips:
        for glossary in (clip.terms, clip.control):
            for language, phrases in ((clip.language, glossary.keys()), (clip.target, glossary.values())):
                words.setdefault(language, set()).update(token.key for phrase in phrases for token in tokens(phrase))
    for language, wanted in words.items():
        forms_of(wanted, language)
