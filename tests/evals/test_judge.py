"""The judge against an emulated endpoint, over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from vivavoce.config.load import default_settings, load_settings
from vivavoce.emulators.faults import Fault
from vivavoce.emulators.openai import served
from vivavoce.errors import ConfigError, LegError, LegUnavailable
from vivavoce.evals.judge import Case, Judge, Opinion, judge_of, read_opinion
from vivavoce.providers.openai_chat import OpenAIChat


class Answers:
    """Answers a question by what its translation says, and counts how many are asked at once."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        self.answers = answers
        self.now = self.most = 0
        self.asked: list[dict[str, str]] = []

    async def reply(self, messages: Sequence[Mapping[str, Any]]) -> str:
        question = json.loads(messages[-1]["content"])
        self.asked.append(question)
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(20):
            await asyncio.sleep(0)
        self.now -= 1
        return self.answers.get(question["translation"], '{"invented": false, "what": ""}')

    async def aclose(self) -> None:
        """Nothing is open."""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-good-71c2d9")


@asynccontextmanager
async def judging(answers: Answers, *faults: str, at_once: int = 4) -> AsyncIterator[Judge]:
    emulated = served(text=answers, faults=[Fault.parse(each, known=served().kinds) for each in faults])
    async with emulated.serving() as address, asyncio.timeout(20):
        judge = Judge(OpenAIChat(url=f"http://{address}/v1", model="m", key="JUDGE_KEY"), at_once=at_once)
        try:
            yield judge
        finally:
            await judge.aclose()


def case(number: int, translation: str) -> Case:
    return Case(id=f"clip/{number}", text="It rains.", translation=translation, source="en", target="pt")


def test_each_clause_has_its_opinion() -> None:
    async def judge_them() -> None:
        answers = Answers({"Chove muito.": '{"invented": true, "what": "muito"}'})
        async with judging(answers) as judge:
            found = await judge.opinions([case(0, "Chove."), case(1, "Chove muito."), case(2, " ")])
        assert found == {
            "clip/0": Opinion(invented=False, what=""),
            "clip/1": Opinion(invented=True, what="muito"),
        }
        assert answers.asked[0].keys() == {"source", "source_language", "translation", "translation_language"}

    asyncio.run(judge_them())


def test_no_more_are_asked_at_once_than_may_be() -> None:
    async def judge_them() -> None:
        answers = Answers({})
        async with judging(answers, at_once=2) as judge:
            found = await judge.opinions([case(n, f"Chove {n}") for n in range(9)])
        assert len(found) == 9
        assert answers.most <= 2

    asyncio.run(judge_them())


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ("Nothing was invented.", "JSON"),
        ('{"what": ""}', "invented"),
        ('{"invented": "no", "what": ""}', "invented"),
        ('{"invented": false, "what": "", "score": 1}', "score"),
        ("[]", "object"),
    ],
)
def test_any_other_answer_is_an_error_that_names_the_clause(answer: str, what: str) -> None:
    async def judge_them() -> None:
        async with judging(Answers({"Chove.": answer})) as judge:
            with pytest.raises(LegError, match=r"judge's answer to clip/0 .*" + what) as raised:
                await judge.opinions([case(0, "Chove."), case(1, "Chove muito.")])
        assert raised.value.hint

    asyncio.run(judge_them())


def test_an_endpoint_that_refuses_is_an_error_of_ours() -> None:
    async def judge_them() -> None:
        async with judging(Answers({}), "error") as judge:
            with pytest.raises(LegError):
                await judge.opinions([case(n, "Chove.") for n in range(3)])

    asyncio.run(judge_them())


def test_an_answer_is_read_strictly() -> None:
    assert read_opinion('{"invented": true, "what": "x"}', "c/0").invented
    assert read_opinion('{"invented": false}', "c/0") == Opinion(invented=False)
    with pytest.raises(LegError):
        read_opinion("", "c/0")


def test_there_is_none_unless_one_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judge_of(default_settings()) is None
    path = tmp_path / "vivavoce.toml"
    path.write_text('[eval]\njudge = "gpt-4o-mini"\n', encoding="utf-8")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(LegUnavailable, match="OPENAI_API_KEY"):
        judge_of(load_settings(path))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nothing")
    assert judge_of(load_settings(path)) is not None


def test_what_is_no_chat_cannot_judge(tmp_path: Path) -> None:
    path = tmp_path / "vivavoce.toml"
    path.write_text('[eval]\njudge = "nobody"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"eval\.judge: no engine"):
        load_settings(path)
    path.write_text('[eval]\njudge = "bergamot"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="no chat endpoint"):
        judge_of(load_settings(path))
