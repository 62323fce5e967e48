"""The packages that only measuring needs: the optional group `eval`."""

from __future__ import annotations

from importlib.util import find_spec

from vivavoce.errors import ConfigError

_NEEDED = {
    "jiwer": "jiwer",
    "picows": "picows",
    "psutil": "psutil",
    "sacrebleu": "sacrebleu",
    "simplemma": "simplemma",
    "text_to_num": "text2num",
    "whisper_normalizer": "whisper-normalizer",
}


def require_eval_packages() -> None:
    """Raises ConfigError that names what is not installed."""
    missing = [package for module, package in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise ConfigError(
            f"measuring needs {', '.join(missing)}", hint="install the group eval: pip install 'vivavoce[eval]'"
        )
