"""Figures of each leg by itself: where one of these moves, the leg it names did it."""

from __future__ import annotations

from collections.abc import Sequence

from vivavoce.evals.scores import Said
from vivavoce.gate.estimates import Count, Rendered, total
from vivavoce.gate.metric import Metric
from vivavoce.gate.metrics_glossary import glossary_metrics_alone
from vivavoce.gate.metrics_invented import flagged_alone, invented_metrics
from vivavoce.gate.metrics_path import chrf_metrics, word_error_metrics
from vivavoce.gate.run import MtAlone, SttAlone


def stt_metrics(clips: Sequence[SttAlone]) -> list[Metric]:
    """Word errors of recognition that heard each clip whole, and what it failed at: windows, or all of a clip."""
    said = {
        clip.id: Said(language=clip.language, register=clip.register, reference=clip.reference, text=clip.transcript)
        for clip in clips
        if not clip.problem
    }
    failed = [Count(clip.id, clip.failed_windows + bool(clip.problem), 1) for clip in clips]
    return [
        *word_error_metrics(said, prefix="stt."),
        total("stt.failed", failed, what="clips", owner="stt", unit="windows"),
    ]


def mt_metrics(clips: Sequence[MtAlone]) -> list[Metric]:
    """Translation of reference transcripts: chrF++ without a glossary, what it invents, its terms, its failures."""
    failed = [
        Count(clip.id, not sentence.translation, 1)
        for clip in clips
        for sentence in (*clip.sentences, *clip.locked, *clip.controlled)
    ]
    rendered: dict[str, list[Rendered]] = {}
    for clip in clips:
        text = " ".join(sentence.translation for sentence in clip.sentences)
        rendered.setdefault(clip.pair, []).append(Rendered(clip.id, clip.reference_translation, text))
    return [
        *chrf_metrics(rendered, owner="mt", prefix="mt."),
        *invented_metrics(flagged_alone(clips), owner="mt", prefix="mt."),
        *glossary_metrics_alone(clips),
        total("mt.failed", failed, what="sentences", owner="mt", unit="sentences"),
    ]
