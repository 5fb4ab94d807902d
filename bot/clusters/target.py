"""Finds the pod a person means: an exact name, a prefix, `deploy/api`, `svc/api`, or the bare name of a workload.

Of several pods of one workload a failing one is picked first, since that is the one people ask about; the note says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

from sensors.kit.cluster import Cluster, Object
from sensors.kit.kinds import NAMESPACE, POD, REPLICA_SET, SERVICE
from sensors.kit.model import Target
from sensors.kit.nearest import nearest
from sensors.kit.objects import (
    Ref,
    controller_of,
    created_at,
    labels_of,
    name_of,
    namespace_of,
    pod_is_over,
    pod_is_ready,
    selects,
    string_map,
    text,
    workload_of,
)
from sensors.kit.reading import if_readable, pods_near

WORKLOAD_KINDS = {
    **dict.fromkeys(("deploy", "deployment", "deployments"), "Deployment"),
    **dict.fromkeys(("sts", "statefulset", "statefulsets"), "StatefulSet"),
    **dict.fromkeys(("ds", "daemonset", "daemonsets"), "DaemonSet"),
    **dict.fromkeys(("rs", "replicaset", "replicasets"), "ReplicaSet"),
    **dict.fromkeys(("job", "jobs"), "Job"),
    **dict.fromkeys(("po", "pod", "pods"), "Pod"),
    **dict.fromkeys(("svc", "service", "services"), "Service"),
}
"""kubectl's short names; in `word/word` they win over a namespace of the same name, if there is such a workload."""


class NoSuchPod(ValueError):
    """The word names no pod, or more than one thing. The message is one line and says what is nearest."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The pod to look at; `note` says how it was chosen where the person left a choice."""

    target: Target
    note: str = ""


async def resolve(
    cluster: Cluster,
    word: str,
    namespace: str,
    to_host: str | None = None,
    to_port: int | None = None,
    to_protocol: str | None = None,
) -> Resolved:
    """The pod that `word` means, seen from `namespace`. Raises `NoSuchPod`; `Blind` when pods cannot be read."""
    found = resolve_among(await read_listing(cluster, namespace), word, namespace)
    return replace(found, target=replace(found.target, to_host=to_host, to_port=to_port, to_protocol=to_protocol))


PodsByWord = Mapping[str, Sequence[Object]]


@dataclass(frozen=True)
class Listing:
    """Workloads to choose from, read once. `namespaces` is None where they cannot be listed.

    Many questions are asked of one listing, and a cluster has 20,000 pods and more ReplicaSets: each is looked up by a
    word, and none is gone through for each question.
    """

    pods: tuple[Object, ...]
    replica_sets: tuple[Object, ...] = ()
    namespaces: frozenset[str] | None = None
    services: tuple[Object, ...] = ()

    def workload(self, pod: Object) -> Ref | None:
        """Workload of a pod: the Deployment behind its ReplicaSet, a StatefulSet, a Job."""
        owner = controller_of(pod)
        return None if owner is None else workload_of(pod, self._sets.get((owner.namespace, owner.name), ()))

    @cached_property
    def _sets(self) -> Mapping[tuple[str, str], tuple[Object]]:
        return {(namespace_of(each), name_of(each)): (each,) for each in self.replica_sets}

    @cached_property
    def by_name(self) -> PodsByWord:
        return _indexed((name_of(each), each) for each in self.pods)

    @cached_property
    def by_namespace(self) -> PodsByWord:
        return _indexed((namespace_of(each), each) for each in self.pods)

    @cached_property
    def by_node(self) -> PodsByWord:
        return _indexed((text(each, "spec", "nodeName"), each) for each in self.pods)

    def owned(self, name: str, namespace: str = "") -> Iterator[Object]:
        """Pods whose workload, or whose ReplicaSet between, has that name; without a namespace in all of them."""
        for space in (namespace,) if namespace else self.by_namespace:
            if space not in self._owners:
                owners = (
                    (each, {self.workload(each), controller_of(each)}) for each in self.by_namespace.get(space, ())
                )
                self._owners[space] = _indexed((it.name, each) for each, both in owners for it in both if it)
            yield from self._owners[space].get(name, ())

    @cached_property
    def _owners(self) -> dict[str, PodsByWord]:
        """By namespace, each as soon as it is asked for."""
        return {}


def _indexed(pairs: Iterable[tuple[str, Object]]) -> PodsByWord:
    found: dict[str, list[Object]] = {}
    for word, each in pairs:
        found.setdefault(word, []).append(each)
    return found


async def read_listing(cluster: Cluster, namespace: str = "") -> Listing:
    """Raises `Blind` when pods cannot be read; the rest may be missing.

    Where all pods are too many to be read, those of `namespace` must do.
    """
    pods = await (pods_near(cluster, namespace) if namespace else cluster.objects(POD))
    (sets, _), (spaces, _), (services, _) = await asyncio.gather(
        *(if_readable(cluster.objects(kind)) for kind in (REPLICA_SET, NAMESPACE, SERVICE))
    )
    return Listing(pods, sets or (), None if spaces is None else frozenset(map(name_of, spaces)), services or ())


def resolve_among(listing: Listing, word: str, namespace: str) -> Resolved:
    """The same among what was read before. Raises `NoSuchPod`."""
    kind, name, space = _split(word.strip(), namespace)
    scene = _Scene(listing, space)
    (pod, note), space = _found(word.strip(), kind, name, scene)
    return Resolved(Target(name_of(pod), space), note)


def failing_first(pods: Iterable[Object]) -> list[Object]:
    """Pods that are not over: those that are not ready first, then the newest."""
    alive = [each for each in pods if not pod_is_over(each)]
    return sorted(alive, key=lambda each: (pod_is_ready(each) is True, -_birth(each), name_of(each)))


def _found(word: str, kind: str, name: str, scene: _Scene) -> tuple[tuple[Object, str], str]:
    """The pod and its namespace. `jobs/worker-1` is a Job where there is one, else a pod of a namespace so named."""
    space = word.partition("/")[0]
    try:
        return _find(kind, name, scene), scene.namespace
    except NoSuchPod:
        if not kind or space not in scene.listing.by_namespace:
            raise
    return _find("", name, replace(scene, namespace=space)), space


@dataclass(frozen=True, slots=True)
class _Scene:
    """A listing as it is seen from a namespace."""

    listing: Listing
    namespace: str

    @property
    def here(self) -> Sequence[Object]:
        return self.listing.by_namespace.get(self.namespace, ())

    def workload(self, pod: Object) -> Ref | None:
        return self.listing.workload(pod)


def _split(word: str, namespace: str) -> tuple[str, str, str]:
    """(kind or empty, name, namespace): `deploy/api` has a kind, `shop/api-1` a namespace."""
    before, slash, after = word.partition("/")
    if not slash:
        return "", word, namespace
    kind = WORKLOAD_KINDS.get(before.lower(), "")
    return (kind, after, namespace) if kind else ("", after, before)


def _find(kind: str, name: str, scene: _Scene) -> tuple[Object, str]:
    if not name:
        raise NoSuchPod("name a pod: POD, NAMESPACE/POD or deploy/NAME")
    exact = next((each for each in scene.here if name_of(each) == name), None)
    if exact is not None and kind in ("", "Pod"):
        return exact, ""
    if owned := _owned(kind, name, scene):
        return _one_of(owned, scene, kind)
    if kind == "Service":
        raise NoSuchPod(f'service "{name}" in namespace "{scene.namespace}" selects no pod')
    if kind in ("", "Pod") and (prefixed := [each for each in scene.here if name_of(each).startswith(name)]):
        return _one_by_prefix(name, prefixed, scene)
    raise NoSuchPod(_nothing(kind, name, scene))


def _owned(kind: str, name: str, scene: _Scene) -> list[Object]:
    """The pods of a workload; also those of one ReplicaSet, or behind one Service, if that is what was named."""
    if kind == "Pod":
        return []
    if kind == "Service":
        return _behind(name, scene)
    here = scene.listing.owned(name, scene.namespace)
    owners = ((each, scene.workload(each), controller_of(each)) for each in here)
    return [pod for pod, top, near in owners if any(_is(owner, kind, name) for owner in (top, near))]


def _behind(name: str, scene: _Scene) -> list[Object]:
    """The pods that a Service selects. Raises `NoSuchPod` where there is none of that name."""
    there = {name_of(each): each for each in scene.listing.services if namespace_of(each) == scene.namespace}
    if name not in there:
        raise NoSuchPod(f'no service "{name}" in namespace "{scene.namespace}"{_near(name, there)}')
    return [each for each in scene.here if selects(string_map(there[name], "spec", "selector"), labels_of(each))]


def _is(owner: Ref | None, kind: str, name: str) -> bool:
    return owner is not None and owner.name == name and kind in ("", owner.kind)


def _one_of(pods: list[Object], scene: _Scene, kind: str = "") -> tuple[Object, str]:
    """One pod of a workload: one that is not ready, else the newest."""
    workloads = {str(each) for each in map(scene.workload, pods) if each}
    if len(workloads) > 1 and kind != "Service":
        raise NoSuchPod(f"more than one workload of that name: {', '.join(sorted(workloads))}; say which (deploy/NAME)")
    alive = failing_first(pods) or sorted(pods, key=lambda each: (-_birth(each), name_of(each)))
    return alive[0], _note(alive[0], alive, scene)


def _note(chosen: Object, pods: list[Object], scene: _Scene) -> str:
    if len(pods) == 1:
        return ""
    why = "the newest, all are ready" if pod_is_ready(chosen) else "it is not ready"
    return f"{name_of(chosen)} is one of {len(pods)} pods of {scene.workload(chosen)}: {why}"


def _one_by_prefix(name: str, pods: list[Object], scene: _Scene) -> tuple[Object, str]:
    """The pod, or the one workload's pods, that begin with the word."""
    if len(pods) == 1:
        return pods[0], f'"{name}" is read as {name_of(pods[0])}'
    if len({scene.workload(each) for each in pods}) == 1 and scene.workload(pods[0]) is not None:
        return _one_of(pods, scene)
    raise NoSuchPod(f'"{name}" fits several pods in namespace "{scene.namespace}": {_some(map(name_of, pods))}')


def _nothing(kind: str, name: str, scene: _Scene) -> str:
    what = kind.lower() if kind else "pod"
    said = f'no {what} "{name}" in namespace "{scene.namespace}"'
    spaces_there = scene.listing.namespaces
    if spaces_there is not None and scene.namespace not in spaces_there:
        return f'no namespace "{scene.namespace}"{_near(scene.namespace, spaces_there)}'
    alike = (*scene.listing.by_name.get(name, ()), *scene.listing.owned(name))
    if spaces := sorted({namespace_of(each) for each in alike if _fits(each, kind, name, scene)}):
        return f"{said}; there is one in {_some(spaces)}"
    near = _near(name, _known(scene))
    return said + (near or _there(kind, scene))


def _fits(pod: Object, kind: str, name: str, scene: _Scene) -> bool:
    own = kind in ("", "Pod") and name_of(pod) == name
    return own or (kind != "Pod" and _is(scene.workload(pod), kind, name))


def _known(scene: _Scene) -> Iterable[str]:
    workloads = (each.name for each in map(scene.workload, scene.here) if each)
    return (*map(name_of, scene.here), *workloads)


def _near(word: str, known: Iterable[str]) -> str:
    near = nearest(word, known)
    return f"; nearest: {', '.join(near)}" if near else ""


def _there(kind: str, scene: _Scene) -> str:
    """Lists the pods where nothing resembles the word: a small namespace answers itself."""
    if kind not in ("", "Pod") and (owners := _owners(kind, scene)):
        return f"; it has {_some(owners, 4)}"
    return f"; it has {_some(map(name_of, scene.here), 4)}" if scene.here else "; it has no pods"


def _owners(kind: str, scene: _Scene) -> set[str]:
    """The workloads of a kind that have pods here."""
    found = (each for pod in scene.here for each in (scene.workload(pod), controller_of(pod)) if each)
    return {each.name for each in found if each.kind == kind}


def _some(names: Iterable[str], limit: int = 6) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more


def _birth(pod: Object) -> float:
    return (created_at(pod) or datetime.fromtimestamp(0, UTC)).timestamp()
