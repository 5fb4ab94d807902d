"""Random small clusters with policies of several dialects, for properties that must hold for all of them."""

from __future__ import annotations

from tests.flows.policy.builders import Json, admin, cnp
from tests.flows.policy.fuzz_nca import KEYS, SPACES, VALUES, Chance, _labels, _namespace, _policy, _selector

ENTITIES = ("world", "cluster", "host", "remote-node", "kube-apiserver", "all")
BLOCKS = ("10.0.0.0/8", "10.1.0.0/16", "203.0.113.0/24", "0.0.0.0/0", "203.0.113.64/26")


def mixed_cluster(seed: int) -> list[Json]:
    """Pods with addresses in three namespaces, and up to seven policies of any dialect."""
    chance = Chance(seed)
    objects = [_namespace(name, chance) for name in SPACES]
    objects += [a_pod(space, number, chance) for space in SPACES for number in range(chance.randint(1, 3))]
    return objects + [a_policy(number, chance) for number in range(chance.randint(1, 7))]


def a_pod(space: str, number: int, chance: Chance) -> Json:
    ports = [{"name": "http", "containerPort": chance.choice([80, 8080])}] if chance.often() else []
    metadata = {"name": f"p{number}", "namespace": space, "labels": _labels(chance)}
    status = {"podIP": f"10.{SPACES.index(space)}.0.{number + 1}"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [{"ports": ports}]},
        "status": status,
    }


def a_policy(number: int, chance: Chance) -> Json:
    shape = chance.random()
    if shape < 0.4:
        return _policy(number, chance)
    if shape < 0.8:
        return cilium_policy(number, chance)
    return admin_policy(number, chance)


def cilium_policy(number: int, chance: Chance) -> Json:
    spec: Json = {}
    for section in ("ingress", "egress", "ingressDeny", "egressDeny"):
        if chance.often(0.2 if "Deny" in section else 0.5):
            side = "to" if section.startswith("egress") else "from"
            spec[section] = [cilium_rule(side, chance) for _ in range(chance.randint(0, 2))]
    if chance.often(0.2):
        spec["enableDefaultDeny"] = {"ingress": chance.often(), "egress": chance.often()}
    where = f"{chance.choice(SPACES)}/" if chance.often(0.8) else ""
    return cnp(f"{where}c{number}", {chance.choice(KEYS): chance.choice(VALUES)} if chance.often() else None, **spec)


def cilium_rule(side: str, chance: Chance) -> Json:
    rule: Json = {}
    shape = chance.random()
    if shape < 0.4:
        rule[f"{side}Endpoints"] = [cilium_selector(chance)]
    elif shape < 0.6:
        rule[f"{side}Entities"] = [chance.choice(ENTITIES)]
    elif shape < 0.75:
        rule[f"{side}CIDR"] = [chance.choice(BLOCKS)]
    elif shape < 0.8:
        rule[f"{side}Groups"] = [{}]
    elif shape < 0.85 and side == "to":
        rule["toFQDNs"] = [{"matchPattern": "*.example.com"}]
    if chance.often():
        port = {"port": chance.choice(["80", "443", "http", "0"]), "protocol": chance.choice(["TCP", "UDP", "ANY"])}
        rule["toPorts"] = [{"ports": [port]}]
    return rule


def cilium_selector(chance: Chance) -> Json:
    labels = {chance.choice(KEYS): chance.choice(VALUES)} if chance.often(0.7) else {}
    if chance.often(0.4):
        labels["k8s:io.kubernetes.pod.namespace"] = chance.choice(SPACES)
    return {"matchLabels": labels}


def admin_policy(number: int, chance: Chance) -> Json:
    subject = {"namespaces": _selector(chance, ("env", "kubernetes.io/metadata.name"))}
    rules = {}
    for direction, side in (("ingress", "from"), ("egress", "to")):
        if chance.often(0.7):
            rules[direction] = [_admin_rule(side, chance) for _ in range(chance.randint(1, 3))]
    return admin(f"a{number}", chance.choice(["Admin", "Baseline"]), chance.randint(0, 3), subject, **rules)


def _admin_rule(side: str, chance: Chance) -> Json:
    peer: Json = {"namespaces": _selector(chance, ("env", "kubernetes.io/metadata.name"))}
    if side == "to" and chance.often(0.3):
        peer = {"networks": [chance.choice(BLOCKS)]}
    rule = {"action": chance.choice(["Accept", "Deny", "Pass"]), side: [peer]}
    if chance.often():
        port = {"number": chance.choice([80, 443])} if chance.often() else {"range": {"start": 80, "end": 443}}
        rule["protocols"] = [{chance.choice(["tcp", "udp"]): {"destinationPort": port}}]
    return rule
