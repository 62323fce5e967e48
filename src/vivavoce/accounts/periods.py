"""The months and days that allowances are for, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def month_of(now_ms: int) -> tuple[int, int]:
    """Where the calendar month of a moment begins and where the next one does, in ms since 1970."""
    first = _moment(now_ms).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    return _ms(first), _ms(following)


def day_of(now_ms: int) -> tuple[int, int]:
    """The same of its day."""
    start = _moment(now_ms).replace(hour=0, minute=0, second=0, microsecond=0)
    return _ms(start), _ms(start + timedelta(days=1))


def _moment(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms / 1000, UTC)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
