"""Small words of each language that parsers of values need. Phrases are normalised: no case, no marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Words:
    """`past` is in minutes after the hour that follows, `days` from today on; `signs` are those of e-mail addresses.

    What ends with one of `never_last`, or with one of `seldom_last`, probably goes on.
    """

    said_yes: str
    said_no: str
    yes: frozenset[str]
    no: frozenset[str]
    person: tuple[str, ...]
    fillers: frozenset[str] = frozenset()
    never_last: frozenset[str] = frozenset()
    seldom_last: frozenset[str] = frozenset()
    before_names: tuple[str, ...] = ()
    no_names: frozenset[str] = frozenset()
    days: Mapping[str, int] = field(default_factory=dict)
    times: Mapping[str, str] = field(default_factory=dict)
    past: Mapping[str, int] = field(default_factory=dict)
    signs: Mapping[str, str] = field(default_factory=dict)
    digits: Mapping[str, str] = field(default_factory=dict)
    repeats: Mapping[str, int] = field(default_factory=dict)


def _of(*lines: str) -> frozenset[str]:
    return frozenset(phrase.strip() for line in lines for phrase in line.split(","))


def _map(text: str) -> dict[str, str]:
    return dict(pair.strip().split(" = ") for pair in text.split(","))


WORDS: Mapping[str, Words] = {
    "en": Words(
        said_yes="yes",
        said_no="no",
        yes=_of(
            "yes, yeah, yep, yup, yes please, sure, correct, right, that's right, of course, absolutely, exactly, ok",
            "okay, fine, that's fine, sounds good, definitely, perfect, please do, go ahead, uh huh, mm hm",
        ),
        no=_of("no, nope, nah, not, no thanks, no thank you, wrong, incorrect, that's wrong, don't, never, not really"),
        person=(
            "I want to speak to a person",
            "can I talk to a human",
            "put me through to somebody",
            "operator please",
            "I would like to speak with an agent",
            "is there a real person",
            "transfer me to someone who can help",
        ),
        fillers=_of("uh, um, er, erm, hm, hmm, ah, oh, eh, well, so, like"),
        never_last=_of(
            "a, an, the, this, these, those, my, your, his, its, our, their, some, any, every, each, no, of, to, from",
            "into, onto, about, against, between, upon, than, and, or, but, nor, because, if, when, while, whether",
            "though, although, which, who, whom, whose, that, very, more, rather, quite, too, just, only, even, why, i",
            "he, she, we, they, let's, i'm, i'd, i'll, it's, another, such, uh, um, er, erm, with, without, at, by, as",
        ),
        seldom_last=_of(
            "in, on, for, through, over, under, after, before, during, within, is, are, was, were, be, been, being, am",
            "do, does, did, has, have, had, having, can, could, will, would, shall, should, may, might, must, you",
            "most, it, not, there",
        ),
        before_names=(
            *("my name is", "my name's", "the name is", "the name's", "name is"),
            *("this is", "i am", "i'm", "it is", "it's", "call me"),
        ),
        no_names=_of(
            "hello, hi, hey, what, pardon, sorry, please, thanks, thank you, um, uh, well, nothing, nobody, why, who"
        ),
        days={"today": 0, "tonight": 0, "tomorrow": 1, "day after tomorrow": 2},
        times=_map("noon = 12:00, midday = 12:00, midnight = 0:00"),
        past={"half past": 30, "half": 30, r"a?\s?quarter past": 15, r"a?\s?quarter to": -15},
        signs=_map("at = @, dot = ., period = ., underscore = _, dash = -, hyphen = -, minus = -, plus = +"),
        digits=_map(
            "zero = 0, oh = 0, o = 0, one = 1, two = 2, three = 3, four = 4, five = 5, six = 6, seven = 7, eight = 8, "
            "nine = 9, plus = +"
        ),
        repeats={"double": 2, "triple": 3},
    ),
}
