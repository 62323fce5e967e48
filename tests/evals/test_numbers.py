from __future__ import annotations

import pytest

from vivavoce.evals.numbers import invented_numbers

pytest.importorskip("text_to_num", reason="the group eval is not installed")


@pytest.mark.parametrize(
    ("source", "text", "target", "translation"),
    [
        ("en", "I have twenty-three apples.", "pt", "Tenho 23 maçãs."),
        ("en", "I have 23 apples.", "pt", "Tenho vinte e três maçãs."),
        ("es", "Cuesta ciento cinco euros.", "fr", "Ça coûte cent cinq euros."),
        ("it", "Ho trentadue anni.", "ca", "Tinc trenta-dos anys."),
        ("ca", "Van néixer el mil nou-cents noranta-nou.", "en", "They were born in 1999."),
        ("ca", "Cent vint persones", "es", "120 personas"),
        ("en", "It was nineteen ninety nine.", "it", "Era il 1999."),
        ("en", "We reached 5,000 followers.", "pt", "Chegamos a 5.000 seguidores."),
        ("en", "three million people", "fr", "3 millions de personnes"),
        ("en", "2.5 million euros", "pt", "2,5 milhões de euros"),
        ("en", "12 450 people", "it", "12.450 persone"),
        ("fr", "à quinze heures trente", "en", "at half past three"),
        ("en", "at 3:30 pm", "fr", "à 15 h 30"),
        ("en", "at 3 p.m.", "de", "um 15:00"),
        ("en", "It is ten past three.", "es", "Son las tres y diez."),
        ("en", "Open from nine to five.", "fr", "Ouvert de 9 h à 17 h."),
        ("ca", "a les disset", "it", "alle cinque"),
        ("es", "a las tres de la tarde", "pt", "às 15 horas"),
        ("nl", "om drie uur", "en", "at 15:00"),
        ("en", "half past three o'clock", "es", "las tres y media"),
        ("en", "a dozen eggs", "it", "dodici uova"),
        ("en", "three point five", "de", "3,5"),
        ("es", "un billete de $2", "en", "a $2.00 note"),
        ("en", "We sell a hundred percent.", "pt", "Vendemos cem por cento."),
        ("en", "my number is five five one two", "es", "mi número es 5512"),
        ("en", "the second time", "pt", "a segunda vez"),
        ("en", "You are beautiful.", "it", "Tu sei bella."),
        ("en", "a new car", "fr", "un véhicule neuf"),
        ("en", "Nobody came.", "es", "No vino ni uno."),
        ("en", "the M3 tank", "it", "il carro M3"),
        ("en", "a three-way merge", "es", "una fusión de tres vías"),
    ],
)
def test_the_same_number_is_not_invented_however_it_is_written(
    source: str, text: str, target: str, translation: str
) -> None:
    assert invented_numbers(text, translation, source=source, target=target) == []


@pytest.mark.parametrize(
    ("source", "text", "target", "translation", "invented"),
    [
        ("en", "I have twenty-three apples.", "pt", "Tenho vinte e quatro maçãs.", ["24"]),
        ("en", "I have apples.", "es", "Tengo 1 manzana.", ["1"]),
        ("es", "Cuesta ciento cinco euros.", "fr", "Ça coûte cent quinze euros.", ["115"]),
        ("ca", "Tinc trenta-dos anys.", "it", "Ho quarantadue anni.", ["42"]),
        ("en", "We met at ten.", "ca", "Ens vam trobar a les onze del 1999.", ["11", "1999"]),
        ("en", "Press 1.", "fr", "Appuyez sur 1, ou sur 4.", ["4"]),
        ("es", "Cuesta 5 euros.", "en", "It costs 17 euros.", ["17"]),
        ("en", "Fifteen people came at 5 o'clock.", "fr", "Trois personnes sont venues à 17 h.", ["3"]),
        ("en", "It is 5 o'clock.", "de", "Es ist 18 Uhr.", ["18"]),
    ],
)
def test_a_number_that_the_source_gives_no_reason_for_is(
    source: str, text: str, target: str, translation: str, invented: list[str]
) -> None:
    assert invented_numbers(text, translation, source=source, target=target) == invented


@pytest.mark.parametrize("written", ["9" * 5000, "1.000." * 2000 + "000", "9," * 3000 + "9"])
def test_digits_without_end_are_an_invented_number(written: str) -> None:
    assert invented_numbers("Nine people.", f"9 {written}", source="en", target="pt") == [written]
    assert invented_numbers(f"No. {written}", f"N.º {written}", source="en", target="pt") == []
    assert invented_numbers(f"No. {written}", "N.º 7", source="en", target="pt") == ["7"]


def test_languages_whose_number_words_are_unknown_are_not_looked_at() -> None:
    assert invented_numbers("dvacet tři jablek", "99 apples", source="cs", target="en") == []
