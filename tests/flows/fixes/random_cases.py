"""Random small clusters as cases: workloads with labels and ports, policies with everyday slips, one refused way.

The refused connection is picked by the second opinion (`lab.oracle`); the simulator is never asked.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.model import Case
from lab.oracle import CannotTell, End, OracleNetwork
from sensors.hubble.outcomes import Connection, ConnectionOutcome, Drop, Party
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.kit.cluster import Environment
from sensors.kit.model import Evidence, Sight, Target

Json = dict[str, Any]
AT = datetime(2026, 11, 28, 21, 30, tzinfo=UTC)
SPACES = ("shop", "data", "pay")
APPS = {"web": 8080, "api": 8080, "db": 5432, "cache": 6379, "worker": 80, "auth": 9000}
OUTSIDE = ("203.0.113.10", "198.51.100.7", "10.9.9.9", "192.168.7.7")
BLOCKS = ("10.0.0.0/8", "10.244.0.0/16", "203.0.113.0/24", "0.0.0.0/0", "192.168.0.0/16", "10.96.0.0/16")
ENTITIES = ("world", "cluster", "host", "remote-node", "kube-apiserver", "health", "unmanaged", "init", "ingress")
PORTS = (80, 443, 5432, 6379, 8080, 9000, 9090)


@dataclass(frozen=True)
class Refused:
    """One cluster with one connection that it refuses."""

    objects: list[Json]
    source: End
    destination: End
    port: int
    egress: bool

    @property
    def network(self) -> OracleNetwork:
        return OracleNetwork(self.objects)


class Chance(random.Random):
    def often(self, share: float = 0.5) -> bool:
        return self.random() < share


def refused(seed: int, mixed: bool) -> Refused | None:
    """A cluster of NetworkPolicies (`mixed`: and Cilium's) with a refused connection; None where it has none."""
    chance = Chance(seed)
    objects = cluster(chance, mixed)
    network = OracleNetwork(objects)
    found = [each for each in _tries(network, chance) if (side := _refusing(network, *each)) is not None]
    if not found:
        return None
    source, destination, port = chance.choice(found)
    side = _refusing(network, source, destination, port)
    return Refused(objects, source, destination, port, side == "EGRESS")


def _tries(network: OracleNetwork, chance: Chance) -> list[tuple[End, End, int]]:
    pods = sorted(network.pods.values(), key=lambda each: (each.namespace, each.name))
    inside = [(a, b, port) for a in pods for b in pods if a.workload != b.workload for port in sorted(b.declared)]
    world = [(a, End(ip=ip, words=frozenset({"world"})), 443) for a in pods for ip in OUTSIDE[:2]]
    return [*inside, *(world if chance.often(0.15) else [])]


def _refusing(network: OracleNetwork, source: End, destination: End, port: int) -> str | None:
    packet = ("TCP", port)
    try:
        if not network.side(source, destination, destination, packet, True):
            return "EGRESS"
        return None if network.side(destination, source, destination, packet, False) else "INGRESS"
    except CannotTell:
        return None


# -- the cluster -----------------------------------------------------------------------------------------------------


def cluster(chance: Chance, mixed: bool) -> list[Json]:
    spaces = chance.sample(SPACES, chance.randint(1, 3))
    objects: list[Json] = [_space(name, chance) for name in spaces]
    for number, space in enumerate(spaces):
        for place, app in enumerate(chance.sample(sorted(APPS), chance.randint(2, 4))):
            objects += _workload(space, app, 10 * number + place, chance)
    count = chance.randint(1, 5)
    for number in range(count):
        cilium = mixed and chance.often(0.6)
        objects.append(a_cilium_policy(number, spaces, chance) if cilium else _kubernetes(number, spaces, chance))
    return objects


def _space(name: str, chance: Chance) -> Json:
    team = {"team": chance.choice(("blue", "red"))} if chance.often(0.6) else {}
    labels = {"kubernetes.io/metadata.name": name, **team}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels, "resourceVersion": "1"},
    }


def _workload(space: str, app: str, number: int, chance: Chance) -> list[Json]:
    """One or two pods of one Deployment, and perhaps its Service."""
    labels = {"app": app, "pod-template-hash": "5d4f9c7b8"}
    labels |= {"tier": chance.choice(("front", "back"))} if chance.often(0.6) else {}
    ports = [{"containerPort": APPS[app], "name": "main"}] if chance.often(0.85) else []
    ports += [{"containerPort": 9090, "name": "metrics"}] if chance.often(0.3) else []
    pods = [_pod(space, app, labels, ports, number, copy, chance) for copy in range(chance.randint(1, 2))]
    return [*pods, *([_service(space, app)] if chance.often(0.4) else [])]


def _pod(space: str, app: str, labels: Json, ports: list[Json], number: int, copy: int, chance: Chance) -> Json:
    node, ip = f"n{copy + 1}", f"10.244.{copy + 1}.{10 + number}"
    owner = {"kind": "ReplicaSet", "name": f"{app}-5d4f9c7b8", "controller": True}
    meta = {"name": f"{app}-5d4f9c7b8-x{copy}", "namespace": space, "labels": labels, "ownerReferences": [owner]}
    spec = {"nodeName": node, "serviceAccountName": "default", "containers": [{"name": "c", "ports": ports}]}
    status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}


def _service(space: str, app: str) -> Json:
    spec = {"selector": {"app": app}, "clusterIP": "10.96.0.9", "ports": [{"port": 80, "targetPort": APPS[app]}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": app, "namespace": space}, "spec": spec}


# -- policies with everyday slips ------------------------------------------------------------------------------------


def _kubernetes(number: int, spaces: list[str], chance: Chance) -> Json:
    space = chance.choice(spaces)
    spec: Json = {"podSelector": _selector(chance, 0.3), "policyTypes": []}
    for kind, key, side in (("Ingress", "ingress", "from"), ("Egress", "egress", "to")):
        if chance.often(0.6) or (kind == "Egress" and not spec["policyTypes"]):
            spec["policyTypes"].append(kind)
            spec[key] = [_kubernetes_rule(side, spaces, chance) for _ in range(chance.randint(0, 2))]
    meta = {"name": f"p{number}", "namespace": space, "generation": 1, "resourceVersion": "9"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}


def _selector(chance: Chance, everybody: float) -> Json:
    shape = chance.random()
    if shape < everybody:
        return {}
    if shape < 0.8:
        app = chance.choice(sorted(APPS))
        return {"matchLabels": {"app": app if chance.often(0.85) else app[:-1] + "x"}}
    return {"matchLabels": {"tier": chance.choice(("front", "back"))}}


def _kubernetes_rule(side: str, spaces: list[str], chance: Chance) -> Json:
    rule: Json = {}
    if chance.often(0.9):
        rule[side] = [_kubernetes_peer(spaces, chance) for _ in range(chance.randint(1, 2))]
    if chance.often(0.75):
        rule["ports"] = [_kubernetes_port(chance) for _ in range(chance.randint(1, 2))]
    return rule


def _kubernetes_peer(spaces: list[str], chance: Chance) -> Json:
    shape = chance.random()
    if shape < 0.3:
        block: Json = {"cidr": chance.choice(BLOCKS)}
        return {
            "ipBlock": {**block, "except": ["10.1.0.0/16"]}
            if block["cidr"] == "10.0.0.0/8" and chance.often(0.3)
            else block
        }
    peer: Json = {"podSelector": _selector(chance, 0.2)} if shape < 0.8 else {}
    if not peer or chance.often(0.5):
        by_name = {"kubernetes.io/metadata.name": chance.choice(spaces)}
        peer["namespaceSelector"] = {
            "matchLabels": by_name if chance.often(0.6) else {"team": chance.choice(("blue", "red"))}
        }
    return peer


def _kubernetes_port(chance: Chance) -> Json:
    shape = chance.random()
    if shape < 0.1:
        return {"port": 80, "endPort": 180, "protocol": "TCP"}
    if shape < 0.2:
        return {"port": chance.choice(("main", "metrics", "web")), "protocol": "TCP"}
    return {"port": chance.choice(PORTS), "protocol": "UDP" if chance.often(0.08) else "TCP"}


def a_cilium_policy(number: int, spaces: list[str], chance: Chance) -> Json:
    space = chance.choice(spaces) if chance.often(0.7) else ""
    spec: Json = {"endpointSelector": _selector(chance, 0.3)}
    for section, share in (("ingress", 0.5), ("egress", 0.5), ("ingressDeny", 0.12), ("egressDeny", 0.12)):
        if chance.often(share):
            side = "to" if section.startswith("egress") else "from"
            spec[section] = [_cilium_rule(side, spaces, chance) for _ in range(chance.randint(1, 2))]
    if len(spec) == 1:
        spec["ingress"] = [{}]
    if chance.often(0.15):
        spec["enableDefaultDeny"] = {"ingress": chance.often(), "egress": chance.often()}
    kind = "CiliumNetworkPolicy" if space else "CiliumClusterwideNetworkPolicy"
    meta = {"name": f"c{number}", **({"namespace": space} if space else {}), "generation": 1, "resourceVersion": "9"}
    return {"apiVersion": "cilium.io/v2", "kind": kind, "metadata": meta, "spec": spec}


def _cilium_rule(side: str, spaces: list[str], chance: Chance) -> Json:
    rule: Json = {}
    shape = chance.random()
    if shape < 0.55:
        rule[f"{side}Endpoints"] = [_cilium_selector(spaces, chance) for _ in range(chance.randint(1, 2))]
    elif shape < 0.75:
        rule[f"{side}Entities"] = [chance.choice(ENTITIES)]
    elif shape < 0.9:
        rule[f"{side}CIDR"] = [chance.choice(BLOCKS)]
    if chance.often(0.7):
        protocol = chance.choice(("TCP", "TCP", "ANY", "UDP"))
        ports = [{"port": str(chance.choice(PORTS)), "protocol": protocol} for _ in range(chance.randint(1, 2))]
        rule["toPorts"] = [{"ports": ports}]
    return rule


def _cilium_selector(spaces: list[str], chance: Chance) -> Json:
    labels = dict(_selector(chance, 0.2).get("matchLabels", {}))
    if chance.often(0.5):
        labels["k8s:io.kubernetes.pod.namespace"] = chance.choice(spaces)
    return {"matchLabels": labels}


# -- as a case -------------------------------------------------------------------------------------------------------


def case_of(asked: Refused) -> Case:
    """What the sensors would have seen of it: the objects, and six dropped packets of three attempts."""
    target = Target(pod=asked.source.name, namespace=asked.source.namespace)
    flows = _flows(asked)
    policies = Policies((), {}, {}, tuple(asked.objects))
    evidence = {
        "E1": Evidence("hubble.capture_flows", Sight.SEEN, flows),
        "E2": Evidence("k8s.network_policies", Sight.SEEN, policies),
    }
    environment = Environment(
        cni="cilium",
        cni_version="1.20.2",
        kube_proxy_replacement=True,
        service_cidrs=("10.96.0.0/16",),
        pod_cidrs=("10.244.1.0/24", "10.244.2.0/24"),
    )
    return Case(target, environment, AT, evidence)


def _flows(asked: Refused) -> HubbleFlows:
    drop = Drop(133, "POLICY_DENIED", "EGRESS" if asked.egress else "INGRESS", 6, 3, 1, 2)
    first, last = AT - timedelta(seconds=40), AT - timedelta(seconds=5)
    connection = Connection(
        _party(asked.source),
        _party(asked.destination),
        "TCP",
        asked.port,
        ConnectionOutcome.DROPPED,
        3,
        dropped=3,
        packets_dropped=6,
        drops=(drop,),
        first=first,
        last=last,
        first_drop=first,
        last_drop=last,
    )
    nothing: dict[str, Any] = {"drop_reasons": (), "noise": (), "dns": (), "memory": (), "silent": (), "lost": ()}
    return HubbleFlows(
        pod=asked.source.name,
        namespace=asked.source.namespace,
        connections=(connection,),
        left_out=0,
        flows=6,
        flows_read=6,
        packets_dropped=6,
        attempts_dropped=3,
        first_drop=first,
        last_drop=last,
        others_dropped=0,
        nodes_answering=("n1", "n2"),
        lost_events=0,
        garbage=0,
        first_garbage=0,
        truncated=False,
        cut_short=False,
        attribution="pod",
        coverage=1.0,
        **nothing,
    )


def _party(end: End) -> Party:
    return Party(end.ip, end.namespace, end.name, entities=tuple(sorted(end.words)))
