"""Validates an object before it is stored, like the API server: fills in defaults, leaves out what is empty, refuses.

Sources: Kubernetes `pkg/apis/networking/{v1/defaults.go,validation/validation.go}`, `pkg/apis/core/validation`; the
forms that are stored were checked on a real server (`egress: []` is stored without its key, a cidr without a mask is
refused). Only what a patch of KAI or of an on-call can touch is looked at; custom resources are stored as they are.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from lab.cluster.refusal import invalid
from lab.cluster.resources import Resource
from sensors.kit.quantities import bytes_of

Json = Mapping[str, Any]
FieldFault = tuple[str, str, str]  # field, message, reason
DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
PROTOCOLS = ("TCP", "UDP", "SCTP")


def admitted(resource: Resource, thing: Json, before: Json | None = None) -> dict[str, Any]:
    """The object as it would be stored. Raises `Refusal` (422) with every fault found."""
    stored = copy.deepcopy(dict(thing))
    name = stored["metadata"]["name"]
    complete = COMPLETE.get(resource.kind) if not resource.is_custom else None
    if not isinstance(stored.get("spec", {}), dict):
        raise invalid(resource, name, [_wrong("spec", stored["spec"], "must be an object")])
    if complete is not None:
        complete(stored)
    faults = [*_metadata(stored), *(_faults(resource, stored, before))]
    if faults:
        raise invalid(resource, name, faults)
    return stored


def _faults(resource: Resource, stored: Json, before: Json | None) -> Iterator[FieldFault]:
    check = CHECKS.get(resource.kind) if not resource.is_custom else None
    if check is not None:
        try:
            yield from check(stored, before)
        except (TypeError, AttributeError, KeyError) as why:
            yield _wrong("spec", stored.get("spec"), f"is not of the right form ({why})")


def _wrong(field: str, value: object, why: str) -> FieldFault:
    shown = f'"{value}"' if isinstance(value, str) else "null" if value is None else str(value)
    return field, f"Invalid value: {shown}: {why}", "FieldValueInvalid"


def _needed(field: str) -> FieldFault:
    return field, "Required value", "FieldValueRequired"


def _unsupported(field: str, value: object, known: tuple[str, ...]) -> FieldFault:
    listed = ", ".join(f'"{each}"' for each in known)
    return field, f'Unsupported value: "{value}": supported values: {listed}', "FieldValueNotSupported"


def _metadata(stored: Json) -> Iterator[FieldFault]:
    meta = stored["metadata"]
    if not DNS_SUBDOMAIN.fullmatch(str(meta["name"])) or len(str(meta["name"])) > 253:
        yield _wrong("metadata.name", meta["name"], "a lowercase RFC 1123 subdomain must consist of lower case …")
    yield from _labels("metadata.labels", meta.get("labels"))


def _labels(field: str, labels: Any) -> Iterator[FieldFault]:
    for key, value in (labels or {}).items():
        if not LABEL_KEY.fullmatch(str(key)):
            yield _wrong(field, key, "name part must consist of alphanumeric characters, '-', '_' or '.'")
        if not isinstance(value, str) or not LABEL_VALUE.fullmatch(value):
            yield _wrong(field, value, "a valid label must be an empty string or consist of alphanumeric characters …")


# -- NetworkPolicy -----------------------------------------------------------------------------------------------------


def _complete_policy(stored: dict[str, Any]) -> None:
    spec = stored.setdefault("spec", {})
    _drop_empty(spec, ("ingress", "egress"))
    spec.setdefault("podSelector", {})
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for rule in spec.get(direction) or ():
            if isinstance(rule, dict):
                _drop_empty(rule, (peers, "ports"))
                for port in rule.get("ports") or ():
                    port.setdefault("protocol", "TCP")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if "egress" in spec else [])]


def _drop_empty(holder: dict[str, Any], keys: tuple[str, ...]) -> None:
    """Lists that are empty or null are not stored (`omitempty`)."""
    for key in keys:
        if key in holder and not holder[key]:
            del holder[key]


def _policy(stored: Json, before: Json | None) -> Iterator[FieldFault]:
    spec = stored["spec"]
    yield from _selector("spec.podSelector", spec["podSelector"])
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for number, rule in enumerate(spec.get(direction) or ()):
            field = f"spec.{direction}[{number}]"
            for place, port in enumerate(rule.get("ports") or ()):
                yield from _policy_port(f"{field}.ports[{place}]", port)
            for place, peer in enumerate(rule.get(peers) or ()):
                yield from _peer(f"{field}.{peers}[{place}]", peer)
    for place, kind in enumerate(spec["policyTypes"]):
        if kind not in ("Ingress", "Egress"):
            yield _unsupported(f"spec.policyTypes[{place}]", kind, ("Egress", "Ingress"))


def _policy_port(field: str, port: Json) -> Iterator[FieldFault]:
    if port["protocol"] not in PROTOCOLS:
        yield _unsupported(f"{field}.protocol", port["protocol"], ("SCTP", "TCP", "UDP"))
    number, end = port.get("port"), port.get("endPort")
    if isinstance(number, int) and not 0 < number < 65536:
        yield _wrong(f"{field}.port", number, "must be between 1 and 65535, inclusive")
    if isinstance(number, str) and not re.fullmatch(r"[a-z0-9-]{1,15}", number):
        yield _wrong(f"{field}.port", number, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if end is not None and not isinstance(number, int):
        yield _wrong(f"{field}.endPort", end, "may not be specified when `port` is not specified or non-numeric")
    elif isinstance(end, int) and isinstance(number, int) and end < number:
        yield _wrong(f"{field}.endPort", end, "must be greater than or equal to `port`")


def _peer(field: str, peer: Json) -> Iterator[FieldFault]:
    block = peer.get("ipBlock")
    kinds = {key for key in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(key) is not None}
    if not kinds:
        yield field, "Required value: must specify a peer", "FieldValueRequired"
    if block is not None and len(kinds) > 1:
        yield field, "Forbidden: may not specify both ipBlock and another peer", "FieldValueForbidden"
    for key in ("podSelector", "namespaceSelector"):
        yield from _selector(f"{field}.{key}", peer.get(key) or {})
    if block is not None:
        yield from _block(f"{field}.ipBlock", block)


def _block(field: str, block: Json) -> Iterator[FieldFault]:
    if not block.get("cidr"):
        yield _needed(f"{field}.cidr")
        return
    around = _network(block["cidr"])
    if around is None:
        yield _wrong(f"{field}.cidr", block["cidr"], "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
    for place, text in enumerate(block.get("except") or ()):
        inside = _network(text)
        if inside is None:
            yield _wrong(f"{field}.except[{place}]", text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or …)")
        elif around is not None and not (inside.version == around.version and _is_part(inside, around)):
            yield _wrong(f"{field}.except[{place}]", text, "must be a strict subset of `cidr`")


def _network(text: object) -> Any:
    if not isinstance(text, str) or "/" not in text:
        return None
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _is_part(inside: Any, around: Any) -> bool:
    return bool(inside.subnet_of(around)) and inside != around


def _selector(field: str, selector: Json) -> Iterator[FieldFault]:
    yield from _labels(f"{field}.matchLabels", selector.get("matchLabels"))
    for place, each in enumerate(selector.get("matchExpressions") or ()):
        operator = each.get("operator")
        if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            yield _wrong(f"{field}.matchExpressions[{place}].operator", operator, "not a valid selector operator")
        if operator in ("In", "NotIn") and not each.get("values"):
            yield _needed(f"{field}.matchExpressions[{place}].values")


# -- Service and Deployment --------------------------------------------------------------------------------------------


def _complete_service(stored: dict[str, Any]) -> None:
    for port in stored.get("spec", {}).get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))


def _service(stored: Json, before: Json | None) -> Iterator[FieldFault]:
    spec = stored["spec"]
    for place, port in enumerate(spec.get("ports") or ()):
        for key in ("port", "targetPort"):
            if isinstance(port.get(key), int) and not 0 < port[key] < 65536:
                yield _wrong(f"spec.ports[{place}].{key}", port[key], "must be between 1 and 65535, inclusive")
        if port["protocol"] not in PROTOCOLS:
            yield _unsupported(f"spec.ports[{place}].protocol", port["protocol"], ("SCTP", "TCP", "UDP"))
    yield from _labels("spec.selector", spec.get("selector"))
    if before is not None and spec.get("clusterIP") != before["spec"].get("clusterIP"):
        yield _wrong("spec.clusterIPs[0]", spec.get("clusterIP"), "may not change once set")


def _deployment(stored: Json, before: Json | None) -> Iterator[FieldFault]:
    spec = stored["spec"]
    if before is not None and spec.get("selector") != before["spec"].get("selector"):
        yield _wrong("spec.selector", spec.get("selector"), "field is immutable")
    containers = spec["template"]["spec"]["containers"]
    for place, container in enumerate(containers):
        resources = container.get("resources") or {}
        asked = (resources.get("requests") or {}).get("memory")
        limit = (resources.get("limits") or {}).get("memory")
        field = f"spec.template.spec.containers[{place}].resources"
        for key, value in (("limits", limit), ("requests", asked)):
            if value is not None and bytes_of(str(value)) is None:
                yield _wrong(f"{field}.{key}.memory", value, "quantities must match the regular expression …")
        if limit and asked and (bytes_of(str(asked)) or 0) > (bytes_of(str(limit)) or 0):
            why = f"must be less than or equal to memory limit of {limit}"
            yield _wrong(f"{field}.requests", str(asked), why)


COMPLETE: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "NetworkPolicy": _complete_policy,
    "Service": _complete_service,
}
CHECKS: Mapping[str, Callable[[Json, Json | None], Iterator[FieldFault]]] = {
    "NetworkPolicy": _policy,
    "Service": _service,
    "Deployment": _deployment,
}
