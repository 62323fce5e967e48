"""Alembic runs this file for every upgrade; the connection, in a transaction already, comes with the configuration."""

from __future__ import annotations

from alembic import context

from vivavoce.store.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
