from __future__ import annotations

import pytest

from vivavoce.evals.glossary_score import same_way, term_score

GLOSSARY = {"invoice": "fatura", "supplier": "fornecedor"}


def _scored(*clauses: tuple[str, str]) -> dict[str, tuple[int, int]]:
    return term_score(clauses, GLOSSARY, source="en", target="pt").by_term


def test_each_occurrence_needs_its_rendering_in_its_own_clause() -> None:
    found = _scored(
        ("The invoice is here.", "A fatura está aqui."),
        ("Another invoice came.", "Chegou outra conta."),
        ("The supplier wrote.", "A fatura do vendedor."),
        ("An invoice, and an invoice.", "Uma fatura, e uma conta."),
    )
    assert found == {"invoice": (2, 4), "supplier": (0, 1)}


def test_an_inflected_rendering_is_a_hit() -> None:
    pytest.importorskip("simplemma", reason="the group eval is not installed")
    assert _scored(("The suppliers sent invoices.", "Os fornecedores enviaram faturas.")) == {
        "invoice": (1, 1),
        "supplier": (1, 1),
    }


def test_a_word_that_only_holds_the_term_is_none() -> None:
    assert _scored(("Invoicee", "x")) == {}
    assert term_score([("The invoice", "A fatura")], {}, source="en", target="pt").occurrences == 0


def test_misses_are_not_the_same_way() -> None:
    assert same_way({"a": (3, 3), "b": (2, 4), "c": (0, 2), "once": (0, 1)}) == (3 + 2 + 1, 9)
    assert same_way({}) == (0, 0)
