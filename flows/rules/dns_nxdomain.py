"""The pod asks for a name that does not exist: a typo in the Service or the namespace, or a Service that is not there.

Proof: the DNS server answers NXDOMAIN to the last name of the search burst, while names that exist resolve. Not to be
mistaken for the NXDOMAINs that ndots makes on the way to a good answer, for DNS servers that do not answer, nor for a
name whose Service does exist (then the Corefile, the search list or a headless Service without pods is at fault).
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import DOUBTED, LIKELY, PARTIAL, PROBABLE, PROVED
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.caller import asks_itself
from flows.symptoms.dns import is_recent, names_fail
from flows.symptoms.owner import owner
from flows.symptoms.peers import asked_peer
from sensors.dns_lookup import Burst, LookupOutcome, Lookups, NameOrigin
from sensors.k8s_pod import LogTrouble, PodFacts
from sensors.k8s_services import ServiceFacts, Services
from sensors.kit.objects import Ref
from sensors.topology.peer import AskedKind, ResolvedPeer

NOT_THERE = frozenset({AskedKind.UNKNOWN_SERVICE, AskedKind.UNKNOWN_NAMESPACE, AskedKind.UNKNOWN_POD})
NOWHERE = (
    LookupOutcome.NXDOMAIN,
    LookupOutcome.NO_DATA,
)  # an alias whose target is gone is an answer without an address


def judge(case: Case) -> Iterator[Finding]:
    """Speaks of the name in question; without one, of the names that the pod's own log complains of."""
    lookups = case[Lookups]
    if names_fail(case):
        return
    resolved = {each.name for each in lookups.bursts if each.outcome is LookupOutcome.ANSWERED}
    for burst in lookups.bursts:
        if burst.name in resolved:
            continue  # one record type is not there (AAAA, say) and another one is: the name exists
        meant = _meant(case, burst)
        alias = _alias(case, meant)
        if alias and burst.outcome in NOWHERE and _is_complained_of(case, burst):
            yield _alias_finding(burst, alias)
        elif burst.outcome is LookupOutcome.NXDOMAIN and _is_complained_of(case, burst) and not _exists(meant):
            yield _finding(case, burst, meant)


def _is_complained_of(case: Case, burst: Burst) -> bool:
    if case.target.to_host is not None:
        return burst.is_asked
    pod = case.get(PodFacts)
    errors = (each for each in (pod.log_errors if pod else ()) if each.trouble is LogTrouble.RESOLVE)
    names = {burst.name, *(each.name for each in burst.questions)}
    return any(each.host.rstrip(".").lower() in names and is_recent(case, each.time) for each in errors)


def _alias(case: Case, meant: ResolvedPeer | None) -> ServiceFacts | None:
    """The Service in question, where it only stands for a name outside (type ExternalName)."""
    services, ref = case.get(Services), meant.service if meant else None
    found = services.find(ref.namespace, ref.name) if services and ref else None
    return found if found and found.external_name else None


def _alias_finding(burst: Burst, alias: ServiceFacts) -> Finding:
    return Finding(
        cause_class="dns.nxdomain",
        cause=f"{alias.ref} stands for {alias.external_name} (ExternalName), and there is no such name",
        component=Component("Service", alias.namespace, alias.name),
        belief=LIKELY,
        because=f"{burst.server} knows no address of {burst.name}, which is only an alias of {alias.external_name}",
        shown_by=(Lookups, Services),
        recommendation=f"Correct externalName of {alias.ref}, or have {alias.external_name} registered again.",
    )


def _meant(case: Case, burst: Burst) -> ResolvedPeer | None:
    peer = asked_peer(case)
    if peer is not None and burst.is_asked:
        return peer.resolved
    service = _service_named(case, burst)
    return ResolvedPeer(AskedKind.SERVICE, service=service) if service else None


def _service_named(case: Case, burst: Burst) -> Ref | None:
    """The Service that exists under this name, where a log and not the question names it."""
    services, (name, _, rest) = case.get(Services), burst.name.partition(".")
    space = rest.partition(".")[0] or case.target.namespace
    found = services.find(space, name) if services else None
    return found.ref if found else None


def _exists(meant: ResolvedPeer | None) -> bool:
    """The name belongs to something that is there, so that another rule must say why it does not resolve."""
    return meant is not None and meant.kind not in (*NOT_THERE, AskedKind.EXTERNAL, AskedKind.UNDECIDABLE)


def _finding(case: Case, burst: Burst, meant: ResolvedPeer | None) -> Finding:
    component = owner(case)
    itself = not burst.is_asked or asks_itself(case, case.target.to_host or burst.name)
    asks = f"{case.target} asks for" if itself else "you asked for"
    belief = _belief(burst, meant, case.get(Services) is not None)
    return Finding(
        cause_class="dns.nxdomain",
        cause=f"{asks} {burst.name}, and there is no such name{_why(meant)}{_near(meant, ', but ')}",
        component=component if itself else None,
        belief=belief if itself else min(belief, PARTIAL),
        because=(
            f"{burst.server} answers NXDOMAIN to {burst.questions[-1].name}, the last of {len(burst.questions)} names "
            f"tried{_works(case)}"
        ),
        shown_by=(Lookups, Services, PodFacts),
        recommendation=_advice(burst, meant, str(component)),
    )


def _belief(burst: Burst, meant: ResolvedPeer | None, knows_services: bool) -> float:
    if meant is not None and meant.kind in NOT_THERE:
        return PROVED
    if burst.origin is NameOrigin.EXTERNAL:
        return LIKELY
    return PROBABLE if knows_services and not burst.is_asked else DOUBTED


def _why(meant: ResolvedPeer | None) -> str:
    return f" ({meant.why})" if meant and meant.kind in NOT_THERE and meant.why else ""


def _near(meant: ResolvedPeer | None, before: str) -> str:
    """Name that was probably meant, after `before`; empty where nothing is near."""
    if meant is None or meant.service is None:
        return ""
    if meant.elsewhere:
        return f"{before}there is {', '.join(map(str, meant.elsewhere[:3]))}"
    if meant.nearest_namespaces:
        return f"{before}there is namespace {', '.join(meant.nearest_namespaces[:3])}"
    return f"; the nearest Service is {', '.join(meant.nearest[:3])}" if meant.nearest else ""


def _works(case: Case) -> str:
    lookups = case[Lookups]
    good = [each for each in lookups.bursts if each.outcome is LookupOutcome.ANSWERED]
    return f"; {good[-1].name} resolves to {', '.join(good[-1].addresses[:2])}" if good else ""


def _advice(burst: Burst, meant: ResolvedPeer | None, component: str) -> str:
    right = _right_names(burst, meant)
    if right:
        return f"Let {component} ask for {' or '.join(right)} instead of {burst.name}."
    if meant is not None and meant.service is not None and meant.kind in NOT_THERE:
        return f"Correct the name in {component}, or create {meant.service}: no Service of that name exists anywhere."
    return f"Correct the name {burst.name} in {component}, or have it registered by the owner of its zone."


def _right_names(burst: Burst, meant: ResolvedPeer | None) -> list[str]:
    """Full names to ask for instead: the same Service elsewhere, a near Service, the same in a near namespace."""
    if meant is None or meant.service is None or meant.kind is AskedKind.UNKNOWN_POD:
        return []
    near = [Ref("Service", meant.service.namespace, each) for each in meant.nearest]
    return [_full(each, burst) for each in (*meant.elsewhere, *near)][:3]


def _full(service: Ref, burst: Burst) -> str:
    _, found, domain = burst.name.partition(".svc")
    return f"{service.name}.{service.namespace}.svc{domain}" if found else f"{service.name}.{service.namespace}"


RULE = Rule(id="dns-nxdomain", judge=judge, causes=("dns.nxdomain",), needs=(Lookups,))
