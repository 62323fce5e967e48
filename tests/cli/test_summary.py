"""What a screen tells of a session's notices."""

from __future__ import annotations

from vivavoce.cli.summary import is_capped, latest_notices
from vivavoce.translate.events import Notice, NoticeKind


def told(*kinds: NoticeKind) -> list[Notice]:
    return [Notice(kind, f"{n}", 1000.0 * n) for n, kind in enumerate(kinds)]


def test_a_cap_is_told_until_the_dub_is_back() -> None:
    capped, back, other = NoticeKind.DUB_CAPPED, NoticeKind.DUB_BACK, NoticeKind.SHORTER_PAUSES
    assert not is_capped(told(other))
    assert is_capped(told(capped, *[other] * 9))
    assert not is_capped(told(capped, back, other))
    assert is_capped(told(capped, back, other, capped))


def test_how_far_behind_the_dub_is_pushes_nothing_away() -> None:
    capped, drift = NoticeKind.DUB_CAPPED, NoticeKind.DRIFT
    hurried = [NoticeKind.SHORTER_PAUSES, NoticeKind.FASTER] * 5
    assert [notice.text for notice in latest_notices(told(capped, *hurried))] == ["0", "10"]
    assert [notice.text for notice in latest_notices(told(*hurried, capped))] == ["9", "10"]
    assert [notice.text for notice in latest_notices(told(*[drift] * 6, NoticeKind.FASTER))] == ["3", "4", "5", "6"]
