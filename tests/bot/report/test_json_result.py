"""The published shape: tools and tickets depend on it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bot.report.json_result import encode, render
from flows.causes import CAUSES
from flows.model import Diagnosis, Provenance, RecordedCase
from sensors.kit import Evidence, Sight
from tests.bot.report.examples import DENIED, FIX, HEALTHY, NEW, Said

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "docs" / "schema" / "diagnosis.v1.schema.json").read_text(encoding="utf-8"))
KEYS = """
    investigation_id flow target root_cause cause_class affected_component confidence coverage decided_by reasoning
    evidence layers findings recommended_action fix timings hubble_command
"""

EXAMPLES = {
    "a fault": DENIED,
    "no fault": HEALTHY,
    "a fix of two patches": replace(DENIED, fix=replace(FIX, also=(NEW,))),
    "a time nobody wrote down": replace(
        HEALTHY, provenance=Provenance(recording=RecordedCase("drill", synthetic=True))
    ),
}


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_result_fits_the_published_schema(name: str) -> None:
    said = json.loads(render(EXAMPLES[name]))

    assert [each.message for each in Draft202012Validator(SCHEMA).iter_errors(said)] == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda said: said.pop("fix"),
        lambda said: said.update(extra=1),
        lambda said: said.update(confidence=94),
        lambda said: said.update(cause_class="policy.unheard_of"),
        lambda said: said["layers"].pop(),
        lambda said: said["layers"].reverse(),
        lambda said: said["layers"][0].update(state="ruled out"),
        lambda said: said["evidence"][0].update(sight="fine"),
        lambda said: said["fix"].pop("proof"),
    ],
)
def test_the_schema_refuses_what_is_no_result(spoil: Any) -> None:
    said = encode(DENIED)

    spoil(said)

    assert list(Draft202012Validator(SCHEMA).iter_errors(said))


def test_the_schema_knows_every_cause() -> None:
    assert SCHEMA["$defs"]["cause_class"]["enum"] == list(CAUSES)


@pytest.mark.parametrize("diagnosis", [DENIED, HEALTHY])
def test_the_known_keys_come_first_and_in_order(diagnosis: Diagnosis) -> None:
    said = list(encode(diagnosis))

    assert said == [
        *KEYS.split(),
        "look_for_yourself",
        "also_affected",
        "alternatives",
        "doubts",
        "recorded",
        "provenance",
        "explanation",
        "apiVersion",
    ]


def test_the_ledger_always_has_its_eight_rows() -> None:
    said = encode(HEALTHY)["layers"]

    names = " ".join(row["layer"] for row in said)
    assert names == "pod_network service policy dns conntrack nat physical application"
    assert {row["state"] for row in said} == {"not_measured"}


def test_evidence_tells_the_three_outcomes_apart() -> None:
    said = encode(DENIED)["evidence"]

    assert said[1:] == [
        {
            "id": "E2",
            "sensor": "hubble.capture_flows",
            "sight": "seen",
            "summary": "847 connections to kube-apiserver:6443 dropped in 2541 packets (POLICY_DENIED)",
            "facts": {"connections": 847, "packets": 2541, "first": "2026-11-23T21:09:47Z"},
        },
        {
            "id": "E3",
            "sensor": "kube_proxy.health",
            "sight": "absent",
            "summary": "no kube-proxy: Cilium replaces it",
            "facts": {},
        },
        {
            "id": "E4",
            "sensor": "net.mtu",
            "sight": "blind",
            "summary": "pods/production/api-server/pmtu.json is not in the recording",
            "facts": {},
        },
    ]


def test_a_patch_is_never_shortened() -> None:
    long = {"op": "add", "path": "/spec/egress/-", "value": {"ports": [{"port": port} for port in range(1, 200)]}}

    said = encode(replace(DENIED, fix=replace(FIX, patch=(long,))))

    assert said["fix"]["patch"] == [long]


def test_what_a_terminal_would_obey_is_written_as_an_escape() -> None:
    evil = "\x1b[2J\x9b2J\u202e\x7f"
    poisoned = replace(HEALTHY, evidence={"E1": Evidence("k8s.pod", Sight.SEEN, Said(evil))})

    said = render(poisoned)

    assert said.isprintable() or all(letter.isprintable() or letter == "\n" for letter in said)
    assert json.loads(said)["evidence"][0]["facts"] == {"text": evil}
