"""Numbers that a translation has and its source has not, whether written in digits or in words.

Words are read by text2num in the languages that it knows; Catalan ones are said in English for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

LANGUAGES: Final = frozenset({"ca", "de", "en", "es", "fr", "it", "nl", "pt"})
"""In which numbers in words are understood."""

_FEW = frozenset({0, 1, 2})
_OTHERWISE: Final[Mapping[str, frozenset[int]]] = {
    "ca": frozenset({7, 9, 10}),  # set, nou, deu: thirst, new, must
    "fr": frozenset({9}),  # neuf: new
    "it": frozenset({6, 20}),  # sei, venti: you are, winds
}
"""Values whose word alone says something else as well."""
_IMPLIED: Final[Mapping[int, str]] = {
    12: "dozen dotzena docena douzaine dozzina dúzia noon midday midnight mediodía medianoche midi minuit mezzogiorno "
    "mezzanotte meio-dia meia-noite migdia mitjanit",
    15: "quarter cuarto quart quarto fortnight quinzena quincena quinzaine",
    30: "half media demie mezza mezzo meia mitja",
    6: "meia",
    100: "percent hundreds cientos centenas centaines centinaia century",
    1000: "thousands miles milhares milers milliers migliaia",
    1000000: "millions",
}
_IN_ENGLISH: Final = (
    "zero=zero un=one una=one dos=two dues=two tres=three quatre=four cinc=five sis=six set=seven vuit=eight "
    "nou=nine deu=ten onze=eleven dotze=twelve tretze=thirteen catorze=fourteen quinze=fifteen setze=sixteen "
    "disset=seventeen divuit=eighteen dinou=nineteen vint=twenty trenta=thirty quaranta=forty cinquanta=fifty "
    "seixanta=sixty setanta=seventy vuitanta=eighty noranta=ninety cent=hundred cents=hundred centes=hundred "
    "mil=thousand milió=million milions=million"
)
_CATALAN: Final[Mapping[str, str]] = dict(pair.split("=") for pair in _IN_ENGLISH.split())
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_TOKEN = re.compile(r"(\d+(?:[.,:\u00a0\u202f]\d+)*)([^\W\d_]*|[ºª])")
_THOUSANDS = re.compile(r"(?<!\d)\d{1,3}(?:[.,\u00a0\u202f ]\d{3})+(?!\d)")
_MILLIONS = re.compile(
    r"(?<=\d )(?:mill?ions?|mill[oó]n(?:es)?|milion[ei]|milh(?:ão|ões)|milió|millionen|miljoen)\b", re.IGNORECASE
)
_TIMES = re.compile(r"(?<![\d.,])(\d{1,3})(?:[.,](\d))? (1000(?:000)?)\b")
_PERCENT = re.compile(r"\b(por|pour|per) 100\b")
_BEFORE_HOURS = (
    r"past|(?:a|de|desde|es|hacia|hasta|sobre|son) las?|(?:a|de|són) les|às|das|são as|d?alle|(?:sono|verso) le|ore"
)
_AFTER_HOURS = r"a\.?m|p\.?m|o['’]clock|h|hs|hrs?|heures?|horas?|hores|ore|uhr|uur"
_HOUR = re.compile(
    rf"\b(?:{_BEFORE_HOURS}) (\d{{1,2}})(?!\d)"
    rf"|(?<![\d.,:])(\d{{1,2}})(?::\d\d(?![\d:])|(?:[.:]\d\d)? ?(?:{_AFTER_HOURS})(?:\d\d)?\b)",
    re.IGNORECASE,
)
_MOST_DIGITS = 30
"""A longer token is no number that anybody says. Python refuses to read more than 4,300 digits as one."""


def invented_numbers(text: str, translation: str, *, source: str, target: str) -> list[str]:
    """The numbers of a translation for which its source gives no reason, as they are written in digits.

    Tolerated are ordinals in words, values up to two and homonyms in words, digits grouped otherwise, what dozens,
    halves and the like say, and hours of the other half of the day where the text or its translation says that they are
    hours. Empty where a language's words are not understood.
    """
    if source not in LANGUAGES or target not in LANGUAGES:
        return []
    apart = re.sub(r"(?<=[^\W\d_])-(?=[^\W\d_])", " ", text)  # "a three-way merge"
    said, theirs = _digits(text, source), _digits(translation, target)
    ours = [*_tokens(said), *_tokens(_digits(apart, source))]
    known = {value for token, _ in ours for value in _values(token)} | _implied(text)
    known |= {hour for hour in _hours(theirs) if _other_half(hour) in known} | set(map(_other_half, _hours(said)))
    run = "".join(re.findall(r"\d", said))
    written = [token for token, _ in _tokens(translation)]
    few = _FEW | _OTHERWISE.get(target, frozenset())
    found = []
    for token, ordinal in _tokens(theirs):
        spelled = token not in written
        if not spelled:
            written.remove(token)
        elif ordinal or (token.isdecimal() and any(way <= few for way in _ways(token))):
            continue
        bare = re.sub(r"\D", "", token)
        if not (any(way <= known for way in _ways(token)) or (len(bare) > 1 and bare in run)):
            found.append(token)
    all_digits = "".join(re.sub(r"\D", "", token) for token, _ in _tokens(theirs))
    return [] if len(all_digits) > 1 and all_digits in run else found


def _digits(text: str, language: str) -> str:
    """The text with its numbers in digits."""
    text = _PERCENT.sub("%", _said(text, language))
    text = _TIMES.sub(_product, _MILLIONS.sub("1000000", text))
    return _THOUSANDS.sub(lambda found: re.sub(r"[\u00a0\u202f ]", ".", found[0]), text)


def _product(found: re.Match[str]) -> str:
    return str(int(found[1] + (found[2] or "0")) * int(found[3]) // 10)


def _said(text: str, language: str) -> str:
    from text_to_num import alpha2digit

    if language == "ca":
        text, language = _in_english(text), "en"
    return str(alpha2digit(text, language, threshold=0))


def _in_english(text: str) -> str:
    """Catalan with its number words in English: the order of the parts is the same in both."""

    def english(found: re.Match[str]) -> str:
        parts = [part for part in found[0].casefold().split("-") if part != "i"]
        if not parts or not all(part in _CATALAN for part in parts):
            return found[0]
        return " ".join(_CATALAN[part] for part in parts)

    words = _WORD.sub(english, text)
    return re.sub(r"(?<!\w )\b(hundred|thousand)\b|(?<=[^\W\d] )\b(hundred|thousand)\b", _one_of_them, words)


def _one_of_them(found: re.Match[str]) -> str:
    """ "cent" and "mil" are one hundred and one thousand where no number is before them."""
    before = found.string[: found.start()].split()
    numbers = _CATALAN.values()
    return found[0] if before and before[-1].casefold() in numbers else f"one {found[0]}"


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    """Numbers in digits, and whether each is an ordinal."""
    for found in _TOKEN.finditer(text):
        yield found[1], bool(found[2])


def _ways(token: str) -> list[set[int]]:
    """What a token may mean: one number whose thousands are parted, or several numbers, as in 3.5 and 10:30.

    Nothing where it has too many digits.
    """
    bare = re.sub(r"\D", "", token)
    if len(bare) > _MOST_DIGITS:
        return []
    parts = {int(part) for part in re.split(r"\D", re.sub(r"[.,:]00$", "", token))}
    return [{int(bare)}, parts] if _THOUSANDS.fullmatch(token) else [parts]


def _values(token: str) -> set[int]:
    return set().union(*_ways(token))


def _hours(text: str) -> set[int]:
    """What is said to be an hour of the day. In some languages what lasts so many hours is said in the same way."""
    found = (int(hour[1] or hour[2]) for hour in _HOUR.finditer(text))
    return {hour for hour in found if hour <= 24}


def _other_half(hour: int) -> int:
    """The hour of the other half of the day that a clock face shows in the same way."""
    return hour + 12 if hour <= 12 else hour - 12


@cache
def _implications() -> Mapping[str, frozenset[int]]:
    values: dict[str, set[int]] = {}
    for value, words in _IMPLIED.items():
        for word in words.split():
            values.setdefault(word, set()).add(value)
    return {word: frozenset(of) for word, of in values.items()}


def _implied(text: str) -> set[int]:
    words = _WORD.findall(text.casefold())
    implied = {value for word in words for value in _implications().get(word.removesuffix("s"), frozenset())}
    implied |= {value for word in words for value in _implications().get(word, frozenset())}
    return implied | ({100} if "%" in text else set())
