"""Which clips a run replays, and how runs of different plans are told apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vivavoce.errors import SourceMissing
from vivavoce.evals.clips import Clip
from vivavoce.gate.plan import chosen, few_pairs, glossary_of, occurring, short_plan, whole_plan


def _clip(name: str, pair: str, *, seconds: float = 4.0, register: str = "banter", **more: object) -> Clip:
    source, _, target = pair.partition("-")
    clip = Clip(name, f"{name}.wav", source, "Some words.", seconds, register=register, target=target)
    return replace(clip, path=Path(f"{name}.wav"), **more)  # type: ignore[arg-type]


CLIPS = [
    *(_clip(f"a{n}", "en-pt", seconds=2.0 + n, terms={"dog": "cão"} if n == 2 else {}) for n in range(4)),
    *(_clip(f"b{n}", "fr-en", register="lecture") for n in range(3)),
    _clip("c0", "es-en", terms={"casa": "house"}),
]


def test_clips_are_chosen_by_pair_register_and_count() -> None:
    assert [clip.id for clip in chosen(CLIPS, pairs=["fr-en"])] == ["b0", "b1", "b2"]
    assert [clip.id for clip in chosen(CLIPS, registers=["banter"], limit=2)] == ["a0", "a2", "c0"]
    assert chosen([*CLIPS, replace(CLIPS[0], id="nowhere", target="")]) == CLIPS
    with pytest.raises(SourceMissing, match="--pair: no clip is of en-xx") as refused:
        chosen(CLIPS, pairs=["en-xx"])
    assert "en-pt, es-en, fr-en" in refused.value.hint
    with pytest.raises(SourceMissing, match="no clip is left"):
        chosen([replace(CLIPS[0], target="")])


def test_a_sound_of_several_pairs_is_heard_once_and_read_in_each() -> None:
    clips = [*CLIPS, replace(_clip("d0", "en-es"), path=CLIPS[0].path)]
    plan = whole_plan(clips)
    assert plan.replayed == plan.read == tuple(clips)
    assert [clip.id for clip in plan.heard] == [clip.id for clip in CLIPS]
    assert plan.pairs == ["en-pt", "fr-en", "es-en", "en-es"]


def test_the_label_differs_with_all_that_makes_figures_differ() -> None:
    plan = whole_plan(CLIPS)
    others = [
        whole_plan(CLIPS[:-1]),
        whole_plan(CLIPS, paced=False),
        whole_plan([*CLIPS[:-1], replace(CLIPS[-1], sha256="other")]),
        replace(plan, heard=()),
    ]
    assert plan.label == whole_plan(list(CLIPS)).label
    assert len({each.label for each in (plan, *others)}) == 5
    assert all(each.label.startswith("whole:") for each in others)


def test_without_a_checksum_the_row_and_the_sound_tell_plans_apart(tmp_path: Path) -> None:
    sounds = tmp_path / "a.wav", tmp_path / "b.wav", tmp_path / "c.wav"
    for path, content in zip(sounds, (b"one", b"one", b"two"), strict=True):
        path.write_bytes(content)
    clip = replace(_clip("a", "en-pt"), path=sounds[0])
    assert whole_plan([clip]).label == whole_plan([replace(clip, path=sounds[1])]).label
    others = [
        replace(clip, path=sounds[2]),
        replace(clip, path=tmp_path / "missing.wav"),
        replace(clip, transcript="Other words."),
        replace(clip, references={"pt": "Outras palavras."}),
        replace(clip, terms={"words": "palavras"}),
        replace(clip, control={"words": "palavras"}),
    ]
    assert len({whole_plan([each]).label for each in (clip, *others)}) == 7
    known = replace(clip, sha256="known")
    assert whole_plan([known]).label == whole_plan([replace(known, path=sounds[2])]).label


def test_the_short_part_is_of_two_pairs_that_are_soon_opened() -> None:
    assert few_pairs(CLIPS) == ["en-pt", "es-en"]
    plan = short_plan(CLIPS)
    assert not plan.paced
    assert plan.label.startswith("short:")
    assert [clip.id for clip in plan.replayed] == ["a0", "a2", "c0"]
    assert plan.heard == ()
    assert [clip.id for clip in plan.read] == ["a0", "a1", "a2", "a3", "c0"]


def test_a_session_locks_the_terms_of_all_its_clips() -> None:
    clips = [_clip("a", "en-es", terms={"house": "casa"}), _clip("b", "en-es", terms={"dog": "perro"})]
    glossary = glossary_of(clips)
    assert glossary == {"house": "casa", "dog": "perro"}
    assert occurring("Two dogs.", glossary, source="en", target="es") == {"dog": "perro"}
    assert occurring("Nothing.", {}, source="en", target="es") == {}
