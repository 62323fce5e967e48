"""A run's clips as rows of the store's table `evals`: content, so it is written at once and spools nowhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from vivavoce.contract.stats import percentiles
from vivavoce.evals.clips import Clip
from vivavoce.gate.metric import Metric
from vivavoce.gate.run import ClipRun, Run
from vivavoce.store.database import Database
from vivavoce.store.inserts import insert_into


def eval_rows(run: Run, metrics: Sequence[Metric], clips: Sequence[Clip] = ()) -> list[dict[str, Any]]:
    """One row a clip that was interpreted. `clips` tell whose correction one was."""
    whose = {clip.id: clip for clip in clips}
    return [_row(run, clip, metrics, whose.get(clip.id)) for clip in run.clips if clip.reference and not clip.problem]


async def keep_rows(database: Database, rows: Sequence[Mapping[str, Any]]) -> int:
    """How many were written: those of erased sessions and users are left out. Raises StoreError."""
    async with database.begin() as connection:
        written = await connection.execute(
            insert_into("evals", database.dialect), {"rows": json.dumps(rows, ensure_ascii=False)}
        )
    return int(written.rowcount)


def _row(run: Run, clip: ClipRun, metrics: Sequence[Metric], known: Clip | None) -> dict[str, Any]:
    quality = {
        metric.name: round(metric.parts[clip.id], 3) for metric in metrics if metric.parts and clip.id in metric.parts
    }
    waits_ms = [utterance.wait_ms for utterance in clip.utterances if utterance.wait_ms is not None]
    return {
        "run_id": run.id,
        "clip": clip.id,
        "session_id": known.session_id if known else "",
        "user_id": known.user_id if known else "",
        "at_ms": run.at_ms,
        "pair": clip.pair,
        "register": clip.register,
        "source_text": clip.reference,
        "reference_text": clip.reference_translation,
        "hypothesis_text": clip.translation,
        "quality": json.dumps(quality),
        "heard_p95_ms": percentiles(waits_ms).p95 if run.paced and waits_ms else None,
    }
