"""The packages that only traces and metrics need: the optional group `telemetry`."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from vivavoce.errors import ConfigError

TRACES: Final = {
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp-proto-http",
}
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Of metrics as text: Prometheus, "Exposition formats"."""
METRICS: Final = {"prometheus_client": "prometheus-client"}


def missing(needed: dict[str, str]) -> list[str]:
    """Packages whose modules are not installed; nothing is imported but the folders above them."""
    return [package for module, package in needed.items() if not _is_here(module)]


def require(what: str, needed: dict[str, str]) -> None:
    """Raises ConfigError that names what is not installed."""
    if lacking := missing(needed):
        raise ConfigError(
            f"{what} need {', '.join(lacking)}", hint="install the group telemetry: pip install 'vivavoce[telemetry]'"
        )


def _is_here(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
