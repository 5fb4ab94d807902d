"""Reads the subject and the peer from an alert's labels. One table of names for every sender.

Sources of the names: kube-state-metrics and cAdvisor (`namespace`, `pod`, with `exported_` where a scrape has labels of
its own), Datadog's tags (`kube_namespace`, `pod_name`, `kube_deployment`), OpenTelemetry (`k8s.pod.name`), the blackbox
exporter (`instance`: the probed target), ingress-nginx (`ingress`, `controller_pod`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from bot.triggers.alert import MOST_WORDS, AlertSubject, SubjectKind
from bot.triggers.commands import Misread
from bot.triggers.slash import name
from sensors.kit.addresses import HostPort, as_ip, host_port

Labels = Mapping[str, str]

NAMESPACE = (
    *("exported_namespace", "kube_namespace", "k8s_namespace_name", "k8s.namespace.name", "kubernetes_namespace"),
    *("destination_namespace", "namespace", "ns"),
)
POD = (
    *("exported_pod", "kube_pod", "k8s_pod_name", "k8s.pod.name", "kubernetes_pod_name", "pod_name", "podname", "pod"),
)
WORKLOADS = {
    **dict.fromkeys(("deployment", "kube_deployment", "k8s_deployment_name", "k8s.deployment.name"), "deploy"),
    **dict.fromkeys(("statefulset", "kube_stateful_set", "k8s_statefulset_name", "k8s.statefulset.name"), "sts"),
    **dict.fromkeys(("daemonset", "kube_daemon_set", "k8s_daemonset_name", "k8s.daemonset.name"), "ds"),
    **dict.fromkeys(("replicaset", "kube_replica_set"), "rs"),
    **dict.fromkeys(("job_name", "kube_job"), "job"),
}
SERVICE = ("exported_service", "kube_service", "service", "service_name")
NODE = ("exported_node", "kube_node", "kubernetes_node", "k8s_node_name", "k8s.node.name", "node", "nodename")
PEER = ("kai_to", "to", "peer", "target", "probe_target", "destination", "probe_url")
KNOWN = (*NAMESPACE, *POD, *WORKLOADS, *SERVICE, *NODE, *PEER, "instance", "job", "ingress", "alertname")
"""Names of labels that are believed where they stand in the text of a message."""

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_QUIET_JOBS = ("kube-state-metrics",)
_PROBES = re.compile(r"blackbox|probe", re.IGNORECASE)
_REACH = re.compile(
    r"(?:(?:can ?not|can't|could not|couldn't|unable to|fail(?:s|ed)? to|does not)\s+(?:reach|connect to|dial|contact)"
    r"|\bdial (?:tcp|udp)|\bconnect(?:ion|ing)? to|\bprobe of|→|->)[ \t]*([^\s,;]{3,300})",
    re.IGNORECASE,
)
_AROUND = "\"'`*<>()|.,;:!?"


def meant_by(labels: Labels, alertname: str = "") -> tuple[AlertSubject, ...]:
    """Subjects that the labels name, the most exact first; nothing that could not be a name."""
    found = [each for each in _named(labels, alertname) if _is_name(each)]
    return tuple(dict.fromkeys(found))


def namespace_in(labels: Labels) -> str:
    """The namespace the alert is about, not that of the scrape."""
    return _first(labels, NAMESPACE)


def peer_in(labels: Labels, words: str, alertname: str = "") -> HostPort | None:
    """The peer that labels or words name; None where there is none, or more than one."""
    said = [each for each in (_place(labels[word]) for word in PEER if labels.get(word)) if each is not None]
    if said:
        return said[0]
    if (probed := _probed(labels, alertname)) is not None:
        return probed
    found = {each for each in map(_place, _REACH.findall(words[:MOST_WORDS])) if each is not None}
    return found.pop() if len(found) == 1 else None


def _named(labels: Labels, alertname: str) -> Iterator[AlertSubject]:
    namespace, pod = namespace_in(labels), _pod(labels)
    if _probed(labels, alertname) is not None:
        yield AlertSubject(SubjectKind.PROBE, pod, namespace if pod else "")
        return
    if labels.get("controller_pod"):
        yield AlertSubject(SubjectKind.POD, labels["controller_pod"], labels.get("controller_namespace") or namespace)
    if namespace:
        yield from _inside(labels, namespace, pod)
    if node := _first(labels, NODE):
        yield AlertSubject(SubjectKind.NODE, node)


def _inside(labels: Labels, namespace: str, pod: str) -> Iterator[AlertSubject]:
    if pod:
        yield AlertSubject(SubjectKind.POD, pod, namespace)
    for word, kind in WORKLOADS.items():
        if labels.get(word):
            yield AlertSubject(SubjectKind.WORKLOAD, f"{kind}/{labels[word]}", namespace)
    if labels.get("ingress"):
        yield AlertSubject(SubjectKind.INGRESS, labels["ingress"], namespace)
    service = _first(labels, SERVICE)
    if service and labels.get("job") not in _QUIET_JOBS:  # there it is the Service that was scraped
        yield AlertSubject(SubjectKind.SERVICE, service, namespace)


def _pod(labels: Labels) -> str:
    """Not the exporter's own pod, which stands there where the scrape does not honour labels."""
    pod = _first(labels, POD)
    job = labels.get("job", "")
    return "" if job in _QUIET_JOBS and pod.startswith(f"{job}-") else pod


def _probed(labels: Labels, alertname: str) -> HostPort | None:
    """The target of a probe: an address with a scheme, or any other where a prober says so. Of a scrape it is none."""
    instance = labels.get("instance", "")
    if "://" in instance or _PROBES.search(f"{labels.get('job', '')} {alertname}"):
        return _place(instance) if instance else None
    return None


def _place(word: str) -> HostPort | None:
    """A peer: an address, a name of at least two labels, or anything with a port. A mere word is none."""
    said = word.strip().strip(_AROUND).strip()
    try:
        found = host_port(said)
    except ValueError:
        return None
    scheme = urlsplit(said).scheme.lower() if "://" in said else ""
    if scheme and found.port is None:
        found = replace(found, port=_PORTS.get(scheme))
    exact = found.port is not None or as_ip(found.host) is not None or "." in found.host.strip(".")
    return found if exact and any(letter.isalnum() for letter in found.host) else None


def _first(labels: Labels, names: tuple[str, ...]) -> str:
    return next((labels[each] for each in names if labels.get(each)), "")


def _is_name(meant: AlertSubject) -> bool:
    try:
        for word in (meant.name.rpartition("/")[2], meant.namespace):
            if word:
                name(word, meant.kind)
    except Misread:
        return False
    return bool(meant.name) or meant.kind is SubjectKind.PROBE
