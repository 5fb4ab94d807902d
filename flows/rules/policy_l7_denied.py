"""The connection is let through to Cilium's proxy, and the proxy refuses the request: its method, path or name."""

from __future__ import annotations

from dataclasses import replace

from flows.belief import DOUBTED, EVIDENT, PARTIAL, SUSPECTED
from flows.denials.attribution import component_of
from flows.denials.connection import JudgedConnection
from flows.denials.findings import plural
from flows.denials.judged import judged_connections
from flows.model import AdmitTraffic, Case, Component, Finding, Rule
from flows.policy import Decision, PolicyRef, PolicyVerdict
from sensors.hubble.outcomes import DnsOutcome, HttpOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies

PROXY_SAID = 403


def judge(case: Case) -> list[Finding]:
    """One finding for each connection with refused requests, and one for each policy that hides a name.

    A 403 of the application itself is not ours: the proxy's own refusals carry the verdict DROPPED.
    """
    flows = case[HubbleFlows]
    http = [each for each in case.once(judged_connections) if each.seen is not None and _refused(each)]
    names = [each for each in flows.dns if each.denied and not each.addresses]
    return [*(_http(each) for each in http), *_dns(case, names)]


def _refused(one: JudgedConnection) -> list[HttpOutcome]:
    return [each for each in (one.seen.http if one.seen is not None else ()) if each.verdict == "DROPPED"]


def _http(one: JudgedConnection) -> Finding:
    refused = _refused(one)
    count, first = sum(each.count for each in refused), refused[0]
    ref = _proxied(one.judgement.ingress) or _proxied(one.judgement.egress)
    asked = replace(one.traffic, l7=f"{first.method} {first.path}".strip())
    remedy = AdmitTraffic((replace(one.judgement, traffic=asked),), (ref,)) if ref is not None else None
    return Finding(
        cause_class="policy.l7_denied",
        cause=f"The proxy denies {first.method} {first.path} of {one.traffic.words()}: no HTTP rule allows it",
        component=component_of(ref),
        belief=(EVIDENT if ref is not None else PARTIAL) if one.asked else SUSPECTED,
        because=f"{count} {plural(count, 'request')} with verdict DROPPED at the proxy, which answers {PROXY_SAID}",
        shown_by=(HubbleFlows, Policies),
        recommendation=f"If it is meant, add {first.method} {first.path} to the HTTP rules.",
        remedy=remedy,
    )


def _proxied(verdict: PolicyVerdict) -> PolicyRef | None:
    """The policy whose admitting rule hands the connection to the proxy."""
    for walk in verdict.walk:
        for rule in walk.rules:
            if rule.decision is Decision.ADMITS and rule.notes:
                return walk.ref
    return None


def _dns(case: Case, names: list[DnsOutcome]) -> list[Finding]:
    if not names:
        return []
    resolver = next((each for each in case.once(judged_connections) if each.lookup), None)
    ref = _proxied(resolver.judgement.egress) if resolver is not None else None
    component: Component | None = component_of(ref)
    wanted = (case.target.to_host or "").rstrip(".").lower()
    asked = not wanted or any(_is_for(each.query, wanted) for each in names)
    told = ", ".join(dict.fromkeys(each.query.rstrip(".") for each in names[:3]))
    return [
        Finding(
            cause_class="policy.l7_denied",
            cause=f"The DNS proxy denies the look-up of {told}: no DNS rule allows the name",
            component=component,
            belief=(EVIDENT if ref is not None else PARTIAL) if asked else DOUBTED,
            because=f"{sum(each.denied for each in names)} questions with verdict DROPPED at the proxy (REFUSED)",
            shown_by=(HubbleFlows, Policies),
            recommendation=_dns_advice(names, wanted),
        )
    ]


def _is_for(query: str, wanted: str) -> bool:
    """The name itself, or the name with an entry of the search list behind it: a refusal ends the search (glibc)."""
    plain = query.rstrip(".").lower()
    return plain == wanted or plain.startswith(f"{wanted}.")


def _dns_advice(names: list[DnsOutcome], wanted: str) -> str:
    plain = [each.query.rstrip(".") for each in names]
    name = wanted if wanted and wanted not in plain else plain[0]
    also = (
        f'; the search list asks for {plain[0]} first, so admit "*.cluster.local" too, or write the name with a dot '
        "at its end"
    )
    return f"If it is meant, add matchName: {name} to the DNS rules{also if name not in plain else ''}."


RULE = Rule(id="policy-l7-denied", judge=judge, causes=("policy.l7_denied",), needs=(HubbleFlows, Policies))
