"""Server-sent events out of bytes that come in any pieces."""

from __future__ import annotations

from vivavoce.errors import LegError

_LARGEST = 1 << 20


class EventReader:
    """Reads an event stream as the HTML standard defines it (section 9.2), of which it keeps the data alone."""

    def __init__(self) -> None:
        self._rest = b""
        self._after_return = False
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[str]:
        """The data of each event that is whole now. Raises LegError for one that does not end, or is not UTF-8."""
        if not piece:
            return []
        if self._after_return and piece.startswith(b"\n"):
            # The second half of a line end that was split.
            piece = piece[1:]
            self._after_return = False
            if not piece:
                return []
        self._after_return = piece.endswith(b"\r")
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = (self._rest + piece).split(b"\n")
        events: list[str] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line == b"data":
                self._data.append(b"")
            elif not line and self._data:
                events.append(self._text())
                self._data.clear()
        if len(self._rest) + sum(map(len, self._data)) > _LARGEST:
            raise LegError(f"an event is longer than {_LARGEST >> 20} MiB")
        return events

    def _text(self) -> str:
        try:
            return b"\n".join(self._data).decode()
        except UnicodeDecodeError:
            raise LegError("an event is not UTF-8") from None
