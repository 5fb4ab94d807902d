"""CoreDNS is killed again and again because its memory limit is too small for what it has to do.

Proof: a DNS pod's last run ended as OOMKilled lately (or with 137 at a kill in the kernel's log), and this pod's
look-ups fail. Not to be mistaken for a forwarding loop, where more memory only delays the end, for a kill of long ago,
or for a policy that drops the questions.
"""

from __future__ import annotations

from datetime import timedelta

from flows.belief import DOUBTED, INFERRED
from flows.model import Case, Component, Finding, RaiseMemory, Rule
from flows.symptoms.dns import (
    belief_of,
    changed,
    dropped_questions,
    eperm_told,
    is_recent,
    is_serving,
    servers,
    shown_by,
    told,
)
from flows.symptoms.dns_circle import circle
from flows.symptoms.memory import sensible_limit
from sensors.dns_coredns_health import CoreDns, CoreDnsTrouble, DnsPod
from sensors.kit.quantities import bytes_of

LISTEN = "Read CoreDNS's log before that: where it forwards to itself, more memory does not help. "
RESTART_WINDOW = timedelta(seconds=30)


def judge(case: Case) -> Finding | None:
    """Speaks when a DNS server was killed for its memory."""
    dns = case[CoreDns]
    killed = _killed(dns)
    if not killed or dns.found(CoreDnsTrouble.LOOP) or circle(dns):
        return None
    limit = _limit(dns, killed[0])
    return Finding(
        cause_class="dns.coredns_oom",
        cause=_cause(dns, killed, limit),
        component=servers(dns),
        belief=_belief(case, dns, killed),
        because=f"{_ends(killed)}; {told(case)}{eperm_told(case)}{changed(case, servers(dns))}",
        shown_by=shown_by(case, CoreDns),
        recommendation=f"{LISTEN if _unheard(dns, killed[0]) else ''}{_advice(dns, limit)}",
        remedy=None if _unheard(dns, killed[0]) else _remedy(dns, killed[0], limit),
    )


def _unheard(dns: CoreDns, pod: DnsPod) -> bool:
    """No log of the killed pod could be read: a loop that ends in the same kill would show nowhere else."""
    runs = 2 if pod.restarts else 1
    return sum(each.startswith(f"log of {pod.name}") for each in dns.unread) >= runs


def _killed(dns: CoreDns) -> list[DnsPod]:
    """The DNS pods that were killed for their memory, the newest kill first."""
    found = [each for each in dns.pods if each.was_oom_killed or _killed_by_kernel(dns, each)]
    return sorted(found, key=_finished, reverse=True)


def _finished(pod: DnsPod) -> float:
    end = pod.last_ending
    return end.finished.timestamp() if end and end.finished else 0.0


def _killed_by_kernel(dns: CoreDns, pod: DnsPod) -> bool:
    """The run ended with 137 when the kernel of the pod's node told of a kill: some runtimes do not say OOMKilled."""
    end = pod.last_ending
    if end is None or end.exit_code != 137 or end.finished is None:
        return False
    kills = (each.at for each in dns.events if each.source == "kernel" and each.about == f"Node {pod.node}")
    return any(at is not None and abs(at - end.finished) <= RESTART_WINDOW for at in kills)


def _belief(case: Case, dns: CoreDns, killed: list[DnsPod]) -> float:
    end = killed[0].last_ending
    if not is_recent(case, end.finished if end else None):
        return DOUBTED
    if is_serving(dns) and dropped_questions(case):
        return DOUBTED
    return min(belief_of(case, dns), INFERRED) if _unheard(dns, killed[0]) else belief_of(case, dns)


def _cause(dns: CoreDns, killed: list[DnsPod], limit: str | None) -> str:
    restarts = sum(each.restarts for each in killed)
    allowed = f"its memory limit of {limit} is too small" if limit else "its node has no memory left for it"
    state = "no DNS server is ready" if is_serving(dns) is False else f"{dns.ready_pods} of {len(dns.pods)} are ready"
    return f"CoreDNS is OOMKilled ({restarts} restarts of {killed[0].name}): {allowed}, and {state}"


def _ends(killed: list[DnsPod]) -> str:
    end = killed[0].last_ending
    when = f" at {end.finished:%H:%M:%S}" if end and end.finished else ""
    code = f", exit code {end.exit_code}" if end and end.exit_code is not None else ""
    return f"the last run of {killed[0].name} ended as {end.reason if end else 'killed'}{code}{when}"


def _limit(dns: CoreDns, pod: DnsPod) -> str | None:
    return pod.memory_limit or (dns.workload.memory_limit if dns.workload else None)


def _advice(dns: CoreDns, limit: str | None) -> str:
    wanted = _wanted(limit)
    if wanted is None and bytes_of(limit):
        return f"Find out what fills {limit} in {servers(dns)}: no cluster needs that much, so more is no cure."
    if wanted is None:
        return f"Give {servers(dns)} a memory request, and find out what uses up the memory of its node."
    return f"Raise the memory limit of {servers(dns)} from {limit} to {wanted}; then find the pods that ask so much."


def _remedy(dns: CoreDns, pod: DnsPod, limit: str | None) -> RaiseMemory | None:
    """Only for a workload that was read and has a limit: without one the kernel killed for the node's sake."""
    wanted, work = _wanted(limit), dns.workload
    if wanted is None or work is None or work.container is None:
        return None
    about = Component(work.kind, work.namespace, work.name)
    return RaiseMemory(about, work.container, 0, limit, pod.memory_request, wanted, work.strategy)


def _wanted(limit: str | None) -> str | None:
    """A limit that should do; None for a quantity we cannot read, or one that should have done."""
    return sensible_limit(limit) if bytes_of(limit) else None


RULE = Rule(id="coredns-oom", judge=judge, causes=("dns.coredns_oom",), needs=(CoreDns,))
