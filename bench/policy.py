"""How long the policy simulator takes on a large cluster: 5,000 pods, 1,000 policies, or so many times that.

uv run python bench/policy.py [times]

Milliseconds of the processor, so that what else runs on the machine counts little. Each kind of change has its own
line and its own limit: one that does not end is said so, and the next is measured all the same.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from flows.policy import CALICO_IPTABLES, CILIUM, PolicyWorld, Profile, Traffic, difference_of

NAMESPACES, APPS, REPLICAS, POLICIES = 50, 20, 5, 1000
LIMIT_S = 60.0  # of the processor, for one kind of change
Json = dict[str, Any]


def cluster(seed: int = 1) -> list[Json]:
    """50 namespaces of 20 workloads of 5 pods; 20 policies a namespace, 3 rules each, some with blocks and names."""
    chance = random.Random(seed)
    objects: list[Json] = [namespace(n) for n in range(NAMESPACES)]
    for n in range(NAMESPACES):
        for app in range(APPS):
            objects += [pod(n, app, replica) for replica in range(REPLICAS)]
    for number in range(POLICIES):
        objects.append(policy(number, chance))
    return objects


def namespace(n: int, team: int | None = None) -> Json:
    labels = {"team": f"t{n % 7 if team is None else team}"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"ns{n}", "labels": labels}}


def pod(n: int, app: int, replica: int) -> Json:
    labels = {"app": f"app{app}", "tier": f"tier{app % 4}", "pod-template-hash": f"h{app}"}
    owner = {"kind": "ReplicaSet", "name": f"app{app}-h{app}", "controller": True}
    metadata = {
        "name": f"app{app}-h{app}-{replica}",
        "namespace": f"ns{n}",
        "labels": labels,
        "ownerReferences": [owner],
    }
    containers = [{"ports": [{"name": "http", "containerPort": 8080}]}]
    status = {"podIP": f"10.{n % 250}.{n // 250 * APPS + app}.{replica + 1}", "phase": "Running"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": containers},
        "status": status,
    }


def policy(number: int, chance: random.Random, namespace: int | None = None) -> Json:
    n = number % NAMESPACES if namespace is None else namespace
    app = {"matchLabels": {"app": f"app{chance.randrange(APPS)}"}} if chance.random() < 0.8 else {}
    spec = {
        "podSelector": app,
        "policyTypes": ["Ingress", "Egress"],
        "egress": [rule("to", chance) for _ in range(3)],
        "ingress": [rule("from", chance) for _ in range(3)],
    }
    metadata = {"name": f"policy{number}", "namespace": f"ns{n}"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def rule(side: str, chance: random.Random) -> Json:
    if chance.random() < 0.1:
        return {side: [{"ipBlock": {"cidr": f"{chance.randrange(1, 200)}.0.0.0/8"}}], "ports": [{"port": 443}]}
    peer: Json = {"podSelector": {"matchLabels": {"app": f"app{chance.randrange(APPS)}"}}}
    if chance.random() < 0.7:
        peer["namespaceSelector"] = {"matchLabels": {"team": f"t{chance.randrange(7)}"}}
    return {side: [peer], "ports": [{"port": chance.choice([80, 443, 8080, "http"])}]}


def clusterwide(name: str, **spec: Json | list[Json]) -> Json:
    """A policy that selects every pod."""
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumClusterwideNetworkPolicy",
        "metadata": {"name": name},
        "spec": {"endpointSelector": {}, **spec},
    }


def changes() -> dict[str, Json]:
    """One of each kind. The clusterwide ones: what opens everything, what opens one workload to all, what denies one
    address, the same that also isolates (as Cilium does unless it is told not to), and what every pod is allowed."""
    chance = random.Random(3)
    one_app, whole = policy(7, chance), policy(8, chance)
    whole["spec"]["podSelector"] = {}
    api = {"matchLabels": {"app": "app3", "io.kubernetes.pod.namespace": "ns7"}}
    unasked: Json = {"enableDefaultDeny": {"ingress": False, "egress": False}}
    return {
        "one app": one_app,
        "whole namespace": whole,
        "clusterwide, all open": clusterwide(
            "c", ingress=[{"fromEntities": ["cluster"]}], egress=[{"toEntities": ["all"]}]
        ),
        "clusterwide, one workload": clusterwide("c", egress=[{"toEndpoints": [api]}], **unasked),
        "clusterwide, one address denied": clusterwide("c", egressDeny=[{"toCIDR": ["10.1.0.1/32"]}], **unasked),
        "clusterwide, all isolated": clusterwide("c", egressDeny=[{"toCIDR": ["10.1.0.1/32"]}]),
        "clusterwide, nothing new": clusterwide("c", ingress=[{"fromEntities": ["host"]}], **unasked),
        "a namespace's labels": namespace(3, team=5),
    }


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return (time.process_time() - start) * 1000, result


def judging(world: PolicyWorld, count: int = 300) -> list[float]:
    chance = random.Random(2)
    pods = list(world.inventory.pods.values())
    questions = [Traffic(chance.choice(pods), chance.choice(pods), "TCP", 8080) for _ in range(count)]
    return sorted(timed(lambda q=question: world.judge(q))[0] for question in questions)  # type: ignore[misc]


def crowded(profile: Profile) -> PolicyWorld:
    """The worst case: a hundred pods, each selected by about 250 policies, all of them walked and put into words."""
    chance = random.Random(5)
    pods = [item for item in cluster() if item["kind"] == "Pod" and item["metadata"]["namespace"] == "ns3"]
    return PolicyWorld.of([namespace(3), *pods, *(policy(n, chance, namespace=3) for n in range(POLICIES))], profile)


def measure(profile: Profile) -> dict[str, float]:
    """Print what it takes; milliseconds of the index, of the usual question and of the worst difference."""
    objects = cluster()
    indexing, world = timed(lambda: PolicyWorld.of(objects, profile))
    places, _ = timed(lambda: world.inventory)
    times = judging(world)
    print(f"{profile.datapath.value}: {len(world.inventory.pods)} pods, {len(world.policies)} policies")
    print(
        f"  index {indexing + places:.0f} ms; judge one connection: median {statistics.median(times):.2f} ms, ", end=""
    )
    print(f"99 % {times[int(len(times) * 0.99)]:.2f} ms, worst {times[-1]:.2f} ms")
    if POLICIES == 1000:
        crowd = judging(crowded(profile), 60)
        worst = f"median {statistics.median(crowd):.0f} ms, worst {crowd[-1]:.0f} ms"
        print(f"  all {POLICIES:,} policies in one namespace: {worst}")
    worst_change = max(measure_change(world, name, change) for name, change in changes().items())
    print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return {"index": indexing + places, "query": statistics.median(times), "difference": worst_change}


class NotEnded(Exception):
    """Raised where one kind of change takes more than its share of the processor."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise NotEnded

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def measure_change(world: PolicyWorld, name: str, change: Json) -> float:
    """Print what one change takes; milliseconds of all of it, those of the limit where it did not end."""
    try:
        with limited(LIMIT_S):
            patching, after = timed(lambda: world.with_objects([change]))
            moving, _ = timed(lambda: after.inventory)
            comparing, diff = timed(lambda: difference_of(world, after))
    except NotEnded:
        print(f"  change of {name}: not ended after {LIMIT_S:.0f} s")
        return LIMIT_S * 1000
    counts = f"{len(diff.opened)} opened, {len(diff.closed)} closed, {len(diff.undecidable)} undecidable"
    counts += "" if diff.complete else ", too broad to be listed whole"
    print(f"  change of {name}: patch {patching + moving:.0f} ms, newly allowed {comparing:.0f} ms ({counts})")
    return patching + moving + comparing


if __name__ == "__main__":
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    NAMESPACES, POLICIES = NAMESPACES * times, POLICIES * times
    for each in (CILIUM, CALICO_IPTABLES):
        print(json.dumps(measure(each)))
