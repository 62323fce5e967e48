"""Records tests/evals/agreement.json, what test_agreement.py scores: a few clips through the real interpreter.

    .venv/bin/python tests/evals/record_agreement.py

The texts are our own, spoken by Kokoro; the sound is not kept. `run` is a run of the gate, `starts_ms` where each clip
begins in its session, and `shown` what the subtitles showed of each utterance, one after the other.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from vivavoce.audio.resample import resample
from vivavoce.clock import SystemClock
from vivavoce.config.engines import load_engine
from vivavoce.config.load import default_settings
from vivavoce.config.settings import Settings
from vivavoce.contract.envelope import Machine
from vivavoce.evals.clip_set import Line
from vivavoce.evals.clip_sound import spoken
from vivavoce.evals.clips import Clip, Recording
from vivavoce.evals.live import LiveRun, Take
from vivavoce.evals.speech_ends import label_speech, label_utterances
from vivavoce.gate.matching import clip_run
from vivavoce.gate.run import Run
from vivavoce.translate.assembly import Voice, open_legs, session_settings
from vivavoce.translate.events import Heard

TEXTS = {
    "ferry": (
        "The ferry leaves at nine. Please have your tickets ready before you come on board.",
        "A balsa sai às nove. Por favor, tenha seus bilhetes prontos antes de embarcar.",
    ),
    "garden": (
        "We planted the tomatoes too early this year, and the frost took most of them.",
        "Plantamos os tomates cedo demais este ano, e a geada levou a maioria deles.",
    ),
    "meeting": (
        "Could we move the meeting to Thursday? I will be travelling all of Wednesday.",
        "Podemos mudar a reunião para quinta-feira? Vou viajar durante toda a quarta-feira.",
    ),
    "bread": (
        "Let the dough rest for two hours, then bake it until the crust is dark.",
        "Deixe a massa descansar por duas horas, depois asse até a crosta ficar escura.",
    ),
    "train": ("This train stops at every station.", "Este trem para em todas as estações."),
}
VOICE = Voice("espeak")


async def main() -> None:
    settings = default_settings()
    recordings = [await _recording(settings, name, *texts) for name, texts in TEXTS.items()]
    session = session_settings(settings, source="en", target="pt", voice=VOICE)
    async with open_legs(settings, source="en", target="pt", voice=VOICE) as legs:
        live = LiveRun(legs=legs, settings=session, clock=SystemClock())
        await live.play([resample(recording.pcm, session.rate_hz).samples for recording in recordings])
    clips = tuple(
        clip_run(take, recording, glossary={}, endpoint_ms=settings.translate.endpoint_ms, paced=True)
        for take, recording in zip(live.takes, recordings, strict=True)
    )
    run = Run(
        id="agreement", at_ms=0, plan="agreement", paced=True, clips=clips, engines={}, versions={},
        machine=Machine(cpu="", cores=0, kernel="", memory_mib=0), config_hash="", speed_ms=1.0,
    )  # fmt: skip
    recorded = {
        "run": run.to_json(),
        "starts_ms": {recording.clip.id: take.start_ms for take, recording in zip(live.takes, recordings, strict=True)},
        "shown": [shown for take in live.takes for shown in _shown(take)],
    }
    path = Path(__file__).with_name("agreement.json")
    path.write_text(json.dumps(recorded, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


async def _recording(settings: Settings, name: str, text: str, translation: str) -> Recording:
    lines = [Line(voice="af_heart", text=text, pause_ms=0.0)]
    pcm = await spoken(lines, language="en", synthesizer=load_engine(settings, "kokoro"))
    clip = Clip(name, "", "en", text, pcm.duration_ms / 1000, {"pt": translation}, "lecture", target="pt")
    return Recording(clip, pcm, label_speech(pcm), tuple(label_utterances(pcm)))


def _shown(take: Take) -> list[list[list[str]]]:
    """Of each utterance what was shown, (settled, tail) each time."""
    utterances: dict[int, list[list[str]]] = {}
    for heard in take.of(Heard):
        texts = [" ".join(word.text for word in words) for words in (heard.settled, heard.tail)]
        utterances.setdefault(heard.utterance, []).append(texts)
    return list(utterances.values())


if __name__ == "__main__":
    asyncio.run(main())
