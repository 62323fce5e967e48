"""Deepgram's streaming paths on one address: `/v1/listen`, `/v2/listen` (Flux), `/v1/speak` (Aura).

Its rules for recognition: 10 s without sound or text end a connection with 1011; a KeepAlive in a binary frame is no
KeepAlive; an empty binary frame is CloseStream; `Finalize` with nothing worth it to finalise stays unanswered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers

from vivavoce.emulators import aura
from vivavoce.emulators.deepgram_flux import FluxSession
from vivavoce.emulators.deepgram_listen import ListenSession
from vivavoce.emulators.faults import Fault
from vivavoce.emulators.line import Line
from vivavoce.emulators.recognition import Recogniser, Scripted
from vivavoce.emulators.speech import ScriptedSpeech, Speech, speech
from vivavoce.emulators.websocket import Emulator, Handle, Refusal, WebSocketEmulator

LISTEN, FLUX = "/v1/listen", "/v2/listen"
KINDS = {
    "net0000": "closes with 1011 NET-0000 at the next message, whether it is KeepAlive or sound",
    "data0000": "closes with DATA-0000 and that code (1008) at the next sound",
    "metadata-0": "says Metadata with a duration of 0 at the next message, and breaks off",
    "resumed": "Flux: says EagerEndOfTurn at the next words, and then TurnResumed",
    **aura.KINDS,
}
_IDLE_S = 10.0
_RATES_HZ = range(8000, 48001)


def refusal(path: str, headers: Headers) -> Refusal | None:
    parts = urlsplit(path)
    if parts.path == aura.PATH:
        return aura.refusal(path, headers)
    if parts.path not in (LISTEN, FLUX):
        return 404, "no such path\n"
    kind, _, key = headers.get("Authorization", "").partition(" ")
    if kind.casefold() not in ("token", "bearer") or not key.strip():
        return 401, '{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials."}'
    query = parse_qs(parts.query)
    rate = query.get("sample_rate", [""])[0]
    if not rate.isdecimal() or int(rate) not in _RATES_HZ:
        return 400, '{"err_code":"Bad Request","err_msg":"sample_rate is missing or not supported."}'
    if parts.path == FLUX and not query.get("model", [""])[0].startswith("flux-"):
        return 400, '{"err_code":"Bad Request","err_msg":"model is missing or no Flux model."}'
    return None


def emulator(
    *, faults: Sequence[Fault] = (), seed: int = 0, script: Path | None = None, models: bool = False
) -> Emulator:
    """Raises ConfigError for a script that cannot be read."""
    if not models:
        return served(Scripted(script), faults=faults, seed=seed)
    from vivavoce.emulators.embedded import Embedded

    return served(Embedded(), voice=speech(models=True), faults=faults, seed=seed)


def served(
    recogniser: Recogniser,
    *,
    voice: Speech | None = None,
    idle_s: float = _IDLE_S,
    faults: Sequence[Fault] = (),
    seed: int = 0,
) -> WebSocketEmulator:
    """The same with a recogniser, a voice and a limit of one's own."""
    voice = voice or ScriptedSpeech()

    async def listen(line: Line) -> None:
        await ListenSession(line, recogniser).run(idle_s=idle_s)

    async def flux(line: Line) -> None:
        await FluxSession(line, recogniser).run(idle_s=idle_s)

    paths: Mapping[str, Handle] = {LISTEN: listen, FLUX: flux, aura.PATH: aura.AuraServer(voice)}

    async def handle(line: Line) -> None:
        await paths[urlsplit(line.path).path](line)

    async def aclose() -> None:
        await recogniser.aclose()
        await voice.aclose()

    return WebSocketEmulator(handle, refusal=refusal, kinds=KINDS, faults=faults, seed=seed, aclose=aclose)
