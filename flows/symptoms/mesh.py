"""Membership in a service mesh, and what the mesh asks of a connection to a pod: Istio (also ambient) and Linkerd.

No rule of its own. Sources: istio.io/latest/docs/reference/config/security (PeerAuthentication: workload before
namespace before root namespace, a port before all; AuthorizationPolicy: DENY first, then ALLOW if there is any),
linkerd.io/2/reference/authorization-policy. What is not modelled (methods, paths, `when`, custom providers) is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flows.model import Case
from flows.symptoms.objects import Json, objects
from flows.symptoms.peers import Peer
from sensors.kit.app_log import LogTrouble
from sensors.kit.objects import (
    annotations_of,
    items,
    label_selector_matches,
    labels_of,
    mapping,
    name_of,
    named,
    namespace_of,
    selects,
    string_map,
    text,
    texts,
)

ISTIO_ROOT_NAMESPACE = "istio-system"
PROXIES = ("istio-proxy", "linkerd-proxy")
WHOLE = frozenset({"namespaces", "principals", "serviceAccounts"})
"""The parts of an Istio source that are compared here; any other part makes a rule unknown."""


@dataclass(frozen=True, slots=True)
class ConnectionEnds:
    """The two pods of a connection as objects, and the number of the port at the destination."""

    source: Json
    destination: Json
    port: int | None


def ends_of(case: Case, peer: Peer) -> ConnectionEnds | None:
    """The caller and one pod behind the peer; None where either could not be read."""
    source = _pod(case, case.target.namespace, case.target.pod)
    service = peer.service
    backends = service.matching_pods or () if service else ()
    behind = [(service.namespace, each.pod) for each in backends] if service else []
    behind += [(peer.pod.namespace, peer.pod.name)] if peer.pod else []
    destination = next((found for each in behind if (found := _pod(case, *each))), None)
    if source is None or destination is None:
        return None
    ports = {number for end in (service.endpoints or () if service else ()) for _, number, _ in end.ports}
    return ConnectionEnds(source, destination, ports.pop() if len(ports) == 1 else peer.port)


def cut_off(peer: Peer) -> str:
    """Sign of a mesh's refusal from outside: a connection that opens and is reset, or HTTP 403. Empty: neither."""
    if not (any(each.is_open for each in peer.doors) or any(each.opened for each in peer.connections)):
        return "its connection is reset" if any(each.result == "reset" for each in peer.doors) else ""
    for line in peer.logged:
        if line.trouble is LogTrouble.RESET:
            return "its connections open and are reset"
        if line.trouble is LogTrouble.HTTP and line.code == 403:
            return "it is answered with HTTP 403"
    return ""


def is_in_mesh(case: Case, pod: Json) -> bool:
    """A proxy beside the application, or Istio's ambient mode by namespace or pod."""
    boxes = (*items(pod, "spec", "containers"), *items(pod, "spec", "initContainers"))
    if any(text(each, "name") in PROXIES for each in boxes):
        return True
    space = named(objects(case, "Namespace"), namespace_of(pod))
    mode = labels_of(pod).get("istio.io/dataplane-mode") or labels_of(space or {}).get("istio.io/dataplane-mode")
    return mode == "ambient" or annotations_of(pod).get("ambient.istio.io/redirection") == "enabled"


def _pod(case: Case, namespace: str, name: str) -> Json | None:
    return named(objects(case, "Pod"), name, namespace)


# -- Istio -----------------------------------------------------------------------------------------------------------


def strict_by(case: Case, pod: Json, port: int | None) -> Json | None:
    """The PeerAuthentication by which the pod takes nothing but mutual TLS on this port; None where it takes more."""
    ranked = sorted(
        (each for each in objects(case, "PeerAuthentication") if _applies(each, pod)), key=lambda each: _rank(each, pod)
    )
    for each in ranked:
        mode = text(mapping(each, "spec", "portLevelMtls"), str(port), "mode") or text(each, "spec", "mtls", "mode")
        if mode and mode != "UNSET":
            return each if mode == "STRICT" else None
    return None


def _applies(policy: Json, pod: Json) -> bool:
    chosen = string_map(policy, "spec", "selector", "matchLabels")
    at_home = namespace_of(policy) == namespace_of(pod)
    return (at_home or namespace_of(policy) == ISTIO_ROOT_NAMESPACE) and (not chosen or selects(chosen, labels_of(pod)))


def _rank(policy: Json, pod: Json) -> tuple[bool, bool]:
    own = namespace_of(policy) == namespace_of(pod)
    return not own, not string_map(policy, "spec", "selector", "matchLabels")


def refused_by(case: Case, ends: ConnectionEnds) -> Json | None:
    """The AuthorizationPolicy (Istio) or Server (Linkerd) that refuses the caller for certain."""
    return _istio_refuses(case, ends) or _linkerd_refuses(case, ends)


def _istio_refuses(case: Case, ends: ConnectionEnds) -> Json | None:
    ours = [each for each in objects(case, "AuthorizationPolicy") if "istio.io" in text(each, "apiVersion")]
    applying = [each for each in ours if _applies(each, ends.destination) and "targetRefs" not in mapping(each, "spec")]
    for each in (each for each in applying if text(each, "spec", "action") == "DENY"):
        if any(_matches(rule, ends) is True for rule in items(each, "spec", "rules")):
            return each
    allows = [each for each in applying if text(each, "spec", "action") in ("", "ALLOW")]
    said = [_matches(rule, ends) for each in allows for rule in items(each, "spec", "rules")]
    return allows[0] if allows and all(each is False for each in said) else None


def _matches(rule: Json, ends: ConnectionEnds) -> bool | None:
    """Checks whether a rule is about this caller and port; None where it asks for what is not compared here."""
    parts = [_any(_source(each, ends) for each in items(rule, "from"))] if items(rule, "from") else []
    parts += [_any(_operation(each, ends) for each in items(rule, "to"))] if items(rule, "to") else []
    parts += [None] if items(rule, "when") else []
    return False if False in parts else None if None in parts else True


def _any(said: Iterable[bool | None]) -> bool | None:
    seen = set(said)
    return True if True in seen else None if None in seen else False


def _source(entry: Json, ends: ConnectionEnds) -> bool | None:
    """Namespaces and principals are known of callers in the mesh only: without mutual TLS none matches."""
    wanted = mapping(entry, "source")
    if not set(wanted) <= WHOLE:
        return None
    space, account = namespace_of(ends.source), text(ends.source, "spec", "serviceAccountName") or "default"
    known = any(text(each, "name") in PROXIES for each in items(ends.source, "spec", "containers"))
    names = {
        "namespaces": space,
        "principals": f"cluster.local/ns/{space}/sa/{account}",
        "serviceAccounts": f"{space}/{account}",
    }
    return all(known and _listed(names[key], texts(wanted, key)) for key in wanted)


def _listed(name: str, patterns: Iterable[str]) -> bool:
    """Istio's patterns: exact, `prefix*`, `*suffix`, `*`."""
    for each in patterns:
        if each in ("*", name) or (each.endswith("*") and name.startswith(each[:-1])):
            return True
        if each.startswith("*") and name.endswith(each[1:]):
            return True
    return False


def _operation(entry: Json, ends: ConnectionEnds) -> bool | None:
    wanted = mapping(entry, "operation")
    if set(wanted) - {"ports"} or ends.port is None:
        return None
    return str(ends.port) in texts(wanted, "ports")


# -- Linkerd ---------------------------------------------------------------------------------------------------------


def _linkerd_refuses(case: Case, ends: ConnectionEnds) -> Json | None:
    """A Server for the port to which no authorization refers: Linkerd then lets nobody in."""
    for server in objects(case, "Server"):
        chosen = mapping(server, "spec", "podSelector")
        fits = label_selector_matches(chosen, labels_of(ends.destination)) is True
        same = namespace_of(server) == namespace_of(ends.destination)
        if fits and same and _server_port(server, ends) and not _authorized(case, server):
            return server
    return None


def _server_port(server: Json, ends: ConnectionEnds) -> bool:
    port = mapping(server, "spec").get("port")
    if isinstance(port, int):
        return port == ends.port
    boxes = items(ends.destination, "spec", "containers")
    names = {text(each, "name"): each.get("containerPort") for box in boxes for each in items(box, "ports")}
    return port in names and names[port] == ends.port


def _authorized(case: Case, server: Json) -> bool:
    """Some authorization refers to the Server, or to its whole namespace: whom it lets in is not compared here."""
    if text(server, "spec", "accessPolicy") not in ("", "deny"):
        return True
    old = (text(each, "spec", "server", "name") for each in objects(case, "ServerAuthorization"))
    new = [each for each in objects(case, "AuthorizationPolicy") if "linkerd.io" in text(each, "apiVersion")]
    refs = (mapping(each, "spec", "targetRef") for each in new if namespace_of(each) == namespace_of(server))
    return name_of(server) in old or any(
        text(each, "kind") == "Namespace" or (text(each, "kind"), text(each, "name")) == ("Server", name_of(server))
        for each in refs
    )
