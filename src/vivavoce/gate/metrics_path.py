"""Figures of the whole path, from sound to dub: how long one waits, and how good it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vivavoce.contract.profile import Stage
from vivavoce.evals.clips import SHORT_MS
from vivavoce.evals.scores import Said, normalised_pairs, word_errors
from vivavoce.evals.stream_laal import Segment, stream_laal, timed_words
from vivavoce.gate.estimates import Count, Rendered, Value, chrf_plus_plus, latency, mean, rate, total
from vivavoce.gate.metric import Metric, Owner
from vivavoce.gate.run import ClipRun

_OWNERS: Mapping[str, Owner] = {Stage.STT: "stt", Stage.MT: "mt", Stage.TTS: "tts"}


def latency_metrics(clips: Sequence[ClipRun]) -> list[Metric]:
    """What a listener waits for, and each stage of the contract; only of runs at real time."""
    waits = [
        (utterance.label_end_ms - utterance.label_start_ms <= SHORT_MS, Value(clip.id, utterance.wait_ms))
        for clip in clips
        for utterance in clip.utterances
        if utterance.wait_ms is not None
    ]
    every = [value for _, value in waits]
    heard = [latency(f"heard.p{100 * q:.0f}", every, q, what="utterances", owner="session") for q in (0.5, 0.95, 0.99)]
    short, long = ([value for is_short, value in waits if is_short is wanted] for wanted in (True, False))
    heard.append(latency("heard.short.p95", short, 0.95, what="utterances", owner="session"))
    heard.append(latency("heard.long.p95", long, 0.95, what="utterances", owner="session"))
    stages: dict[str, list[Value]] = {}
    for clip in clips:
        for utterance in clip.utterances:
            for name, (from_ms, to_ms) in utterance.stages.items():
                stages.setdefault(name, []).append(Value(clip.id, to_ms - from_ms))
    stages.pop(Stage.HEARD, None)
    unheard = [
        Count(
            clip.id,
            clip.impossible + sum(utterance.wait_ms is None for utterance in clip.utterances),
            clip.impossible + len(clip.utterances),
        )
        for clip in clips
    ]
    return (
        [*heard, rate("unheard", unheard, what="utterances", owner="session")]
        + [
            latency(f"stage.{name}.p{100 * q:.0f}", values, q, what="utterances", owner=_OWNERS.get(name, "session"))
            for name, values in stages.items()
            # The median of a leg moves with it where p95 is of those that others kept waiting.
            for q in ((0.5, 0.95) if name in _OWNERS else (0.95,))
        ]
        + [
            mean(f"stream_laal.{pair}", _lagging(own), what="clips", owner="session", unit="ms")
            for pair, own in sorted(by_pair(clips).items())
            if any(clip.reference_translation for clip in own)
        ]
    )


def _lagging(clips: Sequence[ClipRun]) -> list[Value]:
    """Each clip is one sentence of the stream: from its first labelled sample to its last."""
    found = []
    for clip in clips:
        words = timed_words([(clause.translation, clause.shown_ms) for clause in clip.clauses])
        if not clip.reference_translation.strip() or not clip.utterances or not words:
            continue
        start_ms = min(utterance.label_start_ms for utterance in clip.utterances)
        end_ms = max(utterance.label_end_ms for utterance in clip.utterances)
        (lagging_ms,) = stream_laal(words, [Segment(clip.reference_translation, start_ms, end_ms - start_ms)])
        if lagging_ms is not None:
            found.append(Value(clip.id, lagging_ms))
    return found


def word_error_metrics(said: Mapping[str, Said], *, prefix: str = "") -> list[Metric]:
    """Word errors over all clips (by id), and by language."""
    pairs = dict(zip(said, normalised_pairs(list(said.values())), strict=True))
    counts = {}
    for clip, pair in pairs.items():
        if found := word_errors([pair]):
            errors = found.substitutions + found.deletions + found.insertions
            counts[clip] = Count(clip, errors, found.words)
    languages = sorted({each.language for each in said.values()})

    def of(name: str, language: str | None) -> Metric:
        chosen = [count for clip, count in counts.items() if language in (None, said[clip].language)]
        return rate(f"{prefix}{name}", chosen, what="words", owner="stt")

    return [of("wer", None), *(of(f"wer.{language}", language) for language in languages)]


def chrf_metrics(rendered: Mapping[str, Sequence[Rendered]], *, owner: Owner, prefix: str = "") -> list[Metric]:
    """chrF++ by pair."""
    return [chrf_plus_plus(f"{prefix}chrf.{pair}", rows, owner=owner) for pair, rows in sorted(rendered.items())]


def by_pair(clips: Sequence[ClipRun]) -> dict[str, list[ClipRun]]:
    pairs: dict[str, list[ClipRun]] = {}
    for clip in clips:
        pairs.setdefault(clip.pair, []).append(clip)
    return pairs


def text_metrics(clips: Sequence[ClipRun]) -> list[Metric]:
    """Word errors, chrF++ and what subtitles took back."""
    said = {
        clip.id: Said(language=clip.source, register=clip.register, reference=clip.reference, text=clip.transcript)
        for clip in clips
    }
    rendered = {
        pair: [Rendered(clip.id, clip.reference_translation, clip.translation) for clip in own]
        for pair, own in by_pair(clips).items()
    }
    committed = [Count(clip.id, clip.erased, clip.shown) for clip in clips]
    visible = [Count(clip.id, clip.wavered, clip.shown) for clip in clips]
    return [
        *word_error_metrics(said),
        *chrf_metrics(rendered, owner="session"),
        total("erasure.committed", committed, what="words", owner="stt", unit="words"),
        rate("erasure.visible", visible, what="words", owner="stt", unit="a word"),
    ]


def spoken_metrics(clips: Sequence[ClipRun]) -> list[Metric]:
    """Clauses that were translated and not heard."""
    silent = [
        Count(clip.id, sum(clause.heard_ms is None for clause in clip.clauses), len(clip.clauses)) for clip in clips
    ]
    return [rate("unspoken", silent, what="clauses", owner="session")]
