"""Calls of Claude, for whom, and their cost: written before a call is sent, so that none is paid twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    texts = ("investigation", "person", "model", "purpose")
    tokens = ("estimated_tokens", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    op.create_table(
        "claude_calls",
        sa.Column("key", sa.Text, primary_key=True),
        *(sa.Column(each, sa.Text, nullable=False) for each in texts),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        *(sa.Column(each, sa.Integer, nullable=False) for each in tokens),
        sa.Column("cost_usd", sa.Float, nullable=False),
        sa.Column("reply", sa.LargeBinary, nullable=True),
    )
    op.create_index("ix_claude_calls_investigation", "claude_calls", ["investigation"])
    op.create_index("ix_claude_calls_begun_at", "claude_calls", ["begun_at"])
