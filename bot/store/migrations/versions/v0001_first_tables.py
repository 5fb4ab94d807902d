"""The first tables: investigations, what was seen and judged, what was said and where, what people think."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LIVE = sa.text("state IN ('queued', 'running')")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _of_investigation(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_investigation"
    return sa.ForeignKeyConstraint(["investigation"], ["investigations.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    _investigations()
    _what_was_seen()
    _what_was_said()


def _investigations() -> None:
    texts = ("id", "request_key", "flow", "cluster", "namespace", "pod")
    op.create_table(
        "investigations",
        *(_text(each) for each in texts),
        _text("to_host", nullable=True),
        sa.Column("to_port", sa.Integer, nullable=True),
        *(_text(each) for each in ("door", "asked_by", "channel", "thread", "state", "why")),
        sa.Column("looks", sa.Integer, nullable=False),
        _moment("asked_at"),
        _moment("began_at", nullable=True),
        _moment("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_investigations"),
    )
    op.create_index(
        "uq_investigations_live",
        "investigations",
        ["request_key"],
        unique=True,
        sqlite_where=LIVE,
        postgresql_where=LIVE,
    )
    op.create_index("ix_investigations_state", "investigations", ["state"])
    op.create_index("ix_investigations_asked_at", "investigations", ["asked_at"])


def _what_was_seen() -> None:
    op.create_table(
        "evidence",
        _text("investigation"),
        _text("id"),
        sa.Column("position", sa.Integer, nullable=False),
        *(_text(each) for each in ("sensor", "sight", "summary")),
        sa.Column("facts", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("investigation", "id", name="pk_evidence"),
        _of_investigation("evidence"),
    )
    op.create_table(
        "diagnoses",
        *(_text(each) for each in ("investigation", "cause_class", "component")),
        sa.Column("confidence", sa.Float, nullable=False),
        _text("root_cause"),
        sa.Column("result", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("investigation", name="pk_diagnoses"),
        _of_investigation("diagnoses"),
    )
    op.create_index("ix_diagnoses_cause_class", "diagnoses", ["cause_class"])


def _what_was_said() -> None:
    op.create_table(
        "messages",
        *(_text(each) for each in ("key", "investigation", "role", "state")),
        sa.Column("attempts", sa.Integer, nullable=False),
        _moment("due_at"),
        *(_text(each, nullable=True) for each in ("channel", "ts", "content_hash")),
        _text("why"),
        sa.PrimaryKeyConstraint("key", name="pk_messages"),
        sa.UniqueConstraint("investigation", "role", name="uq_messages_investigation_role"),
        _of_investigation("messages"),
    )
    op.create_index("ix_messages_state_due_at", "messages", ["state", "due_at"])
    op.create_table(
        "seen_ids",
        _text("key"),
        _text("value"),
        _moment("expires_at"),
        sa.PrimaryKeyConstraint("key", name="pk_seen_ids"),
    )
    op.create_index("ix_seen_ids_expires_at", "seen_ids", ["expires_at"])
    op.create_table(
        "feedback",
        *(_text(each) for each in ("investigation", "person", "opinion", "words")),
        _moment("at"),
        sa.PrimaryKeyConstraint("investigation", "person", name="pk_feedback"),
        _of_investigation("feedback"),
    )


def downgrade() -> None:
    for table in ("feedback", "seen_ids", "messages", "diagnoses", "evidence", "investigations"):
        op.drop_table(table)
