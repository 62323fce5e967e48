from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.errors import LegError
from vivavoce.providers.sse import EventReader

STREAM = (
    b": connected\n\n"
    b'data: {"a": "\xc3\xa9"}\n\n'
    b"event: delta\r\nid: 7\r\ndata:two\r\ndata: lines\r\n\r\n"
    b"data: old\rdata\rdata:  Mac\r\r"
    b"retry: 5\n\n"
    b"data: [DONE]\n\n"
    b"data: never ended\n"
)
EVENTS = ['{"a": "é"}', "two\nlines", "old\n\n Mac", "[DONE]"]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(places), len(stream)]
    return [stream[start:end] for start, end in pairwise(bounds)]


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_any_split_gives_the_same_events(places: list[int]) -> None:
    reader = EventReader()
    assert [event for piece in cut(STREAM, places) for event in reader.feed(piece)] == EVENTS


@given(
    events=st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), min_size=1), max_size=6),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    places=st.lists(st.integers(0, 400), max_size=30),
)
def test_any_text_in_any_split_with_any_line_ends(events: list[str], end: str, places: list[int]) -> None:
    stream = "".join(f"data: {event}{end}{end}" for event in events).encode()
    reader = EventReader()
    pieces = cut(stream, [min(place, len(stream)) for place in places])
    assert [event for piece in pieces for event in reader.feed(piece)] == events


def test_byte_by_byte() -> None:
    reader = EventReader()
    assert [event for n in range(len(STREAM)) for event in reader.feed(STREAM[n : n + 1])] == EVENTS


def test_what_is_not_utf_8_is_refused() -> None:
    with pytest.raises(LegError, match="UTF-8"):
        EventReader().feed(b"data: \xff\xfe\n\n")


def test_an_event_without_end_is_refused() -> None:
    with pytest.raises(LegError, match="longer than 1 MiB"):
        EventReader().feed(b"data: " + b"x" * (1 << 20))
    reader = EventReader()
    for _ in range(15):
        reader.feed(b"data: " + b"x" * 65_536 + b"\n")
    with pytest.raises(LegError, match="longer than 1 MiB"):
        reader.feed(b"data: " + b"x" * 131_072)
