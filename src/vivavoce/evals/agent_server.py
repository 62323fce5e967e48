"""An agent under test, in a process of its own: the script beside this file, the engines of the configuration.

It is started by the benchmark with one JSON object of settings, and writes JSON lines: the port when all is warm, its
counts each second, and, when its standard input ends and all calls are over, what became of each call.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TextIO

from vivavoce.agent.admission import Admission
from vivavoce.agent.assembly import PIECE_MS, Agent, open_agent
from vivavoce.agent.conversation import Conversation
from vivavoce.agent.load import read_script
from vivavoce.agent.script import Script, State, Transition
from vivavoce.agent.turns import PRESETS
from vivavoce.audio.pcm import Pcm
from vivavoce.clock import SystemClock
from vivavoce.config.load import load_settings
from vivavoce.errors import CallOver, VivavoceError
from vivavoce.evals.media_agent import rss_mib, say
from vivavoce.ledger.usage import Meter
from vivavoce.legs.values import Hypothesis, Word
from vivavoce.media import Call, Engine, EngineSettings

SCRIPT = "agent_bench.yaml"
TTL_MS = 86_400_000
ALL_MS = 1e9
"""Longer than any round."""
NOTHING: dict[str, Any] = {"turns": [], "cuts": [], "failure": "", "refused": False}
Start = Literal["short", "expected", "live", "long"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerSettings:
    """`expected` is what callers may say in the state of that name. `preset` replaces the configuration's turn taking
    where it is named. `deaf` agents recognise nothing: whatever is said is the same text, at once. With `admits` calls
    are let in as the gateway would."""

    calls: int
    start: Start
    token: str
    expected: Sequence[str] = ()
    preset: str = ""
    config: str | None = None
    deaf: bool = False
    admits: bool = False


class NoRecognition:
    """Implements `SpeechToText`: whatever was said is `text`."""

    def __init__(self, text: str = "this is what was said") -> None:
        self._text = text

    def metered_by(self, meter: Meter) -> NoRecognition:
        return self

    async def open(self, *, language: str, keyterms: Sequence[str] = (), rate_hz: int = 16000) -> SameText:
        words = tuple(Word(word, 0.0, 1.0) for word in self._text.split())
        return SameText(Hypothesis(words, 0.0, final=True, language=language))

    async def warm_up(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class SameText:
    """Implements `SttStream`."""

    def __init__(self, said: Hypothesis) -> None:
        self._said = said
        self._answers: asyncio.Queue[Hypothesis | None] = asyncio.Queue()

    async def push(self, pcm: Pcm, *, voiced: bool = True) -> None:
        pass

    def partial(self) -> None:
        pass

    async def finalise(self, epoch: int) -> None:
        self._answers.put_nowait(replace(self._said, epoch=epoch))

    def commit(self, words: Sequence[Word]) -> None:
        pass

    def reset(self) -> None:
        pass

    async def __aiter__(self) -> AsyncIterator[Hypothesis]:
        while (answer := await self._answers.get()) is not None:
            yield answer

    async def settle(self) -> None:
        pass

    async def aclose(self) -> None:
        self._answers.put_nowait(None)


def bench_script(start: Start, expected: Sequence[str] = ()) -> Script:
    """What is expected is said in a state like `short`, which takes each text for a way of its own back to it."""
    text = resources.files(__package__).joinpath(SCRIPT).read_text(encoding="utf-8")
    script = read_script(text, name=SCRIPT)
    ways = tuple(Transition(to="expected", said=(one,)) for one in expected)
    states = script.states | {"expected": State(say=script.states["short"].say, go=ways)}
    return script.model_copy(update={"start": start, "states": states})


def told(conversation: Conversation) -> dict[str, Any]:
    """What the benchmark needs of a call, without what was said."""
    turns = [
        {"silent_ns": one.silent_ns, "decided_ns": one.decided_ns, "fixed": one.fixed} for one in conversation.turns
    ]
    cuts = [{"at_ns": one.at_ns, "heard_ms": one.heard_ms} for one in conversation.cuts]
    return {"turns": turns, "cuts": cuts, "failure": str(conversation.failure or "")}


async def main(settings: ServerSettings, out: TextIO) -> None:
    config = load_settings(Path(settings.config) if settings.config else None)
    clock = SystemClock()
    calls: dict[int, dict[str, Any]] = {}

    async def serve(agent: Agent, call: Call, n: int, admission: Admission | None) -> None:
        with suppress(CallOver):
            await call.started()
        talking = sum(one.format is not None and one.end is None for one in expected)
        if admission is not None and admission.refusal(talking - 1):
            call.hang_up()
            calls[n] = NOTHING | {"refused": True}
        else:
            calls[n] = NOTHING | told(await agent.converse(call, clock=clock))

    async with (
        open_agent(config, bench_script(settings.start, settings.expected)) as agent,
        Engine(EngineSettings(calls=settings.calls, anonymous=settings.calls)) as engine,
    ):
        await agent.warm()
        served = replace(agent, turns=PRESETS[settings.preset]) if settings.preset else agent
        served = replace(served, stt=NoRecognition(), detector=None) if settings.deaf else served
        async with asyncio.TaskGroup() as group:
            tokens = [f"{settings.token}{n}" for n in range(settings.calls)]
            expected = [engine.expect(token, ttl_ms=TTL_MS, piece_ms=PIECE_MS) for token in tokens]
            measured = Admission(engine, agent.backlog, clock=clock, limits=agent.limits)
            watching = group.create_task(measured.watch())
            admission = measured if settings.admits else None
            tasks = [group.create_task(serve(served, call, n, admission)) for n, call in enumerate(expected)]
            say(out, port=engine.port, **_counts(engine))
            reader = group.create_task(asyncio.to_thread(sys.stdin.read))
            while not reader.done():
                await asyncio.wait([reader], timeout=1.0)
                say(out, **_counts(engine))
            # Who has not hung up by now never will.
            await asyncio.wait(tasks, timeout=2.0)
            for task in (*tasks, watching):
                task.cancel()
        say(
            out,
            told=[calls.get(n, NOTHING | {"failure": "it did not end"}) for n in range(settings.calls)],
            recognition_ms=[round(ms, 1) for ms in agent.backlog.waits_ms(ALL_MS)],
        )


def _counts(engine: Engine) -> dict[str, Any]:
    stats = engine.stats()
    names = ("late_ms", "calls", "frames_lost", "scheduling")
    return {"at_s": time.monotonic(), "rss_mib": rss_mib()} | {name: stats[name] for name in names}


if __name__ == "__main__":
    import uvloop

    # Who started it ends it: an interrupt from the keyboard is for them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main(ServerSettings(**json.loads(sys.argv[1])), sys.stdout))
    except VivavoceError as error:
        sys.exit(f"{error}; {error.hint}" if error.hint else str(error))
