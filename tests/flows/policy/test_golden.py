"""np-guard's netpol-analyzer computed these connectivity maps; ours must be equal, pair by pair and port by port.

Source: github.com/np-guard/netpol-analyzer v1.2.1 (Apache-2.0), ``tests/*`` with ``test_outputs/connlist``. Compared
are connections between workloads; lines about outside addresses and the ingress controller are not. That tool treats
host-network pods as pods, and never compares an ipBlock with a pod.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.policy import PolicyWorld, Profile
from flows.policy.portset import PortSet
from tests.flows.policy.goldens import documents, expected, fetch, policies, workloads

pytestmark = pytest.mark.golden

MODULE = "github.com/np-guard/netpol-analyzer@v1.2.1"
CHECKSUM = "h1:TmO0ObAEQymhxEbZ6h/iVaUItRXufMNpyUrDsGA9u88="
THEIRS = Profile(cidr_matches_pods=False, cidr_matches_nodes=False, host_network_is_node=False)
SPOKEN = PortSet(dict.fromkeys(("TCP", "UDP", "SCTP"), ((1, 65535),)))


@pytest.fixture(scope="module")
def module() -> Path:
    return fetch(MODULE, CHECKSUM)


def reachable(folder: Path) -> dict[tuple[str, str], PortSet]:
    objects = list(documents(folder))
    world = PolicyWorld.of(policies(objects), THEIRS)
    who = workloads(objects)
    pairs = ((a, b, who[a], who[b]) for a in who for b in who if a != b)
    found = {(a, b): SPOKEN & world.reach(source, target).allowed for a, b, source, target in pairs}
    return {pair: ports for pair, ports in found.items() if ports}


def goldens(module: Path) -> dict[str, Path]:
    outputs = module / "test_outputs" / "connlist"
    named = {folder.name: outputs / f"{folder.name}_connlist_output.txt" for folder in (module / "tests").iterdir()}
    return {name: path for name, path in sorted(named.items()) if path.exists()}


def test_every_connectivity_map_is_reproduced(module: Path) -> None:
    different = {}
    pairs = 0
    for name, path in goldens(module).items():
        want, got = expected(path), reachable(module / "tests" / name)
        pairs += len(want)
        wrong = {pair for pair in want.keys() | got.keys() if want.get(pair) != got.get(pair)}
        if wrong:
            different[name] = sorted(wrong)[:5]

    assert different == {}
    assert (len(goldens(module)), pairs) == (46, 6949)
