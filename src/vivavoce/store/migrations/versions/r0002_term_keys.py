"""A term of a glossary is one whatever its case, by its key: of two that were there the later holds."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Text, text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # No database folds case as Python does, so that the rows come through here.
    there = op.get_bind().execute(text("SELECT * FROM glossaries ORDER BY at_ms")).mappings().all()
    op.drop_table("glossaries")
    glossaries = op.create_table(
        "glossaries",
        Column("user_id", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("target", Text, nullable=False),
        Column("term_key", Text, nullable=False),
        Column("term", Text, nullable=False),
        Column("rendering", Text, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        PrimaryKeyConstraint("user_id", "source", "target", "term_key"),
        comment="content: a user's terms",
    )
    kept = {
        (row["user_id"], row["source"], row["target"], row["term"].casefold()): dict(row)
        | {"term_key": row["term"].casefold()}
        for row in there
    }
    op.bulk_insert(glossaries, list(kept.values()))
