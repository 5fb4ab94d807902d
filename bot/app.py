"""`kai serve` put together: store, desk, cluster and Slack, each handed what it needs. The one composition root."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from bot.alert_settings import AlertSettings
from bot.alerts.alerts import Alerts
from bot.alerts.gate import CountDrops, load_gate
from bot.alerts.pending import KeptAlerts
from bot.alerts.plan import AlertLimits
from bot.alerts.resolved import ROLE, Resolves, note_of
from bot.approval.person import Installation
from bot.approval.rules import Approvals
from bot.change import expiry
from bot.change.asking import Asking, nobody_may
from bot.change.changes import PROPOSE, Changes, Proposing
from bot.change.opening import changes_on
from bot.clusters.opening import PolicyWorlds, recorded
from bot.clusters.options import Live
from bot.clusters.recent_drops import recent_drops
from bot.clusters.served import ServedClusters, served
from bot.desk.desk import Desk, Extensions
from bot.desk.limits import Limits
from bot.desk.looking import Looking
from bot.desk.opening import open_desk
from bot.desk.ports import LookFor, Poster
from bot.desk.watching import Later, LaterListener, all_watching
from bot.doctor.packages import warn_of_strangers
from bot.errors import UsageMistake
from bot.explain.conversing import Conversing
from bot.explain.explanations import Explaining, Explains
from bot.explain.notes import Explained
from bot.explain.walks import Walks
from bot.intake import Intake
from bot.interpreter import serve_quickly
from bot.report.cluster_name import UNNAMED
from bot.settings import Settings
from bot.slack import listeners, watch_words
from bot.slack.alert_anchors import Anchors
from bot.slack.alert_channels import AlertChannels
from bot.slack.alert_voice import AlertVoice
from bot.slack.approving import Approving, user_of
from bot.slack.background import Work
from bot.slack.connection import (
    Client,
    WorkspaceIdentity,
    app_of,
    bolt,
    http_handler,
    identify,
    open_socket,
    web_client,
)
from bot.slack.conversations import Conversations
from bot.slack.dispatch import Dispatch
from bot.slack.ephemeral import Ephemerals
from bot.slack.extending import ExtendPresses
from bot.slack.gate import Gate
from bot.slack.hints import Hints
from bot.slack.inbox import Inbox
from bot.slack.investigating import Investigating, Joined, nobody_joined
from bot.slack.knowing import Knowing
from bot.slack.lookup import StoreLookup
from bot.slack.modals import ModalOpener
from bot.slack.names import PodSuggestions
from bot.slack.namespace_drops import NamespaceLooks
from bot.slack.outbox import Outbox
from bot.slack.people import People
from bot.slack.proposal_messages import ProposalMessages
from bot.slack.questions import Questions
from bot.slack.recovery import Seeker
from bot.slack.services import SlackServices
from bot.slack.shared_channels import SharedChannels
from bot.slack.visibility import Visibility
from bot.store.database import is_sqlite
from bot.store.store import Store, open_store
from bot.telemetry.claude import CountedLedger
from bot.telemetry.metrics import Metrics
from bot.telemetry.spans import traced
from bot.telemetry.stored import StoredFigures
from bot.verify.looking import VERIFY_TIMEOUT_S
from bot.watch.proving import Prover
from bot.watch.sources import LiveSources
from bot.watch.watch import CutFinding, Watch
from bot.web import HttpRoute, listening
from bot.web.callers import client_certificates
from bot.web.figures import figures
from bot.web.health import Health
from bot.web.hooks import Hooks
from bot.workers import WorkerPool
from flows.agent.asking import ClaudeClient, Ledger
from flows.catalog import RulesByNeed
from flows.drops import POLICY_DROPS_FLOW
from flows.engine import WalkTools
from flows.load import Flow, load_flows
from flows.runner import WorkRunner
from sensors.access.casefolder import BadCase
from sensors.kit.attempt import attempt_logged, start_logged
from sensors.kit.catalog import sensors

log = logging.getLogger(__name__)

RECOVERY_PAUSE_S = 30.0
"""Seconds between two looks for what a crash has left undone."""

GRACE = 8.0
"""Seconds that what is under way gets to end by itself; a pod has thirty."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running KAI, for whoever has to wait for it: its address, and what it is made of."""

    url: str
    health: Health
    desk: Desk
    store: Store
    outbox: Outbox


@asynccontextmanager
async def running(
    settings: Settings,
    look: LookFor | None = None,
    limits: Limits | None = None,
    alert_limits: AlertLimits | None = None,
    within: float = VERIFY_TIMEOUT_S,
    runner: WorkRunner | None = None,
) -> AsyncIterator[Served]:
    """KAI from connected to closed. Raises `BadSettings`, `BadToken`, `BadDatabase`, `Occupied` in one line.

    `look` takes the place of sensors and rules, for measurements of everything around them. `within`: seconds after
    which a change that does not help is taken back. `runner` takes the place of worker processes.
    """
    clusters, url = _clusters(settings), settings.database_url.reveal()
    flows, seers = load_flows(), sensors()
    if settings.flow not in flows:
        raise UsageMistake(f"KAI_FLOW: there is no flow {settings.flow} (kai list-flows shows all)")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(clusters.close)
        token, api = settings.slack.bot_token.reveal(), settings.slack.api_url
        stack.push_async_callback((runner := runner or WorkerPool()).close)
        tools, metrics = WalkTools(seers, RulesByNeed(), runner=runner), Metrics()
        client = web_client(token, api, answered=metrics.slack_answered)
        identity = await identify(client)
        store = await stack.enter_async_context(open_store(url))
        impatient = web_client(token, api, patient=False, answered=metrics.slack_answered)
        shared = SharedChannels(impatient, settings.slack.shared_channels)
        outbox = Outbox(impatient, settings.slack.pace, may_speak=shared.why_not)
        stack.push_async_callback(outbox.close)  # after the desk, whose last investigations still speak
        conversations = Conversations(store, outbox, Seeker(client), flows, seers, limits)
        spans = stack.enter_context(traced(os.environ))
        walks = Walks(spans.looking(metrics.looking(look or Looking(clusters.open, flows, seers, tools.rules, runner))))
        watching = all_watching(conversations.watching, metrics.watching, spans.watching)
        visibility = Visibility(client)
        cards = ProposalMessages(store, conversations, identity.team, lambda: settings.approvals)
        changes = _changes(settings, clusters, store, cards, within, runner)
        poster: Poster = conversations if changes is None else Proposing(conversations, changes)
        more = _extensions(changes)
        ledger = partial(CountedLedger, metrics=metrics)
        explains = _explains(settings, clusters, store, flows, tools, walks, changes, ledger)
        if explains is not None:
            stack.push_async_callback(explains.asking.close)
            poster, more = Explaining(poster, explains), explains.added_to(more)
        desk = await stack.enter_async_context(
            open_desk(url, walks, poster, watching, limits, clusters.names, extensions=more)
        )
        if explains is not None:
            explains.desk = desk
            stack.callback(start_logged(explains.asking.warm(), log, "Claude").cancel)
        names = {each: PodSuggestions(partial(clusters.cluster, each)) for each in clusters.names}
        for known in names.values():
            stack.push_async_callback(known.close)
        called = settings.slack.mode == "http" or bool(settings.alerts.channel)
        work, health = Work(), Health(store, is_called=called)
        intake = Intake(desk, store, clusters.find, settings.flow, clusters.meant)
        inbox = Inbox(store, lambda: datetime.now(UTC), alone=is_sqlite(url))
        joined = changes.joined if changes is not None else nobody_joined
        parts = (identity, client, store, desk, intake, conversations, inbox, work, visibility)
        looks = partial(NamespaceLooks, clusters.meant, clusters.cluster, flows[POLICY_DROPS_FLOW], tools)
        names_of = lambda channel, said="": names[clusters.usual(channel, said)]  # noqa: E731
        services = services_of(*parts, names_of, looks, settings.approvals, joined, changes)
        services.questions.converse = Conversing(explains.asking) if explains is not None else None
        if changes is not None:
            ours = Installation(identity.team, await app_of(client, identity))
            directory = settings.approvals.directory
            approving = Approving(changes, client, services.ephemerals, directory, ours, cards.checked)
            extending = ExtendPresses(changes, approving, cards.show_end)
            services = replace(services, approving=approving, extending=extending)
        metrics.slack_line(health.has_a_line)
        routes = [*health.routes(), figures(StoredFigures(metrics.registry, store).page)]
        if settings.alerts.enabled:
            anchors = Anchors(client)
            voice = AlertVoice(client, outbox, conversations, anchors, work, visibility)
            resolves = Resolves(store, desk, lambda: datetime.now(UTC))
            gate = load_gate(settings.alerts.gate)
            drops = partial(_drops_in, clusters)
            of_alert = lambda alert, channel: clusters.of_alert(alert.labels, channel)  # noqa: E731
            kept = KeptAlerts(store.heard, resolves.now, alone=is_sqlite(url))
            alerts = Alerts(intake, store, of_alert, clusters.cluster, voice, resolves, gate, drops, kept, alert_limits)
            stack.callback(asyncio.create_task(_every(RECOVERY_PAUSE_S, alerts.recover)).cancel)
            stack.push_async_callback(alerts.close)
            metrics.alerts(alerts.counts)
            heard = AlertChannels(alerts, anchors, settings.alerts.senders, settings.alerts.channel)
            services = replace(services, alerts=heard)
            hooks = _hooks(settings.alerts, alerts)
            routes += hooks.routes()
            if (tls := settings.alerts.tls) is not None:
                own = hooks.routes(certificates=True)
                await stack.enter_async_context(listening(settings.host, tls.port, own, client_certificates(tls)))
        if settings.watch.channel and settings.case is None:
            for each in clusters.names:
                watch = _watch(settings, clusters.world(each), tools, outbox, each)
                stack.callback(asyncio.create_task(watch.run()).cancel)
        app = bolt(client, identity, _secret(settings))
        listeners.register(app, services)
        stack.push_async_callback(_finish, work, outbox, health)
        if settings.slack.mode == "http":
            routes.append(HttpRoute("POST", "/slack/events", http_handler(app, _secret(settings)), of_anybody=True))
        address = await stack.enter_async_context(listening(settings.host, settings.port, routes))
        stack.callback(asyncio.create_task(_every(RECOVERY_PAUSE_S, services.gate.tell_lost)).cancel)
        if settings.slack.mode == "socket" and settings.slack.app_token is not None:
            health.socket = await stack.enter_async_context(open_socket(app, settings.slack.app_token.reveal(), client))
        yield Served(address, health, desk, store, outbox)


def services_of(
    identity: WorkspaceIdentity,
    client: Client,
    store: Store,
    desk: Desk,
    intake: Intake,
    conversations: Conversations,
    inbox: Inbox,
    work: Work,
    visibility: Visibility,
    names: Callable[..., PodSuggestions],
    looks: Callable[[Asking, Ephemerals], NamespaceLooks],
    approvals: Approvals,
    joined: Joined,
    changes: Changes | None,
) -> SlackServices:
    """Services for Slack's listeners."""
    ephemerals = Ephemerals(client)
    modals = ModalOpener(client, ephemerals)
    lookup = StoreLookup(store, conversations, ephemerals, modals, visibility)
    review = nobody_may if changes is None else changes.may_read_logs
    asking = Asking(lambda: approvals, lambda user: user_of(client, user), review)
    seeing, hints = (conversations, ephemerals), Hints(identity.scopes, store, ephemerals)
    investigating = Investigating(intake, desk, lookup, *seeing, client, modals, hints, approvals, joined, asking)
    knowing = Knowing(store, visibility, lambda: approvals)
    questions = Questions(lookup, knowing, investigating, *seeing, names)
    dispatch = Dispatch(investigating, lookup, questions, *seeing, looks(asking, ephemerals))
    gate = Gate(identity, People(client, identity.team), inbox, ephemerals, work)
    return SlackServices(identity, gate, dispatch, investigating, lookup, questions, *seeing, names, store, client)


def _changes(
    settings: Settings,
    clusters: ServedClusters,
    store: Store,
    cards: ProposalMessages,
    within: float,
    runner: WorkRunner,
) -> Changes | None:
    """None where nothing can be changed: a recording is looked at, or nobody is known who might approve."""
    if settings.case is not None or not settings.approvals.enabled:
        return None

    rules: Callable[[], Approvals] = lambda: settings.approvals  # noqa: E731
    where = (clusters.live, clusters.cluster, sensors(), store, rules, cards.show, cards.team)
    return changes_on(*where, within=within, tell=cards.tell, runner=runner)


def _extensions(changes: Changes | None) -> Extensions:
    notes = {ROLE: note_of, expiry.ROLE: expiry.note_of}
    if changes is None:
        return Extensions(notes=notes)
    sweeps = (changes.sweep, changes.expiry.sweep)
    return Extensions(changes.workflows, notes=notes, listeners=(_reviewed(changes),), sweeps=sweeps)


def _reviewed(changes: Changes) -> LaterListener:
    """A card says anew how many approvals its change needs, when Claude has spoken about the verdict."""

    async def hear(moment: Later) -> None:
        if isinstance(moment, Explained):
            for each in await changes.store.proposals.of(moment.investigation):
                await changes.pipeline.show(each.id, again=True)

    return hear


def _explains(
    settings: Settings,
    clusters: ServedClusters,
    store: Store,
    flows: Mapping[str, Flow],
    tools: WalkTools,
    walks: Walks,
    changes: Changes | None,
    counted: Callable[[Ledger], Ledger],
) -> Explains | None:
    """None without a key: rules decide alone, and nothing of Claude is imported."""
    if not settings.claude.enabled:
        return None
    asking = ClaudeClient(settings.claude, counted(store.claude_calls.within(settings.claude.ceilings)))
    follow = PROPOSE if changes is not None else ""
    return Explains(store, asking, clusters.open, flows, tools, walks, follow)


async def serve(settings: Settings, said: Callable[[str], None]) -> int:
    """Run until SIGTERM or SIGINT."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    async with running(settings) as served:
        serve_quickly()
        said(f"kai serves Slack by {settings.slack.mode}, health on {served.url}/healthz and /readyz")
        said(_of_claude(settings))
        await attempt_logged(warn_of_strangers(log), log, "whose modules these are is not known")
        await stop.wait()
        said("kai stops: what is under way is carried on by the next start")
        await served.health.hand_over(stop)
    return 0


def _of_claude(settings: Settings) -> str:
    if settings.claude.enabled:
        return f"Claude ({settings.claude.model}) explains the verdicts of the rules"
    return "verdicts come from rules only: there is no key for Claude (ANTHROPIC_API_KEY)"


def _clusters(settings: Settings) -> ServedClusters:
    if settings.case is None:
        usual = Live(settings.kubeconfig, settings.context, settings.hubble_server)
        return served(settings.clusters, settings.default_cluster, usual)
    try:
        return ServedClusters({UNNAMED: recorded(settings.case)})
    except BadCase as why:
        raise UsageMistake(f"{why} (--case, KAI_CASE)") from why


def _drops_in(clusters: ServedClusters, name: str) -> CountDrops:
    return partial(recent_drops, partial(clusters.cluster, name))


def _watch(settings: Settings, worlds: PolicyWorlds, tools: WalkTools, outbox: Outbox, name: str) -> Watch:
    channel = settings.watch.channel

    async def say(finding: CutFinding, ts: str) -> str:
        if ts:
            await outbox.update(channel, ts, watch_words.words_of(finding, name))
            return ts
        return (await outbox.post(channel, watch_words.words_of(finding, name)))[1]

    prover = Prover(worlds.cluster, tools.sensors, tools.runner)
    sources = LiveSources(worlds.live)
    return Watch(sources, prover.way_back, say, settings.watch.window_s, lambda: datetime.now(UTC))


def _hooks(settings: AlertSettings, alerts: Alerts) -> Hooks:
    secrets = {"pagerduty": settings.pagerduty_secret, "grafana": settings.grafana_secret}
    said = {kind: each.reveal() for kind, each in secrets.items() if each is not None}
    return Hooks(
        alerts.hear,
        alerts.written,
        alerts.left_out,
        settings.channel,
        settings.token.reveal() if settings.token else "",
        said,
    )


def _secret(settings: Settings) -> str:
    return settings.slack.signing_secret.reveal() if settings.slack.signing_secret is not None else ""


async def _finish(work: Work, outbox: Outbox, health: Health) -> None:
    """No envelope comes in any more: what was acked is begun, and what was said is sent."""
    health.stopping = True
    await work.finish(GRACE)
    await outbox.drain(GRACE)


async def _every(seconds: float, act: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Now, and then again and again; it may fail once without ending for ever."""
    while True:
        await attempt_logged(act(), log, "it will be tried again")
        await asyncio.sleep(seconds)
