"""Differential fuzz: random clusters, judged here and by np-guard's network-config-analyzer (PyPI), port by port.

    uv run python tests/flows/policy/fuzz_nca.py [clusters] [seed]

The analyzer runs in its own environment (``.cache/nca``), many clusters per process. Left out on purpose, since the
analyzer itself is wrong there: ``Exists``/``DoesNotExist`` in a podSelector beside a namespaceSelector (it looks at the
policy's own namespace only), and a missing ``policyTypes`` with ``egress: []`` (it isolates egress).
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))

from flows.policy import PolicyWorld, Profile  # noqa: E402
from flows.policy.portset import NO_PORTS, PortSet  # noqa: E402

Json = dict[str, Any]
NCA = ROOT / ".cache" / "nca"
VERSION = "network-config-analyzer==2.1.0"
SPACES, KEYS, VALUES = ("x", "y", "z"), ("app", "tier"), ("a", "b", "c")
THEIRS = Profile(cidr_matches_pods=False, cidr_matches_nodes=False, host_network_is_node=False)
SPOKEN = PortSet(dict.fromkeys(("TCP", "UDP", "SCTP"), ((1, 65535),)))
BATCH = 250


class Chance(random.Random):
    def often(self, share: float = 0.5) -> bool:
        return self.random() < share


def cluster(chance: Chance) -> list[Json]:
    objects = [_namespace(name, chance) for name in SPACES]
    objects += [_pod(space, number, chance) for space in SPACES for number in range(chance.randint(1, 3))]
    return objects + [_policy(number, chance) for number in range(chance.randint(1, 5))]


def _labels(chance: Chance) -> Json:
    return {key: chance.choice(VALUES) for key in KEYS if chance.often(0.7)}


def _namespace(name: str, chance: Chance) -> Json:
    labels = {"kubernetes.io/metadata.name": name, **({"env": chance.choice(VALUES)} if chance.often(0.7) else {})}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _pod(space: str, number: int, chance: Chance) -> Json:
    ports = [{"name": "http", "containerPort": chance.choice([80, 8080]), "protocol": chance.choice(["TCP", "UDP"])}]
    container = {"name": "c", "image": "i", "ports": ports if chance.often(0.6) else []}
    metadata = {"name": f"p{number}", "namespace": space, "labels": _labels(chance)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def _policy(number: int, chance: Chance) -> Json:
    types = chance.choice([["Ingress"], ["Egress"], ["Ingress", "Egress"]])
    spec: Json = {"podSelector": _selector(chance, KEYS), "policyTypes": types}
    for kind, key, side in (("Ingress", "ingress", "from"), ("Egress", "egress", "to")):
        if kind in types and chance.often(0.85):
            spec[key] = [_rule(side, chance) for _ in range(chance.randint(0, 3))]
    metadata = {"name": f"n{number}", "namespace": chance.choice(SPACES)}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def _selector(chance: Chance, keys: tuple[str, ...]) -> Json:
    selector: Json = {}
    if chance.often(0.4):
        selector["matchLabels"] = {chance.choice(keys): chance.choice(VALUES)}
    if chance.often(0.35):
        values = chance.sample(VALUES, chance.randint(1, 2))
        operator = chance.choice(["In", "NotIn"])
        selector["matchExpressions"] = [{"key": chance.choice(keys), "operator": operator, "values": values}]
    return selector


def _rule(side: str, chance: Chance) -> Json:
    rule: Json = {}
    if chance.often(0.8):
        rule[side] = [_peer(chance) for _ in range(chance.randint(1, 2))]
    if chance.often(0.7):
        rule["ports"] = [_port(chance) for _ in range(chance.randint(1, 2))]
    return rule


def _peer(chance: Chance) -> Json:
    shape = chance.random()
    if shape < 0.1:
        return {"ipBlock": {"cidr": "203.0.113.0/24"}}
    peer: Json = {}
    if shape < 0.7:
        peer["podSelector"] = _selector(chance, KEYS)
    if shape > 0.4:
        peer["namespaceSelector"] = _selector(chance, ("env", "kubernetes.io/metadata.name"))
    return peer


def _port(chance: Chance) -> Json:
    port: Json = {}
    if chance.often(0.6):
        port["protocol"] = chance.choice(["TCP", "UDP", "SCTP"])
    shape = chance.random()
    if shape < 0.15:
        port["port"] = "http"
    elif shape < 0.85:
        port["port"] = chance.choice([53, 80, 443, 8080])
        if chance.often(0.25):
            port["endPort"] = port["port"] + chance.choice([0, 1, 1000])
    return port


@dataclass(frozen=True)
class Report:
    clusters: int
    pairs: int
    different: dict[int, list[str]]


def compare(count: int, seed: int) -> Report:
    """``count`` clusters; what differs, by the number of the cluster (its seed is ``seed + number``)."""
    pairs, different = 0, {}
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        clusters = {number: cluster(Chance(seed + number)) for number in numbers}
        theirs = ask_nca(clusters)
        for number, objects in clusters.items():
            ours, asked = reachable(objects)
            pairs += asked
            if ours != theirs[number]:
                alone = ask_nca({number: objects})[number]  # in a batch it mixes up named ports of like-named pods
                different |= {number: _differing(ours, alone)} if ours != alone else {}
    return Report(count, pairs, different)


Reach = dict[tuple[str, str], PortSet]


def _differing(ours: Reach, theirs: Reach) -> list[str]:
    wrong = [pair for pair in ours.keys() | theirs.keys() if ours.get(pair) != theirs.get(pair)]
    return [f"{a} => {b}: {ours.get((a, b))} / {theirs.get((a, b))}" for a, b in wrong]


def reachable(objects: list[Json]) -> tuple[dict[tuple[str, str], PortSet], int]:
    world = PolicyWorld.of(objects, THEIRS)
    pods = world.inventory.pods
    names = {key: "/".join(key) for key in pods}
    found: dict[tuple[str, str], PortSet] = {}
    for source, target in _pairs(pods):
        ports = SPOKEN & world.reach(pods[source], pods[target]).allowed
        if ports:
            found[(names[source], names[target])] = ports
    return found, len(pods) * (len(pods) - 1)


def _pairs(pods: Any) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    return ((a, b) for a in pods for b in pods if a != b)


def ask_nca(clusters: dict[int, list[Json]]) -> dict[int, dict[tuple[str, str], PortSet]]:
    """One process for a whole batch: each cluster is one configuration with one query."""
    with tempfile.TemporaryDirectory() as folder:
        for number, objects in clusters.items():
            place = Path(folder, f"c{number}")
            place.mkdir()
            (place / "all.yaml").write_text(yaml.dump_all(objects, Dumper=yaml.CSafeDumper))
        Path(folder, "scheme.yaml").write_text(yaml.dump(_scheme(clusters), Dumper=yaml.CSafeDumper))
        command = [str(environment() / "bin" / "nca"), "--scheme", "scheme.yaml"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    found = dict(_answers(done.stdout))
    if not clusters.keys() <= found.keys():
        raise RuntimeError(
            f"the analyzer answered {len(found)} of {len(clusters)}: {done.stdout[-500:]} {done.stderr[-500:]}"
        )
    return found


def _scheme(clusters: dict[int, list[Json]]) -> Json:
    output = {"outputFormat": "txt_no_fw_rules", "outputEndpoints": "pods"}
    return {
        "resourceList": [],
        "networkConfigList": [{"name": f"c{n}", "resourceList": [f"c{n}"]} for n in clusters],
        "queries": [{"name": f"q{n}", "connectivityMap": [f"c{n}"], "outputConfiguration": output} for n in clusters],
    }


def _answers(text: str) -> Iterator[tuple[int, dict[tuple[str, str], PortSet]]]:
    for part in text.split("Running query q")[1:]:
        number, _, lines = part.partition("\n")
        found: dict[tuple[str, str], PortSet] = {}
        for line in lines.splitlines():
            match = re.fullmatch(r"(\w+/\w+) => (\w+/\w+) : (.*)", line.strip())
            if match:
                pair = (match[1], match[2])
                found[pair] = found.get(pair, NO_PORTS) | _ports(match[3])
        yield int(number), {pair: SPOKEN & ports for pair, ports in found.items() if pair[0] != pair[1]}


def _ports(words: str) -> PortSet:
    """``All connections``, ``{protocols:TCP,dst_ports:80-90,443}``, ``{protocols:UDP,SCTP}``."""
    if words == "All connections":
        return SPOKEN
    total = NO_PORTS
    for block in re.findall(r"\{([^}]*)\}", words):
        fields = dict(re.findall(r"(protocols|dst_ports):([^:]*?)(?=,(?:protocols|dst_ports):|$)", block))
        ranges = [part.partition("-") for part in fields.get("dst_ports", "0-65535").split(",")]
        for protocol in fields["protocols"].replace(" ", "").split(","):
            for low, _, high in ranges:
                total = total | PortSet.of(protocol, int(low), int(high or low))
    return total


def environment() -> Path:
    """The analyzer's own environment: it pins old libraries."""
    if not (NCA / "bin" / "nca").exists():
        uv = shutil.which("uv") or "uv"
        subprocess.run([uv, "venv", "-q", "--python", "3.11", str(NCA)], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", str(NCA / "bin" / "python"), VERSION], check=True)
    return NCA


def main() -> int:
    count, seed = (int(word) for word in [*sys.argv[1:], *("2000", "1")[len(sys.argv) - 1 :]][:2])
    report = compare(count, seed)
    same = report.clusters - len(report.different)
    print(f"{same} of {report.clusters} clusters agree ({same / report.clusters:.2%}), {report.pairs} pairs of pods")
    for number, lines in list(report.different.items())[:5]:
        print(f"  seed {seed + number}:", *lines[:3], sep="\n    ")
    return 1 if same / report.clusters < 0.999 else 0


if __name__ == "__main__":
    sys.exit(main())
