"""The process that `shadow_after` starts: takes one job from standard input, and ends when that is closed."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from filelock import FileLock

from vivavoce.folders import state_dir
from vivavoce.routing.shadow_after import LENGTH, Job, work


def main() -> None:
    _step_back()
    source = sys.stdin.buffer
    job = read_job(source)
    threading.Thread(target=_end_with, args=(source,), daemon=True).start()
    folder = state_dir()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(folder / "shadow.lock", mode=0o600):
        asyncio.run(work(job))
    sys.stdout.flush()
    os._exit(0)  # the thread that reads would be waited for


def read_job(source: BinaryIO) -> Job:
    """The job with its calls, as `shadow_after` sends it. Raises EOFError where it is cut off."""
    parts = _parts(source)
    job = next(parts)
    for number, calls in parts:
        job.runs[number].calls.extend(calls)
    assert isinstance(job, Job)
    return job


def _parts(source: BinaryIO) -> Iterator[Any]:
    while True:
        head = source.read(LENGTH.size)
        if len(head) < LENGTH.size:
            raise EOFError("the job was cut off")
        part = pickle.loads(source.read(LENGTH.unpack(head)[0]))
        if part is None:
            return
        yield part


def _end_with(source: BinaryIO) -> None:
    source.read()
    os._exit(1)


def _step_back() -> None:
    """Run only when nobody else wants a core, where the platform can; what is started later inherits it."""
    with suppress(OSError):
        os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    main()
