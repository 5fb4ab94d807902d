"""Two faults on one way: a policy refuses the connection, and its Service leads to a port where nobody listens.

Mending one alone moves the failure. A rule for today's wrong port would become wrong with the Service, so the rule is
for the right port, and both patches belong to one fix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from flows.denials.connection import JudgedConnection
from flows.denials.judged import judged_connections
from flows.denials.policy_world import world_of
from flows.model import AdmitTraffic, Case, Fix, SetTargetPort
from flows.policy import Endpoint, Judgement, Traffic
from flows.symptoms.target_port import wrong_port_of
from sensors.k8s_network_policies import Policies
from sensors.k8s_services import Services
from sensors.kit.objects import items, kind_of, number

MOST_BACKENDS = 20


def as_it_will_be(case: Case, one: JudgedConnection) -> JudgedConnection:
    """The connection after its Service leads to the right port, judged again; as it is where nothing is wrong."""
    wrong = wrong_port_of(case, one.traffic)
    if wrong is None or wrong.aim.right is None:
        return one
    return replace(one, judgement=_on(case, one.traffic, wrong.aim.right))


def _on(case: Case, traffic: Traffic, port: int) -> Judgement:
    return case.once(world_of).judge(replace(traffic, port=port))


def led_right(case: Case, remedy: AdmitTraffic) -> tuple[AdmitTraffic, tuple[SetTargetPort, ...]]:
    """The same request for the ports that the Services should lead to, and what mends those Services.

    A connection to a port where nobody listens, with no right one known, is left out: no rule can make it work. Nor can
    one for a node port that no policy ever sees.
    """
    denied: list[Judgement] = []
    services: dict[SetTargetPort, None] = {}
    for each in (each for each in remedy.denied if not _is_rewritten(case, each.traffic)):
        wrong = wrong_port_of(case, each.traffic)
        if wrong is None:
            denied.append(each)
        elif wrong.remedy is not None and wrong.aim.right is not None:
            denied.append(_on(case, each.traffic, wrong.aim.right))
            services[wrong.remedy] = None
    moved = tuple(denied) != remedy.denied
    return replace(remedy, denied=tuple(denied), correction=None if moved else remedy.correction), tuple(services)


def _is_rewritten(case: Case, traffic: Traffic) -> bool:
    """A node port that Cilium turns into the pod's own before policies are asked, unless a drop names it all the same.

    Source: Cilium, "Kubernetes Without kube-proxy", socket load balancing.
    """
    if not traffic.destination.host_network or case.environment.kube_proxy_replacement is not True:
        return False
    if any(each.drop is not None and each.traffic == traffic for each in case.once(judged_connections)):
        return False
    services = (each for each in case[Policies].objects if kind_of(each) == "Service")
    ports = (port for each in services for port in items(each, "spec", "ports"))
    return traffic.port is not None and any(number(port, "nodePort") == traffic.port for port in ports)


def refused_after(case: Case, remedy: SetTargetPort) -> tuple[Judgement, ...]:
    """The client's ways to the Service's pods on the right port, as far as policies would refuse them.

    Raises `Missing` where policies or Services could not be looked at.
    """
    if not isinstance(remedy.wanted, int):
        return ()
    judged = (_judged(case, remedy, remedy.wanted, each) for each in _backends(case, remedy))
    return tuple(each for each in judged if each.allowed is False)


def _backends(case: Case, remedy: SetTargetPort) -> Iterator[Endpoint]:
    """One pod of each workload that the Service selects."""
    world = case.once(world_of)
    service = world.service(remedy.service.namespace, remedy.service.name)
    selector = service.selector if service is not None else None
    pods = (each for each in world.inventory.pods.values() if each.namespace == remedy.service.namespace)
    fitting = (each for each in pods if selector and selector.items() <= each.labels.items())
    yield from list({each.workload: each for each in fitting}.values())[:MOST_BACKENDS]


def _judged(case: Case, remedy: SetTargetPort, port: int, there: Endpoint) -> Judgement:
    world, ref = case.once(world_of), (remedy.service.namespace, remedy.service.name)
    facts = case[Services].find(*ref)
    protocol = facts.ports[remedy.index].protocol if facts is not None else "TCP"
    pod = (case.target.namespace, case.target.pod)
    return world.judge(Traffic(world.endpoint_of_pod(*pod) or Endpoint(*pod), there, protocol, port, service=ref))


def together(fix: Fix, services: Sequence[Fix]) -> Fix:
    """The fix of the policies with those of the Services behind it, and the order."""
    if not services:
        return fix
    then = ", ".join(str(each.target) for each in services)
    order = f"both parts are needed: first the rule, then {then}, which leads to a port without a listener"
    return replace(
        fix,
        title="; ".join([fix.title, *(each.title for each in services)]),
        notes=(order, *fix.notes),
        also=(*fix.also, *(replace(each, title="") for each in services)),
    )
