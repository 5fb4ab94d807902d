"""Reads the subject and the peer from an alert's labels. One table of names for every sender.

Sources of the names: kube-state-metrics and cAdvisor (`namespace`, `pod`, with `exported_` where a scrape has labels of
its own), kubernetes-mixin (`workload`, `workload_type`), Datadog's tags (`kube_namespace`, `pod_name`,
`kube_deployment`), OpenTelemetry (`k8s.pod.name`), Hubble and Istio (`source_pod`, `destination_workload`), blackbox
exporter (`instance`: the probed target), ingress-nginx (`ingress`, `host`, `controller_pod`).

A scrape adds the exporter's own pod, Service and namespace: they are not what an alert is about, unless it is about the
scrape itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from bot.triggers.alert import MOST_WORDS, AlertSubject, SubjectKind
from bot.triggers.commands import Misread
from bot.triggers.slash import name
from sensors.kit.addresses import HostPort, as_ip, host_port

Labels = Mapping[str, str]

NAMESPACE = (
    *("exported_namespace", "kube_namespace", "k8s_namespace_name", "k8s.namespace.name"),
    *("namespace", "ns", "kubernetes_namespace"),
)
POD = (
    *("exported_pod", "kube_pod", "k8s_pod_name", "k8s.pod.name", "pod_name", "podname", "pod", "kubernetes_pod_name"),
)
"""`kubernetes_…` last: in Prometheus's example of a configuration they are the exporter's, beside the metric's."""

WORKLOADS = {
    **dict.fromkeys(("deployment", "kube_deployment", "k8s_deployment_name", "k8s.deployment.name"), "deploy"),
    **dict.fromkeys(("statefulset", "kube_stateful_set", "k8s_statefulset_name", "k8s.statefulset.name"), "sts"),
    **dict.fromkeys(("daemonset", "kube_daemon_set", "k8s_daemonset_name", "k8s.daemonset.name"), "ds"),
    **dict.fromkeys(("replicaset", "kube_replica_set"), "rs"),
    **dict.fromkeys(("job_name", "kube_job"), "job"),
}
WORKLOAD_TYPES = {"deployment": "deploy", "statefulset": "sts", "daemonset": "ds", "replicaset": "rs", "job": "job"}
_KINDS = {*WORKLOADS.values(), *WORKLOAD_TYPES}
"""What may stand before a workload's name, with a slash between."""

SERVICE = ("exported_service", "kube_service", "service", "service_name", "kubernetes_name")
NODE = (
    *("exported_node", "kube_node", "k8s_node_name", "k8s.node.name", "node", "nodename", "node_name"),
    *("kubernetes_node", "kubernetes_io_hostname"),
)
KAI_PEER = "kai_to"
PEER = ("to", "peer", "target", "probe_target", "destination", "probe_url")
ENDS = ("source", "destination")
"""Of a connection; each has its namespace, pod and workload."""

_ENDS = tuple(f"{end}_{what}" for end in ENDS for what in ("namespace", "pod", "workload"))
_OTHERS = ("instance", "job", "ingress", "host", "workload", "workload_type", "alertname")
KNOWN = (*NAMESPACE, *POD, *WORKLOADS, *SERVICE, *NODE, KAI_PEER, *PEER, *_ENDS, *_OTHERS)
"""Names of labels that are believed where they stand in the text of a message."""

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_STATE_METRICS = re.compile(r"kube-state-metrics")
_NODE_EXPORTER, _KUBELET = re.compile(r"node[-_]exporter|^node$"), re.compile(r"(?:^|[/-])(?:kubelet|cadvisor)$")
"""Jobs whose `instance` is a node."""

_EXPORTERS = (_STATE_METRICS, _NODE_EXPORTER)
_EVALUATED_BY = ("prometheus", "prometheus_replica", "thanos_ruler_replica", "__replica__")
_PROMETHEUS = re.compile(r"prom|thanos|^vm|ruler|mimir|cortex")
"""External labels, and pods, of what has evaluated an alert's rule; a `replica` may be that of a database as well."""

_OF_FLOWS = re.compile(r"^(?:cilium|hubble)")
_OF_AGENT = ("source_cluster", "source_node_name")
"""Of the agent itself, in what it measures of other nodes and clusters."""
_SCRAPE = re.compile(r"Target|InstanceDown|Scrap|Exporter|KubeStateMetrics", re.IGNORECASE)
"""Alerts about a scrape: there the exporter is what is meant."""

_PROBES = re.compile(r"blackbox|probe", re.IGNORECASE)
_KUBELETS_PROBES = re.compile(r"liveness|readiness|startup", re.IGNORECASE)
_BLACKBOX_PORT = 9115
"""Of the exporter itself, not of what it probes."""

_REACH = re.compile(
    r"(?:(?:can ?not|can't|could not|couldn't|unable to|fail(?:s|ed)? to|does not)\s+(?:reach|connect to|dial|contact)"
    r"|\bdial (?:tcp|udp)|\bconnect(?:ion|ing) to|\bprobe of"
    r"|(?:\bconnect to|→|->)(?![ \t]*[a-z]{2,10}://))[ \t]*([^\s,;]{3,300})",  # an address to look at is no peer
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"(?:\bconnection (?:refused|reset|timed out) to|\bgetaddrinfo (?:ENOTFOUND|EAI_AGAIN)"
    r"|\bconnect (?:ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH))[ \t]+([^\s,;]{3,300})",
    re.IGNORECASE,
)
"""As Node.js writes it: with the address that was tried, also where the name stands before."""

_AROUND = "\"'`*<>()|.,;:!?"


def meant_by(labels: Labels, alertname: str = "") -> tuple[AlertSubject, ...]:
    """Subjects that the labels name, the most exact first; nothing that could not be a name."""
    found = [each for each in _named(labels, alertname) if _is_name(each)]
    return tuple(dict.fromkeys(found))


def subjects_of(labels: Labels, alertname: str = "") -> tuple[AlertSubject, ...]:
    """The same; where no pod and no workload is named exactly, what the text names counts as well."""
    meant = meant_by(labels, alertname)
    exact = any((each.kind in _EXACT and each.namespace) or each.kind is SubjectKind.PROBE for each in meant)
    if exact:
        return meant
    hosts = [each for each in meant if each.kind is SubjectKind.NODE and each.name == _node_in(labels.get("host", ""))]
    others = [each for each in meant if each not in hosts]
    return (*others, AlertSubject(SubjectKind.WORDS, ""), *hosts)  # a host may be only where it was measured


_EXACT = (SubjectKind.POD, SubjectKind.WORKLOAD)


def namespace_in(labels: Labels) -> str:
    """The namespace the alert is about, not that of the scrape."""
    return _first(labels, NAMESPACE)


def peer_in(labels: Labels, words: str, alertname: str = "") -> HostPort | None:
    """The peer that labels or words name; None where there is none, or more than one."""
    said = (labels.get(KAI_PEER, ""), *(labels.get(each, "") for each in PEER))
    own, *others = (_place(each) if each else None for each in said)
    if (found := own or _probed(labels, alertname) or next(filter(None, others), None)) is not None:
        return found
    for pattern in (_REACH, _REFUSED):
        if tried := {each for each in map(_place, pattern.findall(words[:MOST_WORDS])) if each is not None}:
            return tried.pop() if len(tried) == 1 else None
    return None


def _named(labels: Labels, alertname: str) -> Iterator[AlertSubject]:
    scraped, of_flows = _SCRAPE.search(alertname) is not None, _of_flows(labels)
    namespace = "" if of_flows else namespace_in(labels)
    pod = "" if of_flows else _first(labels, POD) if scraped else _pod(labels)
    if _probed(labels, alertname) is not None:
        yield AlertSubject(SubjectKind.PROBE, pod, namespace if pod else "")
        return
    if ends := [each for each in _ends(labels) if _is_name(each)]:
        yield ends[0]  # who sends; where that is no pod, who is sent to
        return
    if labels.get("controller_pod"):
        yield AlertSubject(SubjectKind.POD, labels["controller_pod"], labels.get("controller_namespace") or namespace)
    node = _node(labels)
    if node and not scraped and _of_node_exporter(labels) and not labels.get("exported_pod"):
        yield AlertSubject(SubjectKind.NODE, node)
        return
    found = [*_inside(labels, namespace, pod, scraped=scraped)] or [*_contexts(labels)]
    yield from found
    if node and not of_flows and not any(each.kind in _EXACT for each in found):  # else it is where those run
        yield AlertSubject(SubjectKind.NODE, node)


def _inside(labels: Labels, namespace: str, pod: str, *, scraped: bool) -> Iterator[AlertSubject]:
    other = "exported_namespace" in labels and "exported_pod" not in labels  # then the pod may be the exporter's
    if namespace and pod and not other:
        yield AlertSubject(SubjectKind.POD, pod, namespace)
    yield from _workloads(labels, namespace)
    if namespace and labels.get("ingress"):
        yield AlertSubject(SubjectKind.INGRESS, labels["ingress"], namespace)
    elif labels.get("host"):
        yield AlertSubject(SubjectKind.INGRESS, labels["host"])
    service = _first(labels, SERVICE)
    if namespace and service and (scraped or not _STATE_METRICS.search(f"{labels.get('job', '')} {service}")):
        yield AlertSubject(SubjectKind.SERVICE, service, namespace)
    if namespace and pod and other:
        yield AlertSubject(SubjectKind.POD, pod, namespace)


def _workloads(labels: Labels, namespace: str) -> Iterator[AlertSubject]:
    for word, kind in WORKLOADS.items():
        if labels.get(word):
            yield AlertSubject(SubjectKind.WORKLOAD, f"{kind}/{labels[word]}", namespace)
    if labels.get("workload"):
        yield _workload(labels["workload"], labels.get("workload_type", ""), namespace)


def _workload(name: str, kind: str, namespace: str) -> AlertSubject:
    """A workload whose kind may not be said."""
    short = WORKLOAD_TYPES.get(kind.lower(), "")
    return AlertSubject(SubjectKind.WORKLOAD, f"{short}/{name}" if short else name, namespace)


def _ends(labels: Labels) -> Iterator[AlertSubject]:
    """Both ends of a connection, as far as they are pods or workloads: the source first."""
    for end in ENDS:
        namespace = labels.get(f"{end}_namespace") or labels.get(f"{end}_workload_namespace", "")
        pod, workload = labels.get(f"{end}_pod", ""), labels.get(f"{end}_workload", "")
        if namespace and pod:
            yield AlertSubject(SubjectKind.POD, pod.rpartition("/")[2], namespace)
        elif namespace and workload not in ("", "unknown"):
            yield _workload(workload, labels.get(f"{end}_workload_kind", ""), namespace)


def _contexts(labels: Labels) -> Iterator[AlertSubject]:
    """Ends as Hubble writes them in its contexts `pod` and `workload`: `source="shop/web-1"`."""
    for end in ENDS:
        namespace, slash, name = labels.get(end, "").partition("/")
        if slash and namespace and name and not {":", "/"} & {*namespace, *name}:
            yield _workload(name, "", namespace)
            return


def _of_flows(labels: Labels) -> bool:
    """Are the pod and its namespace those of Cilium's agent, which has counted flows of others?"""
    counted = any(each.startswith(ENDS) and each not in _OF_AGENT for each in labels)
    return counted and any(_OF_FLOWS.search(labels.get(each, "")) for each in ("job", "pod"))


def _pod(labels: Labels) -> str:
    """Not the exporter's own pod, which stands there where the scrape does not honour labels."""
    pod, measured_by = _first(labels, POD), ("job", "container", "service", "kubernetes_name")
    others = [labels.get(each, "") for each in measured_by]
    return "" if not labels.get("exported_pod") and is_exporter(pod, labels, others) else pod


def is_exporter(pod: str, labels: Labels, others: Iterable[str]) -> bool:
    """Is it the pod of the exporter that has measured? `others`, other values of the alert, count where no job says so.

    Of two that they name it is kube-state-metrics, which measures the other one, too.
    """
    if not any(each.search(pod) for each in _EXPORTERS):
        return False
    job = labels.get("job", "")
    said = [job] if any(each.search(job) for each in (*_EXPORTERS, _KUBELET)) else [one for one in others if one != pod]
    has_measured = next((each for each in _EXPORTERS if any(map(each.search, said))), None)
    return has_measured is not None and has_measured.search(pod) is not None


def names_who_measured(labels: Labels) -> frozenset[str]:
    """Labels that name not what is meant: Prometheus, or the agent that has counted flows of others."""
    agent = (*POD, *NAMESPACE) if _of_flows(labels) else ()
    replica = ("replica",) if _PROMETHEUS.search(labels.get("replica", "")) else ()
    return frozenset((*_EVALUATED_BY, *agent, *replica))


def _of_node_exporter(labels: Labels) -> bool:
    job = labels.get("job", "")
    return bool(_NODE_EXPORTER.search(job)) if job else labels.get("instance", "").endswith(":9100")


def _node(labels: Labels) -> str:
    """A node's name or address, without the exporter's port."""
    said = _first(labels, NODE) or labels.get("host", "")
    if not said and (_of_node_exporter(labels) or _KUBELET.search(labels.get("job", ""))):
        said = labels.get("instance", "")
    return _node_in(said)


def _node_in(said: str) -> str:
    try:
        return host_port(said).host if said else ""
    except ValueError:
        return said


def _probed(labels: Labels, alertname: str) -> HostPort | None:
    """The target of a probe: an address with a scheme, or any other where a prober says so. Of a scrape it is none."""
    instance, job = labels.get("instance", ""), labels.get("job", "")
    of_kubelet = "probe_type" in labels or _KUBELETS_PROBES.search(alertname) or _KUBELET.search(job)
    if "://" in instance or (_PROBES.search(f"{job} {alertname}") and not of_kubelet):
        found = _place(instance) if instance else None
        return None if found is not None and found.port == _BLACKBOX_PORT else found
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
    if meant.kind is SubjectKind.NODE and as_ip(meant.name) is not None and "%" not in meant.name:
        return True
    kind, slash, after = meant.name.partition("/")
    said = after if slash and meant.kind is SubjectKind.WORKLOAD and kind in _KINDS else meant.name
    try:
        for word in (said, meant.namespace):
            if word:
                name(word, meant.kind)
    except Misread:
        return False
    return bool(said) or meant.kind is SubjectKind.PROBE
