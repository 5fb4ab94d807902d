"""Real hubble policy verdicts as questions for the simulator: what the datapath did is the answer to compare with.

``recorded/`` holds policy-verdict lines (event_type 5) of a two-node cluster with Cilium 1.20, one of each kind per
recording, and ``policies.json`` the policies that were in force; ``lab/cases`` holds whole recorded incidents.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from flows.policy import CILIUM, Endpoint, PolicyWorld, Traffic

HERE = Path(__file__).parent
RECORDED = HERE / "recorded"
CASES = HERE.parents[2] / "lab" / "cases"
Flow = dict[str, Any]

ALLOWED = {"FORWARDED": True, "REDIRECTED": True, "DROPPED": False, "AUDIT": False}  # AUDIT: would be denied


def policy_verdicts(path: Path) -> Iterator[Flow]:
    """First packets of connections that the datapath judged."""
    for line in path.read_text().splitlines():
        flow = json.loads(line).get("flow")
        if flow and flow.get("event_type", {}).get("type") == 5 and not flow.get("is_reply"):
            yield flow


def recorded_policies(name: str) -> list[dict[str, Any]]:
    return json.loads((RECORDED / "policies.json").read_text())[name]


def case_world(case: str) -> PolicyWorld:
    documents: list[Mapping[str, Any]] = []
    for path in sorted((CASES / case / "objects").glob("*.yaml")):
        documents += [d for d in yaml.load_all(path.read_text(), yaml.CSafeLoader) if d]
    return PolicyWorld.of(documents, CILIUM)


def traffic_of(flow: Flow) -> Traffic:
    """A connection from its flow: labels and entities are those of the identities the datapath used."""
    ip = flow["IP"]
    names = tuple(flow.get("destination_names", ()))
    source = endpoint_of(flow["source"], ip["source"], node=flow["node_name"])
    destination = endpoint_of(flow["destination"], ip["destination"], names=names)
    protocol, layer = next(iter(flow["l4"].items()))
    if protocol.startswith("ICMP"):
        return Traffic(source, destination, protocol.replace("v4", ""), icmp_type=layer.get("type", 0))
    return Traffic(source, destination, protocol, layer["destination_port"])


def endpoint_of(side: Flow, ip: str, names: tuple[str, ...] = (), node: str = "") -> Endpoint:
    labels = dict(label.partition("=")[::2] for label in side.get("labels", ()))
    of_pod = {key.removeprefix("k8s:"): value for key, value in labels.items() if key.startswith("k8s:")}
    space = "io.cilium.k8s.namespace.labels."
    return Endpoint(
        namespace=side.get("namespace", ""),
        pod=side.get("pod_name", ""),
        labels={key: value for key, value in of_pod.items() if not key.startswith("io.")},
        namespace_labels={key.removeprefix(space): value for key, value in of_pod.items() if key.startswith(space)},
        ip=ip,
        node=node,
        entities=frozenset(key.removeprefix("reserved:") for key in labels if key.startswith("reserved:")),
        fqdns=tuple(key.removeprefix("fqdn:") for key in labels if key.startswith("fqdn:")) + names,
        names_known=True,
        service_account=of_pod.get("io.cilium.k8s.policy.serviceaccount", ""),
    )


def refs_of(flow: Flow, verb: str) -> set[tuple[str, str, str]]:
    """Policies the datapath itself names: ``allowed_by`` or ``denied_by`` of the flow's direction."""
    named = flow.get(f"{flow['traffic_direction'].lower()}_{verb}", ())
    return {(each.get("kind", ""), each.get("namespace", ""), each["name"]) for each in named}
