"""The first schema: sessions and their usage, settings of users, results of evaluations, states of dialogues."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Double, Integer, PrimaryKeyConstraint, Text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sessions",
        Column("session_id", Text, nullable=False),
        Column("user_id", Text, nullable=False),
        Column("product", Text, nullable=False),
        Column("app_id", Text, nullable=False),
        Column("codec", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("target", Text, nullable=False),
        Column("tier", Text, nullable=False),
        Column("started_ms", BigInteger, nullable=False),
        PrimaryKeyConstraint("session_id"),
    )
    op.create_index("sessions_started", "sessions", ["started_ms"])
    op.create_index("sessions_user", "sessions", ["user_id", "started_ms"])
    op.create_table(
        "session_ends",
        Column("session_id", Text, nullable=False),
        Column("user_id", Text, nullable=False),
        Column("started_ms", BigInteger, nullable=False),
        Column("ended_ms", BigInteger, nullable=False),
        Column("outcome", Text, nullable=False),
        PrimaryKeyConstraint("session_id"),
    )
    op.create_table(
        "usage_ledger",
        Column("session_id", Text, nullable=False),
        Column("number", Integer, nullable=False),
        Column("user_id", Text, nullable=False),
        Column("app_id", Text, nullable=False),
        Column("codec", Text, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        Column("interval_ms", Integer, nullable=False),
        Column("leg", Text, nullable=False),
        Column("engine", Text, nullable=False),
        Column("prompt_version", Text, nullable=False),
        Column("sound_ms", BigInteger),
        Column("characters", BigInteger),
        Column("tokens_in", BigInteger),
        Column("tokens_out", BigInteger),
        Column("price", Text),
        Column("cost_nano", BigInteger),
        Column("asked", Integer, nullable=False),
        Column("p50_ms", Double),
        Column("p95_ms", Double),
        Column("place", Integer, nullable=False),
        Column("why", Text, nullable=False),
        PrimaryKeyConstraint("session_id", "number"),
    )
    op.create_index("usage_ledger_at", "usage_ledger", ["at_ms"])
    op.create_index("usage_ledger_user", "usage_ledger", ["user_id", "at_ms"])
    op.create_table(
        "profiles",
        Column("session_id", Text, nullable=False),
        Column("user_id", Text, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        Column("app_id", Text, nullable=False),
        Column("codec", Text, nullable=False),
        Column("network", Text, nullable=False),
        Column("duration_ms", BigInteger, nullable=False),
        Column("utterances", Integer, nullable=False),
        Column("jitter_p50_ms", Double),
        Column("jitter_p95_ms", Double),
        Column("gaps", Integer),
        Column("triggers", Integer, nullable=False),
        Column("false_triggers", Integer, nullable=False),
        Column("resumed", Integer, nullable=False),
        Column("mutes", Integer, nullable=False),
        Column("mutes_refuted", Integer, nullable=False),
        Column("muted_ms", BigInteger, nullable=False),
        Column("mute_late_p95_ms", Double),
        Column("unmute_late_p95_ms", Double),
        Column("words", Integer, nullable=False),
        Column("words_revised", Integer, nullable=False),
        Column("heard_p50_ms", Double),
        Column("heard_p95_ms", Double),
        PrimaryKeyConstraint("session_id"),
    )
    op.create_index("profiles_at", "profiles", ["at_ms"])
    op.create_index("profiles_cell", "profiles", ["app_id", "codec", "network"])
    op.create_table(
        "nudges",
        Column("id", Text, nullable=False),
        Column("session_id", Text, nullable=False),
        Column("user_id", Text, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        Column("kind", Text, nullable=False),
        PrimaryKeyConstraint("id"),
    )
    op.create_index("nudges_at", "nudges", ["at_ms"])
    op.create_index("nudges_session", "nudges", ["session_id"])
    op.create_table(
        "quotas",
        Column("user_id", Text, nullable=False),
        Column("dub_ms", BigInteger, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        PrimaryKeyConstraint("user_id"),
    )
    op.create_table(
        "top_ups",
        Column("id", Text, nullable=False),
        Column("user_id", Text, nullable=False),
        Column("dub_ms", BigInteger, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        PrimaryKeyConstraint("id"),
    )
    op.create_index("top_ups_user", "top_ups", ["user_id", "at_ms"])
    op.create_table(
        "shadow_results",
        Column("session_id", Text, nullable=False),
        Column("leg", Text, nullable=False),
        Column("shadow", Text, nullable=False),
        Column("number", Integer, nullable=False),
        Column("user_id", Text, nullable=False),
        Column("primary_engine", Text, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        Column("void", Text, nullable=False),
        Column("primary_ms", Double),
        Column("shadow_ms", Double),
        Column("errors", Integer),
        Column("words", Integer),
        Column("chrf", Double),
        Column("length_ratio", Double),
        Column("primary_quantities", Text),
        Column("shadow_quantities", Text),
        Column("primary_nano", BigInteger),
        Column("shadow_nano", BigInteger),
        Column("primary_price", Text),
        Column("shadow_price", Text),
        PrimaryKeyConstraint("session_id", "leg", "shadow", "number"),
    )
    op.create_index("shadow_results_at", "shadow_results", ["at_ms"])
    op.create_table(
        "evals",
        Column("run_id", Text, nullable=False),
        Column("clip", Text, nullable=False),
        Column("session_id", Text, nullable=False),
        Column("user_id", Text, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        Column("pair", Text, nullable=False),
        Column("register", Text, nullable=False),
        Column("source_text", Text, nullable=False),
        Column("reference_text", Text, nullable=False),
        Column("hypothesis_text", Text, nullable=False),
        Column("quality", Text, nullable=False),
        Column("heard_p95_ms", Double),
        PrimaryKeyConstraint("run_id", "clip"),
        comment="content: what clips say",
    )
    op.create_index("evals_at", "evals", ["at_ms"])
    op.create_table(
        "mt_prompt_versions",
        Column("version", Text, nullable=False),
        Column("deployed_ms", BigInteger, nullable=False),
        Column("system_prompt", Text, nullable=False),
        Column("glossary_hash", Text, nullable=False),
        PrimaryKeyConstraint("version", "deployed_ms"),
    )
    op.create_table(
        "glossaries",
        Column("user_id", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("target", Text, nullable=False),
        Column("term", Text, nullable=False),
        Column("rendering", Text, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        PrimaryKeyConstraint("user_id", "source", "target", "term"),
        comment="content: a user's terms",
    )
    op.create_table(
        "corrections",
        Column("id", Text, nullable=False),
        Column("session_id", Text, nullable=False),
        Column("user_id", Text, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        Column("source", Text, nullable=False),
        Column("target", Text, nullable=False),
        Column("source_text", Text, nullable=False),
        Column("hypothesis_text", Text, nullable=False),
        Column("corrected_text", Text, nullable=False),
        PrimaryKeyConstraint("id"),
        comment="content: what was said, and what should have been",
    )
    op.create_index("corrections_session", "corrections", ["session_id"])
    op.create_index("corrections_user", "corrections", ["user_id"])
    op.create_table(
        "states",
        Column("key", Text, nullable=False),
        Column("until_ms", BigInteger, nullable=False),
        Column("document", Text, nullable=False),
        PrimaryKeyConstraint("key"),
        comment="content: what callers said",
    )
    op.create_index("states_until", "states", ["until_ms"])
    op.create_table(
        "erased",
        Column("kind", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        PrimaryKeyConstraint("kind", "name"),
        comment="what spools elsewhere may still hold is not let in",
    )
