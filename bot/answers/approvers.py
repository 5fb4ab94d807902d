"""Approvers of a change, as the operator's rules name them. Nobody is mentioned: a question wakes no one."""

from __future__ import annotations

from collections.abc import Iterable

from bot.approval.rules import Approvals
from bot.report.mrkdwn import safe

MOST_NAMES = 8


def approvers_of(approvals: Approvals, namespaces: Iterable[str]) -> str:
    """Approvers, their number and their rules in sentences, escaped; empty where no person is mapped."""
    spaces = sorted(set(namespaces))
    if not approvals.enabled:
        return ""
    strictest = approvals.strictest(spaces)
    if strictest.denied:
        return f"Nobody: the operator's rules let KAI change nothing in {safe(', '.join(spaces))}."
    who = [f"In {safe(each)}: {_names(approvals, each)}." for each in spaces]
    how = ["Each needs the Kubernetes rights for the change."]
    if strictest.needed > 1:
        how.append(f"It takes {strictest.needed} of them.")
    if strictest.two_persons:
        how.append("Whoever asked does not count.")
    how += [f"Not from {rules.quiet}." for each in spaces if (rules := approvals.of(each)).quiet is not None]
    if strictest.terminal_only:
        how.append("In a terminal only: kai approve.")
    return " ".join([*who, *how])


def _names(approvals: Approvals, namespace: str) -> str:
    people, rules = approvals.directory.people, approvals.of(namespace)
    listed = [people[each].name if each in people else f"members of {each}" for each in sorted(rules.approvers)]
    if not listed:
        mapped = sorted(each.name for each in people.values())
        listed = [*mapped, *(f"members of {each}" for each in sorted(approvals.directory.domains))]
    more = f" and {len(listed) - MOST_NAMES} more" if len(listed) > MOST_NAMES else ""
    return f"{safe(', '.join(listed[:MOST_NAMES]), 900)}{more}"
