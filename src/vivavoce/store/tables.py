"""The tables of the store, the same in SQLite and Postgres.

Moments are `*_ms` since 1970 in UTC, money is nano-dollars. A row that a session writes is never changed and has an
identity of its own (`session_id` and a number, or an `id`): written twice, it is there once. No key points from one
table to another, for rows may come in any order; `erasure` knows what belongs to whom. Tables with spoken or written
content say so in their comment.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, Table, Text

METADATA: Final = MetaData()

SESSIONS: Final = Table(
    "sessions",
    METADATA,
    Column("session_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("product", Text, nullable=False),  # translate, agent
    Column("app_id", Text, nullable=False),
    Column("codec", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Index("sessions_user", "user_id", "started_ms"),
    Index("sessions_started", "started_ms"),
)

SESSION_ENDS: Final = Table(
    "session_ends",
    METADATA,
    Column("session_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),  # done, interrupted, or an error's type
)

USAGE: Final = Table(
    "usage_ledger",
    METADATA,
    Column("session_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("user_id", Text, nullable=False),
    Column("app_id", Text, nullable=False),
    Column("codec", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),  # where the interval begins
    Column("interval_ms", Integer, nullable=False),
    Column("leg", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("prompt_version", Text, nullable=False),  # "" for an engine without prompts
    Column("sound_ms", BigInteger),  # recognised, or spoken; None in what the engine does not count by
    Column("characters", BigInteger),
    Column("tokens_in", BigInteger),
    Column("tokens_out", BigInteger),
    Column("price", Text),  # identity of the price; None where nobody knows it
    Column("cost_nano", BigInteger),
    Column("asked", Integer, nullable=False),  # requests with a latency
    Column("p50_ms", Double),
    Column("p95_ms", Double),
    Column("place", Integer, nullable=False),  # the engine's in the route's order, from 1
    Column("why", Text, nullable=False),  # why the leg came to it, in its first row; "" for the first choice
    Index("usage_ledger_user", "user_id", "at_ms"),
    Index("usage_ledger_at", "at_ms"),
)

SIGNALS: Final = Table(
    "profiles",
    METADATA,
    Column("session_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("app_id", Text, nullable=False),
    Column("codec", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("utterances", Integer, nullable=False),
    Column("jitter_p50_ms", Double),
    Column("jitter_p95_ms", Double),
    Column("gaps", Integer),  # packets that came over 60 ms later than the one before foretold
    Column("triggers", Integer, nullable=False),  # starts of speech,
    Column("false_triggers", Integer, nullable=False),  # of which nothing was recognised
    Column("resumed", Integer, nullable=False),  # ends of speech that were none
    Column("mutes", Integer, nullable=False),  # times that the original was lowered
    Column("mutes_refuted", Integer, nullable=False),  # of them for nothing: nobody had interrupted
    Column("muted_ms", BigInteger, nullable=False),
    Column("mute_late_p95_ms", Double),  # from the dub's first sound until the original was down
    Column("unmute_late_p95_ms", Double),  # from its last sound until the original was back
    Column("words", Integer, nullable=False),
    Column("words_revised", Integer, nullable=False),  # shown, and taken back
    Column("heard_p50_ms", Double),
    Column("heard_p95_ms", Double),
    Index("profiles_cell", "app_id", "codec", "network"),
    Index("profiles_at", "at_ms"),
)

NUDGES: Final = Table(
    "nudges",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("session_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),  # late, resync, mode
    Index("nudges_session", "session_id"),
    Index("nudges_at", "at_ms"),
)

QUOTAS: Final = Table(
    "quotas",
    METADATA,
    Column("user_id", Text, primary_key=True),
    Column("dub_ms", BigInteger, nullable=False),  # a calendar month's (UTC)
    Column("at_ms", BigInteger, nullable=False),
)

TOP_UPS: Final = Table(
    "top_ups",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("dub_ms", BigInteger, nullable=False),  # for the month of `at_ms`
    Column("at_ms", BigInteger, nullable=False),
    Index("top_ups_user", "user_id", "at_ms"),
)

SHADOW_RESULTS: Final = Table(
    "shadow_results",
    METADATA,
    Column("session_id", Text, primary_key=True),
    Column("leg", Text, primary_key=True),
    Column("shadow", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("user_id", Text, nullable=False),  # "" where nobody knows
    Column("primary_engine", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("void", Text, nullable=False),
    Column("primary_ms", Double),
    Column("shadow_ms", Double),
    Column("errors", Integer),
    Column("words", Integer),
    Column("chrf", Double),
    Column("length_ratio", Double),
    Column("primary_quantities", Text),  # JSON, by unit
    Column("shadow_quantities", Text),
    Column("primary_nano", BigInteger),
    Column("shadow_nano", BigInteger),
    Column("primary_price", Text),
    Column("shadow_price", Text),
    Index("shadow_results_at", "at_ms"),
)

EVALS: Final = Table(
    "evals",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("clip", Text, primary_key=True),
    Column("session_id", Text, nullable=False),  # whose correction the clip was; "" where it was nobody's
    Column("user_id", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("pair", Text, nullable=False),
    Column("register", Text, nullable=False),
    Column("source_text", Text, nullable=False),
    Column("reference_text", Text, nullable=False),
    Column("hypothesis_text", Text, nullable=False),
    Column("quality", Text, nullable=False),  # JSON, by metric
    Column("heard_p95_ms", Double),
    Index("evals_at", "at_ms"),
    comment="content: what clips say",
)

PROMPT_VERSIONS: Final = Table(
    "mt_prompt_versions",
    METADATA,
    Column("version", Text, primary_key=True),
    Column("deployed_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("system_prompt", Text, nullable=False),
    Column("glossary_hash", Text, nullable=False),
)

GLOSSARIES: Final = Table(
    "glossaries",
    METADATA,
    Column("user_id", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("term_key", Text, primary_key=True),  # the term in Python's casefold
    Column("term", Text, nullable=False),
    Column("rendering", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    comment="content: a user's terms",
)

CORRECTIONS: Final = Table(
    "corrections",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("session_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("source_text", Text, nullable=False),
    Column("hypothesis_text", Text, nullable=False),
    Column("corrected_text", Text, nullable=False),
    Index("corrections_session", "session_id"),
    Index("corrections_user", "user_id"),
    comment="content: what was said, and what should have been",
)

STATES: Final = Table(
    "states",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("until_ms", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
    Index("states_until", "until_ms"),
    comment="content: what callers said",
)

ERASED: Final = Table(
    "erased",
    METADATA,
    Column("kind", Text, primary_key=True),  # session, user
    Column("name", Text, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    comment="what spools elsewhere may still hold is not let in",
)


def moment_of(table: Table) -> Column[int]:
    """When a row came to be: what its lifetime counts from, and what is compared with a user's erasure."""
    return next(table.c[name] for name in ("at_ms", "started_ms") if name in table.c)
