"""The store's schema, revision by revision (Alembic). One that was released is never changed."""
