from __future__ import annotations

import time
from dataclasses import replace

import pytest

from vivavoce.contract.envelope import Machine
from vivavoce.evals.scores import chrf
from vivavoce.gate.metric import Metric, named
from vivavoce.gate.metrics import measure
from vivavoce.gate.run import ClauseRun, ClipRun, MtAlone, Run, SttAlone, UtteranceRun

pytest.importorskip("jiwer", reason="the group eval is not installed")
pytest.importorskip("text_to_num", reason="the group eval is not installed")


def _clause(text: str, translation: str, **more: float | None) -> ClauseRun:
    told = {"start_ms": 0.0, "end_ms": 2000.0, "shown_ms": 2500.0, "heard_ms": 2800.0} | more
    return ClauseRun(text=text, translation=translation, **told)  # type: ignore[arg-type]


def _clip(name: str, *clauses: ClauseRun, **more: object) -> ClipRun:
    text = " ".join(clause.text for clause in clauses)
    told: dict[str, object] = {
        "pair": "en-pt",
        "register": "lecture",
        "reference": text,
        "reference_translation": " ".join(clause.translation for clause in clauses),
        "transcript": text,
        "speech_ms": 2000.0,
        "shown": len(text.split()),
        "utterances": (
            UtteranceRun(
                label_start_ms=0.0,
                label_end_ms=2000.0,
                wait_ms=800.0,
                stages={"mt": (2000.0, 2030.0), "heard": (2000.0, 2800.0), "queue": (2000.0, 2000.0)},
            ),
        ),
    }
    return ClipRun(id=name, clauses=clauses, **(told | more))  # type: ignore[arg-type]


CAT = _clause("The cat sleeps on the sofa.", "O gato dorme no sofá.")
DOG = _clause("The dog waits at the door.", "O cão espera na porta.")


def _run(*clips: ClipRun, **more: object) -> Run:
    told: dict[str, object] = {
        "id": "r",
        "at_ms": 0,
        "plan": "p",
        "paced": True,
        "machine": Machine(cpu="", cores=2, kernel="", memory_mib=1),
        "versions": {},
        "config_hash": "",
        "speed_ms": 1.0,
        "engines": {},
    }
    return Run(clips=clips, **(told | more))  # type: ignore[arg-type]


def _measured(*clips: ClipRun, **more: object) -> dict[str, Metric]:
    return named(measure(_run(*clips, **more)))


def test_what_is_perfect_says_so() -> None:
    found = _measured(_clip("a", CAT), _clip("b", DOG))
    values = {name: metric.value for name, metric in found.items()}
    assert values["wer"] == values["wer.en"] == 0
    assert values["chrf.en-pt"] == pytest.approx(100)
    assert values["hallucination"] == values["erasure.committed"] == values["unspoken"] == values["failed"] == 0
    assert (values["heard.p95"], values["heard.short.p95"], values["heard.long.p95"]) == (800, 800, None)
    assert (found["heard.p95"].n, found["hallucination"].n, found["wer"].n) == (2, 2, 12)
    assert values["stage.mt.p95"] == 30
    assert found["stage.mt.p95"].owner == "mt"
    assert "stage.heard.p95" not in found
    assert values["glossary.success"] is None
    assert "hallucination.judged" not in found


def test_a_run_faster_than_real_time_has_no_moments() -> None:
    found = _measured(_clip("a", CAT), paced=False)
    assert not [name for name in found if name.startswith(("heard", "stage", "stream_laal", "unspoken"))]
    assert found["wer"].value == 0


def test_latencies_of_one_clip_are_drawn_together() -> None:
    slow = _clip("b", DOG)
    slow = replace(slow, utterances=(replace(slow.utterances[0], wait_ms=1800.0),) * 9)
    interval = _measured(_clip("a", CAT), slow)["heard.p50"].interval
    assert interval is not None
    assert (interval.low, interval.high) == (800.0, 1800.0)


def test_lagging_is_from_the_first_labelled_sample_by_the_words_turns() -> None:
    late = replace(CAT, shown_ms=1000.0)
    found = _measured(_clip("a", late), _clip("b", replace(late, translation="")))
    # Five words in 2000 ms: the n-th is due n * 400 ms after the start, and all came at 1000 ms.
    assert found["stream_laal.en-pt"].value == pytest.approx(1000 - 400 * 2)
    assert found["stream_laal.en-pt"].n == 1


def test_word_errors_are_by_language_and_clip() -> None:
    other = _clip("b", DOG, pair="es-pt", transcript="The dog waits at a door.")
    found = _measured(_clip("a", CAT), other)
    assert found["wer"].value == pytest.approx(100 / 12)
    assert found["wer.es"].value == pytest.approx(100 / 6)
    assert found["wer.en"].value == 0
    assert found["wer"].parts == {"a": 0.0, "b": pytest.approx(100 / 6)}
    interval = found["wer"].interval
    assert interval is not None
    assert (interval.low, interval.high) == (0.0, pytest.approx(100 / 6))


def test_accents_do_not_count_where_no_reference_of_the_register_has_one() -> None:
    typed = {"pair": "es-en", "register": "prompt", "reference": "Esta aqui", "transcript": "Está aquí"}
    assert _measured(_clip("a", CAT, **typed))["wer"].value == 0
    accented = _clip("b", DOG, pair="es-en", register="prompt", reference="Señor", transcript="Señor")
    assert _measured(_clip("a", CAT, **typed), accented)["wer"].value == pytest.approx(200 / 3)


def test_chrf_is_sacrebleus_chrf_plus_plus() -> None:
    clips = [
        _clip("a", CAT, reference_translation="O gato está a dormir no sofá."),
        _clip("b", DOG, reference_translation="O cachorro espera à porta!"),
        _clip("c", DOG, reference_translation=""),
    ]
    expected = chrf([(clip.reference_translation, clip.translation) for clip in clips], word_order=2)
    found = _measured(*clips)["chrf.en-pt"]
    assert found.value == pytest.approx(expected)
    assert found.n == 2
    assert found.interval is not None
    assert found.parts is not None
    assert min(found.parts.values()) == pytest.approx(found.interval.low)


def test_a_clause_with_any_sign_counts_once_and_each_sign_for_itself() -> None:
    invented = replace(CAT, translation=f"{CAT.translation} Às 7 horas ele come um peixe inteiro.")
    found = _measured(_clip("a", invented), _clip("b", DOG))
    assert found["hallucination"].value == pytest.approx(50)
    assert found["hallucination.sentence"].value == found["hallucination.numbers"].value == pytest.approx(50)
    assert found["hallucination.repetition"].value == 0
    assert found["hallucination"].parts == {"a": 100.0, "b": 0.0}


def test_text_in_silence_counts_whether_it_was_translated_or_not() -> None:
    quiet = _clip(
        "silence", register="silence", reference="", reference_translation="", transcript="",
        silent_text=("Thank you.",), utterances=(),
    )  # fmt: skip
    heard = _clip("a", CAT, replace(DOG, silent=True))
    found = _measured(heard, quiet)["hallucination.silence"]
    assert (found.value, found.n) == (pytest.approx(200 / 3), 3)
    assert found.owner == "stt"


def test_a_clause_without_translation_is_none() -> None:
    assert _measured(_clip("a", CAT, replace(DOG, translation="")))["hallucination"].n == 1


def test_terms_are_scored_beside_words_at_random() -> None:
    other = replace(CAT, translation="O bichano dorme no divã.")
    clips = [
        _clip("a", CAT, terms={"cat": "gato"}, control={"sofa": "sofá"}),
        _clip("b", other, terms={"cat": "gato"}, control={"sofa": "sofá"}),
        _clip("c", CAT, terms={"cat": "gato"}),
    ]
    found = _measured(*clips)
    assert found["glossary.success"].value == pytest.approx(200 / 3)
    assert found["glossary.success"].n == 3
    assert found["glossary.control"].value == pytest.approx(50)
    assert found["glossary.consistency"].value == pytest.approx(200 / 3)
    assert found["glossary.consistency"].parts == {"en-pt cat": pytest.approx(200 / 3)}
    assert found["glossary.success"].better == "higher"


def test_what_was_taken_back_is_told_in_words() -> None:
    found = _measured(_clip("a", CAT, erased=2, wavered=3, shown=6), _clip("b", DOG, shown=6))
    assert found["erasure.committed"].value == 2
    assert found["erasure.committed"].parts == {"a": 2}
    assert found["erasure.visible"].value == pytest.approx(0.25)


def test_a_clip_that_failed_counts_as_failed_and_nowhere_else() -> None:
    broken = _clip("b", DOG, transcript="", problem="the recogniser was lost")
    found = _measured(_clip("a", CAT), broken)
    assert (found["failed"].value, found["failed"].n) == (1, 2)
    assert (found["wer"].value, found["wer"].n, found["heard.p95"].n) == (0, 6, 1)


def test_utterances_of_which_no_wait_is_known() -> None:
    clip = _clip("a", CAT, impossible=2)
    found = _measured(clip, replace(clip, id="b", utterances=(replace(clip.utterances[0], wait_ms=None),)))["unheard"]
    assert (found.value, found.n) == (pytest.approx(100 * 5 / 6), 6)


def test_clauses_that_nobody_heard() -> None:
    found = _measured(_clip("a", CAT, replace(DOG, heard_ms=None)))["unspoken"]
    assert (found.value, found.n) == (50, 2)


def test_what_the_judge_says() -> None:
    found = _measured(_clip("a", CAT), invented={"a/0": True, "a/1": False, "b/0": False})["hallucination.judged"]
    assert (found.value, found.n) == (pytest.approx(100 / 3), 3)
    assert found.parts == {"a": 50.0, "b": 0.0}


def test_recognition_alone() -> None:
    alone = SttAlone(id="a", language="en", register="lecture", reference="dogs and cats", transcript="dogs and hats")
    found = _measured(stt=(alone, replace(alone, id="b", failed_windows=2)))
    assert found.keys() == {"stt.wer", "stt.wer.en", "stt.failed"}
    assert found["stt.wer"].value == pytest.approx(100 / 3)
    assert found["stt.wer"].owner == "stt"
    assert (found["stt.failed"].value, found["stt.failed"].parts) == (2, {"b": 2})


def test_translation_alone() -> None:
    plain = ClauseRun(text="The cat sleeps.", translation="O bichano dorme.", start_ms=0.0, end_ms=0.0, shown_ms=90.0)
    locked = replace(plain, translation="O gato dorme.", terms=1, rescued=1)
    alone = MtAlone(
        id="a", pair="en-pt", register="lecture", reference_translation="O bichano dorme.", terms={"cat": "gato"},
        control={"sleeps": "dorme"}, sentences=(plain,), locked=(locked,), controlled=(replace(plain, terms=1),),
    )  # fmt: skip
    found = _measured(mt=(alone,))
    values = {name: metric.value for name, metric in found.items()}
    assert values["mt.chrf.en-pt"] == pytest.approx(100)
    assert (values["mt.glossary.success"], values["mt.glossary.unaided"], values["mt.glossary.control"]) == (
        100,
        0,
        100,
    )
    with_it = chrf([("O bichano dorme.", "O gato dorme.")], word_order=2)
    assert with_it is not None
    assert values["mt.glossary.chrf_cost"] == pytest.approx(100 - with_it)
    assert values["mt.hallucination"] == values["mt.failed"] == 0
    without = _measured(mt=(replace(alone, sentences=(plain, replace(plain, translation=""))),))
    assert (without["mt.failed"].value, without["mt.failed"].n) == (1, 4)
    assert "mt.hallucination.silence" not in values
    assert {metric.owner for metric in found.values()} == {"mt"}


def test_fifty_clips_are_measured_in_seconds_and_always_alike() -> None:
    clips = [_clip(f"c{n}", *[CAT, DOG] * 4, terms={"cat": "gato"}) for n in range(50)]
    run = _run(*clips)
    measure(run)  # the dictionaries are read
    begun_s = time.process_time()
    metrics = measure(run)
    assert time.process_time() - begun_s < 10
    assert metrics == measure(run)
