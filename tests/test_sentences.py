"""What a report says must not contradict what it shows, nor stumble over its own numbers: over all recordings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.truth import SHELVES, ask, truths

ALL = [each for folders, _ in SHELVES.values() for each in truths(folders)]

NEVER = {
    "a label without a value is set to None": r"[\w.-]+=None\b",
    "one thing is counted as several": (
        r"(?<![\d.,:/-])(?<!of )1 "
        r"(?:attempts|packets|connections|pods|endpoints|Services|nodes|times|restarts|policies|changes)\b"
    ),
    "the same clause is said twice in a row": r"\b([^;\n]{20,}); \1(?:;|\.|$)",
    "a workload is named as Hubble's JSON writes it": r"\b[a-z0-9-]+/(?:Deployment|DaemonSet|StatefulSet|Job)/\w",
    "a rule is counted from one beside a pointer that counts from zero": r"\brule \d+ (?:admits|denies|passes)\b",
    "refused TCP alone is said to stop every name": r"on TCP 53\b[^;\n]* is refused, so no name resolves",
    "a name of Python's shows": r"\b(?:AskedKind|Outcome|LogTrouble|Role)\.[A-Z_]+\b|<[a-z_.]+ object at",
}
"""What no sentence of any report may hold, by a regular expression."""


def report(truth: Path) -> str:
    folder = truth.with_name(truth.name.removesuffix(".expected.yaml"))
    return ask("netdebug", "--case", str(folder), "-v")[1]


def contradictions(text: str) -> list[str]:
    """Where the ledger says something else than the evidence above it."""
    found = [what for what, pattern in NEVER.items() if re.search(pattern, text, re.MULTILINE)]
    if "the nodes are ready" in text and re.search(r"on n2.*not ready \(NodeStatusUnknown\)", text):
        found.append("the nodes are ready, and one is not")
    if re.search(r"^  dns .*did not resolve", text, re.MULTILINE) and "names resolve from inside the pod" in text:
        found.append("a name resolves and does not")
    opens_nodes = re.search(r"(?:to|from)Entities\W[^{}]{0,80}?\b(?:remote-node|host)\b", text, re.DOTALL)
    if opens_nodes and not re.search(r"every process of (?:every other node|every node|the pod's own node)", text):
        found.append("a rule for whole nodes is told as one for a pod")
    if "no traffic of the pod was seen" in text and re.search(r"dropped in \d+ hubble flows", text):
        found.append("no traffic was seen, and flows were")
    if "calls" in text and "you asked for" in text.partition("\n")[0]:
        found.append("the question is told as a measurement")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("truth", ALL, ids=lambda each: each.name.removesuffix(".expected.yaml"))
def test_a_report_does_not_contradict_itself(truth: Path) -> None:
    assert contradictions(report(truth)) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Set the selector of Service a/b to tier=None.", "a label without a value is set to None"),
        ("1 packets dropped", "one thing is counted as several"),
        ("the agent on n1 does not answer; the agent on n1 does not answer.", "the same clause is said twice in a row"),
        ("ended as Outcome.TIMEOUT", "a name of Python's shows"),
        ("a/b to kube-system/Deployment/coredns on TCP 53", "a workload is named as Hubble's JSON writes it"),
        ("a/b: rule 2 admits pods app=x", "a rule is counted from one beside a pointer that counts from zero"),
        (
            "a/b to kube-system/coredns on TCP 53 is refused, so no name resolves",
            "refused TCP alone is said to stop every name",
        ),
        (
            'Fix: Add a rule from lj2-app/scraper on TCP 9100\n{"fromEntities":["remote-node"]}',
            "a rule for whole nodes is told as one for a pod",
        ),
    ],
)
def test_each_stumble_is_seen(text: str, what: str) -> None:
    assert what in contradictions(text)


def test_a_plain_sentence_is_left_alone() -> None:
    assert contradictions("1 packet dropped in 11 attempts; 21 pods on 2 nodes") == []
    assert (
        contradictions("Deployment kube-system/coredns; a/b to kube-system/coredns on UDP 53, so no name resolves")
        == []
    )
    assert contradictions("NetworkPolicy a/b: /spec/egress/1 admits pods app=x") == []
    nodes = 'Fix: Add a rule from every process of every other node\n{"fromEntities":["remote-node"]}'
    assert contradictions(nodes) == []
