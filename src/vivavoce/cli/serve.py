"""`vivavoce serve`: a script's agent on the telephone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vivavoce.cli.tiers import TierOption

if TYPE_CHECKING:
    from vivavoce.config.settings import ServeSettings
    from vivavoce.errors import ConfigError
    from vivavoce.gateway.keys import Keys
    from vivavoce.gateway.serving import Ports
    from vivavoce.routing.route import Switch
    from vivavoce.telemetry.drift import Drift
    from vivavoce.telemetry.tracing import TraceStats

INTERRUPTED = 130


def serve(
    script: Annotated[Path, typer.Argument(help="The script, a YAML file.", show_default=False)],
    host: Annotated[str | None, typer.Option(help="Address to listen at.", show_default="serve.host")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of HTTP; 0 is any.", show_default="serve.port")
    ] = None,
    media_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of the calls' sound; 0 is any.", show_default="serve.media_port"),
    ] = None,
    tier: TierOption = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
) -> None:
    """Answer telephone calls after a script, over Twilio, Asterisk, or both (docs/telephone.md).

    The secrets are in the environment: TWILIO_AUTH_TOKEN, VIVAVOCE_ASTERISK_SECRET. Ctrl-C lets no more calls in, and
    ends when those under way have; once more ends at once.
    """
    import asyncio
    import logging

    import uvloop

    from vivavoce.agent.packages import require_agent_packages
    from vivavoce.gateway.packages import require_serve_packages

    require_agent_packages()
    require_serve_packages()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("vivavoce").setLevel(logging.INFO)
    options: dict[str, object] = {"host": host, "port": port, "media_port": media_port}
    asked = {name: value for name, value in options.items() if value is not None}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(script, config, tier or "", asked))
        except asyncio.CancelledError:
            raise typer.Exit(INTERRUPTED) from None


async def _serve(script: Path, config: Path | None, tier: str, asked: dict[str, object]) -> None:
    import asyncio
    import logging
    import os
    import signal

    from rich.console import Console

    from vivavoce.accounts.accounts import open_accounts
    from vivavoce.agent.assembly import open_agent
    from vivavoce.agent.load import load_script
    from vivavoce.clock import SystemClock
    from vivavoce.config.holder import ConfigHolder, watched
    from vivavoce.gateway.books import Books
    from vivavoce.gateway.keys import Keys
    from vivavoce.gateway.serving import serve as serve_calls
    from vivavoce.routing.board import published
    from vivavoce.telemetry.keeping import Telemetry, wanted
    from vivavoce.telemetry.monitor import can_measure, open_monitor

    console, log = Console(highlight=False, soft_wrap=True), logging.getLogger(__name__)
    holder, clock = ConfigHolder(config), SystemClock()
    settings = holder.settings.serve.model_copy(update=asked)
    keys = Keys.of(os.environ, settings)

    def switched(switch: Switch) -> None:
        ends = switch.from_engine or "nobody", switch.to_engine or "nobody"
        log.warning("%s: %s → %s (%s)", switch.leg, *ends, switch.reason)

    def refused(error: ConfigError) -> None:
        log.error("%s; the settings stay as they are", error.message)

    def drifted(drift: Drift) -> None:
        log.warning("%s", drift)

    def exported(stats: TraceStats) -> None:
        if stats.lost:
            log.warning("%d spans were sent, %d were lost", stats.sent, stats.lost)

    port = holder.settings.telemetry.metrics_port
    async with (
        open_monitor(
            holder.settings,
            clock=clock,
            metrics=bool(port) or can_measure(),
            metrics_port=port or None,
            drifted=drifted,
            exported=exported,
        ) as monitor,
        open_accounts(lambda: holder.settings, clock=clock) as accounts,
        open_agent(holder.settings, load_script(script), tier=tier, holder=holder, tell=switched) as agent,
        watched(holder, clock=clock, refused=refused),
        published(agent.routes, command="vivavoce serve", clock=clock),
    ):
        for route in agent.routes:
            for status in route.status():
                if status.failed:
                    log.warning("%s: %s cannot serve (%s)", route.leg, status.engine, status.reason)
        with console.status("making the lines that never change"):
            await agent.warm()
        stopping, serving = asyncio.Event(), asyncio.current_task()

        def stop() -> None:
            if stopping.is_set() and serving is not None:
                serving.cancel()
                return
            console.print(f"no more calls; those under way have {settings.drain_s:.0f} s")
            stopping.set()

        loop = asyncio.get_running_loop()
        for sign in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sign, stop)

        def opened(ports: Ports) -> None:
            for line in where_to_call(settings, keys, ports, metrics=monitor.metrics is not None):
                console.print(line)

        telemetry = Telemetry(accounts.outbox.put, wanted=lambda: wanted(holder.settings.telemetry))
        books = Books(
            accounts,
            telemetry,
            language=agent.script.language,
            tier=tier,
            clock=clock,
            monitor=monitor,
            script=agent.script.name,
        )
        await serve_calls(
            agent,
            settings,
            keys,
            clock=clock,
            stopping=stopping,
            opened=opened,
            books=books,
            metrics=monitor.metrics,
        )


def where_to_call(settings: ServeSettings, keys: Keys, ports: Ports, *, metrics: bool = False) -> list[str]:
    """Which address is to be put where; that of `metrics` where there are any."""
    from vivavoce.gateway import asterisk, telephony

    http, media = f"{settings.host}:{ports.http}", f"{settings.host}:{ports.media}"
    lines = [f"health        http://{http}/health"]
    if metrics:
        lines.append(f"metrics       http://{http}/metrics")
    if keys.twilio:
        public = settings.public_url.rstrip("/")
        lines += [
            f"Twilio        a call comes in: {public}{telephony.VOICE} (POST)",
            f"              call status changes: {public}{telephony.STATUS}",
            f"reverse proxy {telephony.stream_url(settings)} to ws://{media}{telephony.STREAM}, the rest to http://{http}",
        ]
    if keys.asterisk:
        lines += [
            f"Asterisk      websocket_client.conf: uri = ws://{media}{asterisk.SOUND}",
            f"              dialplan: http://{http}{asterisk.CALL} and {asterisk.AFTER}",
        ]
    return lines
