"""Where traces go: OTLP over HTTP, as the standard OTEL_* variables and `[telemetry] otlp` say.

Source: OpenTelemetry specification, "OpenTelemetry Protocol Exporter" and "Environment Variable Specification".
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vivavoce.config.settings import TelemetrySettings
from vivavoce.errors import ConfigError
from vivavoce.telemetry.keeping import allowed

SERVICE: Final = "vivavoce"
_PATH: Final = "/v1/traces"
_HTTP: Final = "http/protobuf"


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """`endpoint` None leaves it to the environment. Of more than `most` spans that wait the newest are dropped.

    `every_s` is how long spans are gathered, `batch` how many are sent at once.
    """

    endpoint: str | None
    most: int = 2048
    every_s: float = 5.0
    batch: int = 512


def otlp_settings(settings: TelemetrySettings, environment: Mapping[str, str] = os.environ) -> OtlpSettings | None:
    """Where to, or None for nowhere: no address, or no wish.

    The environment's address goes before that of the settings. Raises ConfigError for an exporter or a protocol that
    is not ours, and for numbers that are none.
    """

    def of(name: str) -> str:
        return environment.get(name, "").strip()

    if of("OTEL_SDK_DISABLED").lower() == "true" or not allowed(environment):
        return None
    named = of("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or of("OTEL_EXPORTER_OTLP_ENDPOINT")
    exporter = of("OTEL_TRACES_EXPORTER")
    if exporter == "none" or not (named or settings.otlp):
        return None
    if exporter not in ("", "otlp"):
        raise ConfigError(f"OTEL_TRACES_EXPORTER is {exporter!r}", hint="traces go out as otlp, or not at all: none")
    protocol = of("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or of("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol not in ("", _HTTP):
        raise ConfigError(
            f"OTLP is spoken as {_HTTP}, not {protocol!r}",
            hint=f"set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL={_HTTP} and its port (4318), or OTEL_TRACES_EXPORTER=none",
        )
    return OtlpSettings(
        None if named else settings.otlp.rstrip("/").removesuffix(_PATH) + _PATH,
        most=_number(of("OTEL_BSP_MAX_QUEUE_SIZE"), 2048, "OTEL_BSP_MAX_QUEUE_SIZE"),
        every_s=_number(of("OTEL_BSP_SCHEDULE_DELAY"), 5000, "OTEL_BSP_SCHEDULE_DELAY") / 1000,
        batch=_number(of("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"), 512, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
    )


def _number(text: str, usual: int, name: str) -> int:
    if not text:
        return usual
    if not text.isdecimal() or int(text) == 0:
        raise ConfigError(f"{name} is {text!r}", hint="a whole number above 0 is wanted")
    return int(text)
