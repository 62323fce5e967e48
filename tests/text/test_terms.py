"""Terms are found as they are said: inflected, elided, beside signs, the longest first; and so are their renderings."""

from __future__ import annotations

import asyncio
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.text.lemmas import forms_of
from vivavoce.text.terms import Terms, ready_terms, terms_of

WORDS = st.sampled_from(
    ["account", "heat", "pump", "key", "l'", "C++", "the", "IT", "e-mail", ".", ",", "no", "É", "x"]
)
PHRASES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
GLOSSARIES = st.dictionaries(PHRASES, PHRASES, max_size=5)
TEXTS = st.lists(st.one_of(WORDS, st.text(max_size=6)), max_size=12).map(" ".join)


@pytest.fixture(scope="module", autouse=True)
def dictionaries_read_once() -> None:
    """A glossary of new words reads both dictionaries: here all tests' words are read at once."""
    said = {
        "en": "door window front account heat pump call mouse mailbox network server directory thing gate checking"
        " transfer kiosk net plan anything journal",
        "pt": "porta janela entrada conta bomba calor chamada rato correio cê mais dotnet corrente servidor transferir"
        " quiosque rede",
        "fr": "appel boîte vocale journal",
        "it": "elenco casella",
        "es": "servidor",
    }
    for language, words in said.items():
        forms_of(words.split(), language)


def found(text: str, glossary: dict[str, str], source: str = "en", target: str = "pt") -> list[tuple[str, str]]:
    return [(each.written, each.rendering) for each in terms_of(glossary, source, target).find(text)]


@pytest.mark.parametrize(
    ("text", "glossary", "expected"),
    [
        ("open the door", {"window": "janela"}, []),
        ("the DOOR, the Door, the door.", {"Door": "porta"}, [("DOOR", "porta"), ("Door", "porta")]),
        ("the door", {"Door": "porta"}, [("door", "porta")]),
        ("outdoor doorway", {"door": "porta"}, []),
        ("the front door", {"door": "porta", "front door": "entrada"}, [("front door", "entrada")]),
        ("the front doors", {"door": "porta", "front door": "entrada"}, [("front doors", "entradas")]),
        ("c++ and c", {"c++": "C mais mais"}, [("c++", "C mais mais")]),
        ("c++ and c", {"c": "cê"}, [("c", "cê")]),
        ("it is IT", {"IT": "TI"}, [("IT", "TI")]),
        ("IT IS THERE", {"IT": "TI"}, []),
        ("AT LAST, APPLE WON", {"Apple": "Maçã"}, []),
        ("AT&T's plan", {"AT&T": "AT&T"}, [("AT&T", "AT&T")]),
        ("an e‑mail, an e mail", {"e-mail": "correio"}, [("e‑mail", "correio"), ("e mail", "correio")]),
        ("at the end. Net income on .NET", {".NET": "dotnet"}, [(".NET", "dotnet")]),
        ("the account's owner", {"account": "conta"}, [("account", "conta")]),
        ("heat. Pump", {"heat pump": "bomba de calor"}, []),
        ("anything", {" ": "x", "": "y", "anything": " "}, []),
    ],
)
def test_terms_are_found_as_words(text: str, glossary: dict[str, str], expected: list[tuple[str, str]]) -> None:
    assert found(text, glossary) == expected


@pytest.mark.parametrize(
    ("pair", "text", "glossary", "expected"),
    [
        ("en-pt", "my accounts", {"account": "conta"}, [("accounts", "contas")]),
        ("en-pt", "two heat pumps", {"heat pump": "bomba de calor"}, [("heat pumps", "bombas de calor")]),
        ("en-fr", "the journals", {"journal": "journal"}, [("journals", "journaux")]),
        ("fr-en", "l'appel et d’appels", {"appel": "call"}, [("appel", "call"), ("appels", "calls")]),
        ("it-en", "nell'elenco", {"elenco": "directory"}, [("elenco", "directory")]),
        ("it-en", "delle caselle", {"casella": "mailbox"}, [("caselle", "mailboxes")]),
        ("es-en", "a los servidores", {"servidor": "server"}, [("servidores", "servers")]),
        ("pt-en", "nas redes", {"rede": "network"}, [("redes", "networks")]),
        ("en-pt", "Jordan met the Jordans", {"Jordan": "Jordânia"}, [("Jordan", "Jordânia")]),
        ("xx-yy", "the kontos, the konto", {"konto": "konto"}, [("konto", "konto")]),
    ],
)  # fmt: skip
def test_a_plural_is_the_term_and_its_rendering_has_the_plural(
    pair: str, text: str, glossary: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    source, _, target = pair.partition("-")
    assert found(text, glossary, source, target) == expected


def test_what_inflects_a_verb_is_not_the_noun_that_looks_like_it() -> None:
    glossary = {"call": "chamada", "mouse": "rato", "build": "compilação"}
    assert found("he called two mice, calling, and built", glossary) == [("mice", "ratos")]


def test_a_verb_s_rendering_has_no_plural() -> None:
    assert found("she transfers it", {"transfer": "transferir"}) == [("transfers", "transferir")]
    assert found("the sign-ins", {"sign in": "iniciar sesión"}, "en", "es") == [("sign-ins", "iniciar sesión")]


@pytest.mark.parametrize(
    ("text", "term", "sure"),
    [
        ("the account", "account", True), ("my accounts", "account", True), ("He accounts for it", "account", False),
        ("a valid password", "password", True), ("the prices fall", "fall", False), ("the fall", "fall", True),
        ("the man runs", "run", False), ("the first boss", "boss", True), ("That boss won.", "boss", True),
        ("the boss that runs", "run", False), ("Account closed", "account", False), ("two mice", "mouse", True),
        ("I like Apple.", "Apple", True), ("Apple pie.", "Apple", False), ("the apple", "Apple", False),
        ("the heat pump", "heat pump", True),
    ],
)  # fmt: skip
def test_a_term_is_sure_where_nothing_else_looks_like_it(text: str, term: str, sure: bool) -> None:
    (locked,) = terms_of({term: "porta"}, "en", "pt").find(text)
    assert locked.sure is sure


def test_an_entry_may_be_in_the_plural() -> None:
    terms = Terms({"accounts": "cadastros", "bus": "autocarro"}, source="en", target="pt", inflected=False)
    assert [(each.many, each.sure) for each in terms.find("these accounts, a bus")] == [(True, True), (False, True)]


def test_a_plural_is_sure_where_the_rendering_s_is_known() -> None:
    assert [each.sure for each in terms_of({"account": "Konto"}, "en", "de").find("the accounts")] == [False]


@pytest.mark.parametrize(
    ("target", "rendering", "translation", "there"),
    [
        ("de", "Rechnung", "Ich habe die Rechnungen bezahlt.", True),
        ("de", "Vertrag", "Die Laufzeit der Verträge endet.", True),
        ("de", "Wärmepumpe", "der Wärmepumpenregler", True),
        ("de", "Wärmepumpe", "die Heizung", False),
        ("de", "Tür", "die Türe, die Türkei", True),
        ("de", "Tür", "die Türkeireise", False),
        ("ja", "アカウント", "アカウントを開いてください。", True),
        ("zh", "账户", "请开设账户。", True),
        ("th", "บัญชี", "เปิดบัญชีใหม่", True),
        ("ko", "계정", "계정을 열어 주세요", True),
        ("ru", "счёт", "два счета", True),
    ],
)
def test_where_no_plurals_are_known_what_has_the_stem_is_there(
    target: str, rendering: str, translation: str, there: bool
) -> None:
    terms = terms_of({"thing": rendering}, "en", target)
    assert (terms.missing(terms.find("the thing"), translation) == []) is there


def test_without_spaces_a_term_is_found_by_its_characters() -> None:
    assert found("口座を開いてください。", {"口座": "account"}, "ja", "en") == [("口座", "account")]


def test_thousands_of_terms_may_begin_with_the_same_word() -> None:
    glossary = {f"account number {n}": f"conta {n}" for n in range(2000)} | {"account": "conta"}
    terms = Terms(glossary, source="en", target="pt", inflected=False)
    locked = terms.find("account account number 7 account numbers " * 50)
    assert [each.term for each in locked] == ["account", "account number 7", "account"] * 50


@pytest.mark.parametrize(
    ("rendering", "translation", "there"),
    [
        ("conta", "As contas estão fechadas", True),
        ("conta", "O contato", False),
        ("bomba de calor", "duas Bombas de Calor.", True),
        ("bomba de calor", "a bomba do calor", False),
        ("o servidor", "está no servidor", True),
        ("AT&T", "da AT&T", True),
        ("conta", "d'conta", True),
    ],
)
def test_a_rendering_is_there_in_other_forms_too(rendering: str, translation: str, there: bool) -> None:
    terms = terms_of({"thing": rendering}, "en", "pt")
    locked = terms.find("the thing")
    assert (terms.missing(locked, translation) == []) is there


def test_verbs_are_rendered_in_any_form() -> None:
    pytest.importorskip("simplemma")
    terms = terms_of({"transfer": "transferir"}, "en", "pt")
    assert terms.missing(terms.find("they transfer it"), "eles transferem") == []


def test_each_occurrence_needs_its_own_rendering() -> None:
    terms = terms_of({"door": "porta", "gate": "porta"}, "en", "pt")
    locked = terms.find("the door, the gate, the door")
    assert [each.start for each in terms.missing(locked, "a porta e a porta")] == [locked[2].start]
    assert terms.missing(locked, "porta porta porta") == []
    longer = terms_of({"account": "conta", "checking account": "conta corrente"}, "en", "pt")
    missing = longer.missing(longer.find("account, checking account"), "conta corrente")
    assert [each.term for each in missing] == ["account"]


def test_a_sure_occurrence_has_the_rendering_before_one_that_is_not() -> None:
    terms = terms_of({"cuenta": "account"}, "es", "en")
    locked = terms.find("Me cuenta que la cuenta")
    assert [each.sure for each in locked] == [False, True]
    assert terms.missing(locked, "He tells me that the account") == locked[:1]


def test_a_cut_inside_a_term_is_told() -> None:
    terms = terms_of({"heat pump": "bomba de calor"}, "en", "pt")
    assert terms.cut("the heat pump runs", len("the heat"))
    assert not terms.cut("the heat pump runs", len("the heat pump"))


def test_accents_may_be_written_in_two_ways() -> None:
    glossary = {"boîte vocale": "mailbox"}
    assert len(found(unicodedata.normalize("NFD", "la boîte vocale"), glossary, "fr", "en")) == 1


def test_a_glossary_is_made_ready_once() -> None:
    async def main() -> None:
        glossary = {"kiosk": "quiosque"}
        assert await ready_terms(glossary, "en", "pt") is await ready_terms(dict(glossary), "en", "pt")

    asyncio.run(main())


@settings(deadline=None)
@given(TEXTS, GLOSSARIES)
def test_what_is_found_is_apart_and_in_order(text: str, glossary: dict[str, str]) -> None:
    terms = Terms(glossary, source="en", target="pt", inflected=False)
    locked = terms.find(text)
    assert all(text[each.start : each.end] == each.written and each.term in glossary for each in locked)
    assert all(one.end <= two.start for one, two in pairwise(locked))
    assert {each.start for each in terms.missing(locked, text)} <= {each.start for each in locked}


@settings(deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=3).map(" ".join))
def test_a_term_is_found_in_itself_and_may_be_rendered_as_it_is(term: str) -> None:
    terms = Terms({term: term}, source="en", target="pt", inflected=False)
    text = f"here {term} there"
    locked = terms.find(text)
    assert [each.term for each in locked] == [term]
    assert terms.missing(locked, text) == []
