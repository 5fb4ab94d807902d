"""One made incident in many clothes: other names, other addresses, other shapes of the same objects, and noise.

A rule that hangs on a name, an address, a label's spelling or an empty cluster is found out here. No dressing changes
what is wrong: the truth is renamed along, and nothing else in it changes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from tests.flows.variants.lab import NOW, SERVER, Incident, pod_side, stamp, world

Json = dict[str, Any]
Dressing = Callable[[Incident, Random], None]

# -- shapes ----------------------------------------------------------------------------------------------------------


def expressions(it: Incident, chance: Random) -> None:
    """Selectors of policies are written as matchExpressions."""
    for kind in ("networkpolicies", "ciliumnetworkpolicies", "ciliumclusterwidenetworkpolicies"):
        for each in it.objects.get(kind, ()):
            each["spec"] = _expressed(each["spec"])


def _expressed(value: Any) -> Any:
    if isinstance(value, list):
        return [_expressed(each) for each in value]
    if not isinstance(value, dict):
        return value
    said = {key: _expressed(each) for key, each in value.items() if key != "matchLabels"}
    labels = value.get("matchLabels")
    if not labels:
        return value if labels is not None else said
    rows = [{"key": key, "operator": "In", "values": [label]} for key, label in labels.items()]
    return {**said, "matchExpressions": [*rows, *(said.get("matchExpressions") or ())]}


def dual_stack(it: Incident, chance: Random) -> None:
    """Pods and Services have a second address; all talk over the first. Not where families are the fault."""
    if any(each["spec"].get("ipFamilies") == ["IPv6"] for each in it.objects["services"]):
        return
    for number, each in enumerate(it.objects["pods"]):
        addresses = each["status"].get("podIPs")
        if addresses and not each["spec"].get("hostNetwork"):
            each["status"]["podIPs"] = [*addresses[:1], {"ip": f"fd00:10:244::{number + 16:x}"}]
    for number, each in enumerate(it.objects["services"]):
        spec = each["spec"]
        if spec.get("clusterIPs") and spec["clusterIPs"][0] != "None" and len(spec["clusterIPs"]) == 1:
            spec |= {"clusterIPs": [*spec["clusterIPs"], f"fd00:10:96::{number + 16:x}"]}
            spec |= {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "PreferDualStack"}


def aggregated(it: Incident, chance: Random) -> None:
    """`monitor-aggregation=medium`: of a connection that goes on, only packets with a new flag are told."""

    def is_told(line: Json) -> bool:
        flow = line.get("flow") or {}
        flags = set(((flow.get("l4") or {}).get("TCP") or {}).get("flags") or ())
        return flow.get("event_type", {}).get("type") != 4 or not flags or bool(flags & {"SYN", "FIN", "RST"})

    it.flows = [each for each in it.flows if is_told(each)]


def older_hubble(it: Incident, chance: Random) -> None:
    """A Hubble that names neither workloads nor policies, and gives a drop's reason as a number alone."""
    for line in it.flows:
        flow = line.get("flow") or {}
        for key in ("egress_denied_by", "ingress_denied_by", "egress_allowed_by", "ingress_allowed_by", "trace_reason"):
            flow.pop(key, None)
        for side in ("source", "destination"):
            (flow.get(side) or {}).pop("workloads", None)


# -- noise -----------------------------------------------------------------------------------------------------------

STRANGERS = ("thumbs", "mail-relay", "ledger-sync", "quotes", "vault-agent", "scraper")


def strangers(it: Incident, chance: Random) -> None:
    """Other people's workloads, and policies that select only them."""
    if not _has_model(it):
        return
    for number, name in enumerate(chance.sample(STRANGERS, 4)):
        space = f"team-{name}"
        it.namespace(space, team=name)
        side = pod_side(
            space, f"{name}-7c9d8f6b5-x{number}k2p", f"10.244.1.{30 + number}", "lab2", 50100 + number, app=name
        )
        it.workload(name, space, side, vip=f"10.96.88.{30 + number}")
        spec = {"podSelector": {"matchLabels": {"app": name}}, "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": [{"podSelector": {}}]}]}  # fmt: skip
        it.policy(f"{name}-only", spec, space, age=chance.randrange(4000, 90000))


def _has_model(it: Incident) -> bool:
    """Whether what other workloads are copied from is still there: index's pod, its ReplicaSet and its Deployment."""
    model = {"pods": SERVER, "replicasets": "index", "deployments": "index"}
    return all(
        any(each["metadata"]["name"].startswith(name) for each in it.objects[kind]) for kind, name in model.items()
    )


def loud_drops(it: Incident, chance: Random) -> None:
    """A stranger scans and is denied, over and over; packets of a gone pod are dropped, too."""
    scanner = pod_side("scans", "scanner-6d5f7c9b8-qqx7z", "10.244.0.39", "lab1", 50190, app="scanner")
    it.namespace("scans")
    if _has_model(it):
        it.workload("scanner", "scans", scanner, service_port=None)
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": []}
    it.policy("scans-deny", spec, "scans", age=8000)
    for port in (22, 80, 443, 3306, 6379) if it.flows else ():  # where nobody reports flows, nobody reports these
        it.calls(world("198.51.100.99"), port, "egress_denied", me=scanner, times=8)


def old_troubles(it: Incident, chance: Random) -> None:
    """What was wrong hours ago and is over: an OOM kill of CoreDNS, a node's hiccup, an image that came late."""
    hours = chance.randrange(3, 60)
    then = stamp(NOW - timedelta(hours=hours))
    for each in it.objects["pods"]:
        if each["metadata"].get("labels", {}).get("k8s-app") == "kube-dns" and each["status"].get("containerStatuses"):
            box = each["status"]["containerStatuses"][0]
            if box.get("ready") and not box.get("lastState"):
                each["metadata"]["creationTimestamp"] = stamp(NOW - timedelta(hours=hours + 50))
                ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": then}
                box |= {"restartCount": 1, "lastState": {"terminated": ended}}
    index = next((each for each in it.objects["pods"] if each["metadata"]["name"] == SERVER), None)
    if index is not None:
        it.event(index, "FailedScheduling", "0/2 nodes are available: 2 Insufficient cpu.", age=hours * 3600)
    it.event(
        it.find("nodes", "lab2"), "NodeNotReady", "Node lab2 status is now: NodeNotReady", kind="Node", age=hours * 3600
    )


SHAPES: Mapping[str, Dressing] = {
    each.__name__: each for each in (expressions, dual_stack, aggregated, older_hubble)
}  # fmt: skip
NOISE: Mapping[str, Dressing] = {each.__name__: each for each in (strangers, loud_drops, old_troubles)}

# -- names and addresses ---------------------------------------------------------------------------------------------

WORDS = ("atlas", "birch", "cobalt", "dune", "ember", "fjord", "gale", "heron", "iris", "jade", "krill", "lotus",
         "maple", "nadir", "onyx", "plume")  # fmt: skip
PEOPLE = ("search", "index", "bank", "ledger")
NODES = ("lab1", "lab2")
SLIPS = {"indx": "index", "indexx": "index", "serach": "search", "banks": "bank"}
"""Names that a template misspells: they stay as near to the new name as they were to the old one."""


class Renaming:
    """The same text with other names of namespaces, workloads and nodes, and other ranges of addresses."""

    def __init__(self, chance: Random) -> None:
        fresh = [
            f"{word}-{chance.choice(('api', 'svc', 'front', 'core'))}" for word in chance.sample(WORDS, len(PEOPLE))
        ]
        self.names = dict(zip(PEOPLE, fresh, strict=True))
        self.names |= {wrong: _slip(self.names[meant]) for wrong, meant in SLIPS.items()}
        self.names |= {node: f"ip-{chance.randrange(10, 99)}-{number}.int" for number, node in enumerate(NODES, 1)}
        self.ranges = {"10.244": f"10.{chance.randrange(120, 190)}", "10.96": f"10.{chance.randrange(32, 90)}",
                       "172.30.0": f"192.168.{chance.randrange(20, 90)}"}  # fmt: skip
        self._word = re.compile(rf"(?m)(?!^search )\b({'|'.join(self.names)})\b(?!\.example)")
        self._range = re.compile(rf"(?<![\d.])({'|'.join(map(re.escape, self.ranges))})\.")

    def text(self, said: str) -> str:
        told = self._word.sub(lambda hit: self.names[hit[1]], said)
        return self._range.sub(lambda hit: f"{self.ranges[hit[1]]}.", told)

    def sockets(self, said: str) -> str:
        """/proc/net/tcp and its kin, where addresses are little-endian hex."""
        for old, new in self.ranges.items():
            said = re.sub(rf"(?<=[0-9A-F]{{{8 - 2 * len(old.split('.'))}}}){_hex(old)}(?=:)", _hex(new), said)
        return said


def _slip(name: str) -> str:
    return name[:1] + name[2:]


def _hex(prefix: str) -> str:
    return "".join(f"{int(part):02X}" for part in reversed(prefix.split(".")))


def rename(folder: Path, by: Renaming) -> None:
    """Renames inside every file of a case folder, and the files and folders themselves."""
    for path in [each for each in folder.rglob("*") if each.is_file()]:
        where = folder / by.text(str(path.relative_to(folder)))
        text = path.read_text()
        path.unlink()
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(by.sockets(text) if "/net/" in str(path) else by.text(text))


def renamed(value: Any, by: Renaming) -> Any:
    """The same for the truth."""
    return json.loads(by.text(json.dumps(value)))
