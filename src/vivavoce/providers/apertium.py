"""Apertium as resident processes: the programs of a mode stay up and answer one text after the other.

A mode file (`/usr/share/apertium/modes/*.mode`) holds a shell pipeline. Its programs are started here with pipes
between them and `-z`, which makes each flush at a NUL; `$1` is where the caller says how unknown words are shown
(`-n`: as they are) and `$2` a tagger option that is not needed. Format: https://wiki.apertium.org/wiki/Apertium_stream_format.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vivavoce.errors import LegTimeout, LegUnavailable
from vivavoce.providers.sentences import one_line

MODES = Path("/usr/share/apertium/modes")
_START_S = 15.0
_ANSWER_S = 3.0
_LONGEST_ANSWER = 1 << 22
_RESERVED = re.compile(r"([\[\]{}^$/\\@<>])")
_ESCAPED = re.compile(r"\\(.)")
_FAILURE_MARK = re.compile(r"(?<![\\\w])[*@#](?=[^\W\d_])")
# A stop makes the tagger decide; the empty blanks keep it from touching what follows.
_STOP, _BLANKS = ".", "[][\n]"


class Apertium:
    """Implements `TextEngine`; one resident pipeline for each mode that is used."""

    def __init__(self, *, modes: Path = MODES) -> None:
        self._modes = modes
        self._pipelines: dict[str, ApertiumPipeline] = {}

    async def translate_text(self, mode: str, text: str) -> str:
        return await self._pipeline(mode).text(text)

    async def warm_up(self, mode: str) -> None:
        await self._pipeline(mode).text("1")

    async def aclose(self) -> None:
        for pipeline in self._pipelines.values():
            await pipeline.aclose()
        self._pipelines.clear()

    def _pipeline(self, mode: str) -> ApertiumPipeline:
        if mode not in self._pipelines:
            self._pipelines[mode] = ApertiumPipeline(mode, modes=self._modes)
        return self._pipelines[mode]


@dataclass(slots=True)
class _Running:
    processes: list[subprocess.Popen[bytes]]
    questions: asyncio.WriteTransport
    answers: asyncio.StreamReader
    answering: asyncio.ReadTransport
    owed: int = 0

    def stop(self) -> None:
        """End the processes; the transports close the pipes that were given to them."""
        _end(self.processes)
        if not self.questions.is_closing():
            self.questions.abort()
        self.answering.close()


class ApertiumPipeline:
    """The processes of one mode, started at the first text and again, once, when they are found dead."""

    def __init__(self, mode: str, *, modes: Path = MODES) -> None:
        """Raises LegUnavailable when the mode is not installed."""
        self.mode = mode
        self._programs = _programs(mode, modes)
        self._running: _Running | None = None
        self._closed = False
        self._lock = asyncio.Lock()

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._running.processes] if self._running else []

    async def text(self, text: str) -> str:
        """Translate; line breaks become spaces. Raises LegUnavailable or LegTimeout, and can be called again then."""
        plain = one_line(text)
        if not plain:
            return ""
        question = _RESERVED.sub(r"\\\1", plain) + _STOP + _BLANKS
        async with self._lock:
            for _ in range(2):
                if self._closed:
                    raise LegUnavailable(f"the Apertium mode {self.mode} was closed")
                answer = await self._ask(question)
                if answer is not None:
                    return _plain(answer)
        raise LegUnavailable(
            f"the Apertium mode {self.mode} dies when it is asked", hint=f"try: echo Test | apertium {self.mode}"
        )

    async def aclose(self) -> None:
        """Leave no process; whoever still waits for an answer gets LegUnavailable."""
        self._closed = True
        self._stop()
        # Someone may be starting it just now.
        async with self._lock:
            self._stop()

    async def _ask(self, question: str) -> str | None:
        """One exchange; None when the processes turned out dead, which clears them away."""
        try:
            async with asyncio.timeout(_ANSWER_S if self._running else _START_S):
                if self._running is None:
                    self._running = await self._start()
                return await _exchange(self._running, question)
        except (asyncio.IncompleteReadError, ConnectionError, RuntimeError):
            # uvloop refuses to write to a pipe whose reader is gone with a RuntimeError.
            self._stop()
            return None
        except TimeoutError as error:
            self._stop()
            raise LegTimeout(f"the Apertium mode {self.mode} did not answer in time") from error

    async def _start(self) -> _Running:
        spawning = asyncio.create_task(asyncio.to_thread(_spawn, self.mode, self._programs))
        loop = asyncio.get_running_loop()
        answers = asyncio.StreamReader(limit=_LONGEST_ANSWER)
        try:
            processes = await asyncio.shield(spawning)
            answering, _ = await loop.connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(answers), processes[-1].stdout
            )
            questions, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, processes[0].stdin)
        except asyncio.CancelledError:
            _discard(await spawning)
            raise
        return _Running(processes, questions, answers, answering)

    def _stop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.stop()


async def _exchange(running: _Running, question: str) -> str:
    running.questions.write(question.encode() + b"\0")
    # Answers to questions whose askers were cancelled come first.
    running.owed += 1
    answer = b""
    while running.owed:
        answer = await running.answers.readuntil(b"\0")
        running.owed -= 1
        if _BLANKS.encode() not in answer:
            # Programs whose upstream died still flush an empty answer.
            raise asyncio.IncompleteReadError(answer, None)
    return answer[:-1].decode("utf-8", "replace")


def _programs(mode: str, modes: Path) -> list[list[str]]:
    """The argument lists of a mode's programs, first to last."""
    try:
        pipeline = (modes / f"{mode}.mode").read_text()
    except OSError as error:
        raise LegUnavailable(f"the Apertium mode {mode} is not installed", hint=_remedy(mode)) from error
    programs: list[list[str]] = []
    for stage in pipeline.split("|"):
        name, *arguments = shlex.split(stage)
        programs.append([name, "-z", *("-n" if a == "$1" else a for a in arguments if a != "$2")])
    return programs


def _remedy(mode: str) -> str:
    """Debian names the package after both languages, in either order."""
    first, _, second = mode.partition("_")[0].partition("-")
    return f"on Debian and Ubuntu: apt-get install apertium '^apertium-({first}-{second}|{second}-{first})$'"


def _spawn(mode: str, programs: list[list[str]]) -> list[subprocess.Popen[bytes]]:
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for program in programs:
            above = processes[-1].stdout if processes else None
            # In a session of its own, for Ctrl-C in the terminal is the command's, which then closes the pipeline.
            process = subprocess.Popen(
                program,
                stdin=above or subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,
            )
            processes.append(process)
            if above is not None:
                above.close()
    except OSError as error:
        _discard(processes)
        raise LegUnavailable(f"{programs[len(processes)][0]} did not start: {error}", hint=_remedy(mode)) from error
    return processes


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()


def _discard(processes: list[subprocess.Popen[bytes]]) -> None:
    """End processes whose pipes no transport has taken over."""
    _end(processes)
    for process in processes:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _plain(answer: str) -> str:
    text = answer.rpartition(_BLANKS)[0].removesuffix(_STOP)
    return _ESCAPED.sub(r"\1", _FAILURE_MARK.sub("", text)).strip()
