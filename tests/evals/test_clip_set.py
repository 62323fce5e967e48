"""The committed clips: enough of everything, and nothing that contradicts itself."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from vivavoce.errors import SourceUnreadable
from vivavoce.evals.clip_control import draw, wanted
from vivavoce.evals.clip_set import ClipPlan, clip_set, occurs, parse_clip_set, speech_checksum
from vivavoce.models import load_manifest

PAIRS = {"en-es", "es-en", "fr-en", "it-en", "en-pt"}
REGISTERS = {"conversational", "lecture", "banter"}
CLIPS = {clip.id: clip for clip in clip_set().clips}


@pytest.fixture(params=CLIPS.values(), ids=CLIPS)
def clip(request: pytest.FixtureRequest) -> ClipPlan:
    return request.param


def test_every_pair_has_every_register() -> None:
    cells = Counter((clip.pair, clip.register) for clip in CLIPS.values())
    assert set(cells) == {(pair, register) for pair in PAIRS for register in REGISTERS}
    assert min(cells.values()) >= 2
    assert len(CLIPS) == len(clip_set().clips) >= 30


def test_a_replay_of_all_takes_nine_minutes_at_most() -> None:
    assert clip_set().planned_s <= 9 * 60


def test_there_are_terms_enough() -> None:
    assert sum(wanted(clip.transcript, clip.terms) for clip in CLIPS.values()) >= 60
    assert sum(bool(clip.terms) for clip in CLIPS.values()) > len(CLIPS) / 2


def test_real_speech_is_in_every_pair_and_only_banter_is_synthetic() -> None:
    assert {clip.pair for clip in CLIPS.values() if not clip.synthetic} == PAIRS
    assert {clip.register for clip in CLIPS.values() if clip.synthetic} == {"banter"}


def test_terms_and_controls_stand_in_their_texts(clip: ClipPlan) -> None:
    for word, rendering in (*clip.terms.items(), *clip.control.items()):
        assert occurs(word, clip.transcript), word
        assert occurs(rendering, clip.reference), rendering
    assert not clip.terms.keys() & clip.control.keys()


def test_a_term_of_the_pair_has_its_rendering_wherever_it_occurs(clip: ClipPlan) -> None:
    """A session locks the terms of all clips of its pair."""
    glossary: dict[str, str] = {}
    for other in CLIPS.values():
        if other.pair == clip.pair:
            for term, rendering in other.terms.items():
                assert glossary.setdefault(term, rendering) == rendering, term
    assert dict(clip.terms) == {term: as_ for term, as_ in glossary.items() if occurs(term, clip.transcript)}


def test_control_words_were_drawn_not_chosen(clip: ClipPlan) -> None:
    order = draw(clip.transcript, language=clip.language, terms=clip.terms, seed=clip.id)
    met = len(clip.control) + len(clip.passed_over)
    assert set(order[:met]) == {*clip.control, *clip.passed_over}
    assert list(clip.control) == [word for word in order if word in clip.control]
    assert len(clip.control) == wanted(clip.transcript, clip.terms) or met == len(order)


def test_sources_are_known_and_have_their_checksums(clip: ClipPlan) -> None:
    assert re.fullmatch("[0-9a-f]{64}", clip.sha256)
    assert clip.licence
    assert clip.source
    assert clip.reference_by
    assert 0.5 < clip.duration_s < 30
    assert bool(clip.parts) != bool(clip.lines)
    models = load_manifest()
    if clip.lines:
        assert clip.sha256 == speech_checksum(clip.lines, models)
        assert clip.transcript == " ".join(line.text for line in clip.lines)
    files = [{file.name: file for file in models.models[part.model].files}[part.file] for part in clip.parts]
    if len(files) == 1:
        assert clip.sha256 == files[0].sha256


def test_a_checksum_of_speech_changes_with_what_is_said_and_by_whom() -> None:
    lines = next(clip for clip in CLIPS.values() if clip.synthetic).lines
    models = load_manifest()
    assert speech_checksum(lines[1:], models) != speech_checksum(lines, models)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"clips": [{"id": "a"}]}', b'{"clips": 3}'])
def test_a_damaged_set_is_refused(content: bytes) -> None:
    with pytest.raises(SourceUnreadable):
        parse_clip_set(content)


def test_the_repository_shows_the_packages_own_file() -> None:
    shown = Path(__file__).parents[2] / "evals" / "clips.json"
    assert len(json.loads(shown.read_bytes())["clips"]) == len(CLIPS)
    assert shown.is_symlink()


@pytest.mark.parametrize(
    ("term", "text", "count"),
    [
        ("boss", "The boss? That Boss!", 2),
        ("boss", "The bosses", 0),
        ("abonnement", "Merci pour l'abonnement, Thomas.", 1),
        ("open source", "an open-source PBX, open source", 1),
        ("", "anything", 0),
    ],
)
def test_terms_are_counted_word_by_word(term: str, text: str, count: int) -> None:
    assert occurs(term, text) == count


def test_a_draw_is_of_content_words_and_the_same_each_time() -> None:
    text = "The healer has seven apples, and the apples are green."
    words = draw(text, language="en", terms=["healer"], seed="a")
    assert sorted(words) == ["apples", "green"]
    assert words == draw(text, language="en", terms=["healer"], seed="a")
    orders = {tuple(draw(text, language="en", terms=["healer"], seed=str(n))) for n in range(20)}
    assert len(orders) == 2
