"""What goes to a chat endpoint and what comes back, as bytes; no socket."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.errors import LegError, LegRefused
from vivavoce.legs.values import TokenUsage
from vivavoce.prompts import mt_prompt
from vivavoce.providers.openai_chat import ChatReader, chat_body


def test_a_request_says_what_is_asked() -> None:
    messages = mt_prompt().messages(
        "the heat pump", source="en", target="pt", context=["hello"], terms={"heat pump": "bomba"}
    )
    body = json.loads(chat_body("gemini-2.5-flash", messages, reasoning_effort="none"))
    assert (body["model"], body["stream"], body["reasoning_effort"]) == ("gemini-2.5-flash", True, "none")
    system, user = body["messages"]
    assert user == {"role": "user", "content": "the heat pump"}
    assert "from en into pt" in system["content"]
    assert "heat pump = bomba" in system["content"]
    assert "hello" in system["content"]


def event(content: str | None, reason: str | None = None, **more: object) -> bytes:
    delta = {} if content is None else {"content": content}
    chunk = {"choices": [{"index": 0, "delta": delta | more, "finish_reason": reason}]}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


ANSWER = b"".join(
    [
        b": keep-alive\n\n",
        event("", role="assistant"),
        event(None, reasoning_content="hm"),
        event("Olá"),
        event(", você"),
        event(None, "stop"),
        b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}\r\n\r\n',
        b"data: [DONE]\n\n",
    ]
)


@given(st.lists(st.integers(0, len(ANSWER)), max_size=30))
def test_an_answer_in_any_split(places: list[int]) -> None:
    reader, found, bounds = ChatReader(), list[str](), [0, *sorted(places), len(ANSWER)]
    for start, end in pairwise(bounds):
        found += reader.feed(ANSWER[start:end])
    assert found == ["Olá", ", você"]
    assert reader.finished
    assert reader.usage == TokenUsage(7, 2)


def counted(tokens_in: object, tokens_out: object, *, text: str = "") -> bytes:
    """An event that tells of tokens: with a piece of text, or alone."""
    choices = [{"delta": {"content": text}, "finish_reason": None}] if text else []
    usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out}
    return b"data: " + json.dumps({"choices": choices, "usage": usage}).encode() + b"\n\n"


def test_tokens_that_are_told_with_every_piece_are_those_of_the_last() -> None:
    reader = ChatReader()
    assert reader.feed(counted(7, 1, text="Ol") + counted(7, 2, text="á") + event(None, "stop")) == ["Ol", "á"]
    assert reader.usage == TokenUsage(7, 2)


@pytest.mark.parametrize(
    "after",
    [
        b"",
        b'data: {"choices": [\n\n',
        b"data: 7\n\n",
        b"data: \xff\n\n",
        counted(None, 2),
        counted(-1, 2),
        counted(7, "2"),
    ],
)
def test_an_answer_is_whole_whatever_comes_after_it(after: bytes) -> None:
    reader = ChatReader()
    assert reader.feed(event("Olá", "stop")) == ["Olá"]
    reader.rest(after)
    assert reader.finished
    assert reader.usage is None


def test_geminis_last_chunk_brings_text_and_end_at_once() -> None:
    reader = ChatReader()
    assert reader.feed(event("Olá.", "stop")) == ["Olá."]
    assert reader.finished


@pytest.mark.parametrize(
    "data",
    [
        '{"choices": [{"delta"',
        "[1]",
        '{"choices": 7}',
        '{"choices": [7]}',
        '{"id": "x"}',
        '{"choices": [{"delta": 1}]}',
    ],
)
def test_what_is_no_answer_is_a_leg_error(data: str) -> None:
    with pytest.raises(LegError):
        ChatReader().feed(f"data: {data}\n\n".encode())


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_an_answer_cut_by_the_provider(reason: str) -> None:
    with pytest.raises(LegError, match=reason):
        ChatReader().feed(event("Ol", reason))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"message": "busy", "code": 503}, 503),
        ({"message": "busy", "code": "529"}, 529),
        ({"message": "slow down", "type": "rate_limit_error"}, 429),
        ("broken", 500),
    ],
)
def test_an_error_in_the_stream_has_a_status(error: object, status: int) -> None:
    with pytest.raises(LegRefused) as refused:
        ChatReader().feed(b"data: " + json.dumps({"error": error}).encode() + b"\n\n")
    assert refused.value.status == status
