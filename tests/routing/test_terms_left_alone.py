"""Clauses that are right stay as they are: what looks like a term is another word, or nobody knows how to put it in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from vivavoce.routing.terms import checked
from vivavoce.text.terms import Terms

# pair, the term and its rendering, a clause and its right translation, and what the engine says to the term alone.
CASES: list[tuple[str, str, str, str, str, str]] = [
    # Other forms of verbs, and verbs that are written like the term.
    ("en-pt", "build", "compilação", "They built a bridge.", "Eles construíram uma ponte.", "construir"),
    ("en-pt", "run", "execução", "We ran out of milk.", "Ficamos sem leite.", "corremos"),
    ("en-pt", "find", "achado", "We found your house.", "Encontramos a sua casa.", "encontramos"),
    ("en-pt", "fall", "queda", "He fell from the roof.", "Ele caiu do telhado.", "caiu"),
    ("en-pt", "stand", "estande", "She stood by the door.", "Ela ficou à porta.", "ficou"),
    ("en-pt", "leave", "licença", "He left at noon.", "Ele saiu ao meio-dia.", "saiu"),
    ("en-pt", "deal", "negócio", "We dealt with it.", "Nós lidamos com isso.", "lidamos"),
    ("en-pt", "set", "conjunto", "He sets the table.", "Ele põe a mesa.", "põe"),
    ("en-pt", "stream", "transmissão", "She streams every day.", "Ela flui todos os dias.", "flui"),
    ("en-pt", "record", "registrar", "She records the call.", "Ela grava a chamada.", "grava"),
    ("en-es", "buy", "compra", "I bought a car.", "Yo compré un coche.", "compré"),
    ("en-es", "light", "luz", "He lit the fire.", "Él encendió el fuego.", "encendió"),
    ("en-es", "pay", "pagar", "He pays the bill.", "Él cancela la cuenta.", "cancela"),
    ("en-es", "fund", "fondo", "They fund it.", "Ellos lo financian.", "financian"),
    ("en-fr", "raid", "incursion", "They raid us.", "Ils nous pillent.", "pillent"),
    ("en-it", "guide", "guida", "He guides us.", "Lui ci conduce.", "conduce"),
    ("es-pt", "cuenta", "cadastro", "Me cuenta una historia.", "Conta-me uma história.", "conta"),
    ("es-en", "vino", "red wine", "Ella vino tarde.", "She came late.", "came"),
    ("es-en", "sobre", "envelope", "Está sobre la mesa.", "It is on the table.", "on"),
    ("es-en", "cuenta", "account", "Ella la cuenta bien.", "She tells it well.", "tells"),
    ("pt-en", "conta", "account", "Ele conta uma história.", "He tells a story.", "tells"),
    ("it-en", "porta", "gate", "Lui porta il pane.", "He brings the bread.", "brings"),
    ("it-en", "conto", "account", "Io conto fino a tre.", "I count to three.", "count"),
    ("fr-en", "porte", "gate", "Je la porte souvent.", "I wear it often.", "wear"),
    ("en-es", "log in", "iniciar sesión", "Please log in now.", "Por favor, entre ahora.", "entrar"),
    # The target has the engine's word for the term as another word.
    ("en-pt", "account", "cadastro", "He says the account is old.", "Ele conta que o perfil é velho.", "conta"),
    ("en-es", "wine", "tinto", "She brought the wine.", "Ella vino con la botella.", "vino"),
    # Parts of other words.
    ("en-pt", "mail", "correio", "E-mail me today.", "Envie-me um e-mail hoje.", "mail"),
    ("en-pt", "art", "ofício", "It is state-of-the-art.", "É estado da arte.", "arte"),
    ("en-pt", "check", "cheque", "The check-in desk.", "O balcão de check-in.", "check"),
    ("en-es", "can", "lata", "I can't do it.", "No puedo hacerlo.", "puedo"),
    ("en-es", "Don", "Señor", "Don't go.", "No vayas.", "Don"),
    ("en-es", "3", "tres", "It is 3.5 percent.", "Es el 3,5 por ciento.", "3"),
    ("fr-en", "vous", "ye", "Rendez-vous demain.", "See you tomorrow.", "you"),
    ("de-en", "Mail", "letter", "Die E-Mail kam.", "The e-mail came.", "mail"),
    # Names, and words that are written like names.
    ("en-pt", "Bill", "Guilherme", "Please pay the bill.", "Por favor, pague a conta.", "conta"),
    ("en-pt", "Apple", "Maçã Lda.", "I ate an apple.", "Eu comi uma maçã.", "maçã"),
    ("en-es", "May", "Mayo", "You may go.", "Puedes ir.", "puedes"),
    ("en-es", "Mark", "Marcos", "Mark my words.", "Recuerda mis palabras.", "recuerda"),
    ("en-es", "US", "EE. UU.", "PLEASE GIVE US TIME", "POR FAVOR, DANOS TIEMPO", "DANOS"),
    # Feminine forms are no plurals.
    ("es-en", "rojo", "crimson", "La casa roja es grande.", "The red house is big.", "red"),
    ("es-en", "chico", "lad", "La chica llegó.", "The girl came.", "girl"),
    ("fr-en", "vert", "emerald", "La maison verte.", "The green house.", "green"),
    ("pt-en", "aluno", "learner", "A aluna chegou.", "The student came.", "student"),
    ("it-en", "maestro", "coach", "La maestra è qui.", "The teacher is here.", "teacher"),
    # The engine's word has another number, or an article that nobody could make agree.
    ("en-pt", "advice", "conselho", "I like the advice.", "Gosto das dicas.", "dicas"),
    ("en-pt", "agreement", "contrato", "It is subject to agreement.", "Está sujeito a acordo.", "acordo"),
    ("en-it", "pupil", "studente", "The pupil is here.", "L'alunno è qui.", "alunno"),
    # The engine was told the terms and obeyed, in languages whose forms nobody knows here.
    ("en-de", "invoice", "Rechnung", "I paid the invoices.", "Ich habe die Rechnungen bezahlt.", "Faktura"),
    ("en-de", "contract", "Vertrag", "The end of the contract.", "Das Ende des Vertrags.", "Kontrakt"),
    ("en-de", "heat pump", "Wärmepumpe", "The heat pump controller.", "Der Wärmepumpenregler.", "Regler"),
    ("en-de", "order", "Auftrag", "The invoice is an order.", "Die Bestellung ist neu.", "Bestellung"),
    ("en-ja", "account", "アカウント", "Open the account.", "アカウントを開いてください。", "口座"),
    ("en-zh", "account", "账户", "Open the account.", "请开设账户。", "帐户"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pair", "term", "rendering", "text", "right", "alone"), CASES, ids=[each[3] for each in CASES]
)
def test_the_clause_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch, pair: str, term: str, rendering: str, text: str, right: str, alone: str
) -> None:
    # Reading the dictionaries takes a second a language.
    monkeypatch.setattr("vivavoce.text.terms.forms_of", lambda words, language: {})
    source, _, target = pair.partition("-")
    terms = Terms({term: rendering}, source=source, target=target)
    answers: Mapping[str, str] = {text: right, "Please Vextal now.": "Por favor, Vextal ahora."}

    async def ask(other: str) -> str:
        # With a name in the term's place, all else is said anew.
        return answers.get(other, "?" if len(other.split()) > 2 else alone)

    said = asyncio.run(checked(text, right, terms.find(text), terms, ask))
    assert (said.text, said.rescued) == (right, 0)
