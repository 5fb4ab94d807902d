"""Proposals, who approved them, and the audit trail, which the database itself lets nobody change or shorten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = "entries of the audit are never changed or deleted"


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, autoincrement=False)


def upgrade() -> None:
    _proposals()
    _approvals()
    _audit()
    for statement in _guards():
        op.execute(statement)


def _proposals() -> None:
    what = ("id", "purpose", "parent", "investigation", "cluster", "state", "why", "sha256")
    op.create_table(
        "proposals",
        *(_text(each) for each in what),
        sa.Column("content", sa.LargeBinary, nullable=False),
        *(_text(each) for each in ("written", "denied", "shown", "asked_by", "team", "channel", "thread", "ts")),
        sa.Column("private", sa.Integer, nullable=False),
        *(_moment(each) for each in ("created_at", "expires_at", "moved_at")),
        sa.PrimaryKeyConstraint("id", name="pk_proposals"),
    )
    op.create_index("ix_proposals_state", "proposals", ["state"])
    op.create_index("ix_proposals_investigation", "proposals", ["investigation"])


def _approvals() -> None:
    name = "fk_approvals_proposal"
    op.create_table(
        "approvals",
        *(_text(each) for each in ("proposal", "person", "kube_user", "kube_groups", "covers", "sha256")),
        _moment("at"),
        sa.PrimaryKeyConstraint("proposal", "person", name="pk_approvals"),
        sa.ForeignKeyConstraint(["proposal"], ["proposals.id"], name=name, ondelete="CASCADE"),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        _number("seq"),
        *(_text(each) for each in ("proposal", "entry", "previous", "hash")),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    op.create_index("ix_audit_proposal", "audit", ["proposal"])
    op.create_table(
        "audit_head", _number("id"), _number("seq"), _text("hash"), sa.PrimaryKeyConstraint("id", name="pk_audit_head")
    )
    op.execute(sa.text("INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, :none)").bindparams(none="0" * 64))


def _guards() -> list[str]:
    """Triggers; whoever owns the database can drop them, and then the chain still tells."""
    if op.get_bind().dialect.name == "sqlite":
        return [
            f"CREATE TRIGGER audit_no_{verb} BEFORE {verb} ON audit BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END"
            for verb in ("update", "delete")
        ]
    body = f"BEGIN RAISE EXCEPTION '{APPEND_ONLY}'; END"
    function = f"CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
    trigger = "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit"
    return [function, f"{trigger} FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"]


def downgrade() -> None:
    for table in ("audit_head", "audit", "approvals", "proposals"):
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION audit_append_only()")
