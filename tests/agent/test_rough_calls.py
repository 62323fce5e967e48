"""Calls that go wrong, over the real media plane and a real socket; only recognition and synthesis are made up."""

from __future__ import annotations

import asyncio
import base64
import json
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamdouble.api import CallReport, run_scenario
from streamdouble.session import SessionConfig
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from vivavoce.agent.conditions import SlotValue
from vivavoce.agent.conversation import Conversation
from vivavoce.agent.dialogue import Allowed, Choice, Fetch
from vivavoce.agent.ears import Ears
from vivavoce.agent.keeper import Keeper
from vivavoce.agent.load import read_script
from vivavoce.agent.record import restored
from vivavoce.agent.states import MemoryStates
from vivavoce.agent.voice import Voice
from vivavoce.audio.codec import ulaw_decode, ulaw_encode
from vivavoce.audio.files import open_audio
from vivavoce.audio.pcm import Pcm, Samples
from vivavoce.clock import NS_PER_MS, SystemClock
from vivavoce.errors import ModelMissing
from vivavoce.evals.noise import made_sounds
from vivavoce.legs.values import Hypothesis, SpeechChunk, Word
from vivavoce.media import Engine, EngineSettings
from vivavoce.models import ModelStore

RATE_HZ, FRAME, FRAME_MS, WORD_MS = 8000, 160, 20, 60
TOKEN = "t"
SCRIPT = """
name: rough
start: hello
person: desk
slots: {number: {type: text}}
silence: {after_s: 0.4, times: 1, to: bye}
unclear: {times: 2, say: "Sorry?", to: desk}
states:
  hello:
    say: What can I do for you today?
    go:
      - {to: ask, said: [book]}
      - {to: save, said: [save]}
      - {to: bye, said: [nothing]}
    interrupt: strict
  ask: {say: Which one would that be?, go: [{to: bye, said: [that]}]}
  save:
    say: One moment.
    request: {url: "https://example.org/", fill: {number: n}, failed: desk}
    go: [{to: bye}]
  desk: {say: I connect you., transfer: "+15550100"}
  bye: {say: Goodbye., hang_up: true}
"""


class Recogniser:
    """Knows beforehand what is said in each turn; `deaf` answers nothing until the test is over."""

    def __init__(self, texts: Sequence[str], *, deaf: bool = False) -> None:
        self._texts, self._deaf = [*texts, "?"], deaf
        self._said: asyncio.Queue[Hypothesis] = asyncio.Queue()
        self.asked = asyncio.Event()
        self.heard_ms = 0.0

    async def push(self, pcm: Pcm, *, voiced: bool = True) -> None:
        self.heard_ms += pcm.duration_ms

    def partial(self) -> None:
        pass

    async def finalise(self, epoch: int) -> None:
        self.asked.set()
        if not self._deaf:
            words = tuple(Word(word, 0.0, 1.0) for word in self._texts[0].split())
            self._said.put_nowait(Hypothesis(words, 0.0, final=True, language="en", epoch=epoch))

    def commit(self, words: Sequence[Word]) -> None:
        pass

    def reset(self) -> None:
        if self.asked.is_set() and len(self._texts) > 1:
            del self._texts[0]
        self.asked.clear()

    async def __aiter__(self) -> AsyncIterator[Hypothesis]:
        while True:
            yield await self._said.get()

    async def settle(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class Speaker:
    """A hum, so long a word; nothing ever, once it is `stuck`."""

    def __init__(self, word_ms: int) -> None:
        self._word_ms = word_ms
        self.stuck = False
        self._made: asyncio.Queue[SpeechChunk] = asyncio.Queue()

    async def push(self, text: str, epoch: int, *, speed: float = 1.0, lead_ms: float = 0.0) -> None:
        if self.stuck:
            return
        samples = hum(self._word_ms * len(text.split()))
        self._made.put_nowait(SpeechChunk(Pcm(samples, RATE_HZ), epoch, text))

    async def flush(self, epoch: int) -> None:
        if not self.stuck:
            self._made.put_nowait(SpeechChunk(Pcm(np.empty(0, np.int16), RATE_HZ), epoch, last=True))

    def cancel(self, epoch: int) -> None:
        pass

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        while True:
            yield await self._made.get()

    async def settle(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class Chooser:
    async def choose(self, text: str, allowed: Allowed) -> Choice:
        return next((Choice(way=n) for n, way in allowed.ways.items() if text in way.said), Choice())


class Peer:
    """A telephone company's side: a frame every 20 ms, marks returned when they are heard or cleared."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.marks_after_clear = True
        self.heard = asyncio.Event()
        self.cleared = asyncio.Event()
        self._saying: list[Samples] = []
        self._now_ms = self._quiet_at_ms = 0.0
        self._marks: list[tuple[float, str]] = []

    async def begin(self) -> None:
        format_ = {"encoding": "audio/x-mulaw", "sampleRate": RATE_HZ, "channels": 1}
        start = {"streamSid": "MZ1", "callSid": "CA1", "mediaFormat": format_, "customParameters": {"token": TOKEN}}
        await self.send(event="connected", protocol="Call", version="1.0.0")
        await self.send(event="start", start=start)

    def say(self, samples: Samples) -> None:
        self._saying = [samples[at : at + FRAME] for at in range(0, len(samples) - FRAME + 1, FRAME)]

    async def talk(self) -> None:
        """Until either side ends the call."""
        clock = SystemClock()
        begun_ns = clock.now_ns()
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(self._hear())
            with suppress(ConnectionClosed):
                while not hearing.done():
                    frame = self._saying.pop(0) if self._saying else np.zeros(FRAME, np.int16)
                    payload = base64.b64encode(ulaw_encode(frame)).decode()
                    await self.send(event="media", media={"track": "inbound", "payload": payload})
                    while self._marks and self._marks[0][0] <= self._now_ms:
                        await self.send(event="mark", mark={"name": self._marks.pop(0)[1]})
                    self._now_ms += FRAME_MS
                    await clock.sleep_until(begun_ns + round(self._now_ms * NS_PER_MS))

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps({"streamSid": "MZ1"} | message))

    async def _hear(self) -> None:
        with suppress(ConnectionClosed):
            async for text in self.socket:
                match json.loads(text):
                    case {"event": "media", "media": {"payload": payload}}:
                        sound = ulaw_decode(base64.b64decode(payload))
                        self._quiet_at_ms = max(self._quiet_at_ms, self._now_ms) + 1000.0 * len(sound) / RATE_HZ
                        self.heard.set()
                    case {"event": "mark", "mark": {"name": name}}:
                        self._marks.append((self._quiet_at_ms, name))
                    case {"event": "clear"}:
                        self._quiet_at_ms = self._now_ms
                        kept = [(self._now_ms, name) for _, name in self._marks]
                        self._marks = kept if self.marks_after_clear else []
                        self.cleared.set()


class Rough:
    """A conversation that waits for its caller. `fetching` is set while a request is under way."""

    def __init__(self, engine: Engine, keeper: Keeper, recogniser: Recogniser, *, word_ms: int, ttl_ms: int) -> None:
        self._engine, self._keeper, self.recogniser = engine, keeper, recogniser
        self.fetching, self.answered = asyncio.Event(), asyncio.Event()
        self.speaker = Speaker(word_ms)
        self.call = engine.expect(TOKEN, ttl_ms=ttl_ms)
        self.conversation = Conversation(
            self.call,
            read_script(SCRIPT),
            Chooser(),
            ears=Ears(recogniser),
            voice=Voice(self.speaker),
            fetch=self._fetch,
            clock=SystemClock(),
            keep=self._keep,
        )

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._engine.port}/twilio"

    @property
    def said(self) -> list[tuple[str, str, bool]]:
        return [(one.who, one.text, one.cut) for one in self.conversation.history.utterances]

    @asynccontextmanager
    async def peer(self, *, talks: bool = True) -> AsyncIterator[Peer]:
        """A call that begins; left early, it is dropped without a word."""
        async with connect(self.url, compression=None, close_timeout=1) as socket:
            peer = Peer(socket)
            talking = asyncio.create_task(peer.talk()) if talks else None
            try:
                if talks:
                    await peer.begin()
                yield peer
            finally:
                if talking is not None:
                    talking.cancel()
                    await asyncio.wait([talking])
                socket.transport.abort()

    def _keep(self, conversation: Conversation) -> None:
        self._keeper.soon("CA1", conversation.moment, conversation.history)

    async def _fetch(self, _: Fetch) -> Mapping[str, SlotValue] | None:
        self.fetching.set()
        await self.answered.wait()
        return {"number": "7"}


Caller = Callable[[Rough], Awaitable[None]]


def called(
    caller: Caller, texts: Sequence[str] = (), *, deaf: bool = False, word_ms: int = WORD_MS, ttl_ms: int = 5000
) -> tuple[Rough, str]:
    """Let a caller call: what is left then, and why the call was closed. Nothing of it may still be there."""

    async def main() -> tuple[Rough, str]:
        keeper = Keeper(MemoryStates(), lifetime_s=60)
        async with Engine(EngineSettings(calls=1, scheduling="default")) as engine:
            before = asyncio.all_tasks()
            rough = Rough(engine, keeper, Recogniser(texts, deaf=deaf), word_ms=word_ms, ttl_ms=ttl_ms)
            async with asyncio.timeout(15), asyncio.TaskGroup() as group:
                group.create_task(rough.conversation.run())
                group.create_task(caller(rough))
            await keeper.settle()
            assert asyncio.all_tasks() == before
            assert engine.stats()["calls"] == 0
            # The one place is free again.
            engine.expect("next", ttl_ms=1000)
        moment = rough.conversation.moment
        document = await keeper.store.get("CA1")
        # Kept after each turn; a call that never began has none.
        assert (document is None) == (not moment.visits)
        assert document is None or restored(document)[0] == moment
        assert rough.conversation.failure is None
        assert rough.call.end is not None
        return rough, rough.call.end.reason

    return asyncio.run(main())


@pytest.fixture(scope="module", autouse=True)
def speech() -> Samples:
    """Six tenths of a second of a voice."""
    try:
        ModelStore().path("silero-vad", "silero_vad.onnx")
        recording = ModelStore().path("demo-en", "two_cities.wav")
    except ModelMissing as missing:
        pytest.skip(f"{missing}; {missing.hint}")
    sound = np.concatenate([block.samples for block in open_audio(recording).blocks(rate_hz=RATE_HZ)])
    return sound[9600:14400]


def hum(ms: int) -> Samples:
    return (2000 * np.sin(2 * np.pi * 150 * np.arange(RATE_HZ * ms // 1000) / RATE_HZ)).astype(np.int16)


async def held(peer: Peer) -> None:
    """Until the agent ends the call."""
    await peer.socket.wait_closed()


GREETING = ("agent", "What can I do for you today?", False)


def test_who_says_nothing_is_bid_goodbye() -> None:
    async def caller(rough: Rough) -> None:
        async with rough.peer() as peer:
            await held(peer)

    rough, reason = called(caller)
    assert rough.said == [GREETING, ("agent", "Goodbye.", False)]
    assert rough.conversation.moment.over
    assert reason == "hung up"


@pytest.mark.parametrize("name", ["white noise, loud", "melody, loud", "drums, loud"])
def test_what_is_no_voice_is_silence(name: str) -> None:
    sound = next(made.samples for made in made_sounds(60, RATE_HZ) if made.name == name)

    async def caller(rough: Rough) -> None:
        async with rough.peer() as peer:
            peer.say(sound)
            await held(peer)

    rough, reason = called(caller)
    assert rough.said == [GREETING, ("agent", "Goodbye.", False)]
    assert (rough.conversation.moment.state, reason) == ("bye", "hung up")
    assert rough.recogniser.heard_ms == 0


def test_messages_that_make_no_sense_are_passed_over() -> None:
    sense = ["", "{", "null", "[]", '"media"', '{"event": 7}', '{"event": "media"}', '{"event": "mark", "mark": {}}']
    sense += ['{"event": "media", "streamSid": "MZ1", "media": {"payload": "no base 64!"}}']
    sense += ['{"event": "dtmf", "dtmf": {"digit": ""}}', '{"event": "mark", "mark": {"name": "9999999999"}}']
    sense += ['{"event": "start"}', '{"event": "\\ud800"}', "[" * 5000, json.dumps({"more": "x" * 20_000})]

    async def caller(rough: Rough) -> None:
        async with rough.peer() as peer:
            await peer.heard.wait()
            for text in sense:
                await peer.socket.send(text)
            await peer.socket.send(b"\x00\xff" * 500)
            await held(peer)

    rough, reason = called(caller)
    assert rough.said == [GREETING, ("agent", "Goodbye.", False)]
    assert reason == "hung up"


def test_who_hangs_up_while_the_agent_speaks() -> None:
    async def caller(rough: Rough) -> None:
        async with rough.peer() as peer:
            await peer.heard.wait()

    rough, reason = called(caller, word_ms=1000)
    assert [who for who, _, _ in rough.said] == ["agent"]
    assert (rough.conversation.moment.state, rough.conversation.moment.over) == ("hello", False)
    assert reason == "peer closed"


def test_who_hangs_up_while_the_agent_thinks(speech: Samples) -> None:
    async def caller(rough: Rough) -> None:
        async with rough.peer() as peer:
            await peer.heard.wait()
            peer.say(speech)
            await rough.recogniser.asked.wait()

    rough, _ = called(caller, deaf=True)
    assert [who for who, _, _ in rough.said] == ["agent"]
    assert (rough.conversation.moment.state, rough.conversation.moment.over) == ("hello", False)
    assert rough.recogniser.heard_ms > 0


@pytest.mark.parametrize("known", [False, True])
def test_a_request_is_made_to_its_end_though_the_caller_hung_up(speech: Samples, known: bool) -> None:
    async def caller(rough: Rough) -> None:
        async with rough.peer() as peer:
            await peer.heard.wait()
            peer.say(speech)
            await rough.fetching.wait()
        while known and rough.call.end is None:  # noqa: ASYNC110 - a call has one reader of its events, and that is the agent
            await asyncio.sleep(0)
        # Nobody hears what would be said then: it is not waited for.
        rough.speaker.stuck = True
        rough.answered.set()

    rough, _ = called(caller, ["save"])
    # Somebody may have been booked: that is known.
    assert rough.conversation.moment.values == {"number": "7"}
    assert rough.conversation.moment.state == "bye"


def test_who_hangs_up_while_a_line_is_made() -> None:
    async def caller(rough: Rough) -> None:
        rough.speaker.stuck = True
        async with rough.peer():
            await rough.call.started()

    rough, _ = called(caller)
    assert rough.said == []
    assert rough.conversation.moment.state == "hello"


def test_a_peer_that_keeps_marks_it_cleared(speech: Samples) -> None:
    async def caller(rough: Rough) -> None:
        async with rough.peer() as peer:
            peer.marks_after_clear = False
            await peer.heard.wait()
            peer.say(speech)
            await peer.cleared.wait()
            await held(peer)

    rough, reason = called(caller, ["nothing"], word_ms=300)
    (who, text, cut), *rest = rough.said
    assert (who, cut) == ("agent", True)
    assert GREETING[1].startswith(text)
    assert rest == [("caller", "nothing", False), ("agent", "Goodbye.", False)]
    assert reason == "hung up"


def test_a_stream_that_stops_before_it_starts() -> None:
    async def caller(rough: Rough) -> None:
        async with rough.peer(talks=False) as peer:
            await peer.send(event="connected", protocol="Call", version="1.0.0")
            await peer.send(event="stop")

    rough, reason = called(caller, ttl_ms=300)
    assert rough.said == []
    assert reason == "never came"


def test_a_stream_that_stops_as_soon_as_it_starts() -> None:
    async def caller(rough: Rough) -> None:
        async with rough.peer(talks=False) as peer:
            await peer.begin()
            await peer.send(event="stop")
            await held(peer)

    rough, reason = called(caller)
    assert not rough.conversation.moment.over
    assert reason == "peer closed"


SCENARIO = """
name: two turns
steps:
  - wait_for: audio
  - say: caller.wav
  - expect: clear
  - wait: 1.1
  - wait_for: quiet
  - say: caller.wav
  - wait: 8
"""


def test_a_whole_call_of_a_caller_that_nobody_here_wrote(speech: Samples, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "caller.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(speech.tobytes())
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    reports: list[CallReport] = []

    async def caller(rough: Rough) -> None:
        config = SessionConfig(custom_parameters={"token": TOKEN}, quiet_period_s=0.1)
        reports.append(await run_scenario(rough.url, tmp_path / "scenario.yaml", config=config))

    rough, _ = called(caller, ["book", "that"], word_ms=200)
    assert reports[0].violations == []
    assert reports[0].result.failed_expectations == []
    assert reports[0].result.closed_by == "agent"
    assert [(who, text) for who, text, _ in rough.said][1:] == [
        ("caller", "book"),
        ("agent", "Which one would that be?"),
        ("caller", "that"),
        ("agent", "Goodbye."),
    ]
    assert rough.conversation.moment.over
