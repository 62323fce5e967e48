"""The process that holds espeak-ng. Run by file path, it imports nothing of the package and speaks over its pipes only.

espeak-ng is GPL-3, so its library is loaded here and nowhere else. Messages go both ways as a four-byte little-endian
length followed by that many bytes, the first of which is the kind:

    in   p  u16 words per minute, voice, NUL, text    phonemes of the text
         t  the same                                  the same, with ties in diphthongs and affricates
         s  the same                                  sound of the text
         c                                            end the speak under way; without one it does nothing
    out  r  u32 rate in Hz                            the engine is ready
         a  16-bit samples                            some sound
         d  phonemes, or nothing after sound          the request is done
         x  what went wrong                           the request, or the start, failed

Requests are answered in order. The end of input ends the process.
"""

from __future__ import annotations

import ctypes
import os
import re
import select
import signal
import struct

LIBRARY = "libespeak-ng.so.1"
BUFFER_MS = 60
SYNCHRONOUS, DO_NOT_EXIT = 2, 1 << 15
UTF8, IPA = 1, 2
TIE = 0x80 | ord("^") << 8
RATE = 1
STDIN, STDOUT = 0, 1

# A mark ends a clause only before white space or a closing sign: "3.50" and "10:30" stay whole.
CLAUSE_END = re.compile(r"(\s*(?:[,.;:!?…]+(?=[\s\"\u201d\u2019»)\]]|$)|[—…]+|\s[\u2013-](?=\s))\s*)")
LANGUAGE_SWITCH = re.compile(r"\([a-z]{2,3}(?:-[a-z0-9-]+)?\)")


class VoiceProperties(ctypes.Structure):
    """espeak_VOICE of speak_lib.h."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Engine:
    """espeak-ng's library with one voice set. Raises OSError without the library or its data."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        self.rate_hz: int = self._library.espeak_Initialize(SYNCHRONOUS, BUFFER_MS, None, DO_NOT_EXIT)
        if self.rate_hz <= 0:
            raise OSError("espeak-ng's data is missing")
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._on_sound = CALLBACK(self._take)
        self._library.espeak_SetSynthCallback(self._on_sound)
        self._voice = ""
        self._cancelled = False

    def choose(self, voice: str) -> None:
        """Speak with this voice from now on, named as espeak names it or by its language. Raises ValueError."""
        if voice == self._voice:
            return
        if self._library.espeak_SetVoiceByName(voice.encode()):
            wanted = VoiceProperties(languages=voice.encode())
            if self._library.espeak_SetVoiceByProperties(ctypes.byref(wanted)):
                self._voice = ""
                raise ValueError(f"espeak-ng has no voice {voice!r}")
        self._voice = voice

    def phonemes(self, text: str, *, tie: bool) -> str:
        """IPA of the text with its marks between the clauses."""
        mode = IPA | TIE if tie else IPA
        pieces = CLAUSE_END.split(text)
        said = (re.sub(r"\s+", " ", piece) if at % 2 else self._clause(piece, mode) for at, piece in enumerate(pieces))
        return LANGUAGE_SWITCH.sub("", "".join(said)).strip()

    def _clause(self, text: str, mode: int) -> str:
        buffer = ctypes.create_string_buffer(text.encode())
        position = ctypes.c_void_p(ctypes.addressof(buffer))
        found: list[bytes] = []
        while position.value:
            found.append(self._library.espeak_TextToPhonemes(ctypes.byref(position), UTF8, mode))
        return b" ".join(filter(None, found)).decode(errors="replace").strip()

    def speak(self, text: str, words_per_minute: int) -> None:
        """Write the text's sound to the pipe as it comes, until done or cancelled."""
        self._library.espeak_SetParameter(RATE, words_per_minute, 0)
        self._cancelled = False
        self._synthesise(text)
        if self._cancelled:
            self._synthesise("")  # the library keeps words of what was broken off, and would say them in the next text

    def _synthesise(self, text: str) -> None:
        data = text.encode() + b"\0"
        self._library.espeak_Synth(data, len(data), 0, 1, 0, UTF8, None, None)

    def _take(self, samples: int | None, count: int, _events: int) -> int:
        if not self._cancelled and select.select([STDIN], [], [], 0)[0]:
            receive()  # while a request is answered only its cancellation can come
            self._cancelled = True
        if samples and count and not self._cancelled:
            send(b"a", ctypes.string_at(samples, 2 * count))
        return int(self._cancelled)


def send(kind: bytes, payload: bytes = b"") -> None:
    message = memoryview(struct.pack("<I", 1 + len(payload)) + kind + payload)
    while message:
        try:
            message = message[os.write(STDOUT, message) :]
        except BrokenPipeError:
            os._exit(0)


def receive() -> bytes:
    """The next message; without one the process ends here, also when called back from the library."""
    parts: list[bytes] = []
    for _ in range(2):
        missing = struct.unpack("<I", parts[0])[0] if parts else 4
        got = b""
        while len(got) < missing:
            piece = os.read(STDIN, missing - len(got))
            if not piece:
                os._exit(0)
            got += piece
        parts.append(got)
    return parts[1]


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the whole group; the parent decides
    try:
        engine = Engine()
    except OSError as error:
        send(b"x", str(error).encode())
        return
    send(b"r", struct.pack("<I", engine.rate_hz))
    while True:
        message = receive()
        kind = message[:1]
        if kind == b"c":
            continue
        (words_per_minute,) = struct.unpack_from("<H", message, 1)
        voice, _, text = message[3:].decode().partition("\0")
        try:
            engine.choose(voice)
        except ValueError as error:
            send(b"x", str(error).encode())
            continue
        if kind in b"pt":
            send(b"d", engine.phonemes(text, tie=kind == b"t").encode())
        else:
            engine.speak(text, words_per_minute)
            send(b"d")


if __name__ == "__main__":
    main()
