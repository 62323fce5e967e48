"""Which clips an evaluation is over: the set that comes with the package, folders of one's own, or both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vivavoce.evals.clips import Clip

SET: Final = "set"
CLIPS_HELP: Final = f"Folder of recordings with a manifest.json, or {SET!r} for the clip set; repeatable."


def eval_clips(named: Sequence[str] | None, on_progress: Callable[[str, float, float], None]) -> list[Clip]:
    """The clips of all that is named; without a name the set. The set's sound is made where it is not there.

    Raises ConfigError where two clips have one name, and what making and reading them raises.
    """
    from pathlib import Path

    from vivavoce.errors import ConfigError
    from vivavoce.evals.clip_folder import ready_clips
    from vivavoce.evals.clips import read_clips

    found: dict[str, Clip] = {}
    for name in named or (SET,):
        if name == SET:
            folder = ready_clips(report=lambda made, count: on_progress("making the clip set", made, count))
        else:
            folder = Path(name)
        for clip in read_clips(folder):
            if clip.id in found:
                raise ConfigError(
                    f"{folder}: another clip is named {clip.id}, too", hint="name each folder once, and each clip anew"
                )
            found[clip.id] = clip
    return list(found.values())
