"""Other names for names and addresses: the same ones in a whole investigation, and translated back only here.

A pseudonym is upper case (`POD-1`, `IP-3`), so no name of Kubernetes can be one. Hidden are: what the facts hold as a
name, a label's value, an image or an address; every address and host name in any text. Words that every cluster has
(`kube-system`, `coredns`, `default`) stay, for they tell what is wrong and nobody's name. A name that stands in a log
line alone, and nowhere in the facts, cannot be known for one and stays: docs/brief.md says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from types import MappingProxyType
from typing import Any

from flows.causes import CAUSES
from flows.model import Diagnosis
from sensors.kit import Evidence, Target
from sensors.kit.addresses import as_ip
from sensors.kit.catalog import sensors
from sensors.kit.reported import reported

UNKNOWN_ADDRESS, UNKNOWN_HOST = "[address]", "[host]"
_TOKEN = re.compile(r"[A-Za-z0-9_]+(?:[.-]+[A-Za-z0-9_]+)*")
_PARTS = re.compile(r"([.-]+)")
_IPV6 = re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f:.]{0,40}:[0-9A-Fa-f.]{0,20}:)[0-9A-Fa-f:][0-9A-Fa-f:.]{1,44}(?![\w:])")
_HOST = re.compile(r"(?:[A-Za-z0-9_-]+\.)+[A-Za-z][A-Za-z0-9-]*[A-Za-z]")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")
_KIND_NAME = re.compile(r"\b[A-Z][A-Za-z]{2,40} (?:([a-z0-9-]{1,63})/)?([a-z0-9][a-z0-9.-]{0,252})(?![\w/])")
_PSEUDONYM = re.compile(r"\b[A-Z]{2,9}-[0-9]{1,5}\b")

_SORTS = {
    "pod": "POD",
    "pods": "POD",
    "namespace": "NS",
    "node": "NODE",
    "nodes": "NODE",
    "target_node": "NODE",
    "peer_nodes": "NODE",
    "nodes_answering": "NODE",
    "silent": "NODE",
    "workload": "NAME",
    "name": "NAME",
    "service": "NAME",
    "host": "HOST",
    "holder": "NODE",
    "container": "NAME",
    "image": "IMAGE",
    "names": "HOST",
    "service_account": "NAME",
    "config_map": "NAME",
    "manager": "MANAGER",
    "labels": "LABEL",
    "selector": "LABEL",
    "namespace_labels": "LABEL",
    "taints": "LABEL",
    "cluster-name": "NAME",
    "owner": "NAME",
    "alias": "HOST",
    "nearest": "NAME",
    "elsewhere": "NAME",
    "near_misses": "NAME",
    "policies": "NAME",
    "release": "NAME",
}
"""What stands under a key of the facts."""

_PLAIN_NAMES = frozenset(("ports", "pod_links", "node_links", "conditions", "counters", "plugins", "options"))
"""Under these keys `name` is a word of the system, such as `https` or `eth0`."""

_INSIDE = (".svc", ".cluster.local", ".pod")
_COMMON = frozenset(
    (
        *("default", "kube-system", "kube-public", "kube-node-lease", "kubernetes", "kube-dns", "coredns"),
        *("cilium", "cilium-agent", "cilium-operator", "cilium-config", "hubble", "hubble-relay", "kube-apiserver"),
        *("kube-root-ca.crt", "node-local-dns", "nodelocaldns", "calico-node", "calico-system", "kube-flannel"),
        *("istio-system", "istio-proxy", "istiod", "linkerd", "linkerd-proxy", "kubelet", "containerd", "kubectl"),
        *("kubectl-client-side-apply", "kubectl-create", "kubectl-edit", "kubectl-patch", "kube-controller-manager"),
        *("helm", "argocd-controller", "kustomize-controller", "helm-controller", "cluster", "local", "svc", "world"),
        *("host", "remote-node", "health", "ingress", "localhost", "cluster.local", "svc.cluster.local", "kube-proxy"),
        *("to", "of", "is", "in", "on", "at", "no", "by", "as", "it", "or", "and", "the", "not", "for", "was", "has"),
        *("http", "https", "grpc", "tcp", "udp", "dns", "dns-tcp", "metrics", "error", "none", "unknown", "true"),
        *("pod", "node", "service", "policy", "namespace", "conntrack", "nat", "physical", "application", "network"),
        *("kubernetes.io", "k8s.io", "cilium.io", "io.cilium", "docker.io", "quay.io", "registry.k8s.io", "false"),
        *("metadata.name", "resolv.conf", *CAUSES, *sensors()),
    )
)
"""What every cluster has, and our own ids: they name nobody."""


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """`of` maps real names to pseudonyms. Without any, every text stays as it is."""

    of: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    _beginnings: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_beginnings", frozenset(each for name in self.of for each in _beginnings(name)))

    def hide(self, text: str) -> str:
        """The text with pseudonyms; an address or host that was not known beforehand becomes `[address]`, `[host]`."""
        if not self.of:
            return text
        return _TOKEN.sub(lambda found: self._token(found[0]), _IPV6.sub(lambda found: self._ipv6(found[0]), text))

    def reveal(self, text: str) -> str:
        """The text with the real names again, for people of the house."""
        real = {pseudonym: name for name, pseudonym in self.of.items()}
        return _PSEUDONYM.sub(lambda found: real.get(found[0], found[0]), text)

    def _ipv6(self, word: str) -> str:
        return self.of.get(word, UNKNOWN_ADDRESS) if _is_address(word) else word

    def _token(self, word: str) -> str:
        if (whole := self.of.get(word)) is not None:
            return whole
        if _is_address(word):
            return UNKNOWN_ADDRESS
        if _is_outside(word):
            return UNKNOWN_HOST
        parts = _PARTS.split(word)
        return "".join(self._replaced(parts)) if len(parts) > 1 else word

    def _replaced(self, parts: list[str]) -> Iterator[str]:
        """The longest known name from each place on."""
        at = 0
        while at < len(parts):
            end = self._end_of_name(parts, at)
            yield self.of["".join(parts[at:end])] if end else parts[at]
            at = end or at + 1

    def _end_of_name(self, parts: list[str], at: int) -> int:
        word, found = "", 0
        for here in range(at, len(parts)):
            word += parts[here]
            if word not in self._beginnings:
                break
            found = here + 1 if word in self.of else found
        return found


def _beginnings(name: str) -> Iterator[str]:
    """Beginnings of a name, cut at its dots and hyphens."""
    return accumulate(_PARTS.split(name))


def pseudonyms_of(it: Diagnosis, known: Pseudonyms | None = None) -> Pseudonyms:
    """The pseudonyms of a diagnosis: the same for the same diagnosis, numbered as the names first appear.

    Those that are `known` stay, when the same investigation has seen more since.
    """
    parts = (it.component, *(finding.component for finding, _ in it.findings), it.fix.target)
    objects = [each for each in parts if each is not None]
    named = [pair for each in objects for pair in (("NS", each.namespace), ("NAME", each.name))]
    return pseudonyms_in(it.target, it.evidence, _texts(it), named, known)


def pseudonyms_in(
    target: Target,
    evidence: Mapping[str, Evidence],
    texts: Iterable[str] = (),
    named: Iterable[tuple[str, str]] = (),
    known: Pseudonyms | None = None,
) -> Pseudonyms:
    """The pseudonyms of what was seen: of the facts first, then of what is `named` by its sort, then of `texts`."""
    of: dict[str, str] = dict(known.of) if known is not None else {}
    counts = dict(Counter(each.rpartition("-")[0] for each in of.values()))
    for sort, name in (*_in_question(target), *_in_evidence(evidence), *named, *_in_texts(texts)):
        if name not in of and not _is_common(name):
            kind = "IP" if as_ip(name) is not None else sort
            counts[kind] = counts.get(kind, 0) + 1
            of[name] = f"{kind}-{counts[kind]}"
    return Pseudonyms(MappingProxyType(of))


def _in_question(target: Target) -> Iterator[tuple[str, str]]:
    yield from (("POD", target.pod), ("NS", target.namespace))
    yield from _in_text(target.to_host or "")


def _in_evidence(evidence: Mapping[str, Evidence]) -> Iterator[tuple[str, str]]:
    for each in evidence.values():
        yield from _in_facts(reported(each), "", "")


def _in_texts(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        yield from _in_text(text)


def _texts(it: Diagnosis) -> Iterator[str]:
    yield from (each.summary for each in it.evidence.values())
    for finding, _ in it.findings:
        yield from (finding.cause, finding.because, finding.recommendation)
    yield from (row.why for row in it.layers)
    yield from (each.why for each in it.doubts)
    yield from (each.title for each in (it.fix, *it.alternatives))
    yield it.reasoning


def _in_facts(value: Any, key: str, above: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for inner, each in value.items():
            yield from _in_facts(each, key if key in ("labels", "selector") else inner, key)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _in_facts(each, key, above)
    elif isinstance(value, str):
        yield from _in_value(value, "" if key == "name" and above in _PLAIN_NAMES else _SORTS.get(key, ""))


def _in_value(value: str, sort: str) -> Iterator[tuple[str, str]]:
    """A name under a key that holds names (`Deployment/api`, `k8s:app=api` and `docker.io/team/api:1` hold one too)."""
    if sort == "IMAGE":
        yield from (("IMAGE", word) for word in re.split(r"[/:@]", value) if _is_name(word))
    elif sort:
        word = value.rpartition("=")[2] if sort == "LABEL" else value.rpartition("/")[2]
        if _is_name(word) and not _is_inside(word):
            yield sort, word
    yield from _in_text(value) if sort != "LABEL" else ()


def _in_text(text: str) -> Iterator[tuple[str, str]]:
    """Addresses, host names, names inside the cluster's own DNS names, and what follows a kind."""
    for found in _IPV6.finditer(text):
        if _is_address(found[0]):
            yield "IP", found[0]
    for found in _TOKEN.finditer(text):
        yield from _in_token(found[0])
    for found in _KIND_NAME.finditer(text):
        yield from (("NS", found[1]),) if found[1] else ()
        if found[1] or "-" in found[2]:
            yield "NAME", found[2].rstrip(".-")


def _in_token(word: str) -> Iterator[tuple[str, str]]:
    if _is_address(word):
        yield "IP", word
    elif _is_outside(word):
        yield "HOST", word
    elif _is_inside(word):
        labels = word.partition(".svc")[0].split(".")
        yield from zip(("NAME", "NS") if len(labels) == 2 else ("NAME",) * len(labels), labels, strict=True)


def _is_address(word: str) -> bool:
    """An address that tells whose it is: not `0.0.0.0`, `::` nor the host itself."""
    address = as_ip(word)
    return address is not None and not (address.is_unspecified or address.is_loopback)


def _is_outside(word: str) -> bool:
    """A host name that is not of the cluster's own DNS, and no id of ours such as `k8s.pod`."""
    if "." not in word or _HOST.fullmatch(word) is None or _is_common(word):
        return False
    return not _is_inside(word)


def _is_inside(word: str) -> bool:
    """A name of the cluster's own DNS, of which only some labels are names."""
    return word.endswith(_INSIDE) or ".svc." in word


def _is_name(word: str) -> bool:
    return len(word) > 1 and _NAME.fullmatch(word) is not None and not word.isdigit()


def _is_common(name: str) -> bool:
    return not _is_name(name) or name.lower() in _COMMON or name.startswith(("io.cilium", "io.kubernetes"))
