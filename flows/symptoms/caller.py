"""Checks whether the pod itself is known to ask for a host, or only the question does.

No rule of its own. A question is not a measurement: whoever mistypes a name in it must not see a workload blamed.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.model import Case, Component
from flows.symptoms.names import is_named, own_lookups
from flows.symptoms.objects import Json, objects
from flows.symptoms.owner import owner
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_pod import PodFacts
from sensors.kit.addresses import as_ip
from sensors.kit.objects import items, named, text, texts
from sensors.kit.resolv_conf import plain_name


def asks_itself(case: Case, host: str) -> bool:
    """Its look-ups, its connections, its log or its own settings show that the pod wants this host."""
    pod, flows = case.get(PodFacts), case.get(HubbleFlows)
    if pod is not None and any(_names(case, host, each) for each in pod.log_hosts):
        return True
    if pod is not None and any(_names(case, host, each.host) for each in pod.log_errors if each.host):
        return True
    if flows is not None and _on_the_wire(case, flows, host):
        return True
    return any(plain_name(host) in word.lower() for word in _settings(case))


def caller_of(case: Case, host: str) -> Component | None:
    """The workload that has to ask for something else; None where only the question asked."""
    return owner(case) if asks_itself(case, host) else None


def who_asks(case: Case, host: str) -> str:
    """The subject of the sentence: `shop/web-1 calls x`, or `you asked for x`."""
    return f"{case.target} calls {host}" if asks_itself(case, host) else f"you asked for {host}"


def _names(case: Case, host: str, said: str) -> bool:
    return plain_name(said) == plain_name(host) or is_named(case, host, [said])


def _on_the_wire(case: Case, flows: HubbleFlows, host: str) -> bool:
    me = (case.target.namespace, case.target.pod)
    mine = [each for each in flows.connections if (each.source.namespace, each.source.pod) == me]
    if as_ip(host) is not None:
        return any(as_ip(each.destination.ip) == as_ip(host) for each in mine)
    asked = (each.query for each in case.once(own_lookups))
    named_ = (name for each in mine for name in each.destination.names)
    return any(is_named(case, host, [name]) for name in (*asked, *named_))


def settings_of(case: Case) -> dict[str, str]:
    """The environment that the pod's containers are given as values; what comes from elsewhere is not read."""
    return {text(each, "name"): text(each, "value") for box in _containers(case) for each in items(box, "env")}


def _settings(case: Case) -> Iterator[str]:
    """The pod's own environment, command and arguments."""
    yield from settings_of(case).values()
    for box in _containers(case):
        yield from (*texts(box, "command"), *texts(box, "args"))


def _containers(case: Case) -> tuple[Json, ...]:
    pod = named(objects(case, "Pod"), case.target.pod, case.target.namespace)
    return items(pod or {}, "spec", "containers")
