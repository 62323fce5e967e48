"""What this process and its children take of the machine."""

from __future__ import annotations

import os
import time


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

    def cpu_s(self) -> float:
        """CPU seconds, user and system, of this process and of every child, finished ones included."""
        times = self._own.cpu_times()
        total = times.user + times.system + times.children_user + times.children_system
        for child in self._own.children(recursive=True):
            try:
                of = child.cpu_times()
            except self._psutil.NoSuchProcess:
                continue
            total += of.user + of.system
        return float(total)

    def rss_mib(self) -> float:
        """Resident memory of this process and its children, in MiB; pages that they share count for each."""
        total = self._own.memory_info().rss
        for child in self._own.children(recursive=True):
            try:
                total += child.memory_info().rss
            except self._psutil.NoSuchProcess:
                continue
        now_mib = float(total) / 2**20
        self._peak_mib = max(self._peak_mib, now_mib)
        return now_mib

    @property
    def peak_mib(self) -> float:
        """The most that `rss_mib` has told."""
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
