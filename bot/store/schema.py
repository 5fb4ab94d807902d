"""The tables. Changes to them are migrations (`migrations/versions`); a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)


class UtcTime(TypeDecorator[datetime]):
    """A time in UTC: SQLite keeps no zone, so what comes back naive is UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_IS_LIVE = text("state IN ('queued', 'running')")


def _of_investigation(*, primary_key: bool = False) -> Column[str]:
    owner = ForeignKey("investigations.id", ondelete="CASCADE")
    return Column("investigation", Text, owner, primary_key=primary_key, nullable=False)


investigations = Table(
    "investigations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("request_key", Text, nullable=False),
    Column("flow", Text, nullable=False),
    Column("cluster", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("pod", Text, nullable=False),
    Column("to_host", Text),
    Column("to_port", Integer),
    Column("to_protocol", Text),
    Column("since_s", Integer),
    Column("door", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("thread", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    Column("looks", Integer, nullable=False),
    Column("began_at", UtcTime),
    Column("ended_at", UtcTime),
    Index("uq_investigations_live", "request_key", unique=True, sqlite_where=_IS_LIVE, postgresql_where=_IS_LIVE),
    Index("ix_investigations_state", "state"),
    Index("ix_investigations_asked_at", "asked_at"),
)

evidence = Table(
    "evidence",
    metadata,
    _of_investigation(primary_key=True),
    Column("id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("sensor", Text, nullable=False),
    Column("sight", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("facts", LargeBinary, nullable=False),
)

diagnoses = Table(
    "diagnoses",
    metadata,
    _of_investigation(primary_key=True),
    Column("cause_class", Text, nullable=False),
    Column("component", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("root_cause", Text, nullable=False),
    Column("result", LargeBinary, nullable=False),
    Index("ix_diagnoses_cause_class", "cause_class"),
)

messages = Table(
    "messages",
    metadata,
    Column("key", Text, primary_key=True),
    _of_investigation(),
    Column("role", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("channel", Text),
    Column("ts", Text),
    Column("content_hash", Text),
    Column("why", Text, nullable=False),
    UniqueConstraint("investigation", "role"),
    Index("ix_messages_state_due_at", "state", "due_at"),
)

seen_ids = Table(
    "seen_ids",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Index("ix_seen_ids_expires_at", "expires_at"),
)

heard_alerts = Table(
    "heard_alerts",
    metadata,
    Column("key", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("heard_at", UtcTime, nullable=False),
    Index("ix_heard_alerts_heard_at", "heard_at"),
)

feedback = Table(
    "feedback",
    metadata,
    _of_investigation(primary_key=True),
    Column("person", Text, primary_key=True),
    Column("opinion", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

proposals = Table(
    "proposals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("parent", Text, nullable=False),
    Column("investigation", Text, nullable=False),
    Column("cluster", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("written", Text, nullable=False),
    Column("denied", Text, nullable=False),
    Column("shown", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("thread", Text, nullable=False),
    Column("ts", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("moved_at", UtcTime, nullable=False),
    Index("ix_proposals_state", "state"),
    Index("ix_proposals_investigation", "investigation"),
)
"""No foreign key: what was changed in a cluster is remembered longer than the investigation that led to it."""

approvals = Table(
    "approvals",
    metadata,
    Column("proposal", Text, ForeignKey("proposals.id", ondelete="CASCADE"), primary_key=True),
    Column("person", Text, primary_key=True),
    Column("kube_user", Text, nullable=False),
    Column("kube_groups", Text, nullable=False),
    Column("covers", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("proposal", Text, nullable=False),
    Column("entry", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("ix_audit_proposal", "proposal"),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, nullable=False),
    Column("hash", Text, nullable=False),
)
"""One row: where the audit ends."""

claude_calls = Table(
    "claude_calls",
    metadata,
    Column("key", Text, primary_key=True),
    Column("investigation", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("begun_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("estimated_tokens", Integer, nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("cache_read_tokens", Integer, nullable=False),
    Column("cache_write_tokens", Integer, nullable=False),
    Column("cost_usd", Float, nullable=False),
    Column("reply", LargeBinary),
    Index("ix_claude_calls_investigation", "investigation"),
    Index("ix_claude_calls_begun_at", "begun_at"),
)
"""No foreign key: a terminal asks, too, and keeps no investigation. `cost_usd` is the most it may be until it ended."""
