"""Recordings of which most is missing: the right cause or an honest shrug; never another cause, never calm.

What people capture by the README's recipe is objects and flows, without logs, probes and nodes.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flows.variants.running import diagnose, look
from tests.kit.cases import CASES, expected, names
from tests.kit.sampling import share_of

RECIPE = [
    "pods",
    "namespaces",
    "nodes",
    "services",
    "endpointslices",
    "events",
    "deployments",
    "replicasets",
    "daemonsets",
    "networkpolicies",
]
SHRUG = "inconclusive"
REFUSED = frozenset({"policy.egress_denied", "policy.ingress_denied"})


def by_the_recipe(part: Path) -> bool:
    return part.name in ("case.yaml", "flows.jsonl") or (part.parent.name == "objects" and part.stem in RECIPE)


def without_pods(part: Path) -> bool:
    return part.name != "pods.yaml"


def without_services(part: Path) -> bool:
    return part.name not in ("services.yaml", "endpointslices.yaml")


def without_logs(part: Path) -> bool:
    return part.suffix != ".log"


def kept(name: str, folder: Path, keep: Callable[[Path], bool]) -> Path:
    """The recording with only the files that `keep` wants."""
    where = folder / name
    for part in (CASES / name).rglob("*"):
        if part.is_file() and keep(part):
            there = where / part.relative_to(CASES / name)
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(part, there)
    return where


@pytest.mark.parametrize("keep", [by_the_recipe, without_pods, without_services, without_logs])
@pytest.mark.parametrize("name", share_of(names()))
def test_an_unrecorded_part_leads_to_an_undecided_verdict_at_most(name, keep, tmp_path):
    truth = expected(name)
    right = {truth["cause_class"], *truth.get("accept_classes", ()), SHRUG}

    said = diagnose(asyncio.run(look(kept(name, tmp_path, keep))))

    if said.component is None and said.cause_class in REFUSED:  # the datapath's word; whose policy, nobody recorded
        assert said.confidence < 0.6
        assert right & {"policy.fqdn_mismatch", *REFUSED}
    elif said.cause_class == "none.healthy":  # the peer opens; what its answers say, only the log would tell
        assert said.confidence <= 0.6
        assert truth["cause_class"] in ("app.error", "none.healthy")
    else:
        assert said.cause_class in right
