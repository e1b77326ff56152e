"""The catalog's history: Alembic revisions that run on SQLite and PostgreSQL alike. A revision, once released, never changes."""
