"""One investigation from the command line: open the world, find the pod, walk the flow, say what came of it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.clusters.options import CASE_OR_CLUSTER, Live, live_of
from bot.clusters.peer import peer_of
from bot.clusters.recorded import recording_of
from bot.clusters.target import WORKLOAD_KINDS, NoSuchPod, Resolved, resolve
from bot.clusters.window import since_of
from bot.commands.output import Style, say, say_explanation, show_brief, write
from bot.commands.progress import progress
from bot.commands.recipe import flow_named
from bot.commands.remembering import remember
from bot.errors import COULD_NOT_LOOK, FAULT, NO_FAULT, CouldNotLook, UsageMistake
from bot.lazy import resolve as resolve_lazy
from bot.report.sanitize import clean
from bot.settings import claude_of
from flows.agent.settings import ClaudeSettings
from flows.catalog import rules
from flows.engine import Walk, WalkTools, walk
from flows.load import FLOW_SENSOR, BadFlow, Flow
from flows.model import Diagnosis, RecordedCase
from sensors.access.casefolder import BadCase, CaseFolder, open_case
from sensors.kit import Blind, Cluster, Target
from sensors.kit.addresses import HostPort
from sensors.kit.catalog import sensors

EXPLAINED = "bot.commands.explaining:explained"
"""Brings the store with it: imported only where Claude is asked."""

WATCHING = "bot.commands.watching:keep_watching"


@dataclass(frozen=True, slots=True)
class TerminalRequest:
    """Request as it was typed. `pod` may be empty (the recorded one) or anything that `resolve` understands.

    `last` is how much context to bring per node, None as the flow says; `live` is for where there is no `case`.
    `keep`: for `kai history`, in `database` or the person's own.
    `llm`: ask Claude or not; where nobody says, it is asked about a living cluster and not about a recording.
    `show_brief`: print what Claude would be told instead of the report, with pseudonyms where `anonymize` says so.
    """

    flow: str
    pod: str = ""
    namespace: str | None = None
    to: str | None = None
    case: Path | None = None
    output: str = "text"
    verbose: bool = False
    quiet: bool = False
    keep: bool = False
    database: str | None = None
    last: int | None = None
    since: str | None = None
    show_brief: bool = False
    anonymize: bool = False
    llm: bool | None = None
    live: Live = field(default_factory=Live)


def typed(watch: bool = False, every: int = 10, **asked: Any) -> int:
    """`kai netdebug` and `kai run-flow`."""
    live = live_of(asked)
    sender = asked.pop("sender", None)
    if sender and asked["pod"]:
        raise UsageMistake(f"name the pod once: {asked['pod']!r}, or --from {sender!r}")
    asked["pod"] = sender or asked["pod"]
    question = TerminalRequest(**asked, live=live)
    if watch:
        code: int = resolve_lazy(WATCHING)(question, every)
        return code
    return investigate(question)


def investigate(question: TerminalRequest) -> int:
    """Ask, answer on stdout, and return the exit code. Raises `UsageMistake` or `CouldNotLook`."""
    asked_at = datetime.now(UTC)
    try:
        flow = flow_asked(question)
        claude = _claude(question, flow)
        diagnosis = asyncio.run(_investigate(question, flow, claude))
    except (BadCase, BadFlow, NoSuchPod) as why:
        raise UsageMistake(str(why)) from why
    except Blind as why:
        raise CouldNotLook(f"could not look: {why}") from why
    if question.keep and not question.show_brief:
        remember(diagnosis, question.database, asked_at)
    return exit_code(diagnosis)


def _claude(question: TerminalRequest, flow: Flow) -> ClaudeSettings | None:
    """Settings for Claude; None: no key, no such step in the flow, or nobody wants it."""
    wanted = question.case is None if question.llm is None else question.llm
    if not wanted or question.show_brief or question.quiet or flow.agent is None:
        return None
    try:
        settings = claude_of()
    except UsageMistake as why:
        print(f"Claude is not asked: {why}", file=sys.stderr)  # noqa: T201 - and the rules need nothing of it
        return None
    if not settings.enabled and question.llm:
        print("Claude is not asked: there is no key (ANTHROPIC_API_KEY)", file=sys.stderr)  # noqa: T201
    anonymize = question.anonymize or settings.anonymize
    return replace(settings, anonymize=anonymize) if settings.enabled else None


def exit_code(diagnosis: Diagnosis) -> int:
    """0 no fault, 1 fault found, 3 could not tell."""
    if diagnosis.cause_class == "inconclusive":
        return COULD_NOT_LOOK
    return FAULT if diagnosis.fault_found else NO_FAULT


def flow_asked(question: TerminalRequest) -> Flow:
    """The flow with how many hubble flows it brings and how far back they go. Raises `BadFlow`, `UsageMistake`."""
    window = since_of(question.since)
    since = window.total_seconds() if window else None
    return flow_named(question.flow).asking(FLOW_SENSOR, last=question.last, since=since)


async def _investigate(question: TerminalRequest, flow: Flow, claude: ClaudeSettings | None) -> Diagnosis:
    async with world_of(question) as (cluster, recording):
        found = await find_target(question, cluster)
        if found.note:
            print(clean(found.note), file=sys.stderr)  # noqa: T201
        tools = WalkTools(sensors(), rules())
        with progress(len(flow.looks)) as watcher:
            walked = await walk(flow, found.target, cluster, tools, watcher, recording)
        if claude is None:
            _say(question, walked.diagnosis)
            return walked.diagnosis
        return await _explained(question, walked, cluster, claude, tools)


def _say(question: TerminalRequest, diagnosis: Diagnosis) -> None:
    if question.show_brief:
        from flows.agent.brief import brief_of, wash_for
        from flows.agent.untrusted import new_nonce

        show_brief(brief_of(diagnosis, new_nonce(), wash_for(diagnosis, anonymize=question.anonymize)))
    else:
        say(diagnosis, _style(question))


def _style(question: TerminalRequest) -> Style:
    return Style(question.output, question.verbose, question.quiet, question.keep)


async def _explained(
    question: TerminalRequest, walked: Walk, cluster: Cluster, settings: ClaudeSettings, tools: WalkTools
) -> Diagnosis:
    """The report of the rules at once, then Claude's part of it; JSON and markdown are one document, and so wait."""
    at_once = question.output == "text"
    if at_once:
        say(walked.diagnosis, _style(question))
    since = time.monotonic()  # what has to be imported for it takes of the same time
    explained: Diagnosis = await resolve_lazy(EXPLAINED)(walked, cluster, settings, tools, since)
    if not at_once:
        say(explained, _style(question))
    elif explained.cause_class != walked.diagnosis.cause_class:
        write("\nWith what Claude asked for, the rules come to another verdict:\n\n")
        say(explained, _style(question))
    else:
        say_explanation(explained, verbose=question.verbose)
    return explained


@asynccontextmanager
async def world_of(question: TerminalRequest) -> AsyncIterator[tuple[Cluster, RecordedCase | None]]:
    """The recording that was named, else the living cluster."""
    if question.case is not None:
        if question.live.names_a_cluster:
            raise UsageMistake(CASE_OR_CLUSTER)
        if question.since is not None:
            raise UsageMistake("--since asks a living cluster; a recording holds what it holds")
        case = open_case(question.case)
        yield case, recording_of(case)
        return
    if not question.pod:
        raise UsageMistake("name a pod: kai netdebug POD -n NAMESPACE (or --case DIR for a recording)")
    from bot.clusters.connecting import opened  # the living cluster's clients, which no recording needs

    async with opened(question.live) as cluster:
        yield cluster, None


async def find_target(question: TerminalRequest, cluster: Cluster) -> Resolved:
    """The pod that is meant. The recorded question fills in what was left out, and never overrides what was said."""
    recorded = cluster.header.target if isinstance(cluster, CaseFolder) else None
    usual = recorded.namespace if recorded else namespace_of(cluster)
    word, namespace = question.pod, question.namespace or usual
    if not word and recorded is None:
        raise UsageMistake("this case names no target: say the pod, as in kai netdebug POD -n NAMESPACE --case DIR")
    if not word and recorded is not None:
        word = recorded.pod
    one_namespace(word, question.namespace)
    peer = await peer_asked(cluster, question.to, namespace_in(word) or namespace) if question.to else None
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
    if slash and said not in (None, before) and before.lower() not in WORKLOAD_KINDS:
        raise UsageMistake(f"two namespaces: {before!r} in {word!r} and {said!r} after -n; leave one out")


def namespace_in(word: str) -> str:
    """That of `NAMESPACE/POD`; empty for anything else."""
    before, slash, _ = word.partition("/")
    return before if slash and before.lower() not in WORKLOAD_KINDS else ""


async def peer_asked(cluster: Cluster, text: str, namespace: str) -> HostPort:
    """`--to HOST:PORT[/PROTOCOL]`, `svc/NAME[:PORT]` or `deploy/NAME[:PORT]`. Raises `UsageMistake`, `NoSuchPod`."""
    try:
        return await peer_of(cluster, text, namespace)
    except NoSuchPod:
        raise
    except ValueError as why:
        raise UsageMistake(f"--to wants HOST:PORT, such as 10.96.0.1:443 or payments.prod:8080 ({why})") from None
