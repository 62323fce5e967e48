"""What a caller said, as the value of a slot. Nothing is guessed: what could be two values is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Literal

from babel.dates import get_day_names, get_month_names

from vivavoce.agent.check import normalised
from vivavoce.agent.conditions import SlotValue
from vivavoce.agent.script import Slot, SlotType
from vivavoce.agent.words import WORDS, Words

MOST_NAME_WORDS = 4


@dataclass(frozen=True, slots=True)
class Hearing:
    """Where and when something was said: "tomorrow" and "555 0123" mean nothing without."""

    language: str
    country: str
    now: datetime

    @property
    def words(self) -> Words:
        return WORDS[self.language]


def value_of(slot: Slot, text: str, hearing: Hearing) -> SlotValue | None:
    """The value that `text` gives a slot, or None for none or more than one."""
    return _PARSERS[slot.type](text.strip(), slot, hearing)


def _name(text: str, _: Slot, hearing: Hearing) -> str | None:
    said = text.rstrip(".!?")
    for lead in hearing.words.before_names:
        said = re.sub(rf"^.*?\b{lead}\s+", "", said, count=1, flags=re.IGNORECASE)
    words = said.split()
    if not 1 <= len(words) <= MOST_NAME_WORDS or not all(_is_name(word) for word in words):
        return None
    if normalised(said) in hearing.words.yes | hearing.words.no | hearing.words.no_names:
        return None
    return " ".join(word if word[0].isupper() else word.capitalize() for word in words)


def _is_name(word: str) -> bool:
    return all(part.isalpha() for part in re.split(r"['’.-]", word.strip(".,")) if part) and any(map(str.isalpha, word))


def _number(text: str, slot: Slot, hearing: Hearing) -> float | None:
    found = re.findall(r"-?\d+(?:\.\d+)?", _with_digits(text, hearing))
    if len(found) != 1:
        return None
    number = float(found[0])
    low, high = slot.least, slot.most
    return number if (low is None or number >= low) and (high is None or number <= high) else None


def _date(text: str, _: Slot, hearing: Hearing) -> date | None:
    said = f" {normalised(text)} "
    found = set()
    # The longest first: "the day after tomorrow" is not tomorrow.
    for word, days in sorted(hearing.words.days.items(), key=lambda pair: -len(pair[0])):
        if f" {word} " in said:
            said = said.replace(word, "")
            found.add(hearing.now.date() + timedelta(days))
    if not found:
        found = set(_weekdays(said, hearing))
    dated = _dates_with_months(text, hearing)
    found = dated if dated else found
    return found.pop() if len(found) == 1 else None


def _weekdays(said: str, hearing: Hearing) -> Iterator[date]:
    """The next day of each name; today's name means in a week."""
    for weekday, name in get_day_names("wide", locale=hearing.language).items():
        if f" {normalised(name)} " in said:
            yield hearing.now.date() + timedelta((weekday - hearing.now.weekday() - 1) % 7 + 1)


def _dates_with_months(text: str, hearing: Hearing) -> set[date]:
    """Days that are named with their month: only these does the library understand without guessing."""
    from dateparser.search import search_dates

    months = {normalised(name) for width in ("wide", "abbreviated") for name in _months(width, hearing)}

    def is_date(words: str) -> bool:
        return bool(_NUMERIC_DATE.search(words)) or bool(months & set(normalised(words).split()))

    written = _with_digits(_CLOCK_SAID.sub(" ", text), hearing)
    if not is_date(written):
        return set()
    settings = {"RELATIVE_BASE": hearing.now, "PREFER_DATES_FROM": "future", "RETURN_AS_TIMEZONE_AWARE": False}
    found = search_dates(written, languages=[hearing.language], settings=settings) or []
    days = {moment.date() for words, moment in found if is_date(words) and re.search(r"\d", words)}
    return {day for day in days if day >= hearing.now.date()}


def _months(width: Literal["wide", "abbreviated"], hearing: Hearing) -> Iterable[str]:
    return get_month_names(width, locale=hearing.language).values()


_CLOCK_SAID = re.compile(r"\bat\s+\w+(\s+(o'clock|thirty|fifteen|a\.?m\.?|p\.?m\.?))?|\b\d{1,2}:\d{2}\b", re.IGNORECASE)
_NUMERIC_DATE = re.compile(r"\b\d{1,4}[-./]\d{1,2}([-./]\d{1,4})?\b")


def _time(text: str, _: Slot, hearing: Hearing) -> time | None:
    said = _with_digits(text, hearing).casefold()
    for word, written in hearing.words.times.items():
        said = re.sub(rf"\b{word}\b", written, said)
    for pattern, minutes in hearing.words.past.items():
        said = re.sub(rf"\b{pattern}\s+(\d{{1,2}})\b", partial(_moved, minutes), said)
    found = {
        clock
        for hour, minute, half in _CLOCK.findall(said)
        if (clock := _clock(int(hour), int(minute or 0), half.replace(".", ""), bool(minute), hearing)) is not None
    }
    return found.pop() if len(found) == 1 else None


_CLOCK = re.compile(r"\b(\d{1,2})(?:\s?[:h.]\s?(\d{2}))?\s?(a\.?m\b\.?|p\.?m\b\.?|h\b|uhr\b|o'clock\b)?")


def _moved(minutes: int, hour_of: re.Match[str]) -> str:
    hour = int(hour_of[1])
    return f"{hour}:{minutes:02}" if minutes >= 0 else f"{(hour - 1) % 24}:{60 + minutes:02}"


def _clock(hour: int, minute: int, half: str, exact: bool, hearing: Hearing) -> time | None:
    if hour > 23 or minute > 59:
        return None
    if half in ("am", "pm"):
        if not 1 <= hour <= 12:
            return None
        return time(hour % 12 + (12 if half == "pm" else 0), minute)
    if not (half or exact) and hour == 0:
        return None
    # Who says "at three" to an office means the afternoon.
    return time(hour + 12 if 1 <= hour <= 6 else hour, minute)


def _phone(text: str, _: Slot, hearing: Hearing) -> str | None:
    import phonenumbers

    digits = _spelled_digits(text, hearing)
    found = {
        phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)
        for match in phonenumbers.PhoneNumberMatcher(digits, hearing.country)
    }
    return found.pop() if len(found) == 1 else None


def _email(text: str, _: Slot, hearing: Hearing) -> str | None:
    from email_validator import EmailNotValidError, validate_email

    said = text.casefold().rstrip(".!?")
    for word, sign in hearing.words.signs.items():
        said = re.sub(rf"\s*\b{word}\b\s*", sign, said)
    candidates = [word.strip(",;") for word in said.split() if "@" in word]
    if "@" in said and len(candidates) == 1 and candidates[0].startswith("@"):
        candidates = ["".join(said.split())]
    if len(candidates) != 1:
        return None
    try:
        return validate_email(candidates[0], check_deliverability=False).normalized
    except EmailNotValidError:
        return None


def _yes_no(text: str, _: Slot, hearing: Hearing) -> bool | None:
    said = normalised(text)
    words = hearing.words
    yes, no = _begins(said, words.yes), _begins(said, words.no)
    if yes != no:
        return yes
    yes, no = _holds(said, words.yes), _holds(said, words.no)
    return yes if yes != no else None


def _choice(text: str, slot: Slot, _: Hearing) -> str | None:
    said = normalised(text)
    found = {
        name for name, words in slot.options.items() if any(_has(said, normalised(word)) for word in (name, *words))
    }
    return found.pop() if len(found) == 1 else None


def _text(text: str, _: Slot, __: Hearing) -> str | None:
    return text or None


def _begins(said: str, phrases: frozenset[str]) -> bool:
    return any(said == phrase or said.startswith(f"{phrase} ") for phrase in phrases)


def _holds(said: str, phrases: frozenset[str]) -> bool:
    return any(_has(said, phrase) for phrase in phrases)


def _has(said: str, phrase: str) -> bool:
    return bool(phrase) and f" {phrase} " in f" {said} "


def _with_digits(text: str, hearing: Hearing) -> str:
    """Words of numbers as digits."""
    from text_to_num import alpha2digit

    try:
        return str(alpha2digit(text, hearing.language, threshold=0))
    except ValueError:
        return text


def _spelled_digits(text: str, hearing: Hearing) -> str:
    """Digits that are said one by one, as one number."""
    words = [hearing.words.digits.get(word, word) for word in re.findall(r"[\w+]+", text.casefold())]
    said: list[str] = []
    times = 1
    for word in words:
        if word in hearing.words.repeats:
            times = hearing.words.repeats[word]
        else:
            said.append(word * times if word.isdigit() else word)
            times = 1
    return re.sub(r"(?<=[\d+])\s+(?=\d)", "", " ".join(said))


_Parser = Callable[[str, Slot, Hearing], SlotValue | None]
_PARSERS: Mapping[SlotType, _Parser] = {
    SlotType.NAME: _name,
    SlotType.NUMBER: _number,
    SlotType.DATE: _date,
    SlotType.TIME: _time,
    SlotType.PHONE: _phone,
    SlotType.EMAIL: _email,
    SlotType.YES_NO: _yes_no,
    SlotType.CHOICE: _choice,
    SlotType.TEXT: _text,
}
