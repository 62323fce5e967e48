"""Values of slots as they are spoken: a date with its weekday, a telephone number digit by digit."""

from __future__ import annotations

import re
from datetime import date, time

from babel.dates import format_date, format_time

from vivavoce.agent.conditions import SlotValue
from vivavoce.agent.words import WORDS


def spoken(value: SlotValue, language: str) -> str:
    if isinstance(value, bool):
        return WORDS[language].said_yes if value else WORDS[language].said_no
    if isinstance(value, date):
        return format_date(value, "EEEE, d MMMM", locale=language)
    if isinstance(value, time):
        return format_time(value, "short", locale=language).replace("\u202f", " ")
    if isinstance(value, float):
        return f"{value:g}"
    if value.startswith("+") and value[1:].isdigit():
        return _by_digits(value)
    return value


def _by_digits(number: str) -> str:
    """A telephone number as people of its country group it, digit by digit."""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        # Free text may look like a number.
        return number
    national = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    return ", ".join(" ".join(group) for group in re.findall(r"\d+", national))


def written(value: SlotValue) -> str:
    """The same for a machine."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date | time):
        return value.isoformat()
    return f"{value:g}" if isinstance(value, float) else value
