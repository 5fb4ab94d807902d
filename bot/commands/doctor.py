"""`kai doctor`: a line for each prerequisite; of what is missing, what breaks without it and what mends it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from bot.alert_settings import AlertSettings
from bot.alerts.access import ChannelAccess
from bot.alerts.gate import load_gate
from bot.cluster_settings import NamedCluster
from bot.clusters.connecting import connected, opened
from bot.clusters.options import Live, live_of
from bot.clusters.served import live_to
from bot.clusters.target import NoSuchPod, resolve
from bot.commands.output import write
from bot.doctor import Check, CheckState, exit_code
from bot.doctor.alerts import alert_checks, unreadable
from bot.doctor.examine import Patient, examine
from bot.doctor.packages import packages
from bot.errors import BadSettings, CouldNotLook, UsageMistake
from bot.lazy import resolve as lazily
from bot.report.sanitize import clean
from bot.settings import AlertsSetUp, alerts_of, check, clusters_of
from sensors.access.live import LiveCluster
from sensors.access.live.cluster import place_of
from sensors.kit import Blind
from sensors.kit.kinds import POD

ASK_SLACK = "bot.slack.alert_access:channel_access"
"""Loaded where a channel is configured, and only there."""

READ_CERTIFICATES = "bot.web.callers:client_certificates"


def typed(pod: str, namespace: str | None, output: str, **asked: Any) -> int:
    """`kai doctor`."""
    return doctor(live_of(asked), pod, namespace, output)


def doctor(live: Live, pod: str, namespace: str | None, output: str) -> int:
    """Examine, tell, and return the exit code. Raises `UsageMistake` or `CouldNotLook`."""
    try:
        here = asyncio.run(_examine(live, pod, namespace))
        others = () if live.names_a_cluster else asyncio.run(clusters(live.environ))
        checks = (*here, *others, *asyncio.run(alerts(live.environ)), packages())
    except NoSuchPod as why:
        raise UsageMistake(str(why)) from why
    except Blind as why:
        raise CouldNotLook(f"could not look: {why}") from why
    write(as_json(checks) if output == "json" else "\n".join(told(checks)) + "\n")
    return exit_code(checks)


async def _examine(live: Live, pod: str, namespace: str | None) -> tuple[Check, ...]:
    async with opened(live) as cluster:
        node = await _node_of(cluster, pod, namespace) if pod else ""
        return await examine(Patient(cluster, live.environ, node))


async def clusters(environ: Mapping[str, str]) -> tuple[Check, ...]:
    """Checks whether each cluster that the settings name can be reached; `--cluster` examines one of them."""
    try:
        named = clusters_of(environ=environ)
    except BadSettings:  # told by the settings' own line
        return ()
    return tuple(await asyncio.gather(*(_reached(each, environ) for each in named)))


async def _reached(named: NamedCluster, environ: Mapping[str, str]) -> Check:
    name, more = f"cluster {named.name}", f"kai doctor --cluster {named.name}"
    try:
        async with connected(live_to(named, Live(environ={**environ}))) as kube:
            return Check(name, CheckState.OK, f"{await kube.version()} at {kube.place.server}; {more} examines it")
    except (UsageMistake, Blind) as why:
        return Check(name, CheckState.MISSING, str(why), "nothing of it can be looked at", more)


async def alerts(environ: Mapping[str, str]) -> tuple[Check, ...]:
    """Checks the settings that `kai serve` would read here, and what alerts need by them."""
    try:
        check(environ)
        said = alerts_of(environ)
    except UsageMistake as why:
        return unreadable(str(why))
    return (*_faults(said.alerts), *alert_checks(said.alerts, said.watch, await _access(said)))


def _faults(said: AlertSettings) -> Iterator[Check]:
    """Files that the settings name, and `kai serve` would refuse."""
    try:
        load_gate(said.gate)
        if said.tls is not None:
            lazily(READ_CERTIFICATES)(said.tls)
    except UsageMistake as why:
        yield from unreadable(str(why))


async def _access(said: AlertsSetUp) -> ChannelAccess:
    channels = dict.fromkeys([*said.alerts.channels, *filter(None, [said.watch.channel])])
    if not channels:
        return ChannelAccess()
    if said.bot_token is None:
        return ChannelAccess(why="Slack was not asked: SLACK_BOT_TOKEN is not set here")
    asked = (said.bot_token.reveal(), said.api_url, tuple(channels), said.shared_channels)
    access: ChannelAccess = await lazily(ASK_SLACK)(*asked)
    return access


async def _node_of(cluster: LiveCluster, pod: str, namespace: str | None) -> str:
    found = (await resolve(cluster, pod, namespace or cluster.kube.namespace)).target
    return place_of(found.namespace, found.pod, await cluster.objects(POD)).node


def told(checks: Iterable[Check]) -> Iterator[str]:
    """A line for each, two more for what is missing or off; the last line counts."""
    checks = tuple(checks)
    width = max(len(each.name) for each in checks)
    for each in checks:
        yield f"{each.state.value:8} {clean(each.name):{width}}  {clean(each.found)}".rstrip()
        if each.state in (CheckState.MISSING, CheckState.OFF):
            yield f"{'':9}without it: {clean(each.without)}"
            yield f"{'':9}to {'mend' if each.state is CheckState.MISSING else 'have'} it: {clean(each.mend)}"
    missing = [each for each in checks if each.state is CheckState.MISSING]
    yield f"{len(missing)} missing: {', '.join(clean(each.name) for each in missing)}" if missing else "All there."


def as_json(checks: Iterable[Check]) -> str:
    return json.dumps({"checks": [asdict(each) for each in checks]}, indent=2, ensure_ascii=False) + "\n"
