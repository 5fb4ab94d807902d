"""One investigation from the command line: open the world, find the pod, walk the flow, say what came of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from bot.clusters.connecting import opened, since_of
from bot.clusters.options import Live, live_of
from bot.clusters.recorded import recording_of
from bot.clusters.target import KINDS, NoSuchPod, Resolved, resolve
from bot.commands.output import exit_code, say, write
from bot.commands.progress import progress
from bot.commands.recipe import flow_named
from bot.commands.watch import Walk, Watched, follow
from bot.errors import COULD_NOT_LOOK, CouldNotLook, UsageMistake
from bot.report.sanitize import clean
from bot.verify.looking import Clock, Since
from bot.verify.moment import moment_of
from flows.catalog import rules
from flows.engine import Tools, run
from flows.load import FLOW_SENSOR, BadFlow, Flow
from flows.model import Diagnosis, Recording
from sensors.access.casefolder import BadCase, CaseFolder, open_case
from sensors.kit import Blind, Cluster, Target
from sensors.kit.addresses import HostPort, host_port
from sensors.kit.catalog import sensors


@dataclass(frozen=True, slots=True)
class TerminalRequest:
    """What was typed. `pod` may be empty (the recorded one) or anything that `resolve` understands.

    `last` is how much context to bring per node, None as the flow says; `live` is for where there is no `case`.
    """

    flow: str
    pod: str = ""
    namespace: str | None = None
    to: str | None = None
    case: Path | None = None
    output: str = "text"
    verbose: bool = False
    last: int | None = None
    since: str | None = None
    live: Live = field(default_factory=Live)


def typed(watch: bool = False, every: int = 10, **asked: Any) -> int:
    """`kai netdebug` and `kai run-flow`."""
    live = live_of(asked)
    question = TerminalRequest(**asked, live=live)
    return keep_watching(question, every) if watch else investigate(question)


def investigate(question: TerminalRequest) -> int:
    """Ask, answer on stdout, and return the exit code. Raises `UsageMistake` or `CouldNotLook`."""
    with _plain_errors():
        diagnosis = asyncio.run(_investigate(question, flow_asked(question)))
    say(diagnosis, question.output, verbose=question.verbose)
    return exit_code(diagnosis)


def keep_watching(question: TerminalRequest, every: float, clock: Clock | None = None) -> int:
    """`--watch`: until the answer turns, or Ctrl-C; then the exit code is that of the last verdict."""
    if question.case is not None or question.output != "text":
        raise UsageMistake("--watch looks at a living cluster and says each change in a line: no --case, no -o")
    watched = Watched()

    async def walk(since: datetime | None) -> Walk:
        return await _walk(question, flow, since)

    def report(diagnosis: Diagnosis) -> None:
        say(diagnosis, question.output, verbose=question.verbose)
        write(f"\nWatching every {every:g} s until that changes; Ctrl-C ends it.\n")

    with _plain_errors():
        flow = flow_asked(question)
        try:
            asyncio.run(follow(watched, walk, report, lambda line: write(f"{line}\n"), clock or Clock(), every))
        except KeyboardInterrupt:
            if watched.code is None:
                raise
    return watched.code if watched.code is not None else COULD_NOT_LOOK


@contextmanager
def _plain_errors() -> Iterator[None]:
    """What a person or a cluster has caused, as the errors of the command line."""
    try:
        yield
    except (BadCase, BadFlow, NoSuchPod) as why:
        raise UsageMistake(str(why)) from why
    except Blind as why:
        raise CouldNotLook(f"could not look: {why}") from why


def flow_asked(question: TerminalRequest) -> Flow:
    """The flow with how many hubble flows it brings and how far back they go. Raises `BadFlow`, `UsageMistake`."""
    window = since_of(question.since)
    since = window.total_seconds() if window else None
    return flow_named(question.flow).asking(FLOW_SENSOR, last=question.last, since=since)


async def _investigate(question: TerminalRequest, flow: Flow) -> Diagnosis:
    async with world_of(question) as (cluster, recording):
        found = await find_target(question, cluster)
        if found.note:
            print(clean(found.note), file=sys.stderr)  # noqa: T201
        with progress(len(flow.looks)) as watcher:
            return await run(flow, found.target, cluster, Tools(sensors(), rules()), watcher, recording)


async def _walk(question: TerminalRequest, flow: Flow, since: datetime | None) -> Walk:
    """One walk of many, each over a connection of its own: a cluster may be away for a while. Raises `Blind`."""
    async with world_of(question) as (cluster, _):
        began = await cluster.now()
        seen = cluster if since is None else cast(Cluster, Since(cluster, since))
        try:
            target = (await find_target(question, cluster)).target
        except NoSuchPod as why:
            raise (why if since is None else Blind(str(why))) from why  # it may be on its way back
        with progress(len(flow.looks)) as watcher:
            found = await run(flow, target, seen, Tools(sensors(), rules()), watcher)
        return Walk(found, moment_of(found.evidence.values()), began)


@asynccontextmanager
async def world_of(question: TerminalRequest) -> AsyncIterator[tuple[Cluster, Recording | None]]:
    """The recording that was named, else the living cluster."""
    if question.case is not None:
        if question.live.names_a_cluster:
            raise UsageMistake("--case is a recording; --kubeconfig, --context, --server name a cluster; leave one out")
        if question.since is not None:
            raise UsageMistake("--since asks a living cluster; a recording holds what it holds")
        case = open_case(question.case)
        yield case, recording_of(case)
        return
    if not question.pod:
        raise UsageMistake("name a pod: kai netdebug POD -n NAMESPACE (or --case DIR for a recording)")
    async with opened(question.live) as cluster:
        yield cluster, None


async def find_target(question: TerminalRequest, cluster: Cluster) -> Resolved:
    """The pod that is meant. The recorded question fills in what was left out, and never overrides what was said."""
    recorded = cluster.header.target if isinstance(cluster, CaseFolder) else None
    peer = door(question.to) if question.to else None
    usual = recorded.namespace if recorded else namespace_of(cluster)
    word, namespace = question.pod, question.namespace or usual
    if not word and recorded is None:
        raise UsageMistake("this case names no target: say the pod, as in kai netdebug POD -n NAMESPACE --case DIR")
    if not word and recorded is not None:
        word = recorded.pod
    one_namespace(word, question.namespace)
    asked = (peer.host, peer.port, peer.protocol) if peer else ()
    found = await resolve(cluster, word, namespace, *asked)
    return replace(found, target=_with_recorded_peer(found.target, recorded))


def namespace_of(cluster: Cluster) -> str:
    """The namespace meant without -n: that of the kubeconfig's context, as with kubectl."""
    kube = getattr(cluster, "kube", None)
    return str(kube.namespace) if kube is not None else "default"


def _with_recorded_peer(target: Target, recorded: Target | None) -> Target:
    same = recorded is not None and (target.pod, target.namespace) == (recorded.pod, recorded.namespace)
    if recorded is None or not same or target.to_host is not None:
        return target
    return replace(target, to_host=recorded.to_host, to_port=recorded.to_port, to_protocol=recorded.to_protocol)


def one_namespace(word: str, said: str | None) -> None:
    """Raises `UsageMistake` when `NAMESPACE/POD` and `-n` name two namespaces."""
    before, slash, _ = word.partition("/")
    if slash and said not in (None, before) and before.lower() not in KINDS:
        raise UsageMistake(f"two namespaces: {before!r} in {word!r} and {said!r} after -n; leave one out")


def door(text: str) -> HostPort:
    """`--to HOST:PORT[/PROTOCOL]`. Raises `UsageMistake`."""
    try:
        return host_port(text)
    except ValueError as why:
        raise UsageMistake(f"--to wants HOST:PORT, such as 10.96.0.1:443 or payments.prod:8080 ({why})") from None
