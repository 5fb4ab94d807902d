"""What is asked of the relay, in which order, and with which fields."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.field_mask_pb2 import FieldMask

from sensors.access.relay.questions import MASK, calls_for, mask_for, version_of
from sensors.hubble.lines import FlowQuestion
from sensors.hubble.pb.cilium.flow.flow_pb2 import AUDIT, DROPPED, ERROR, Flow

POD = FlowQuestion("shop", "client-1", last=500)


def by_name(question):
    return {each.name: each.request for each in calls_for(question)}


def test_the_live_question_comes_first_then_drops_then_context():
    names = [each.name for each in calls_for(POD)]

    assert names == ["live", "drops", "context", "oldest flow", "newest flow", "drops of others"]


def test_drops_are_asked_apart_from_context_so_that_no_limit_cuts_them():
    asked = by_name(POD)

    assert [list(each.verdict) for each in asked["drops"].whitelist] == [[DROPPED, ERROR, AUDIT]] * 2
    assert [each.source_pod or each.destination_pod for each in asked["drops"].whitelist] == [["shop/client-1"]] * 2
    assert [list(each.verdict) for each in asked["context"].blacklist] == [[DROPPED, ERROR, AUDIT]]
    assert (asked["drops"].number, asked["context"].number, asked["live"].follow) == (10_000, 500, True)


def test_drops_of_others_are_everything_bad_that_is_not_the_pods():
    asked = by_name(POD)["drops of others"]

    assert [list(each.verdict) for each in asked.whitelist] == [[DROPPED, ERROR, AUDIT]]
    assert len(asked.blacklist) == 2
    assert "drops of others" not in by_name(FlowQuestion("shop", "client-1", others=False))


def test_without_a_pod_the_drops_are_still_only_drops():
    asked = by_name(FlowQuestion())

    assert [list(each.verdict) for each in asked["drops"].whitelist] == [[DROPPED, ERROR, AUDIT]]
    assert "drops of others" not in asked


def test_without_context_the_drops_are_the_only_question():
    assert [each.name for each in calls_for(FlowQuestion("shop", "client-1", context=False))] == ["drops"]


def test_a_window_is_sent_without_a_number_which_would_keep_the_oldest():
    since = datetime(2026, 11, 23, 21, tzinfo=UTC)

    asked = by_name(FlowQuestion("shop", "client-1", since=since))

    assert (asked["drops"].number, asked["drops"].since.ToDatetime(UTC)) == (0, since)


def test_the_past_has_no_live_question():
    assert "live" not in by_name(FlowQuestion("shop", "client-1", until=datetime(2026, 11, 23, tzinfo=UTC)))


def test_a_pod_on_the_host_network_is_asked_for_by_address_and_port():
    question = FlowQuestion("shop", "agent-1", frozenset({"172.30.0.11"}), frozenset({9090}))

    asked = by_name(question)["context"].whitelist

    assert [(list(each.source_port), list(each.destination_port)) for each in asked if each.source_ip] == [
        (["9090"], []),
        ([], ["9090"]),
    ]


def test_only_fields_that_every_server_knows_are_asked_for():
    assert mask_for(["hubble-relay v1.20.0-dev+g1", "cilium v1.19.6"]) == (*MASK, "file", "policy_log")
    assert mask_for(["hubble-relay v1.19.0", "cilium v1.16.3"]) == MASK
    assert mask_for(["hubble-relay v1.19.0", "cilium v1.15.9"]) == ()
    assert mask_for(["hubble-relay v1.19.0", ""]) == ()
    assert mask_for([]) == ()


def test_every_field_of_the_mask_is_one_of_a_flow():
    assert FieldMask(paths=mask_for(["v1.20.0"])).IsValidForDescriptor(Flow.DESCRIPTOR)


def test_a_version_is_read_out_of_what_builds_call_themselves():
    assert version_of("cilium v1.20.0-dev+gcb982861da") == (1, 20)
    assert version_of("hubble-relay (unknown)") is None


def test_without_a_pod_the_drops_of_every_pod_of_the_namespace_are_asked_for() -> None:
    question = FlowQuestion("shop", others=False)
    drops = {each.name: each.request for each in calls_for(question)}["drops"]

    sides = [(list(each.source_pod), list(each.destination_pod)) for each in drops.whitelist]
    assert sides == [(["shop/"], []), ([], ["shop/"])]
    assert question.is_of_namespace("shop", "other")
    assert not question.is_of_namespace("shopping")
