"""What one investigation asks of a very large cluster: 5,000 nodes, 150,000 pods, 10,000 policies.

    python bench/scale.py [--nodes N] [--pods N] [--policies N]

A recorded incident stands in a crowd of made objects, served over a socket in pages as an API server does (`limit`,
`continue`, `remainingItemCount`, one namespace), and its relay answers for all nodes. The servers are a process of
their own. Told are requests, bytes, seconds and memory of one investigation, and how many pages of each list it read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from aiohttp import web  # noqa: E402

from bench.live import NAME  # noqa: E402
from sensors.access.kube.lists import LIST_PAGE_SIZE  # noqa: E402

NODES, PODS, POLICIES = 5_000, 150_000, 10_000
SPACES = 500
SERVICE_PODS = 15  # pods behind one Service
APIS = {
    **dict.fromkeys(("pods", "nodes", "services"), "/api/v1/"),
    "networkpolicies": "/apis/networking.k8s.io/v1/",
    "endpointslices": "/apis/discovery.k8s.io/v1/",
    **dict.fromkeys(("ciliumendpoints", "ciliumnodes"), "/apis/cilium.io/v2/"),
}
MOST_MADE = 100_000  # of one kind, made before anybody asks
Json = dict[str, Any]


# -- the crowd ---------------------------------------------------------------------------------------------------------


def node(number: int) -> Json:
    """About 9 kB, most of it the names of images."""
    address = f"172.{16 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"
    images = [
        {"names": [f"registry.example/shop/app{each}@sha256:{each:064}"], "sizeBytes": each} for each in range(50)
    ]
    return {
        "metadata": {
            "name": f"node-{number}",
            "uid": f"n{number}",
            "labels": {"kubernetes.io/os": "linux", "kubernetes.io/hostname": f"node-{number}"},
            "managedFields": [written("kubelet", {"f:status": owned("conditions", "images", "addresses")}, "status")],
        },
        "spec": {"podCIDR": f"100.{number // 256}.{number % 256}.0/24"},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}],
            "conditions": conditions("MemoryPressure", "DiskPressure", "PIDPressure", "Ready"),
            "nodeInfo": {"kubeletVersion": "v1.36.3", "kernelVersion": "6.12.0", "osImage": "Debian GNU/Linux 13"},
            "images": images,
        },
    }


def owned(*fields: str) -> Json:
    return {f"f:{each}": {} for each in fields}


def written(by: str, fields: Json, part: str = "") -> Json:
    entry = {"manager": by, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}
    return {**entry, "time": "2026-11-20T08:00:00Z", **({"subresource": part} if part else {})}


def conditions(*types: str) -> list[Json]:
    at = {"lastProbeTime": None, "lastTransitionTime": "2026-11-20T08:00:00Z", "observedGeneration": 1}
    return [{"type": each, "status": str(each not in types[:-1] or len(types) == 1), **at} for each in types]


CONTAINER = ("image", "imagePullPolicy", "name", "resources", "terminationMessagePath", "terminationMessagePolicy")


def pod(number: int, nodes: int) -> Json:
    """About 6 kB, as a pod of a Deployment of three: its token's volume, its tolerations, and who wrote what."""
    name, app, host = f"app-{number}", f"app{number % 40}", number % nodes
    uid = f"{number // 3:08}-5f1e-4c39-8b7e-5d8f5f0c3a11"
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{app}-h", "uid": uid, "controller": True}
    address = address_of(number, nodes)
    ports = {".": {}, 'k:{"containerPort":8080,"protocol":"TCP"}': {".": {}, **owned("containerPort", "protocol")}}
    environ = {".": {}, **{f'k:{{"name":"SETTING_{each}"}}': owned("name", "value") for each in range(6)}}
    container = {'k:{"name":"app"}': {".": {}, **owned(*CONTAINER), "f:ports": ports, "f:env": environ}}
    owners = {".": {}, f'k:{{"uid":"{uid}"}}': {}}
    made = {"f:metadata": {**owned("generateName", "labels"), "f:ownerReferences": owners}}
    made["f:spec"] = {"f:containers": container, **owned("dnsPolicy", "restartPolicy", "schedulerName", "tolerations")}
    stated = {
        f'k:{{"type":"{each}"}}': owned("lastTransitionTime", "status", "type") for each in ("Initialized", "Ready")
    }
    addresses = {".": {}, f'k:{{"ip":"{address}"}}': {".": {}, "f:ip": {}}}
    status = {
        "f:status": {"f:conditions": stated, "f:podIPs": addresses, **owned("containerStatuses", "hostIP", "phase")}
    }
    token = f"kube-api-access-{number:05}"
    return {
        "metadata": {
            "name": name,
            "namespace": f"team-{number % SPACES}",
            "uid": f"p{number}",
            "creationTimestamp": "2026-11-20T08:00:00Z",
            "labels": {"app": app, "tier": f"tier{number % 4}", "pod-template-hash": f"h{app}"},
            "ownerReferences": [owner],
            "managedFields": [written("kube-controller-manager", made), written("kubelet", status, "status")],
        },
        "spec": {
            "nodeName": f"node-{host}",
            "serviceAccountName": "default",
            "dnsPolicy": "ClusterFirst",
            "tolerations": [tolerated("not-ready"), tolerated("unreachable")],
            "volumes": [{"name": token, "projected": {"defaultMode": 420, "sources": TOKEN}}],
            "containers": [
                {
                    "name": "app",
                    "image": f"shop/{app}:1.0",
                    "ports": [{"containerPort": 8080}],
                    "env": [{"name": f"SETTING_{each}", "value": f"{app}-{each}"} for each in range(6)],
                    "volumeMounts": [{"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "name": token}],
                }
            ],
        },
        "status": {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": "2026-11-20T08:00:00Z",
            "conditions": conditions("Ready"),
            "containerStatuses": [
                {
                    "name": "app",
                    "ready": True,
                    "restartCount": 0,
                    "imageID": f"shop/{app}@sha256:{number % 40:064}",
                    "containerID": f"containerd://{number:064}",
                    "state": {"running": {"startedAt": "2026-11-20T08:00:00Z"}},
                }
            ],
        },
    }


def tolerated(what: str) -> Json:
    return {"effect": "NoExecute", "key": f"node.kubernetes.io/{what}", "operator": "Exists", "tolerationSeconds": 300}


FIELD = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
TOKEN: list[Json] = [
    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    {"downwardAPI": {"items": [FIELD]}},
]


def address_of(number: int, nodes: int) -> str:
    host = number % nodes
    return f"100.{host // 256}.{host % 256}.{number // nodes % 250 + 1}"


def service(number: int) -> Json:
    address = f"10.{100 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"
    return {
        "metadata": {"name": f"service-{number}", "namespace": f"team-{number % SPACES}", "uid": f"s{number}"},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "selector": {"app": f"app{number % 40}"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
        },
    }


def endpoint_slice(number: int, nodes: int) -> Json:
    """Endpoints of the pods of one Service: those of its namespace, by number."""
    space, turn = number % SPACES, number // SPACES
    pods = range(space + turn * SPACES * SERVICE_PODS, space + (turn + 1) * SPACES * SERVICE_PODS, SPACES)
    there = {"ready": True, "serving": True, "terminating": False}
    return {
        "metadata": {
            "name": f"service-{number}-x",
            "namespace": f"team-{space}",
            "uid": f"e{number}",
            "labels": {"kubernetes.io/service-name": f"service-{number}"},
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [address_of(each, nodes)],
                "conditions": there,
                "nodeName": f"node-{each % nodes}",
                "targetRef": {"kind": "Pod", "name": f"app-{each}", "namespace": f"team-{space}", "uid": f"p{each}"},
            }
            for each in pods
        ],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def cilium_node(number: int) -> Json:
    made = node(number)
    addresses = [{"type": "InternalIP", "ip": made["status"]["addresses"][0]["address"]}]
    spec = {"addresses": addresses, "ipam": {"podCIDRs": [made["spec"]["podCIDR"]]}}
    return {"metadata": {"name": f"node-{number}", "uid": f"x{number}"}, "spec": spec}


def cilium_endpoint(number: int, nodes: int) -> Json:
    space, name = f"team-{number % SPACES}", f"app-{number}"
    labels = [f"k8s:app=app{number % 40}", f"k8s:io.kubernetes.pod.namespace={space}"]
    return {
        "metadata": {"name": name, "namespace": space, "uid": f"c{number}", "labels": {"app": f"app{number % 40}"}},
        "status": {
            "id": number,
            "identity": {"id": 20000 + number % 20000, "labels": labels},
            "networking": {"addressing": [{"ipv4": address_of(number, nodes)}], "node": f"node-{number % nodes}"},
            "state": "ready",
        },
    }


def policy(number: int) -> Json:
    from bench.policy import policy as any_policy

    made = any_policy(number, random.Random(number))
    return {"metadata": made["metadata"] | {"namespace": f"team-{number % SPACES}"}, "spec": made["spec"]}


@dataclass
class Crowd:
    """One kind of made objects, asked for in pages. `first` are those of the recording; they come first."""

    count: int
    make: Callable[[int], Json]
    first: list[Json] = field(default_factory=list)
    namespaced: bool = True

    def page(self, namespace: str, begin: int, limit: int) -> tuple[list[Json], int]:
        """The objects of a page, and how many remain behind it."""
        first = [each for each in self.first if namespace in ("", each["metadata"].get("namespace"))]
        rest = self._of(namespace)
        whole = len(first) + len(rest)
        here = [*first[begin : begin + limit]]
        at = max(begin - len(first), 0)
        here += [self.make(number) for number in rest[at : at + limit - len(here)]]
        return here, max(whole - begin - limit, 0)

    def _of(self, namespace: str) -> range:
        if not namespace:
            return range(self.count)
        number = namespace.removeprefix("team-")
        return range(int(number), self.count, SPACES) if number.isdigit() else range(0)


@dataclass
class Books:
    """What was asked for, and how much went out."""

    requests: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)


def paged(crowd: Crowd, plural: str, books: Books) -> Callable[[web.Request], Awaitable[web.StreamResponse | None]]:
    """Answers lists as an API server does; pages are made once, for making them takes longer than reading them."""

    @cache
    def made(namespace: str, begin: int, limit: int) -> bytes:
        found, rest = crowd.page(namespace, begin, limit)
        more = {"continue": str(begin + limit), "remainingItemCount": rest} if rest else {}
        return json.dumps({"metadata": more, "items": found}, default=str).encode()

    for begin in range(0, crowd.count if crowd.count <= MOST_MADE else LIST_PAGE_SIZE, LIST_PAGE_SIZE):
        made("", begin, LIST_PAGE_SIZE)

    async def answer(request: web.Request) -> web.StreamResponse | None:
        if not request.path.startswith(APIS[plural]):
            return None  # a kind of the same name in another group (Calico's NetworkPolicy), which is not installed
        if {"fieldSelector", "labelSelector"} & request.query.keys():
            return web.Response(status=400, text="this server cannot select, and does not pretend to")
        parts = request.path.split("/")
        namespace = parts[parts.index("namespaces") + 1] if "namespaces" in parts else ""
        begin, limit = int(request.query.get("continue", "0")), int(request.query.get("limit", "1000000000"))
        body = made(namespace, begin, limit)
        books.requests[plural] += 1
        books.bytes[plural] += len(body)
        return web.Response(body=body, content_type="application/json")

    return answer


def crowds(nodes: int, pods: int, policies: int, recorded: Callable[[str], Iterable[Any]]) -> dict[str, Crowd]:
    """By plural, each with the recording's own objects of the kind."""
    return {
        "pods": Crowd(pods, lambda number: pod(number, nodes), list(map(dict, recorded("Pod")))),
        "nodes": Crowd(nodes, node, list(map(dict, recorded("Node"))), namespaced=False),
        "networkpolicies": Crowd(policies, policy, list(map(dict, recorded("NetworkPolicy")))),
        "services": Crowd(pods // SERVICE_PODS, service, list(map(dict, recorded("Service")))),
        "endpointslices": Crowd(
            pods // SERVICE_PODS,
            lambda number: endpoint_slice(number, nodes),
            list(map(dict, recorded("EndpointSlice"))),
        ),
        "ciliumnodes": Crowd(nodes, cilium_node, list(map(dict, recorded("CiliumNode"))), namespaced=False),
        "ciliumendpoints": Crowd(
            pods, lambda number: cilium_endpoint(number, nodes), list(map(dict, recorded("CiliumEndpoint")))
        ),
    }


# -- the servers, in a process of their own ----------------------------------------------------------------------------


async def serve(folder: Path, nodes: int, pods: int, policies: int) -> None:
    """Say where they are; on each line that comes in, say what was asked since and begin anew."""
    from sensors.access.casefolder import open_case
    from tests.live.front import standing_in
    from tests.live.world import CASES, recorded_nodes, world_of

    case, books = open_case(CASES / NAME), Books()
    recorded = lambda kind: _recorded(case, kind)  # noqa: E731
    made = crowds(nodes, pods, policies, recorded)
    made["pods"].first += standing_in(CASES / NAME, case, agents=False)
    relay = [*recorded_nodes(CASES / NAME), *silent(nodes)]
    async with world_of(NAME, folder, nodes=relay) as world:
        for plural, crowd in made.items():
            world.front.faults[f"/{plural}"] = paged(crowd, plural, books)
        print(json.dumps([str(world.kubeconfig), world.relay.address]), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            others = len(world.front.asked) - sum(books.requests.values())
            print(json.dumps([books.requests, books.bytes, others]), flush=True)
            world.front.asked.clear()
            books.requests.clear()
            books.bytes.clear()


def _recorded(case: Any, kind: str) -> list[Json]:
    return [dict(each) for (_, name), found in case.recorded.by_kind.items() if name == kind for each in found]


def silent(count: int) -> list[Any]:
    """Nodes that are connected and have seen nothing of the pod."""
    from lab.observer import Node, Ring

    return [Node(Ring(f"node-{number}"), version="cilium v1.20.2") for number in range(count)]


# -- one investigation -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """What one investigation cost."""

    cause: str
    seconds: float
    cpu_s: float
    rss_mb: float
    requests: dict[str, int]
    bytes: dict[str, int]
    other_requests: int


def investigate(nodes: int = NODES, pods: int = PODS, policies: int = POLICIES) -> Cost:
    from bench.live import _in_its_own_process

    with tempfile.TemporaryDirectory() as scratch:
        sizes = [str(each) for each in (nodes, pods, policies)]
        command = [sys.executable, __file__, "--serve", scratch, *sizes]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin
            assert server.stdout
            where = json.loads(server.stdout.readline())
            found = asyncio.run(_in_its_own_process(*where, 1, 0, 2.0))
            server.stdin.write("\n")
            server.stdin.flush()
            requests, sizes_, others = json.loads(server.stdout.readline())
            server.stdin.close()
            server.wait(20)
    # the process asked twice: once to have everything imported
    half = {key: value // 2 for key, value in requests.items()}, {key: value // 2 for key, value in sizes_.items()}
    return Cost(found["causes"][0], found["seconds"][0], found["cpu_s"], found["rss_mb"], *half, others // 2)


def figures() -> list[tuple[str, str]]:
    """For the table: the same incident in a small cluster and in the large one."""
    small, large = investigate(10, 500, 100), investigate()
    sizes = ((10, 500, 100, small), (NODES, PODS, POLICIES, large))
    return [(f"one investigation, {n:,} nodes, {p:,} pods, {q:,} policies", told(cost)) for n, p, q, cost in sizes]


def told(cost: Cost) -> str:
    megabytes = sum(cost.bytes.values()) / 2**20
    requests = sum(cost.requests.values()) + cost.other_requests
    return (
        f"{cost.cause}: {cost.seconds:.1f} s (2 of them listening), CPU {cost.cpu_s:.1f} s, {cost.rss_mb:.0f} MB, "
        f"{requests} requests, {megabytes:.1f} MiB of lists "
        f"({', '.join(f'{key} {cost.requests[key]} pages' for key in sorted(cost.requests))})"
    )


def main(words: Sequence[str]) -> int:
    if words[:1] == ["--serve"]:
        asyncio.run(serve(Path(words[1]), *(int(each) for each in words[2:])))
        return 0
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--pods", type=int, default=PODS)
    parser.add_argument("--policies", type=int, default=POLICIES)
    asked = parser.parse_args(words)
    print(told(investigate(asked.nodes, asked.pods, asked.policies)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
