"""Environment of alembic: the connection is the store's own, handed over in the configuration."""

from __future__ import annotations

from alembic import context

given = context.config.attributes
context.configure(
    connection=given["connection"],
    target_metadata=given["metadata"],
    version_table=given["versions"],
    render_as_batch=True,  # SQLite can alter next to nothing: a change there is a new table
    transactional_ddl=True,  # SQLite can roll back DDL, whatever alembic's default says
)
with context.begin_transaction():
    context.run_migrations()
