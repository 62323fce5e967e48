"""Every figure of the gate out of one run."""

from __future__ import annotations

from vivavoce.gate.estimates import Count, total
from vivavoce.gate.metric import Metric
from vivavoce.gate.metrics_alone import mt_metrics, stt_metrics
from vivavoce.gate.metrics_glossary import glossary_metrics
from vivavoce.gate.metrics_invented import flagged_path, invented_metrics, judged_metrics
from vivavoce.gate.metrics_path import latency_metrics, spoken_metrics, text_metrics
from vivavoce.gate.run import Run


def measure(run: Run) -> list[Metric]:
    """All figures that the run has something for; without moments and sound where it was not at real time.

    A clip that failed counts in `failed` and in nothing else, so that no figure is better or worse for it. The
    dictionaries of inflection are read at first, which takes seconds: call it from a thread.
    """
    whole = [clip for clip in run.clips if not clip.problem]
    failed = [Count(clip.id, bool(clip.problem), 1) for clip in run.clips]
    path = [
        *((*latency_metrics(whole), *spoken_metrics(whole)) if run.paced else ()),
        *text_metrics(whole),
        *invented_metrics(flagged_path(whole), owner="session"),
        *judged_metrics(run.invented),
        *glossary_metrics(whole),
        total("failed", failed, what="clips", owner="session", unit="clips"),
    ]
    return [
        *(path if run.clips else ()),
        *(stt_metrics(run.stt) if run.stt else ()),
        *(mt_metrics(run.mt) if run.mt else ()),
    ]
