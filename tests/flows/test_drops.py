"""Every denied pair of a namespace, by the rule that is missing; and what is said where nothing could be measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.commands.drops import exit_code
from bot.report.drops import encode, headline, message
from bot.slack.limits import problems
from flows.catalog import rules
from flows.drops import (
    POLICY_DROPS_FLOW,
    NamespaceDrops,
    NoSuchNamespace,
    look_at_namespace,
    namespace_drops,
    newest_first,
    of_namespace,
)
from flows.engine import WalkTools, look
from flows.load import load_flows
from flows.model import Case
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.kit import Target
from sensors.kit.catalog import sensors
from tests.kit.cases import case, names, with_facts, without

FLOW = load_flows()[POLICY_DROPS_FLOW]
TOOLS = WalkTools(sensors(), rules())


async def seen(name: str = "orders-to-ledger") -> Case:
    recorded = case(name)
    assert recorded.header.target is not None
    return await look(of_namespace(FLOW, sensors()), Target("", recorded.header.target.namespace), recorded, TOOLS)


@pytest.mark.parametrize("name", names())
async def test_every_recorded_namespace_is_told_without_a_trace_and_fits_slack(name: str) -> None:
    it = namespace_drops(await seen(name))

    assert not problems(message(it))
    assert encode(it)["measured"] is not bool(it.not_measured)


async def test_a_pair_has_its_rule_its_count_its_beginning_and_a_command_to_look_further() -> None:
    (rule,) = namespace_drops(await seen()).rules
    (pair,) = rule.pairs

    assert rule.what == "NetworkPolicy finance/baseline has no rule for ingress from orders/orders-api on TCP 8080"
    assert (pair.source, pair.destination, pair.packets, pair.attempts) == ("orders/orders-api", "finance/ledger", 8, 3)
    assert rule.since == pair.first
    assert pair.look.startswith("kai netdebug orders-api-6dddd5d9dc-6g455 -n orders --to 10.")


async def test_the_newest_change_comes_first() -> None:
    it = await seen()
    dropped = it[HubbleFlows].dropped[0]
    other = replace(dropped, port=9999)
    newer = [dict(each) for each in it[Policies].objects]
    for each in newer:
        if each["kind"] == "NetworkPolicy":
            meta = dict(each["metadata"], name="newer", creationTimestamp=(it.at - timedelta(seconds=1)).isoformat())
            meta.pop("managedFields", None)
            newest = {**each, "metadata": meta}
    flows = replace(it[HubbleFlows], connections=(dropped, other))
    policies = replace(it[Policies], objects=(*it[Policies].objects, newest))

    found = namespace_drops(with_facts(it, flows, policies)).rules

    assert [each.changed.about.name for each in found if each.changed] == ["newer", "newer"]


async def test_rules_stand_by_the_age_of_their_change_and_then_by_what_was_dropped() -> None:
    (rule,) = namespace_drops(await seen()).rules
    assert rule.changed is not None
    old, new = (replace(rule, changed=replace(rule.changed, ago_s=ago)) for ago in (900.0, 5.0))
    more = replace(new, pairs=(*new.pairs, *new.pairs))
    unknown = replace(rule, changed=None)

    assert newest_first([old, unknown, new, more]) == (more, new, old, unknown)


async def test_pods_of_one_workload_are_one_pair() -> None:
    it = await seen()
    dropped = it[HubbleFlows].dropped[0]
    second = replace(dropped, source=replace(dropped.source, pod="orders-api-6dddd5d9dc-zzzzz", ip="10.244.8.8"))

    (rule,) = namespace_drops(with_facts(it, replace(it[HubbleFlows], connections=(dropped, second)))).rules

    assert [each.packets for each in rule.pairs] == [16]


async def test_without_hubble_nothing_is_clear() -> None:
    it = namespace_drops(without(await seen(), HubbleFlows))

    assert it.rules == ()
    assert it.not_measured
    assert headline(it) == "orders: not measured"
    assert encode(it)["measured"] is False
    assert exit_code(it) == 3


async def test_without_policies_the_pairs_are_told_and_no_rule_is_named() -> None:
    it = namespace_drops(without(await seen(), Policies))

    assert [each.what for each in it.rules] == ["A policy denies it; which one is not known"]
    assert exit_code(it) == 1


async def test_a_node_that_did_not_answer_is_no_calm() -> None:
    it = await seen("web-to-catalog")

    assert exit_code(namespace_drops(it)) == 0
    assert exit_code(namespace_drops(with_facts(it, replace(it[HubbleFlows], cut_short=True)))) == 3


async def test_what_only_the_probe_tried_is_nobody_s_demand() -> None:
    it = await seen()
    dropped = it[HubbleFlows].dropped[0]
    probed = replace(it[HubbleFlows], connections=(replace(dropped, probed=dropped.attempts),))

    assert namespace_drops(with_facts(it, probed)).rules == ()


async def test_what_only_the_probe_tried_is_nobody_s_demand_without_policies_either() -> None:
    it = without(await seen(), Policies)
    probed = tuple(replace(each, probed=each.attempts) for each in it[HubbleFlows].connections)

    assert namespace_drops(with_facts(it, replace(it[HubbleFlows], connections=probed))).rules == ()


@pytest.mark.parametrize("unseen", [{"flows": 0, "connections": ()}, {"garbage": 1, "first_garbage": 1}])
async def test_a_namespace_without_flows_or_with_unreadable_ones_is_not_clear(unseen: dict[str, Any]) -> None:
    it = await seen("web-to-catalog")

    assert exit_code(namespace_drops(with_facts(it, replace(it[HubbleFlows], **unseen)))) == 3


async def test_pings_that_a_policy_drops_are_told_and_not_cleared() -> None:
    it = await seen()
    ping = replace(it[HubbleFlows].dropped[0], icmp=(8, 0), protocol="ICMPv4", port=0)
    found = namespace_drops(with_facts(it, replace(it[HubbleFlows], connections=(ping,))))

    assert found.doubts == ("8 packets of ICMP dropped by policies, not replayed",)
    assert exit_code(found) == 3


async def test_a_namespace_that_is_not_there_is_said_with_the_nearest() -> None:
    with pytest.raises(NoSuchNamespace, match='no namespace "ordes"'):
        await look_at_namespace(FLOW, "ordes", case("orders-to-ledger"), TOOLS)


def test_names_of_a_cluster_cannot_act_on_a_terminal_or_a_chat() -> None:
    it = NamespaceDrops("sh\x1b[31mop", "flow", case("orders-to-ledger").header.recorded_at, not_measured="<!channel>")  # type: ignore[arg-type]

    assert "\x1b" not in headline(it)
    assert "<!channel>" not in str(message(it).blocks)
