"""What this process and its children take of the machine."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path


class Usage:
    """Counts from the moment it is made."""

    def __init__(self) -> None:
        import psutil

        self._psutil = psutil
        self._own = psutil.Process()
        self._machine_started = self._machine_busy_s()
        self._own_started = self.cpu_s()
        self._started_s = time.monotonic()
        self._peak_mib = 0.0
        self._peak_is_known = _forget_peak()

    def cpu_s(self) -> float:
        """CPU seconds, user and system, of this process and of every child, finished ones included."""
        return tree_cpu_s(self._own.pid)

    def rss_mib(self) -> float:
        """Resident memory of this process and its children, in MiB; pages that they share count for each."""
        own = self._own.memory_info().rss
        children = 0
        for child in self._own.children(recursive=True):
            try:
                children += child.memory_info().rss
            except self._psutil.NoSuchProcess:
                continue
        peak = max(own, _peak_bytes()) if self._peak_is_known else own
        self._peak_mib = max(self._peak_mib, float(peak + children) / 2**20)
        return float(own + children) / 2**20

    @property
    def peak_mib(self) -> float:
        """The most there was when `rss_mib` was asked; on Linux the most of this process between, too."""
        return self._peak_mib

    def others_cores(self) -> float | None:
        """How many cores other programs kept busy since the start; None where this process does not see all cores."""
        if not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) != self._psutil.cpu_count():
            return None
        wall_s = max(1e-3, time.monotonic() - self._started_s)
        others_s = (self._machine_busy_s() - self._machine_started) - (self.cpu_s() - self._own_started)
        return max(0.0, float(others_s) / wall_s)

    def _machine_busy_s(self) -> float:
        times = self._psutil.cpu_times()
        return float(sum(times[:8]) - times.idle - getattr(times, "iowait", 0.0))


def tree_cpu_s(pid: int) -> float:
    """CPU seconds, user and system, of a process and of every child, finished ones included; 0 of one that is gone."""
    import psutil

    total = 0.0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
        for child in process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                of = child.cpu_times()
                total += of.user + of.system
    return float(total)


def _forget_peak() -> bool:
    """Let the kernel count this process's peak from now on; False where it does not. Source: proc_pid_clear_refs(5)."""
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    except OSError:
        return False
    return True


def _peak_bytes() -> int:
    found = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text("ascii"), re.MULTILINE)
    return 1024 * int(found[1]) if found else 0
