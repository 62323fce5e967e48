"""What is set for the whole process before an engine loads: a program may decide that, a library may not."""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8


def prepare() -> None:
    """Make engines share two cores, and two heaps with few holes in them.

    glibc has up to eight heaps for each core, and soon keeps in them what is as large as 32 MiB. In ten minutes of
    speech that became 107 MiB of holes. With 8 MiB recognition is as fast; with 1 MiB, or with the default threshold
    for giving memory back, it was 10 to 25 % slower. Source: mallopt(3).
    """
    # Its threads slow two cores down, and a process that is started while they work can hang in the fork.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 2)
        libc.mallopt(_M_MMAP_THRESHOLD, 8 << 20)
        libc.mallopt(_M_TRIM_THRESHOLD, 64 << 20)
