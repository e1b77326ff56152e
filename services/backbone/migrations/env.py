"""Alembic runs this file. The connection, already in its transaction, comes from ``SqlCatalog.migrate``."""

from __future__ import annotations

from alembic import context

from services.backbone.catalog_schema import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("the catalog is migrated by the services when they start, not by the alembic command")
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
