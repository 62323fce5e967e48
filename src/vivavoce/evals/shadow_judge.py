"""Scores for pairs of a shadow and its primary: the ones that benchmarks use."""

from __future__ import annotations

from vivavoce.evals.scores import chrf, normalised, word_errors


class ScoreJudge:
    """Implements `vivavoce.routing.shadow_calls.Judge`. Without the packages for scoring nothing can be told."""

    def word_errors(self, reference: str, hypothesis: str, *, language: str) -> tuple[int, int] | None:
        try:
            texts = [normalised(text, language=language) for text in (reference, hypothesis)]
            found = word_errors([(texts[0], texts[1])])
        except ImportError:
            return None
        if found is None:
            # Nothing was said, thinks the primary: every word of the shadow is one too many.
            return len(texts[1].split()), 0
        return found.substitutions + found.deletions + found.insertions, found.words

    def chrf(self, reference: str, hypothesis: str) -> float | None:
        try:
            return chrf([(reference, hypothesis)])
        except ImportError:
            return None
