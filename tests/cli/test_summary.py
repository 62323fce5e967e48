"""What a screen tells of a session's notices, and drift: once when it begins and once when it is over."""

from __future__ import annotations

from vivavoce.cli.summary import drift_notices, is_capped, latest_notices
from vivavoce.contract.drift import DriftWindow
from vivavoce.contract.profile import Stage
from vivavoce.translate.events import Notice, NoticeKind, UtteranceDone


def test_drift_is_told_when_it_begins_and_ends() -> None:
    window = DriftWindow(Stage.STT, 210.0, clock_ns=lambda: 0, window_ms=1000.0, count=4, least=2, clear_at=0.9)

    def after(stt_ms: float) -> list[str]:
        stages = {Stage.STT: (0.0, stt_ms), "queue": (0.0, 9999.0)}
        done = UtteranceDone(1, 0.0, 0.0, "", "en", 1.0, stages)
        return [notice.text for notice in drift_notices(done, {Stage.STT: window}, at_ms=5.0)]

    assert after(100.0) == []
    assert after(100.0) == []
    assert [text.split(":")[0] for text in after(900.0)] == ["stt"]
    told = [after(100.0) for _ in range(4)]
    assert sum("again" in text for texts in told for text in texts) == 1


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
