"""Removes the flag of private proposals: Slack is asked each time; what was kept of that was never read."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("proposals", "private")
