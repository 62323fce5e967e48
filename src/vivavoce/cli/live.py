"""Runs one `vivavoce translate`: source, legs, session, outputs, what is shown meanwhile, and the report."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import typer
import uvloop
from rich.console import Console

from vivavoce.accounts.accounts import DONE, SessionFacts
from vivavoce.audio.devices import MicSource, SpeakerSink
from vivavoce.audio.files import FileSource
from vivavoce.audio.pcm import Pcm, Samples
from vivavoce.audio.sinks import check_output
from vivavoce.cli.accounting import accounted, glossary_for, prompt_for
from vivavoce.cli.monitoring import Told, monitored
from vivavoce.cli.outputs import Outputs
from vivavoce.cli.report import write_report
from vivavoce.cli.screen import Screen
from vivavoce.cli.shadowing import shadowing
from vivavoce.cli.summary import report_data, screen_state, utterance_rows
from vivavoce.clock import Clock, SteppedClock, SystemClock
from vivavoce.config.holder import ConfigHolder, watched
from vivavoce.config.settings import Settings, config_hash
from vivavoce.contract.envelope import Envelope, enclose, machine_load
from vivavoce.contract.figures import contract_figures, measured_stages
from vivavoce.contract.last_run import save_last_run
from vivavoce.contract.page import BudgetPage
from vivavoce.errors import ConfigError, NoSpeech, OutputError, VivavoceError, WrongLanguage
from vivavoce.routing.board import published
from vivavoce.routing.route import Switch
from vivavoce.routing.shadow import Consent
from vivavoce.telemetry.drift import Drift
from vivavoce.translate.assembly import AUTO, Voice, choose_voice, open_legs, session_settings
from vivavoce.translate.events import Event, Notice, NoticeKind
from vivavoce.translate.observed import ObservedEvents
from vivavoce.translate.record import SessionRecord
from vivavoce.translate.session import Session
from vivavoce.translate.signals import SignalFeed
from vivavoce.translate.subtitles import SubtitleWriter

MIC = "mic"
INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What the command line asked for."""

    source: str
    spoken: str
    target: str
    voice: str
    dub: Path | None
    mix: Path | None
    subtitles: Path | None
    report: Path | None
    dubbed: bool
    paced: bool
    play: bool
    device: str | None
    config: Path | None
    tier: str
    user: str
    glossary: Path | None
    app: str
    consent: Consent
    as_json: bool
    metrics_port: int | None = None

    @property
    def live(self) -> bool:
        return self.source == MIC

    @property
    def app_id(self) -> str:
        return self.app or ("microphone" if self.live else "file")

    @property
    def file(self) -> Path | None:
        return None if self.live else Path(self.source)


def run_job(job: Job) -> None:
    """Interpret, show, write, and raise what went wrong after everything that was finished is on disk."""
    holder = ConfigHolder(job.config)
    settings = holder.settings
    settings.profile()
    _check(job)
    voice = choose_voice(settings, job.voice, language=job.target, tier=job.tier) if job.dubbed else None
    record = SessionRecord()
    load = machine_load()
    console = Console(stderr=job.as_json, highlight=False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(_interpret(job, holder, voice, record, console))
    envelope = _figures(job, settings, record, outcome.session, load)
    if job.as_json:
        typer.echo(envelope.to_text(), nl=False)
    try:
        _publish(job, settings, record, outcome.session, envelope, console)
    except OutputError as error:
        # What broke the session comes first; the report may have met the same full disk.
        raise outcome.broken or error from None
    if outcome.broken is not None:
        raise outcome.broken
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    _judge(job, record)


def _check(job: Job) -> None:
    """Refuse before anything is loaded what could only fail later."""
    others = [path for path in (job.file,) if path is not None]
    for path in (job.dub, job.mix, job.subtitles, job.report):
        if path is not None:
            check_output(path, sources=others)
            others.append(path)


@dataclass(frozen=True, slots=True)
class _Outcome:
    session: Session
    interrupted: bool
    broken: VivavoceError | None

    @property
    def told(self) -> str:
        """In the ledger's words."""
        return "interrupted" if self.interrupted else type(self.broken).__name__ if self.broken else DONE


async def _interpret(
    job: Job, holder: ConfigHolder, voice: Voice | None, record: SessionRecord, console: Console
) -> _Outcome:
    outcome: _Outcome | None = None
    try:
        async with AsyncExitStack() as stack:
            outcome = await _run(job, holder, voice, record, console, stack)
    except VivavoceError as error:
        # A file that could not be closed: what was interpreted is still to be told.
        if outcome is None:
            raise
        outcome = replace(outcome, broken=outcome.broken or error)
    return outcome


async def _run(
    job: Job, holder: ConfigHolder, voice: Voice | None, record: SessionRecord, console: Console, stack: AsyncExitStack
) -> _Outcome:
    """Everything that is opened is left on the stack."""
    settings = holder.settings
    running: list[Session] = []

    def note(kind: NoticeKind, text: str) -> None:
        record.take(Notice(kind, text, running[0].now_ms if running else 0.0))

    def switched(switch: Switch) -> None:
        ends = f"{switch.from_engine or 'nobody'} → {switch.to_engine or 'nobody'}"
        note(NoticeKind.SWITCHED, f"{switch.leg}: {ends} ({switch.reason})")

    def drifted(drift: Drift) -> None:
        note(NoticeKind.DRIFT, str(drift))

    def refused(error: ConfigError) -> None:
        note(NoticeKind.CONFIG_REFUSED, f"{error.message}; the settings stay as they are")

    clock: Clock = SystemClock() if job.paced or job.live else SteppedClock()
    wanted = session_settings(settings, source=job.spoken, target=job.target, voice=voice)
    rate_hz = wanted.rate_hz
    source: MicSource | FileSource
    if job.file is None:
        source = MicSource(device=job.device, clock=clock, rate_hz=rate_hz)
    else:
        source = FileSource(job.file, clock=clock, rate_hz=rate_hz)
    stack.push_async_callback(source.aclose)
    consent = job.consent if job.paced or job.live else Consent()
    facts = SessionFacts(
        uuid4().hex,
        "translate",
        user_id=job.user,
        app_id=job.app_id,
        source=job.spoken,
        target=job.target,
        tier=job.tier,
    )
    paced, told = job.paced or job.live, Told()
    with console.status("loading the engines …"):
        observer = await stack.enter_async_context(
            monitored(
                settings,
                facts,
                console,
                clock=clock,
                paced=paced,
                metrics_port=job.metrics_port,
                drifted=drifted,
                told=told,
            )
        )
        books = await stack.enter_async_context(
            accounted(
                holder,
                facts,
                source,
                duration_ms=lambda: running[0].dub.position_ms if running else 0.0,
                watch=observer,
            )
        )
        prompt = await prompt_for(settings, books.database, away=lambda text: note(NoticeKind.STORE_AWAY, text))
        glossary = await glossary_for(
            job.glossary,
            books.database,
            user=job.user,
            source=job.spoken,
            target=job.target,
            away=lambda text: note(NoticeKind.STORE_AWAY, text),
        )
        wanted = replace(wanted, glossary=glossary.of_others, glossaries=glossary.by_source)
        shadows = await stack.enter_async_context(
            shadowing(
                settings,
                consent,
                console,
                session=facts.session_id,
                user=facts.user_id,
                outbox=books.outbox,
                prompt=prompt,
            )
        )
        legs = await stack.enter_async_context(
            open_legs(
                settings,
                source=job.spoken,
                target=job.target,
                voice=voice,
                tier=job.tier,
                holder=holder,
                tell=switched,
                shadows=shadows,
                account=books.account,
                prompt=prompt,
            )
        )
    for route in legs.routes:
        for status in route.status():
            if status.failed:
                note(NoticeKind.SWITCHED, f"{route.leg}: {status.engine} cannot serve ({status.reason})")
    await stack.enter_async_context(watched(holder, clock=SystemClock(), refused=refused))
    await stack.enter_async_context(published(legs.routes, command="vivavoce translate", clock=SystemClock()))
    speaker = SpeakerSink(clock=clock, rate_hz=rate_hz) if job.play or (job.live and job.dubbed) else None
    if speaker is not None:
        stack.push_async_callback(speaker.aclose)
        await speaker.start()
    outputs = await stack.enter_async_context(
        Outputs(
            dub=job.dub,
            mix=job.mix,
            speaker=speaker,
            speaker_hears_original=not job.live,
            source=job.file,
            rate_hz=rate_hz,
            duck_db=settings.translate.duck_db,
            watch=books.signals,
        )
    )
    subtitles = None
    if job.subtitles is not None:
        subtitles = stack.enter_context(SubtitleWriter(job.subtitles, language=job.target))
    screen = stack.enter_context(Screen(console, source=job.spoken, target=job.target))
    profile = settings.profile()
    duration_ms = None if isinstance(source, MicSource) else source.duration_ms

    feed = SignalFeed(books.signals, paced=paced)
    observed = ObservedEvents(observer, clock=clock, now_ms=lambda: session.now_ms)

    def tell(event: Event) -> None:
        record.take(event)
        feed.take(event)
        observed.take(event)
        if subtitles is not None:
            subtitles.take(event)
        if not console.is_terminal:
            screen.update(screen_state(record, session, profile, duration_ms=duration_ms))

    async def output(original: Samples, dub: Samples) -> None:
        await outputs.write(original, dub)
        if console.is_terminal and screen.due:
            screen.update(screen_state(record, session, profile, duration_ms=duration_ms))

    session = Session(legs=legs, settings=wanted, clock=clock, tell=tell, output=output, paced=paced)
    running.append(session)
    outcome = await _until_done_or_interrupted(session, source)
    books.account.outcome = told.outcome = outcome.told
    if isinstance(source, MicSource) and source.dropped_ms:
        lost = f"{source.dropped_ms:.0f} ms of the microphone's sound were lost: this machine was too busy"
        note(NoticeKind.SOUND_LOST, lost)
        observer.noticed(NoticeKind.SOUND_LOST)
    screen.update(screen_state(record, session, profile, duration_ms=duration_ms))
    if speaker is not None and outcome.broken is None and not outcome.interrupted:
        try:
            await speaker.drain()
        except VivavoceError as error:
            return replace(outcome, broken=error)
    return outcome


async def _until_done_or_interrupted(session: Session, frames: AsyncIterable[Pcm]) -> _Outcome:
    """Ctrl-C ends the session, not the program: what was finished is still to be put in order."""
    task = asyncio.create_task(session.run(frames))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return _Outcome(session, True, None)
    except VivavoceError as error:
        return _Outcome(session, False, error)
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    return _Outcome(session, False, None)


def _figures(
    job: Job, settings: Settings, record: SessionRecord, session: Session, load: tuple[float, ...]
) -> Envelope:
    paced = job.paced or job.live
    latencies = contract_figures(session.spans, settings.profile()) if paced else {}
    return enclose(
        "vivavoce translate",
        {**latencies, "utterances": utterance_rows(record)},
        config_hash=config_hash(settings),
        n=len(record.utterances),
        load=load,
        void_reason=None if paced else "not played at real time: latency has no meaning",
    )


def _publish(
    job: Job,
    settings: Settings,
    record: SessionRecord,
    session: Session,
    envelope: Envelope,
    console: Console,
) -> None:
    """The report, the contract's table, and the figures for `vivavoce budget`."""
    if job.report is not None:
        engines = {"detector": settings.translate.detector} | {
            route.leg: ", ".join(status.engine for status in route.status() if status.started) or "nobody"
            for route in session.routes
        }
        data = report_data(
            record,
            envelope,
            settings.profile(),
            source=job.source,
            languages=(job.spoken, job.target),
            engines=engines,
            duration_ms=session.dub.position_ms,
            min_confidence=settings.translate.min_confidence,
        )
        write_report(job.report, data)
    if envelope.figures.get("stages"):
        try:
            save_last_run(envelope, source=job.source)
        except OutputError as error:
            console.print(f"note: not remembered for vivavoce budget: {error}")
        console.print(BudgetPage(settings.profile(), measured_stages(envelope.figures), job.source))
    for path in (job.dub, job.mix, job.subtitles, job.report):
        if path is not None:
            console.print(f"written: {path}")


def _judge(job: Job, record: SessionRecord) -> None:
    """Tell what makes the result useless although nothing broke."""
    if job.file is not None and not record.anything_heard:
        raise NoSpeech(f"nobody speaks in {job.source}", hint="is it the right file, and the right track of it?")
    other = record.mostly_in_another_language(job.spoken)
    if other is not None:
        raise WrongLanguage(
            f"{job.source} is in {other}, not {job.spoken}: only subtitles were made",
            hint=f"say --from {other}, or --from {AUTO}",
        )
