"""The scoreboard itself: what counts as right, as never to be said, and as a wrong answer of `simulate --can`."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
import yaml

from bench.dressing import NOISE, SHAPES, Renaming
from bench.offered import end_of, is_proved, offer_of, wrong_pairs
from bench.scoreboard import MADE, below, board, row_of_made
from bench.templates import chosen, is_misleading, is_negative, names, write
from bench.truth import REPORTED, ROOT, SHELVES, Row, ask, row_of, shortfalls, truths
from flows.causes import CAUSES
from lab.oracle import OracleNetwork
from tests.flows.variants.every import every
from tests.kit.spoil import real_objects

CASE = "01-ipblock-any-calico"


def row(**changes: object) -> Row:
    usual: dict[str, object] = {
        "name": "a", "expected": "app.slow", "said": "app.slow", "component": "", "confidence": 0.9,
        "right": True, "object_right": None, "never": False,
    }  # fmt: skip
    return Row(**{**usual, **changes})  # type: ignore[arg-type]


def test_a_run_with_every_case_right_misses_no_floor() -> None:
    assert shortfalls([row()], REPORTED) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"right": False, "confidence": 0.3}, "right class 0.0% < 97%"),
        ({"right": False, "confidence": 0.85}, "confident and wrong: a"),
        ({"never": True}, "never to be said: a"),
        ({"can_wrong": True}, "wrong answer of --can: a"),
    ],
)
def test_each_way_to_fall_short_is_named(changes: dict[str, object], told: str) -> None:
    assert told in shortfalls([row(**changes)], REPORTED)


def test_a_case_is_held_against_its_truth(tmp_path: Path) -> None:
    truth = yaml.safe_load((ROOT / f"tests/reports/{CASE}.expected.yaml").read_text())
    (tmp_path / CASE).symlink_to(ROOT / "tests/reports" / CASE)
    file = tmp_path / f"{CASE}.expected.yaml"
    file.write_text(yaml.safe_dump({**truth, "cause_class": "dns.loop", "accept_classes": [], "never_classes": []}))
    assert not row_of(file).right
    assert row_of(ROOT / f"tests/reports/{CASE}.expected.yaml").clean


def test_a_usage_error_is_an_answer_of_its_own() -> None:
    code, out, err = ask("netdebug", "--case", "no-such-folder", "-o", "json")
    assert (code, out) == (2, "")
    assert "no such folder" in err


# -- the recordings of the project -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shelf", SHELVES)
def test_every_shelf_is_within_reach(shelf: str) -> None:
    """As `make reports` prints it: classes, objects, confidence, the worst answers, and what `--can` says."""
    folders, reach = SHELVES[shelf]

    assert shortfalls([row_of(each) for each in truths(folders)], reach) == []


# -- fixes, judged by an evaluator that did not make them --------------------------------------------------------------

PAIR = {
    "from": {"namespace": "partners", "pod": "sync-5d79f57796-7bq2r"},
    "to": {"ip": "198.51.100.20", "fqdn": "cdn.example.net"},
    "port": 443,
    "protocol": "TCP",
}


def test_a_fix_that_opens_what_must_stay_shut_is_harm() -> None:
    objects = real_objects(ROOT / "lab/cases/sync-to-partner")
    wide = [{**each, "spec": {**each["spec"], "egress": [{"toEntities": ["all"]}]}}
            if each["kind"] == "CiliumNetworkPolicy" else each for each in objects]  # fmt: skip
    other = {**PAIR, "to": {"ip": "203.0.113.99"}}

    said = list(
        wrong_pairs({"must_allow": [PAIR], "must_not_allow": [other]}, OracleNetwork(objects), OracleNetwork(wide))
    )

    assert said == ["newly allowed: sync-5d79f57796-7bq2r -> 203.0.113.99 TCP 443"]


def test_a_fix_that_does_not_help_is_told() -> None:
    network = OracleNetwork(real_objects(ROOT / "lab/cases/sync-to-partner"))

    said = list(wrong_pairs({"must_allow": [PAIR]}, network, network))

    assert said == ["still denied: sync-5d79f57796-7bq2r -> cdn.example.net TCP 443"]
    assert end_of(network, {"namespace": "partners", "pod": "any"}).is_pod


def test_a_button_where_none_belongs_is_harm_and_below_reach() -> None:
    truth = {"cause_class": "policy.explicit_deny", "fix": {"automatic": False}}
    fix = {"automatic": True, "refused": None, "proof": {"replayable": True, "replayed": 3, "allowed_after": 3}}

    offer = offer_of(Path(), truth, {"cause_class": "policy.explicit_deny", "fix": fix})

    assert (offer.button, offer.proved, offer.right) == (True, True, False)
    assert below({MADE: [row(offer=offer)]}) == ["harm: a: a button where there must be none"]
    assert not is_proved({"replayable": True, "replayed": 3, "allowed_after": 2})


# -- what is made from templates ---------------------------------------------------------------------------------------


def test_the_bench_is_wide_enough() -> None:
    made = [(name, seed) for seed in (1, 2) for name in names()]
    recorded = [yaml.safe_load(each.read_text()) for folders, _ in SHELVES.values() for each in truths(folders)]

    assert len(made) + len(recorded) >= 120
    assert sum(is_misleading(seed) for _, seed in made) >= 20
    assert sum(is_negative(each["cause_class"]) for each in recorded) >= 20


def test_every_class_of_cause_has_a_template() -> None:
    assert {each.cause for each in every().values()} == set(CAUSES)


@pytest.mark.parametrize("name", names())
def test_every_template_bears_the_troubles_of_others(name: str) -> None:
    """Also one whose own pods or workloads are gone."""
    incident = every()[name].build()
    for put_on in NOISE.values():
        put_on(incident, Random(name))
    json.dumps(incident.objects)


def test_a_seed_makes_the_same_case_again_and_another_seed_another_one(tmp_path: Path) -> None:
    def text(seed: int, room: str) -> dict[str, str]:
        truth = write("egress_dns_only", seed, tmp_path / room)
        folder = truth.with_name(truth.name.removesuffix(".expected.yaml"))
        return {str(each.relative_to(folder)): each.read_text() for each in folder.rglob("*") if each.is_file()}

    assert text(1, "a") == text(1, "b")
    assert text(1, "c") != text(3, "d")
    assert set(chosen("egress_dns_only", 1)) < set(SHAPES)
    assert list(chosen("egress_dns_only", 2)) == list(NOISE)


def test_renaming_keeps_keywords_and_reaches_hex_addresses() -> None:
    by = Renaming(Random(1))
    resolv = by.text("search search.svc.cluster.local svc.cluster.local")

    assert resolv.startswith("search ")
    assert "search.svc" not in resolv
    assert by.text("10.244.0.9 and 110.244.0.9").endswith(" and 110.244.0.9")
    low, high = by.ranges["10.244"].split(".")
    assert by.sockets("0900F40A:1F90") == f"0900{int(high):02X}{int(low):02X}:1F90"


def test_the_scoreboard_has_a_line_for_each_shelf_and_class() -> None:
    said = "\n".join(board({MADE: [row(), row(name="b", expected="none.healthy", said="none.healthy")]}))

    assert MADE in said
    assert "app.slow" in said
    assert "the network is not at fault" in said


GATE = 16
"""Every so many templates one is asked here; `make bench-truth` asks all of them, and must reach `REACH`."""


@pytest.mark.parametrize("name", names()[::GATE])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_made_incident_is_told_in_any_clothes(name: str, seed: int) -> None:
    found = row_of_made(name, seed, ("--no-llm",))

    assert found.clean
    assert not found.offer.harm
