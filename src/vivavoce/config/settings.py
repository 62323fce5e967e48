"""The schema of `vivavoce.toml`. Values have no defaults here: they are those of the packaged file."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, IPvAnyNetwork, model_validator

from vivavoce.config.routes import RoutesSettings
from vivavoce.config.section import Section
from vivavoce.contract.profile import Profile, Stage, profile_named
from vivavoce.errors import ConfigError, ContractError

ImportPath = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="`module:Class`")]


class StageOverride(Section):
    target_ms: float | None = Field(None, ge=0, description="Owed at p50.")
    cap_ms: float | None = Field(None, ge=0, description="Owed at p95.")


class ContractSettings(Section):
    profile: str = Field(description="The latency profile that the stages are held against.")
    stages: dict[Annotated[Stage, Field(strict=False)], StageOverride] = Field(
        default_factory=dict, description="What differs from the profile, by stage."
    )

    def resolve(self, name: str = "") -> Profile:
        """The configured profile with the overrides in it, or a named other one without, for they are not about it.

        Not checked. Raises ContractError for an unknown name.
        """
        if name not in ("", self.profile):
            return profile_named(name)
        profile = profile_named(self.profile)
        for stage, override in self.stages.items():
            profile = profile.with_budget(stage, target_ms=override.target_ms, cap_ms=override.cap_ms)
        return profile


class EngineSettings(Section):
    """`name = "module:Class"` for each engine; only `options` is a name of ours."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, ImportPath]

    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Options of an engine by its name; the engine checks them."
    )

    @property
    def paths(self) -> dict[str, str]:
        return dict(self.__pydantic_extra__)


class TranslateSettings(Section):
    detector: str = Field(description="Engine that detects voice.")
    speculate_after_ms: float = Field(ge=0, description="Silence after which recognition is tried before the endpoint.")
    endpoint_ms: float = Field(gt=0, description="Silence that ends an utterance.")
    partial_every_ms: float = Field(gt=0, description="Time between unfinished hypotheses in long speech.")
    first_unit_words: int = Field(ge=1, description="Words of the first synthesised unit; the next ones grow.")
    synthesis_cache_mib: int = Field(ge=0, description="Memory for clauses that were spoken before; 0 for none.")
    max_speed: float = Field(ge=1, le=1.25, description="How much faster the dub may speak when it is behind.")
    duck_db: float = Field(le=0, description="Gain of the original voice under the dub.")
    min_confidence: float = Field(ge=0, le=1, description="Below it a clause gets subtitles and the original voice.")

    @model_validator(mode="after")
    def _speculation_precedes_the_endpoint(self) -> TranslateSettings:
        if self.speculate_after_ms > self.endpoint_ms:
            raise ValueError("speculate_after_ms must not exceed endpoint_ms")
        return self


class ServeSettings(Section):
    """Secrets are not here: they come from the environment, see `vivavoce.gateway.keys`."""

    host: str = Field(description="Address that both ports listen at.")
    port: int = Field(ge=0, le=65535, description="Port of HTTP: webhooks, the dialplan's questions, health.")
    media_port: int = Field(ge=0, le=65535, description="Port of the calls' sound: /twilio and /asterisk.")
    public_url: str = Field(
        pattern=r"^(https?://[^/?#\s]+(/[^?#\s]*)?)?$", description="What Twilio calls and signs; empty without Twilio."
    )
    media_url: str = Field(
        pattern=r"^(wss?://[^?#\s]+)?$", description="Where Twilio sends sound; empty for /twilio at the public host."
    )
    calls: int = Field(ge=1, le=1 << 16, description="Calls at once, those that are expected included.")
    max_call_s: float = Field(gt=0, description="The longest that a call may last; a person goes on with it, if any.")
    token_ttl_s: float = Field(gt=0, le=300, description="How long a call may take from its token to its sound.")
    drain_s: float = Field(ge=0, description="How long calls may go on after the command was told to end.")
    busy_line: str = Field(min_length=1, description="What a caller hears who is not let in.")
    busy_transfer: str = Field(description="The number such a caller is put through to; empty for hanging up.")
    metrics_from: list[IPvAnyNetwork] = Field(
        description="Addresses and networks that may read /metrics, besides this machine."
    )


class TurnOverrides(Section):
    """What differs from the manner; see `vivavoce.agent.turns.TurnSettings`."""

    sure_at: float | None = Field(None, description="Certainty (log-odds) from which a turn is surely over.")
    sure_ms: float | None = Field(None, ge=0, description="Silence that ends such a turn.")
    likely_at: float | None = Field(None, description="Certainty from which it is likely over.")
    likely_ms: float | None = Field(None, ge=0, description="Silence that ends such a turn.")
    most_ms: float | None = Field(None, gt=0, description="Silence that ends every turn.")
    spelled_ms: float | None = Field(None, gt=0, description="The same where something is spelled, or a state asks.")
    regret_ms: float | None = Field(None, ge=0, description="Who goes on so soon after our answer takes it back.")
    key: str | None = Field(None, pattern=r"^[0-9#*]$", description="The key that ends what is typed.")
    key_ms: float | None = Field(None, gt=0, description="Time without a key that ends it, too.")


class AgentSettings(Section):
    turn: str = Field(description="Engine that hears whether a turn is over; empty for silence and text alone.")
    manner: Literal["quick", "usual", "patient"] = Field(description="How soon a turn is taken to be over.")
    turns: TurnOverrides = Field(
        default_factory=lambda: TurnOverrides.model_validate({}), description="What differs from that."
    )
    most_late: float = Field(gt=0, le=1, description="No call is let in while a larger share of frames is late.")
    most_waiting: float = Field(gt=0, description="Nor while finals would be waited for a larger share of time.")
    state: str = Field(min_length=1, description="Where a call's state is kept: memory, store, or another store's URL.")
    state_lifetime_s: float = Field(gt=0, description="How long it is kept after its last turn.")


class LifetimeSettings(Section):
    """Days that a row is kept, by the table's name; 0 keeps it until it is erased."""

    sessions: int = Field(ge=0, description="Who spoke when, in which languages, and how it ended.")
    usage_ledger: int = Field(ge=0, description="What was used and what it cost.")
    top_ups: int = Field(ge=0, description="Dub that users were given beside their quota.")
    profiles: int = Field(ge=0, description="What sessions tell of sound and delay.")
    nudges: int = Field(ge=0, description="What users asked for while they listened.")
    corrections: int = Field(ge=0, description="Content: what was said, and what should have been.")
    shadow_results: int = Field(ge=0, description="Figures of engines that nobody heard.")
    evals: int = Field(ge=0, description="Content: what clips of evaluations say.")


class StoreSettings(Section):
    url: str = Field(description="Empty for an SQLite file in the user's state folder; a path; or postgresql://…")
    lifetime_days: LifetimeSettings


class SpendSettings(Section):
    dub_cap_usd: float = Field(
        ge=0, description="What a session's voice may cost in dollars; then subtitles go on alone. 0 for no cap."
    )
    user_dub_minutes: float = Field(
        ge=0, description="Dub a month (UTC) for a user of whom `vivavoce quota` knows nothing else. 0 for no cap."
    )
    user_day_cap_usd: float = Field(ge=0, description="What a user may cost a day (UTC) in dollars. 0 for no cap.")
    day_cap_usd: float = Field(ge=0, description="What all that is in the store may cost a day. 0 for no cap.")
    refresh_s: float = Field(gt=0, le=300, description="How often the store is asked what users may still have.")
    bucket_dub_s: float = Field(ge=0, description="Dub that a user may have at once, from a bucket. 0 for no bucket.")
    bucket_dub_s_per_hour: float = Field(ge=0, description="What comes into that bucket in an hour.")
    buckets: str = Field(
        pattern=r"^(memory|rediss?://\S+|unix://\S+)$",
        description="Where buckets are: memory, each process its own; or a URL of Redis, which processes share.",
    )


class TelemetrySettings(Section):
    profiles: bool = Field(description="Whether each session's signals, and nudges, are kept in the store.")
    otlp: str = Field(
        pattern=r"^(https?://[^?#\s]+)?$", description="Collector of traces over OTLP/HTTP; OTEL_* goes before it."
    )
    metrics_port: int = Field(ge=0, le=65535, description="Port of this machine for Prometheus; 0 for none.")
    drift_tolerance: float = Field(gt=0, description="Share that a p95 may be above the evaluation's.")


class EvalSettings(Section):
    judge: str = Field(description="Engine, an OpenAIChat, that is asked what translations invented; empty for none.")


class Settings(Section):
    """A whole configuration. Constructing one checks its contract and the names of its engines."""

    contract: ContractSettings
    engines: EngineSettings
    routes: RoutesSettings
    translate: TranslateSettings
    agent: AgentSettings
    serve: ServeSettings
    spend: SpendSettings
    store: StoreSettings
    telemetry: TelemetrySettings
    eval: EvalSettings

    @model_validator(mode="after")
    def _hold_together(self) -> Settings:
        self.profile()
        paths = self.engines.paths
        named = [("translate.detector", self.translate.detector), *self.routes.names()]
        named += [("agent.turn", self.agent.turn)] if self.agent.turn else []
        named += [("eval.judge", self.eval.judge)] if self.eval.judge else []
        named += [(f"engines.options.{name}", name) for name in self.engines.options]
        for key, name in named:
            if name not in paths:
                raise ConfigError(
                    f"{key}: no engine is named {name!r}",
                    hint=f'there are {", ".join(paths)}; add others as `name = "module:Class"` under [engines]',
                )
        for key, profile in self.routes.profiles():
            try:
                self.contract.resolve(profile)
            except ContractError as error:
                raise ContractError(f"{key}: {error.message}", hint=error.hint) from error
        return self

    def profile(self, name: str | None = None, *, added_delay_ms: float = 0.0) -> Profile:
        """The latency profile in force, or a named other one, as the contract resolves it.

        Raises ContractError when it cannot be kept, the silences that `translate` waits for included.
        `added_delay_ms` is what output transforms declare.
        """
        profile = self.contract.resolve(name or "")
        profile.check(
            added_delay_ms=added_delay_ms,
            waits={Stage.TRIGGER: self.translate.speculate_after_ms, Stage.ENDPOINT: self.translate.endpoint_ms},
        )
        return profile


def config_hash(settings: Settings) -> str:
    """Sixteen hex digits that are equal when all settings are, however their files were written."""
    canonical = json.dumps(settings.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
