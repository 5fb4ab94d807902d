"""An added policy's time is nearly up: what happens by itself, and how to keep it, for whoever has the rights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from bot.approval.proposal import Proposal
from bot.change.expiry import ExpiringNote
from bot.change.marks import EXPIRES
from bot.report.blocks import Block, Said, section
from bot.report.mrkdwn import safe
from bot.slack.notes import Kept, Reply
from bot.slack.proposal_blocks import LONGEST_PATCH, preformatted
from bot.slack.renderer import Renderer
from flows.model import Component

LONGER = timedelta(days=30)


def render(note: ExpiringNote) -> Sequence[Kept]:
    it, at = note.proposal, note.at
    line = f"⏳ It is taken back at {_when(at)}, unless somebody decides otherwise: {safe(it.title, 500)}"
    return (Reply(note.role, Said(line, (section(line), *_choices(it, at)))),)


def _choices(it: Proposal, at: datetime) -> Iterator[Block]:
    targets = _targets(it)
    until = f"{EXPIRES}={at + LONGER:%Y-%m-%d}"
    yield section("*Let it go:* nothing has to be done. KAI takes it back with the rights of whoever approved it.")
    yield section("*Extend it*, with your own rights:")
    yield preformatted("\n".join(_annotate(each, f"--overwrite {until}") for each in targets))
    yield section("*Make it permanent:* put this into your repository, and take the end off the object:")
    yield preformatted(_manifests(it))
    yield preformatted("\n".join(_annotate(each, f"{EXPIRES}-") for each in targets))


def _annotate(target: Component, rest: str) -> str:
    return f"kubectl annotate -n {target.namespace} {target.kind.lower()}/{target.name} {rest}"


def _manifests(it: Proposal) -> str:
    """Whole or not at all: half a policy must not come into a repository."""
    text = "---\n".join(yaml.safe_dump(permanent(each.body[0]), sort_keys=False) for each in it.parts).rstrip()
    if len(text) <= LONGEST_PATCH:
        return text
    get = (f"kubectl get -n {each.namespace} {each.kind.lower()}/{each.name} -o yaml" for each in _targets(it))
    return "\n".join(get)


def _targets(it: Proposal) -> list[Component]:
    return [each.target for each in it.parts]


def permanent(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest without its end."""
    meta = dict(manifest["metadata"])
    notes = {key: value for key, value in (meta.pop("annotations", None) or {}).items() if key != EXPIRES}
    return {**manifest, "metadata": {**meta, **({"annotations": notes} if notes else {})}}


def _when(at: datetime) -> str:
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC>"


RENDERER = Renderer("expiring", ExpiringNote, render)
