from __future__ import annotations

import pytest

from vivavoce.evals.hallucination import Sign, signs

pytest.importorskip("text_to_num", reason="the group eval is not installed")

SOURCE = "Please bring the blue folder to the meeting."
GOOD = "Por favor, traga a pasta azul para a reunião."


def _signs(text: str = SOURCE, translation: str = GOOD, **more: float | bool) -> tuple[Sign, ...]:
    return signs(text, translation, source="en", target="pt", **more)  # type: ignore[arg-type]


def test_a_good_translation_has_none() -> None:
    assert _signs(start_ms=100.0, end_ms=2900.0) == ()
    assert _signs("Yes.", "Sim, claro que sim.") == ()
    assert _signs("it", "") == ()


def test_text_where_nobody_speaks_is_a_sign_whatever_it_says() -> None:
    assert _signs(silent=True) == (Sign.SILENCE,)
    assert _signs("", "", silent=True) == ()


def test_nobody_speaks_so_fast() -> None:
    long, said = f"{SOURCE} Thank you.", f"{GOOD} Obrigado."
    assert _signs(long, said, start_ms=0.0, end_ms=1200.0) == (Sign.RATE,)
    assert _signs(long, said, start_ms=0.0, end_ms=0.0) == ()
    assert _signs("Thanks a lot!", "Muito obrigado!", start_ms=0.0, end_ms=100.0) == ()


def test_a_sentence_that_nobody_said_is_found() -> None:
    assert Sign.SENTENCE in _signs(translation=f"{GOOD} O almoço será servido no jardim.")
    assert _signs(translation="Por favor, traga a pasta azul. Para a reunião.") == ()


def test_without_a_sentence_end_it_is_found_by_its_length() -> None:
    more = "por favor, traga a pasta azul para a reunião que faremos amanhã no escritório do centro da cidade"
    assert _signs(translation=more) == (Sign.LENGTH,)
    assert _signs("", GOOD) == (Sign.LENGTH, Sign.SENTENCE)


@pytest.mark.parametrize(
    "repeated",
    [
        "Por favor, traga a pasta azul a pasta azul para a reunião.",
        "Por favor, traga a pasta azul azul azul para a reunião.",
        "traga a pasta azul para traga a pasta azul para",
    ],
)
def test_what_is_said_once_is_not_said_twice(repeated: str) -> None:
    assert Sign.REPETITION in _signs(translation=repeated)


def test_who_repeats_is_rendered_so() -> None:
    assert _signs("no no no, wait, wait", "não não não, espera, espera") == ()
    assert _signs("step by step, step by step", "passo a passo, passo a passo") == ()


def test_a_changed_number_is_a_sign() -> None:
    assert _signs("Platform twelve, please.", "Plataforma 13, por favor.") == (Sign.NUMBERS,)
    assert _signs("Platform twelve, please.", "Plataforma 12, por favor.") == ()
