"""A request's protocol and time window have own columns; the window was part of the flow's id (`flow.x@900s`)."""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WINDOW = re.compile(r"(?P<flow>.+)@(?P<seconds>[0-9]{1,6})s")


def upgrade() -> None:
    op.add_column("investigations", sa.Column("to_protocol", sa.Text, nullable=True))
    op.add_column("investigations", sa.Column("since_s", sa.Integer, nullable=True))
    split_windows()


def split_windows() -> None:
    """Window and flow of every remembered request get their own columns."""
    rows = sa.table("investigations", sa.column("id"), sa.column("flow"), sa.column("since_s"))
    connection = op.get_bind()
    for each in connection.execute(sa.select(rows.c.id, rows.c.flow).where(rows.c.flow.like("%@%s"))).all():
        if found := WINDOW.fullmatch(each.flow):
            values = {"flow": found["flow"], "since_s": int(found["seconds"])}
            connection.execute(rows.update().where(rows.c.id == each.id).values(**values))
