"""Random clusters, a refused connection, our fix: judged by the second opinion, never by the simulator that made it.

    uv run python tests/flows/fixes/fuzz_fixes.py [cases] [first seed]

Held against `lab.oracle`: the offered fix opens the connection; no offered way closes anything; every way it opens is
told; no automatic fix opens more than another one listed beside it; and the way back restores the very same objects.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from flows.catalog import rules
from flows.fixes.build import build
from flows.fixes.change import applied, undone
from flows.model import Case, Finding, Fix
from flows.verdict import rank
from lab.oracle import CannotTell, End, OracleNetwork
from sensors.k8s_network_policies import Policies
from tests.flows.fixes.random_cases import ENTITIES, OUTSIDE, Refused, case_of, refused

Way = tuple[str, str, str, int]
"""Source, destination, protocol and port, with workloads and outsiders by the names that a fix uses."""

WAY = re.compile(r"(?P<source>.+) -> (?P<there>.+) (?P<protocol>TCP|UDP|SCTP|ICMP|ICMPv6) (?P<ports>all|[\d, -]+)")


@dataclass
class Report:
    """What came of all cases."""

    cases: int = 0
    offered: int = 0
    automatic: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def note(self, kind: str, seed: int, mixed: bool, words: str) -> None:
        self.wrong[kind] += 1
        self.examples.append(f"{kind}: seed {seed}{' mixed' if mixed else ''}: {words}")


KINDS = (
    "does not open the connection",
    "closes a way",
    "opens a way that is not told",
    "opens more than another one",
    "cannot be undone exactly",
)


def run(count: int, first: int) -> Report:
    """Half of the cases with NetworkPolicies alone, half with Cilium's as well."""
    report, seed = Report(), first
    while report.cases < count:
        for mixed in (False, True):
            if report.cases < count and (asked := refused(seed, mixed)) is not None:
                judge(asked, seed, mixed, report)
        seed += 1
    return report


def judge(asked: Refused, seed: int, mixed: bool, report: Report) -> None:
    """Everything that must hold of the fixes for one refused connection."""
    report.cases += 1
    case = case_of(asked)
    fixes = [each for each in fixes_of(case) if each.refused is None]
    if not fixes:
        return
    report.offered += 1
    report.automatic += fixes[0].automatic
    before = ways(asked.network)
    opened = {
        id(fix): _held(fix, case, asked, before, lambda *said: report.note(said[0], seed, mixed, said[1]))
        for fix in fixes
    }
    least = min(len(_pairs(each)) for each in opened.values())
    if fixes[0].automatic and len(_pairs(opened[id(fixes[0])])) > least:
        report.note("opens more than another one", seed, mixed, fixes[0].title)


def fixes_of(case: Case) -> tuple[Fix, ...]:
    """What is offered for the first policy finding that has a remedy."""
    found: list[Finding] = []
    for name, rule in rules().items():
        if name.startswith("policy-"):
            said = rule.judge(case)
            found += [said] if isinstance(said, Finding) else list(said or ())
    root = next((each for each in rank(found) if each.remedy is not None), None)
    return build(root, case) if root is not None else ()


def _held(fix: Fix, case: Case, asked: Refused, before: dict[Way, bool | None], note: Any) -> set[Way]:
    objects = [dict(each) for each in applied(case[Policies].objects, fix)]
    network = OracleNetwork(objects)
    after = ways(network)
    if not network.allows(_now(network, asked.source), _now(network, asked.destination), "TCP", asked.port):
        note("does not open the connection", fix.title)
    closed = {way for way, allowed in before.items() if allowed and after[way] is False and not _is_empty(way, network)}
    if closed:
        note("closes a way", f"{fix.title}: {sorted(closed)[:3]}")
    opened = {way for way, allowed in after.items() if allowed and before[way] is False}
    told = [each for part in (fix, *fix.also) for each in part.newly_allowed]
    if untold := [way for way in sorted(opened) if not is_told(way, told)]:
        note("opens a way that is not told", f"{fix.title}: {untold[:3]} not in {told[:5]}")
    back = undone(objects, fix)
    if json.dumps(back, sort_keys=False) != json.dumps(asked.objects, sort_keys=False):
        note("cannot be undone exactly", fix.title)
    return opened


def _now(network: OracleNetwork, end: End) -> End:
    """The same pod with the labels that it and its namespace have in this network."""
    return network.pods.get((end.namespace, end.name), end)


def _pairs(opened: Iterable[Way]) -> set[tuple[str, str, str]]:
    return {way[:3] for way in opened}


def _is_empty(way: Way, network: OracleNetwork) -> bool:
    """Nobody serves the port: all pods of the workload say what they serve, and it is not among that."""
    pods = [each for each in network.pods.values() if _name(each) == way[1]]
    return bool(pods) and all(each.declared for each in pods) and not any(way[3] in each.declared for each in pods)


# -- every way through a network -------------------------------------------------------------------------------------


def ways(network: OracleNetwork) -> dict[Way, bool | None]:
    """Whether each workload and outsider may talk to each other, port by port; None where it cannot be told."""
    pods = list({_name(each): each for each in sorted(network.pods.values(), key=lambda e: e.name)}.items())
    ports = sorted({port for _, pod in pods for port in pod.declared} | {80, 443, 5432, 22})
    packets = [*(("TCP", port) for port in ports), ("UDP", 53), ("UDP", 80)]
    others = [*pods, *outsiders()]
    return {
        (source, there, protocol, port): _allowed(network, one, other, protocol, port)
        for source, one in others
        for there, other in others
        if source != there and (one.is_pod or other.is_pod)
        for protocol, port in packets
    }


def _allowed(network: OracleNetwork, source: End, destination: End, protocol: str, port: int) -> bool | None:
    try:
        return network.allows(source, destination, protocol, port)
    except CannotTell:
        return None


def outsiders() -> Iterator[tuple[str, End]]:
    """Addresses of the world, and everyone whom Cilium calls by an entity. An address there is too, in a pod range."""
    for ip in OUTSIDE:
        yield ip, End(ip=ip, words=frozenset({"world"}), names=())
    for word in ENTITIES[2:]:
        words = {word, "remote-node"} if word == "kube-apiserver" else {word}
        yield word, End(words=frozenset(words), names=())


def _name(pod: End) -> str:
    return f"{pod.namespace}/{pod.workload}"


def is_told(way: Way, told: Iterable[str]) -> bool:
    """Whether a way is among those that a fix says it opens."""
    return any(_covers(found, way) for each in told if (found := WAY.fullmatch(each)) is not None)


def _covers(told: re.Match[str], way: Way) -> bool:
    ends = _is_party(told["source"], way[0]) and _is_party(told["there"], way[1])
    return ends and told["protocol"] == way[2] and _has_port(told["ports"], way[3])


def _is_party(said: str, name: str) -> bool:
    if said == name or (said == "world-ipv4" and name in OUTSIDE):
        return True
    try:
        return ip_address(name) in ip_network(said)
    except ValueError:
        return False


def _has_port(said: str, port: int) -> bool:
    if said == "all":
        return True
    spans = [each.strip().partition("-") for each in said.split(",")]
    return any(int(low) <= port <= int(high or low) for low, _, high in spans)


def main() -> int:
    count, first = (int(word) for word in [*sys.argv[1:], *("2000", "1")[len(sys.argv) - 1 :]][:2])
    report = run(count, first)
    print(f"{report.cases} refused connections, {report.offered} with a fix, {report.automatic} of them automatic")
    for kind in KINDS:
        print(f"  {kind}: {report.wrong[kind]}")
    print(*report.examples[:20], sep="\n")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
