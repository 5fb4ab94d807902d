"""The short answer: each fact once, short enough for a phone, and nothing claimed that was not measured."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.approval.states import ProposalState
from bot.report import blocks
from bot.report.blocks import Said
from bot.report.incident import failed_connections, last_change
from bot.report.json_result import decode, encode
from bot.report.short_answer import DEGRADED, FAILING, VerdictStatus, short_answer, state_of, status_of
from bot.slack.proposal_blocks import on_root
from flows.causes import CAUSES
from flows.model import Diagnosis, Explanation, Statement
from sensors.kit import Evidence, Sight, Target
from sensors.kit.managers import made_with
from sensors.kit.reported import RecordedFacts
from tests.bot.approval.making import proposal
from tests.bot.report.examples import DENIED, FIX, HEALTHY, with_root
from tests.kit.cases import names
from tests.kit.diagnoses import diagnosis_of

MOST_LINES, MOST_CHARACTERS = 8, 900
"""Of a root message: what fits the screen of a phone."""


def lines_of(said: Said) -> list[str]:
    """What a reader sees of a message, line by line; a row of buttons is one line."""
    found: list[str] = []
    for block in said.blocks:
        if block["type"] in ("header", "section"):
            found += block["text"]["text"].split("\n")
        elif block["type"] == "context":
            found += [each["text"] for each in block["elements"]]
        elif block["type"] == "actions":
            found.append(" ".join(each["text"]["text"] for each in block["elements"]))
        else:
            found.append(block["type"])
    return found


def sentences(text: str) -> list[str]:
    return [each for each in re.split(r"(?<=[.!?]) |\n|: ", text) if len(each) > 15]


LONG_WHY = "not verified: 0 forwarded, 3 dropped; the newest drop at 21:20:05 UTC on lab1, and no policy changed since"
SENTENCES = "The new policy isolates the pod's egress, and nothing in it lets the API server be reached from there."
EXPLAINED = Explanation((Statement(SENTENCES, ("E1", "E3")),))


def roots(it: Diagnosis) -> list[Said]:
    """The root message of a verdict, and of every state that a proposed change may be in."""
    changes = [on_root(proposal(state=state, why=why)) for state in ProposalState for why in ("", LONG_WHY)]
    return [blocks.verdict(it, "U0ALICE", "production-eu-1", change) for change in (None, *changes)]


@pytest.mark.parametrize("explanation", [None, EXPLAINED], ids=["rules", "explained"])
@pytest.mark.parametrize("name", names())
def test_a_root_message_fits_a_phone_and_says_no_sentence_twice(name: str, explanation: Explanation | None):
    it = replace(diagnosis_of(name), explanation=explanation)
    for root in roots(it):
        fits_a_phone(root)


def fits_a_phone(root: Said) -> None:
    shown = lines_of(root)
    said = sentences("\n".join(shown))

    assert len(shown) <= MOST_LINES
    assert sum(map(len, shown)) <= MOST_CHARACTERS
    assert len(said) == len(set(said))


@pytest.mark.parametrize("name", names())
def test_a_verdict_that_was_kept_says_the_same_as_one_just_made(name: str):
    it = diagnosis_of(name)

    assert short_answer(decode(encode(it))) == short_answer(it)


def test_a_denied_connection_is_told_with_beginning_change_loss_and_proof():
    short = short_answer(diagnosis_of("orders-to-ledger"))

    assert short.headline == "orders/orders-api-6dddd5d9dc-6g455 → ledger.finance:80: blocked"
    assert short.began == (
        "Since 21:08:24 UTC, 2 s after baseline was created with kubectl apply. "
        "8 packets dropped in 3 connection attempts."
    )
    assert short.fix.endswith("Replayed: 8 of 8 dropped packets would pass; opens nothing else.")


@pytest.mark.parametrize(
    ("name", "status", "state"),
    [
        ("api-server-cannot-watch", VerdictStatus.FAILING, "blocked"),
        ("gallery-to-media", VerdictStatus.DEGRADED, "opens, but large answers stall"),
        ("search-to-index", VerdictStatus.HEALTHY, "no fault found"),
        ("notify-to-mailer", VerdictStatus.FAILING, "the name does not exist"),
    ],
)
def test_each_status_has_its_own_colour_and_words(name: str, status: VerdictStatus, state: str):
    assert (status_of(diagnosis_of(name)), state_of(diagnosis_of(name))) == (status, state)


def test_without_a_shown_cause_it_is_white_and_never_called_healthy():
    it = with_root(HEALTHY, cause_class="inconclusive", cause="No cause is shown")

    assert (status_of(it), state_of(it)) == (VerdictStatus.UNDECIDED, "undecided")


def test_the_words_for_a_state_are_of_causes_that_there_are():
    assert set(DEGRADED) | set(FAILING) <= set(CAUSES)
    assert not set(DEGRADED) & set(FAILING)


@pytest.mark.parametrize("cause", [each for each in CAUSES if each not in ("inconclusive", "none.healthy")])
def test_every_cause_has_words_and_is_red_or_yellow(cause: str):
    it = with_root(DENIED, cause_class=cause)

    assert state_of(it)
    assert status_of(it) in (VerdictStatus.FAILING, VerdictStatus.DEGRADED)


# -- what was measured -------------------------------------------------------------------------------------------------


def kept(facts: Any) -> RecordedFacts:
    """Facts of any shape, as they come back from the store."""
    return RecordedFacts("", facts)


def connection(ip: str, port: int = 6443, **more: Any) -> dict[str, Any]:
    drop = "2026-11-23T21:10:00Z"
    seen = {"first": drop, "first_drop": drop, "packets_dropped": 5, "dropped": 2, "outcome": "dropped"}
    return {"destination": {"ip": ip}, "protocol": "TCP", "port": port, "nodes": ["lab1"], **seen, **more}


def seeing(*connections: dict[str, Any], memory: str = "2026-11-23T21:00:00Z", to: Target | None = None) -> Diagnosis:
    flows = kept({"connections": list(connections), "memory": [{"node": "lab1", "first": memory}]})
    evidence = {"E1": Evidence("hubble.capture_flows", Sight.SEEN, flows)}
    return replace(DENIED, evidence=evidence, target=to or Target("api", "prod", "10.0.0.7", 6443))


def test_drops_of_another_peer_are_not_counted_as_the_loss():
    it = seeing(connection("10.0.0.7"), connection("10.9.9.9", packets_dropped=900))

    assert failed_connections(it).packets == 5  # type: ignore[union-attr]
    assert failed_connections(seeing(connection("10.9.9.9"))) is None


def test_a_failure_at_the_edge_of_what_hubble_remembers_may_have_begun_earlier():
    early, late = seeing(connection("10.0.0.7"), memory="2026-11-23T21:09:59Z"), seeing(connection("10.0.0.7"))

    assert short_answer(early).since == "21:10:00 UTC at the latest"
    assert short_answer(late).since == "21:10:00 UTC"


def test_a_port_that_differs_on_the_wire_is_named_unless_the_cause_names_it():
    asked = Target("api", "prod", "10.0.0.7", 443)
    plain = with_root(seeing(connection("10.0.0.7"), to=asked), cause="A policy blocks it")
    named = with_root(seeing(connection("10.0.0.7"), to=asked), cause="A policy blocks TCP 6443")

    assert short_answer(plain).wire == "10.0.0.7 TCP 6443"
    assert short_answer(named).wire == ""


def test_only_look_ups_count_where_dns_is_blocked():
    it = with_root(seeing(connection("10.0.0.7"), connection("10.0.0.2", 53)), cause_class="policy.dns_blocked")

    assert failed_connections(it).port == 53  # type: ignore[union-attr]


@pytest.mark.parametrize("at", ["2026-11-23T20:00:00Z", "2026-11-23T21:10:30Z"])
def test_a_change_long_before_or_after_the_first_drop_is_not_named(at: str):
    component = DENIED.component
    assert component is not None
    about = {"kind": component.kind, "namespace": component.namespace, "name": component.name}
    changes = kept({"changes": [{"about": about, "at": at, "kind": "created", "manager": "helm"}]})
    it = seeing(connection("10.0.0.7"))
    it = replace(it, evidence={**it.evidence, "E2": Evidence("k8s.recent_changes", Sight.SEEN, changes)})

    assert last_change(it) is None


def test_a_verdict_without_flows_says_no_beginning_and_no_loss():
    short = short_answer(replace(DENIED, evidence={}))

    assert (short.since, short.lost, short.began, short.wire) == ("", "", "", "")


@pytest.mark.parametrize("facts", [{}, {"connections": "x"}, {"connections": [{"outcome": "dropped", "first": 5}]}])
def test_facts_of_another_shape_are_left_out(facts: dict[str, Any]):
    it = replace(DENIED, evidence={"E1": Evidence("hubble.capture_flows", Sight.SEEN, kept(facts))})

    assert failed_connections(it) is None


# -- the fix -----------------------------------------------------------------------------------------------------------


def test_a_refused_fix_says_why_and_what_a_person_does_next():
    it = replace(DENIED, fix=replace(FIX, refused="it opens every port"))

    assert short_answer(it).fix == (
        "No automatic fix: it opens every port. Let production/api-server reach kube-apiserver on 6443/TCP."
    )


def test_who_would_undo_the_fix_is_said_beside_it():
    assert short_answer(DENIED).fix.endswith("opens nothing else; Argo CD application prod would undo it.")


def test_a_fix_that_a_person_must_review_says_so():
    assert "(for a person to review)." in short_answer(replace(DENIED, fix=replace(FIX, automatic=False))).fix


@pytest.mark.parametrize(
    ("manager", "words"),
    [
        ("kubectl-client-side-apply", "with kubectl apply"),
        ("kubectl-patch", "with kubectl patch"),
        ("argocd-controller", "by Argo CD"),
        ("my-operator", "by my-operator"),
        ("before-first-apply", ""),
    ],
)
def test_a_field_manager_is_named_by_its_command_or_program(manager: str, words: str):
    assert made_with(manager) == words


def test_times_of_another_zone_are_said_in_utc():
    it = seeing(connection("10.0.0.7", first_drop="2026-11-23T23:10:00+02:00", first="2026-11-23T23:10:00+02:00"))

    assert failed_connections(it).since == datetime(2026, 11, 23, 21, 10, tzinfo=UTC)  # type: ignore[union-attr]
