from __future__ import annotations

import pytest

from vivavoce.evals.shadow_judge import ScoreJudge
from vivavoce.evals.shadow_report import LEAST_PAIRS, compare
from vivavoce.routing.shadow_rows import Row


def pair(number: int, *, primary_ms: float = 200.0, shadow_ms: float = 150.0, **more: object) -> Row:
    fields = {
        "session_id": f"s{number % 7}",
        "leg": "stt",
        "primary_engine": "deepgram",
        "shadow": "moonshine",
        "at_ms": 1_800_000_000_000 + number,
        "primary_ms": primary_ms + number % 5,
        "shadow_ms": shadow_ms + number % 5,
        "errors": 1,
        "words": 20,
        "primary_nano": 1000,
        "shadow_nano": 250,
        "primary_price": "deepgram@2026-05",
        "shadow_price": "moonshine@2026-05",
        **more,
    }
    return Row(**fields)  # type: ignore[arg-type]


def void(why: str, number: int = 0) -> Row:
    return Row(
        session_id=f"v{number}",
        leg="stt",
        primary_engine="deepgram",
        shadow="moonshine",
        at_ms=1_800_000_000_000,
        void=why,
    )


def cap_ms(leg: str, engine: str) -> float:
    return 300.0


def test_pairs_are_put_together():
    (found,) = compare([pair(number) for number in range(100)] + [void("LegLost")], cap_ms)
    assert (found.n, found.sessions, found.void) == (100, 8, {"LegLost": 1})
    assert found.primary_ms
    assert (found.primary_ms.p50, found.primary_ms.p95) == (202.0, 204.0)
    assert found.difference_ms
    assert found.difference_ms.p50 == -50.0
    assert found.difference_interval_ms
    assert found.difference_interval_ms.low == -50.0
    assert found.wer_percent == pytest.approx(5.0)
    assert (found.primary_nano, found.shadow_nano, found.cost_ratio) == (100_000, 25_000, 0.25)
    assert found.prices == ("deepgram@2026-05", "moonshine@2026-05")
    assert found.verdict == "promising: faster, within its bars; run the gate on it"


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([pair(n) for n in range(LEAST_PAIRS - 1)], "undecided: 29 pairs, 30 are needed"),
        ([void("LegLost", n) for n in range(40)], "undecided: 0 pairs, 30 are needed"),
        ([pair(n) for n in range(30)] + [void("LegLost", n) for n in range(10)], "no: 25 % void"),
        ([pair(n, shadow_ms=310.0) for n in range(30)], "no: p95 314 ms over the cap of 300"),
        ([pair(n, errors=3) for n in range(30)], "no: 15.0 % of words differ"),
        ([pair(n, shadow_ms=260.0) for n in range(30)], "promising: slower, within its bars; run the gate on it"),
        (
            [pair(n, shadow_ms=200.0 + (-1) ** n) for n in range(30)],
            "promising: as fast, within its bars; run the gate on it",
        ),
    ],
)
def test_the_verdict_names_what_speaks_against_a_candidate(rows, verdict):
    assert [found.verdict for found in compare(rows, cap_ms)] == [verdict]


def test_what_is_unknown_is_not_taken_for_nothing():
    rows = [pair(n, shadow_nano=None, errors=None, words=None) for n in range(3)]
    (found,) = compare(rows, lambda leg, engine: None)
    assert (found.cost_ratio, found.primary_nano, found.wer_percent, found.chrf, found.length_ratio) == (None,) * 5


def test_each_primary_and_leg_is_apart():
    rows = [pair(1), pair(2, primary_engine="whisper"), pair(3, leg="mt", chrf=60.0), pair(4, leg="mt", chrf=70.0)]
    found = compare(rows, cap_ms)
    assert [(each.leg, each.primary, each.n) for each in found] == [
        ("mt", "deepgram", 2),
        ("stt", "deepgram", 1),
        ("stt", "whisper", 1),
    ]
    assert found[0].chrf == 65.0


def test_texts_are_scored_as_benchmarks_score_them():
    judge = ScoreJudge()
    assert judge.word_errors("We're going home.", "we are going, home", language="en") == (0, 4)
    assert judge.word_errors("one two three", "one too three four", language="pt") == (2, 3)
    assert judge.word_errors("", "hello there", language="pt") == (2, 0)
    assert judge.chrf("bom dia", "bom dia") == pytest.approx(100.0)
    assert judge.chrf("", "bom dia") is None
