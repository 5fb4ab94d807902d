"""Differential fuzz: random clusters under Cilium, judged here and by Cilium's own code, port by port.

    uv run python tests/flows/policy/fuzz_cilium.py [clusters] [seed]

Compared are both directions of every pair of endpoints (pods, nodes, addresses, names, other clusters of a mesh) and
which objects Cilium refuses. What is undecidable here is counted apart, never as equal.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from flows.policy import Direction, Endpoint, PolicyWorld, Profile, Traffic
from flows.policy.direction import DirectionContext
from flows.policy.portset import PortSet
from flows.policy.profile import cilium
from flows.policy.reach import PortOutcome, side
from tests.flows.policy.builders import cnp
from tests.flows.policy.cilium_oracle import Cilium, version
from tests.flows.policy.fuzz_nca import KEYS, SPACES, VALUES, Chance, _labels, _namespace, _policy

Json = dict[str, Any]
HOME = "home"
API_SERVER = "34.1.2.3"
PORTS = [(p, n) for p in ("TCP", "UDP", "SCTP") for n in (53, 80, 81, 443, 8080, 9000)] + [("ICMP", 3), ("ICMP", 8)]
ENTITIES = (
    *("all", "world", "world-ipv4", "world-ipv6", "cluster", "cluster-mesh", "host", "remote-node", "kube-apiserver"),
    *("ingress", "health", "init", "unmanaged", "none"),
)
OUTSIDE = ("10.9.0.1", "198.51.100.7", "203.0.113.1", "203.0.113.65", "2001:db8::1")
NAMES = ("api.example.com", "www.example.net", "a.b.example.net")
BLOCKS = ("0.0.0.0/0", "10.0.0.0/8", "203.0.113.0/24", "203.0.113.64/26", "198.51.100.7/32", "2001:db8::/32", "::/0")
NAMESPACE = "io.kubernetes.pod.namespace"
NAMESPACE_LABEL = "io.cilium.k8s.namespace.labels.env"
CLUSTER = "io.cilium.k8s.policy.cluster"
ACCOUNT = "io.cilium.k8s.policy.serviceaccount"


# -- clusters --------------------------------------------------------------------------------------------------------


@dataclass
class Case:
    """A random cluster: its objects, and everybody in it and around it."""

    seed: int
    objects: list[Json]
    policies: list[Json]
    services: list[Json]
    everybody: list[tuple[Json, Endpoint]]  # for Cilium, for us
    local: bool


class Knowing(Chance):
    """Luck that knows the Services there are."""

    services: tuple[tuple[str, str], ...] = ()


def case_of(seed: int) -> Case:
    chance = Knowing(seed)
    spaces = [_namespace(name, chance) for name in SPACES]
    pods = [_pod(space, number, chance) for space in SPACES for number in range(chance.randint(1, 3))]
    made = [_service(number, chance) for number in range(chance.randint(0, 4))]
    services = list({(each["namespace"], each["name"]): each for each in made}.values())
    services.append({"namespace": "default", "name": "kubernetes", "labels": {}, "addresses": [API_SERVER]})
    chance.services = tuple((each["namespace"], each["name"]) for each in services)
    policies = [_any_policy(number, chance) for number in range(chance.randint(1, 6))]
    objects = [*spaces, *pods, *policies, *(each for service in services for each in _objects(service))]
    world = PolicyWorld.of(objects, Profile())
    everybody = [*_pods(world, pods), *_foreign(spaces, chance), *_reserved(), *_addresses(world)]
    return Case(seed, objects, policies, services, everybody, chance.often())


def _pod(space: str, number: int, chance: Chance) -> Json:
    named = chance.random() < 0.6
    port = {"name": "http", "containerPort": chance.choice([80, 8080]), "protocol": chance.choice(["TCP", "UDP"])}
    metadata = {"name": f"p{number}", "namespace": space, "labels": _labels(chance)}
    spec = {
        "serviceAccountName": chance.choice(["default", "robot"]),
        "containers": [{"ports": [port] if named else []}],
    }
    status = {"podIP": f"10.{SPACES.index(space)}.0.{number + 1}"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


def _service(number: int, chance: Chance) -> Json:
    found: Json = {
        "namespace": chance.choice(SPACES),
        "name": chance.choice(["s0", "s1", f"t{number}"]) if number else "s0",
        "labels": {"svc": chance.choice(VALUES)},
    }
    if chance.often(0.6):
        return {**found, "selector": {chance.choice(KEYS): chance.choice(VALUES)}}
    return {**found, "name": f"e{number}", "addresses": chance.sample(OUTSIDE[:4], chance.randint(0, 2))}


def _objects(service: Json) -> Iterator[Json]:
    metadata = {"name": service["name"], "namespace": service["namespace"], "labels": service["labels"]}
    spec = {"selector": service.get("selector"), "ports": []}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    labels = {"kubernetes.io/service-name": service["name"]}
    slices = {**metadata, "name": f"{service['name']}-1", "labels": labels}
    listed = [{"addresses": [each]} for each in service.get("addresses", ())]
    yield {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": slices, "endpoints": listed}


def _pods(world: PolicyWorld, pods: list[Json]) -> Iterator[tuple[Json, Endpoint]]:
    for number, pod in enumerate(pods):
        end = world.inventory.pods[(pod["metadata"]["namespace"], pod["metadata"]["name"])]
        ports: Json = {}
        for (name, protocol), value in end.named_ports.items():
            ports.setdefault(protocol, {})[name] = value
        yield {"id": 1000 + number, "labels": _identity_labels(end), "ports": ports, "pod": True}, end


def _identity_labels(end: Endpoint) -> list[str]:
    own = [f"k8s:{key}={value}" for key, value in end.labels.items()]
    spaces = [f"k8s:io.cilium.k8s.namespace.labels.{k}={v}" for k, v in end.namespace_labels.items()]
    account = [f"k8s:{ACCOUNT}={end.service_account}"] if end.service_account else []
    cluster = f"k8s:{CLUSTER}={end.cluster or HOME}"
    return [*own, *spaces, *account, cluster, f"k8s:{NAMESPACE}={end.namespace}"]


def _foreign(spaces: list[Json], chance: Chance) -> Iterator[tuple[Json, Endpoint]]:
    space = chance.choice(spaces)["metadata"]
    end = Endpoint(
        space["name"], "far", _labels(chance), space["labels"], "10.77.0.1", service_account="robot", cluster="west"
    )
    yield {"id": (2 << 16) | 300, "labels": _identity_labels(end)}, end


def _reserved() -> Iterator[tuple[Json, Endpoint]]:
    words = {1: ("host",), 3: ("unmanaged",), 4: ("health",), 5: ("init",), 6: ("remote-node",), 8: ("ingress",)}
    for number, names in ({**words, 7: ("kube-apiserver", "remote-node")}).items():
        node = bool({"host", "remote-node"} & set(names))
        yield (
            {"id": number, "labels": [f"reserved:{name}=" for name in names]},
            Endpoint(entities=frozenset(names), host_network=node),
        )


def _addresses(world: PolicyWorld) -> Iterator[tuple[Json, Endpoint]]:
    for number, ip in enumerate(OUTSIDE):
        yield {"id": (1 << 24) + number, "ip": ip}, world.endpoint_at(ip)
    yield (
        {"id": (1 << 24) + 50, "ip": API_SERVER, "labels": ["reserved:kube-apiserver="]},
        world.endpoint_at(API_SERVER),
    )
    for number, name in enumerate(NAMES):
        ip = f"192.0.2.{number + 1}"
        end = Endpoint(ip=ip, entities=frozenset({"world"}), fqdns=(name,), names_known=True)
        yield {"id": (1 << 24) + 100 + number, "ip": ip, "names": [name]}, end


# -- policies --------------------------------------------------------------------------------------------------------


def _any_policy(number: int, chance: Knowing) -> Json:
    return _network_policy(number, chance) if chance.often(0.3) else _cilium_policy(number, chance)


def _network_policy(number: int, chance: Chance) -> Json:
    """Also with rules of a direction that policyTypes leaves out."""
    policy = _policy(number, chance)
    if chance.often(0.3):
        policy["spec"]["policyTypes"] = chance.choice([["Ingress"], ["Egress"], ["Ingress", "Egress"]])
    return policy


def _cilium_policy(number: int, chance: Knowing) -> Json:
    where = f"{chance.choice(SPACES)}/" if chance.often(0.75) else ""
    policy = cnp(f"{where}c{number}", **_sections(chance))
    policy["spec"]["endpointSelector"] = _subject(chance)
    if chance.often(0.1):
        policy["specs"] = [{"endpointSelector": _subject(chance), **_sections(chance)}]
        if chance.often():
            del policy["spec"]
    return policy


def _sections(chance: Knowing) -> Json:
    spec: Json = {}
    for section in ("ingress", "egress", "ingressDeny", "egressDeny"):
        if chance.often(0.25 if "Deny" in section else 0.5):
            spec[section] = [_rule(section, chance) for _ in range(chance.randint(0, 3))]
    if chance.often(0.25):
        spec["enableDefaultDeny"] = {way: chance.often() for way in ("ingress", "egress") if chance.often(0.7)}
    return spec


def _subject(chance: Chance) -> Json:
    if chance.often(0.4):
        return {"matchLabels": {chance.choice(KEYS): chance.choice(VALUES)}}
    return {} if chance.often(0.3) else _selector(chance)


def _selector(chance: Chance) -> Json:
    selector: Json = {}
    if chance.often(0.6):
        selector["matchLabels"] = dict(_pair(chance) for _ in range(chance.randint(1, 2)))
    if chance.often(0.4):
        selector["matchExpressions"] = [_expression(chance) for _ in range(chance.randint(1, 2))]
    return selector


def _pair(chance: Chance) -> tuple[str, str]:
    key, values = _word(chance)
    return _sourced(key, chance), chance.choice(values)


def _word(chance: Chance) -> tuple[str, tuple[str, ...]]:
    shape = chance.random()
    if shape < 0.6:
        return chance.choice(KEYS), VALUES
    if shape < 0.8:
        return NAMESPACE, SPACES
    if shape < 0.9:
        return NAMESPACE_LABEL, VALUES
    return (CLUSTER, (HOME, "west")) if shape < 0.95 else (ACCOUNT, ("default", "robot"))


def _sourced(key: str, chance: Chance) -> str:
    """``app`` and ``any:app`` are one key to Cilium: of two values whichever its map happens to give it last."""
    return chance.choice(["k8s:", "" if key in (*KEYS, CLUSTER) else "any:"]) + key


def _expression(chance: Chance) -> Json:
    key, values = _word(chance)
    operator = chance.choice(["In", "NotIn", "Exists", "DoesNotExist"])
    found: Json = {"key": _sourced(key, chance), "operator": operator}
    wants = operator in ("In", "NotIn")
    if wants is not chance.often(0.02):
        found["values"] = chance.sample(values, chance.randint(1, 2))
    return found


def _rule(section: str, chance: Knowing) -> Json:
    side_, deny = ("to" if section.startswith("egress") else "from"), "Deny" in section
    rule = dict(_peers(side_, deny, chance))
    if chance.often(0.03):
        rule |= dict(_peers(side_, deny, chance))
    if chance.often(0.5):
        rule["toPorts"] = [_entry(section, chance) for _ in range(chance.choice([0, 1, 1, 1, 2]))]
    if chance.often(0.08):
        rule["icmps"] = [
            {"fields": [{"type": chance.choice([3, 8, "EchoRequest"])} for _ in range(chance.randint(0, 2))]}
        ]
    return rule


def _peers(side_: str, deny: bool, chance: Knowing) -> Iterator[tuple[str, list[Any]]]:
    shape, many = chance.random(), range(chance.choice([0, 1, 1, 1, 2]))
    if shape < 0.35:
        yield f"{side_}Endpoints", [_selector(chance) for _ in many]
    elif shape < 0.55:
        yield f"{side_}Entities", [chance.choice(ENTITIES) for _ in many]
    elif shape < 0.65:
        yield f"{side_}CIDR", [chance.choice([*BLOCKS, "203.0.113.1"]) for _ in many]
    elif shape < 0.75:
        yield f"{side_}CIDRSet", [_cidr_rule(chance) for _ in many]
    elif shape < 0.82 and side_ == "to" and not deny:
        yield "toFQDNs", [_name(chance) for _ in many]
    elif shape < 0.92 and side_ == "to":
        yield "toServices", [_service_peer(chance) for _ in many]


def _cidr_rule(chance: Chance) -> Json:
    rule: Json = {"cidr": chance.choice(BLOCKS)}
    if chance.often(0.4):
        rule["except"] = [chance.choice(["203.0.113.64/26", "203.0.113.1/32", "10.9.0.0/16"])]
    if chance.often(0.03):
        rule["cidr"] = "203.0.113.1"
    return rule


def _name(chance: Chance) -> Json:
    if chance.often():
        return {"matchName": chance.choice(NAMES)}
    return {"matchPattern": chance.choice(["*", "*.example.net", "**.example.net", "api*.example.com", "a.*.net"])}


def _service_peer(chance: Knowing) -> Json:
    """A Service by name is one that exists: what is not at hand here is undecidable, not absent."""
    if chance.often(0.5):
        labels = {chance.choice(["svc", "k8s:svc", "any:svc"]): chance.choice([*VALUES, "nobody"])}
        space = {"namespace": chance.choice(SPACES)} if chance.often() else {}
        return {"k8sServiceSelector": {"selector": {"matchLabels": labels}, **space}}
    space, name = chance.choice(chance.services)
    return {"k8sService": {"serviceName": name, **({"namespace": space} if chance.often() else {})}}


def _entry(section: str, chance: Chance) -> Json:
    if chance.often(0.03):
        return {"ports": []}
    entry: Json = {"ports": [_port(chance) for _ in range(chance.randint(1, 2))]}
    if chance.often(0.1) and "Deny" not in section:
        rules = {"http": [{"method": "GET"}], "dns": [{"matchPattern": "*"}]}
        kind = chance.choice(["http", "dns"])
        entry["rules"] = {kind: rules[kind]}
        if chance.often(0.7):
            entry["ports"] = [{"port": "53", "protocol": "ANY"} if kind == "dns" else {"port": "80", "protocol": "TCP"}]
    return entry


def _port(chance: Chance) -> Json:
    port: Json = {"port": chance.choice(["80", "80", "443", "8080", "0", "http", "53"])}
    if chance.often(0.8):
        port["protocol"] = chance.choice(["TCP", "TCP", "UDP", "SCTP", "ANY"])
    if port["port"].isdigit() and port["port"] != "0" and chance.often(0.15):
        port["endPort"] = int(port["port"]) + chance.choice([0, 1, 1000])
    if chance.often(0.01):
        port["port"] = chance.choice(["70000", "", "a-name-that-is-too-long"])
    return port


# -- comparing -------------------------------------------------------------------------------------------------------


@dataclass
class Count:
    """What came of the comparison. ``undecided`` by reason; ``wrong`` are differences nobody has explained."""

    clusters: int = 0
    verdicts: int = 0
    refused: int = 0
    undecided: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def compare(seed: int, theirs: Cilium, count: Count) -> None:
    case = case_of(seed)
    profile = cilium(version(), cluster_name=HOME, local_cluster_only=case.local)
    world = PolicyWorld.of(case.objects, profile)
    questions = _questions(case)
    answer = theirs.judge(
        {
            "name": HOME,
            "local": case.local,
            "policies": case.policies,
            "services": case.services,
            "identities": [each for each, _ in case.everybody],
            "questions": [{"from": a, "to": b, "proto": p, "port": n} for a, b, p, n in questions],
        }
    )
    _compare_refused(case, world, answer["refused"] or {}, count)
    known: dict[tuple[int, int], tuple[PortOutcome, PortOutcome]] = {}
    for (a, b, protocol, port), letter in zip(questions, answer["verdicts"], strict=True):
        both = known.get((a, b)) or known.setdefault((a, b), _ours(world, case, a, b))
        for way, outcome, denied in zip(Direction, both, (letter in "eb", letter in "ib"), strict=True):
            _compare_one(case, (a, b), (way, protocol, port), outcome, denied, count)
    _compare_words(case, world, questions, answer["verdicts"], count)
    count.clusters += 1


def _questions(case: Case) -> list[tuple[int, int, str, int]]:
    chance, everybody = Chance(case.seed + 1), case.everybody
    pairs = [(a, b) for a in range(len(everybody)) for b in range(len(everybody)) if a != b]
    asked = [(a, b) for a, b in pairs if everybody[a][0].get("pod") or everybody[b][0].get("pod")]
    return [(a, b, protocol, port) for a, b in asked for protocol, port in chance.sample(PORTS, 4)]


def _compare_refused(case: Case, world: PolicyWorld, refused: Json, count: Count) -> None:
    for place, policy in enumerate(case.policies):
        ours, says = world.refusals(policy), refused.get(str(place), "")
        count.refused += bool(says)
        if bool(ours) is not bool(says):
            count.wrong.append(f"seed {case.seed}: policy {place}: here {ours}, Cilium {says!r}: {json.dumps(policy)}")


def _ours(world: PolicyWorld, case: Case, a: int, b: int) -> tuple[PortOutcome, PortOutcome]:
    source, destination = case.everybody[a][1], case.everybody[b][1]
    out = world.selecting(source, Direction.EGRESS) if case.everybody[a][0].get("pod") else []
    into = world.selecting(destination, Direction.INGRESS) if case.everybody[b][0].get("pod") else []
    return (
        side(out, DirectionContext(Direction.EGRESS, source, destination, world.profile, True)),
        side(into, DirectionContext(Direction.INGRESS, destination, source, world.profile, True)),
    )


def _compare_one(
    case: Case, pair: tuple[int, int], what: tuple[str, str, int], outcome: PortOutcome, denied: bool, count: Count
) -> None:
    way, protocol, port = what
    one = PortSet.of(protocol, port, port)
    may_allow, may_deny = bool(outcome.may_allow & one), bool(outcome.may_deny & one)
    count.verdicts += 1
    if may_allow and may_deny:
        count.undecided[way] += 1
    elif may_deny is not denied:
        ends = " -> ".join(str(case.everybody[each][1]) for each in pair)
        count.wrong.append(
            f"seed {case.seed}: {way} {ends} {protocol} {port}: Cilium {'denies' if denied else 'allows'}"
        )


def _compare_words(
    case: Case, world: PolicyWorld, questions: list[tuple[int, int, str, int]], verdicts: str, count: Count
) -> None:
    """The walk that people read says the same, on a few of the questions."""
    for number in Chance(case.seed).sample(range(len(questions)), min(12, len(questions))):
        a, b, protocol, port = questions[number]
        if "far" in (case.everybody[a][1].pod, case.everybody[b][1].pod):
            continue  # the policies of another cluster's pods are not here
        icmp = protocol == "ICMP"
        ends = case.everybody[a][1], case.everybody[b][1]
        said = world.judge(Traffic(*ends, protocol, None if icmp else port, icmp_type=port if icmp else None)).allowed
        if said is not None and said is not (verdicts[number] == "a"):
            count.wrong.append(f"seed {case.seed}: the walk {ends[0]} -> {ends[1]} {protocol} {port} says {said}")


def fuzz(clusters: int, seed: int = 1) -> Count:
    """Compare so many clusters. Stops at 50 differences."""
    count = Count()
    with Cilium() as theirs:
        for number in range(seed, seed + clusters):
            compare(number, theirs, count)
            if len(count.wrong) > 50:
                break
    return count


def main(clusters: str = "500", seed: str = "1") -> int:
    count = fuzz(int(clusters), int(seed))
    print(*count.wrong, sep="\n")
    print(
        f"Cilium {version()}: {count.clusters} clusters, {count.verdicts} verdicts, {count.refused} objects refused by "
        f"both, {sum(count.undecided.values())} undecidable here, {len(count.wrong)} unexplained differences"
    )
    return 1 if count.wrong or not count.verdicts else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
