"""A fix of what GitOps keeps, as a message: the warning, and the difference for the repository, whole. Pure."""

from __future__ import annotations

from bot.change.repository import ForRepository
from bot.report.blocks import Said, section
from bot.report.mrkdwn import safe
from bot.slack.proposal_blocks import LONGEST_PATCH, is_plain, preformatted


def said(it: ForRepository, investigation: str) -> Said:
    """There is no button to approve it: a patch would be reverted, and the fault would be back."""
    owners = " and ".join(safe(each, 100) for each in it.owners)
    targets = ", ".join(safe(str(each), 200) for each in it.targets)
    keeps, would = ("keep", "They would") if len(it.owners) > 1 else ("keeps", "It would")
    warning = f"⚠ {owners} {keeps} {targets}. {would} revert a patch made here, so KAI asks for no approval."
    blocks = [section(f"*{safe(it.title, 1000)}*"), section(f"{warning}\nChange it in the repository:")]
    if len(it.difference) <= LONGEST_PATCH and is_plain(it.difference):
        blocks.append(preformatted(it.difference))
    else:  # half a difference must not come into a repository
        blocks.append(section(f"It cannot be shown here whole. `kai history {investigation}` says it in a terminal."))
    if it.proof is not None:
        many = "connection" if it.proof.replayed == 1 else "connections"
        proved = f"✔ Proved: {it.proof.allowed_after} of {it.proof.replayed} denied {many} would be allowed"
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": proved}]})
    return Said(warning, tuple(blocks))
