"""CoreDNS runs and is ready, but the DNS Service selects other labels, so every question goes nowhere.

Proof: the selector of the DNS Service matches none of the ready DNS pods. Not to be mistaken for CoreDNS being down,
where the selector is right and its pods are not ready.
"""

from __future__ import annotations

from flows.model import Case, Component, Finding, Rule, SetSelector
from flows.symptoms.dns import belief_of, changed, eperm_told, shown_by, told
from sensors.dns_coredns_health import CoreDns, DnsService
from sensors.k8s_services import LabelMiss, Services


def judge(case: Case) -> Finding | None:
    """Speaks when DNS pods are ready and the Service in front picks none of them."""
    dns = case[CoreDns]
    service = dns.service
    if service is None or not service.selector_misses or not dns.ready_pods or service.ready_endpoints:
        return None
    component = Component("Service", service.namespace, service.name)
    miss = _miss(case, dns)
    return Finding(
        cause_class="dns.service_selector",
        cause=f"{component} selects {_words(service)}, which no DNS pod has: {dns.ready_pods} ready and none behind it",
        component=component,
        belief=belief_of(case, dns),
        because=f"{dns.summary()}; {told(case)}{eperm_told(case)}{changed(case, component)}",
        shown_by=shown_by(case, CoreDns),
        recommendation=f"Set the selector of {component} back to the labels of the DNS pods{_right(miss)}.",
        remedy=_remedy(component, service, miss),
    )


def _words(service: DnsService) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(service.selector.items())) or "nothing"


def _miss(case: Case, dns: CoreDns) -> LabelMiss | None:
    """The one label by which the selector misses the workload of the DNS servers; None where that is not certain."""
    services = case.get(Services)
    front = services.find(dns.service.namespace, dns.service.name) if services and dns.service else None
    found = (each for each in (front.near_misses if front else ()) if _is_theirs(each, dns) and each.differing == 1)
    return next((each for each in found if each.found is not None), None)


def _is_theirs(miss: LabelMiss, dns: CoreDns) -> bool:
    return miss.workload is not None and str(miss.workload) == str(dns.workload)


def _right(miss: LabelMiss | None) -> str:
    return f": {miss.key}={miss.found}" if miss else ""


def _remedy(component: Component, service: DnsService, miss: LabelMiss | None) -> SetSelector | None:
    if miss is None or miss.found is None:
        return None
    return SetSelector(component, dict(service.selector), {**service.selector, miss.key: miss.found})


RULE = Rule(id="dns-service-selector", judge=judge, causes=("dns.service_selector",), needs=(CoreDns,))
