"""The hops of a connection in the order of its packets, and where they end: what the picture draws and its words say.

A packet leaves the pod after its look-up, with the Service's address already translated; then egress policy, the
network, ingress policy and the backend have their turn, with Cilium's socket load balancing as with kube-proxy.
What comes behind the hop that stops the packets was not reached by them: it is never called good.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.report.incident import facts_of, meant_connections, rows
from bot.report.outline import ledger
from bot.report.sanitize import clean
from bot.report.short_answer import VerdictStatus, status_of
from flows.causes import CAUSES, Layer, Stage
from flows.model import Diagnosis, LayerRow, LayerState
from sensors.kit.addresses import as_ip

MOST_HOPS = 6
"""Two rows of three: more cannot be read in a thread or on a telephone."""


class HopState(StrEnum):
    """State of a hop, on the way of these packets."""

    BREAKS = "breaks"
    SPOILS = "spoils"
    FAILS = "fails"
    PASSES = "passes"
    UNDECIDED = "undecided"
    NOT_MEASURED = "not measured"
    NOT_REACHED = "not reached"


SIGNS = {
    HopState.BREAKS: "✗ breaks here",
    HopState.SPOILS: "✗ fault here",
    HopState.FAILS: "✗ fails, too",
    HopState.PASSES: "✓ passes",
    HopState.UNDECIDED: "? undecided",
    HopState.NOT_MEASURED: "– not measured",
    HopState.NOT_REACHED: "– not reached",
}
"""A sign and a word: colour alone carries no meaning."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One station of the packets."""

    title: str
    name: str
    state: HopState

    @property
    def sign(self) -> str:
        return SIGNS[self.state]


POD, DNS, SERVICE, EGRESS, NETWORK, INGRESS, BACKEND = (
    *("pod", "DNS", "Service", "egress policy", "network", "ingress policy", "backend"),
)
_LAYERS: Mapping[str, tuple[Layer, ...]] = {
    POD: (Layer.POD_NETWORK,),
    DNS: (Layer.DNS,),
    SERVICE: (Layer.SERVICE,),
    EGRESS: (Layer.POLICY,),
    NETWORK: (Layer.CONNTRACK, Layer.NAT, Layer.PHYSICAL),
    INGRESS: (Layer.POLICY,),
    BACKEND: (Layer.APPLICATION,),
}
_WORST = (LayerState.FAIL, LayerState.INCONCLUSIVE, LayerState.NOT_MEASURED, LayerState.PASS)
_STATES = {
    LayerState.FAIL: HopState.FAILS,
    LayerState.PASS: HopState.PASSES,
    LayerState.INCONCLUSIVE: HopState.UNDECIDED,
    LayerState.NOT_MEASURED: HopState.NOT_MEASURED,
}


def hops(it: Diagnosis) -> tuple[Hop, ...]:
    """The hops that matter, at most `MOST_HOPS`, in the order of the packets."""
    broken, layers = breaking_hop(it), {row.layer: row for row in ledger(it)}
    titles = list(_LAYERS)
    edge = titles.index(broken) if broken else len(titles)
    made = [_hop(title, titles.index(title) - edge, layers, it) for title in titles]
    return tuple(_few([each for each in made if _matters(each, broken, it)]))


def breaking_hop(it: Diagnosis) -> str:
    """The hop at which the root cause stops the packets; empty where nothing does."""
    cause = CAUSES.get(it.cause_class)
    if cause is None or cause.layer is None or not it.fault_found:
        return ""
    if cause.stage is Stage.DNS_POLICY:
        return DNS
    if cause.layer is Layer.POLICY:
        return _end_of_policy(it.root.stage, it)
    if cause.stage is Stage.TARGET:
        return POD
    return next(title for title, layers in _LAYERS.items() if cause.layer in layers)


def _end_of_policy(stage: Stage, it: Diagnosis) -> str:
    """At which end a policy drops: as the drops say, else as the cause does."""
    seen = {each.get("direction") for one in meant_connections(it) for each in rows(one, "drops")}
    if len(seen) == 1:
        return INGRESS if seen == {"INGRESS"} else EGRESS
    return INGRESS if stage is Stage.INGRESS_POLICY else EGRESS


def _hop(title: str, beyond: int, ledger_rows: Mapping[Layer, LayerRow], it: Diagnosis) -> Hop:
    """`beyond`: how many hops behind the one that breaks; negative before it."""
    state = _STATES[min((ledger_rows[layer].state for layer in _LAYERS[title]), key=_WORST.index)]
    if title in (EGRESS, INGRESS):
        state = _policy(title, state, it)
    passes_on = status_of(it) is VerdictStatus.DEGRADED
    if beyond == 0:
        state = HopState.SPOILS if passes_on else HopState.BREAKS
    elif beyond > 0 and state is not HopState.FAILS and not passes_on:
        state = HopState.NOT_REACHED
    return Hop(title, _name(title, beyond == 0, it), state)


def _policy(title: str, state: HopState, it: Diagnosis) -> HopState:
    """The ledger has one layer for policies; whether the other end fails, too, the other findings say."""
    if state is not HopState.FAILS:
        return state
    stages = {finding.stage for finding, _ in it.others}
    here = Stage.INGRESS_POLICY if title == INGRESS else Stage.EGRESS_POLICY
    return HopState.FAILS if here in stages else HopState.PASSES


def _matters(hop: Hop, broken: str, it: Diagnosis) -> bool:
    """Look-ups and Services only where the question has some; of two policies that pass the nearer one."""
    if hop.title == broken or hop.state is HopState.FAILS:
        return True
    if hop.title == DNS:
        return bool(it.target.to_host) and as_ip(it.target.to_host or "") is None
    if hop.title == SERVICE:
        return _is_service(it)
    if hop.title == INGRESS:
        return hop.state in (HopState.UNDECIDED, HopState.NOT_MEASURED) and broken == ""
    return True


def _is_service(it: Diagnosis) -> bool:
    asked = facts_of(it, "k8s.services").get("asked")
    return not isinstance(asked, Mapping) or asked.get("service") is not None


def _few(found: Sequence[Hop]) -> Iterator[Hop]:
    """Keeps a few hops: what was not reached gives way first, then what passes; the ends stay."""
    kept = list(found)
    for state in (HopState.NOT_REACHED, HopState.PASSES):
        for hop in [each for each in kept if each.state is state and each.title not in (POD, BACKEND)]:
            if len(kept) > MOST_HOPS:
                kept.remove(hop)
    yield from kept[:MOST_HOPS]


def _name(title: str, breaks: bool, it: Diagnosis) -> str:
    """Name of the hop: the object of the verdict where it breaks, else the pod or the peer."""
    if breaks and it.component:
        return clean(it.component.name, 200)
    peer = clean(it.target.to or "", 300).replace(".svc.cluster.local", "")
    return {POD: clean(it.target.pod, 300), BACKEND: peer}.get(title, "")
