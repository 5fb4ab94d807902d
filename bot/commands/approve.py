"""`kai approve`, `kai reject`, `kai undo`: decisions about a proposal in a terminal, with one's own kubeconfig."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import click

from bot.approval.person import TERMINAL
from bot.approval.proposal import KubeUser, Proposal
from bot.approval.states import ProposalState
from bot.change.changes import Changes
from bot.change.deciding import Caller, DecisionResult, Identify
from bot.change.opening import changes_on
from bot.change.own_kubeconfig import myself
from bot.cluster_settings import NamedCluster
from bot.clusters.opening import PolicyWorlds
from bot.clusters.options import Live, said_live
from bot.clusters.served import ServedClusters, live_to
from bot.commands.output import as_data, write
from bot.errors import CouldNotLook, UsageMistake
from bot.report.cluster_name import UNNAMED, cluster_name
from bot.report.sanitize import clean, clean_command
from bot.settings import approvals_of, clusters_of
from bot.slack.proposal_blocks import patch_text, plain_state, proof_words
from bot.store.database import BadDatabase, Unreachable, file_of
from bot.store.location import default_url
from bot.store.proposals import Forged
from bot.store.store import open_store
from sensors.kit.catalog import sensors

FAILED = (
    ProposalState.STUCK,
    ProposalState.UNKNOWN,
    ProposalState.NOT_VERIFIED,
    ProposalState.PROPOSED,
    ProposalState.EXPIRED,
    ProposalState.SUPERSEDED,
)

DecisionAction = Callable[[Changes, str, str, Identify], Awaitable[DecisionResult]]


def approve(
    proposal: str, yes: bool, database: str | None, config: Path | None, output: str = "text", **asked: Any
) -> int:
    """Show the change whole, ask once more, then apply and verify it with one's own rights."""

    async def act(changes: Changes, it: str, who: str, identify: Identify) -> DecisionResult:
        return await changes.deciding.approve(it, who, identify)

    return decide(proposal, "Apply it with your own rights?", yes, database, config, said_live(asked), act, output)


def undo(
    proposal: str, yes: bool, database: str | None, config: Path | None, output: str = "text", **asked: Any
) -> int:
    async def act(changes: Changes, it: str, who: str, identify: Identify) -> DecisionResult:
        return await changes.deciding.undo(it, who, identify)

    return decide(proposal, "Take it back with your own rights?", yes, database, config, said_live(asked), act, output)


def reject(
    proposal: str, reason: str, database: str | None, config: Path | None, output: str = "text", **asked: Any
) -> int:
    async def act(changes: Changes, it: str, who: str, identify: Identify) -> DecisionResult:
        return await changes.deciding.reject(it, who, identify, reason)

    return decide(proposal, "", True, database, config, said_live(asked), act, output)


def decide(
    proposal: str,
    question: str,
    yes: bool,
    database: str | None,
    config: Path | None,
    live: Live,
    act: DecisionAction,
    output: str,
) -> int:
    """Show the proposal, ask `question` unless `yes`, act as the person of the kubeconfig, and carry it on."""
    url = database or default_url()
    try:
        if (path := file_of(url)) is not None and not path.exists():
            raise UsageMistake(f"there is no {path} (--database says where KAI remembers)")
        return asyncio.run(_decided(url, proposal, question, yes, config, live, act, output))
    except BadDatabase as why:
        raise UsageMistake(str(why)) from why
    except (Unreachable, Forged) as why:
        raise CouldNotLook(str(why)) from why


async def _decided(
    url: str,
    proposal: str,
    question: str,
    yes: bool,
    config: Path | None,
    live: Live,
    act: DecisionAction,
    output: str,
) -> int:
    rules = approvals_of(config)
    async with open_store(url) as store:
        it = await store.proposals.get(proposal)
        if it is None:
            raise UsageMistake(f"there is no proposal {clean(proposal, 60)!r}: give its whole id")
        clusters = only_of(it, live, clusters_of(config))
        who = await myself(clusters.live(it.cluster))
        changes = changes_on(clusters.live, clusters.cluster, sensors(), store, lambda: rules, _tell, own=True)
        _show(it)
        if not yes and question and not await asyncio.to_thread(click.confirm, question, err=True):
            return 1
        return await _done(changes, it, who, act, output)


def only_of(it: Proposal, live: Live, known: Iterable[NamedCluster]) -> ServedClusters:
    """The one cluster that the change is for, by a person's own kubeconfig. Raises `UsageMistake`.

    Where the settings name it, they say the way to it; where nobody does, the person has to name it beside the way.
    """
    if it.cluster == UNNAMED and not live.cluster:
        return ServedClusters({UNNAMED: PolicyWorlds(live)})
    if live.cluster not in ("", it.cluster):
        raise UsageMistake(f"the change is for cluster {it.cluster}, not for {live.cluster}: nothing is applied")
    said = next((each for each in known if each.name == it.cluster), None)
    if said is not None and live.context not in (None, said.context):
        raise UsageMistake(f"cluster {it.cluster} is context {said.context}, not {live.context}: nothing is applied")
    if said is None and not live.cluster:
        raise UsageMistake(f"the change is for cluster {it.cluster}: say --cluster {it.cluster} with its --context")
    return ServedClusters({it.cluster: PolicyWorlds(live_to(said, live) if said is not None else live)}, it.cluster)


async def _done(changes: Changes, it: Proposal, who: KubeUser, act: DecisionAction, output: str) -> int:
    person = f"{TERMINAL}{who.name}"

    async def identify(proposal: Proposal) -> Caller:
        return Caller(person, who)

    claims = [await changes.claim(it.id, person)]
    try:
        said = await act(changes, it.id, person, identify)
        click.echo(said.sentence, err=True)
        if said.code:
            return 1
        decided = said.carry_on or it.id
        if decided != it.id:
            claims.append(await changes.claim(decided, person))
        carried = said.carry_on and await changes.pipeline.carry_on(decided)
        after = carried or await changes.store.proposals.get(decided)
    finally:
        for each in claims:
            await changes.release(each)
    write(_outcome(after, output) if after is not None else "")
    return 1 if after is not None and said.carry_on and _has_failed(after) else 0


def _has_failed(it: Proposal) -> bool:
    """One that waits for a second person has not."""
    return it.state in FAILED and not (it.state is ProposalState.PROPOSED and not it.why)


def _outcome(it: Proposal, output: str) -> str:
    said = {"proposal": it.id, "cluster": cluster_name(it.cluster) or None, "state": it.state.value, "why": it.why}
    if output == "text":
        return f"{plain_state(it)}\n"
    return as_data(said, output)


async def _tell(it: Proposal) -> None:
    click.echo(plain_state(it), err=True)


def _show(it: Proposal) -> None:
    """Exactly what would be applied: odd characters stand by their numbers, and never act on the terminal."""
    text = patch_text(it)
    whole = text if clean_command(text) == text else json.dumps([list(each.body) for each in it.parts], indent=1)
    proof = proof_words(it)
    opened = "".join(f"\n  newly allowed: {clean(each)}" for each in it.proved.newly_allowed)
    opened += "".join(f"\n  no longer allowed: {clean(each)}" for each in it.proved.newly_denied)
    click.echo(f"{clean(it.title)}\n\n{whole}\n\n{proof}{opened}\nsha256 {it.sha256}, {plain_state(it)}\n", err=True)
