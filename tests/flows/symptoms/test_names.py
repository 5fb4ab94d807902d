"""From the name in the question to the name on the wire."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case
from flows.symptoms.names import addresses_of_name, is_named, names_at
from sensors.dns_lookup import Lookups
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import Services
from sensors.kit.objects import Ref
from sensors.net_connect import Connects
from sensors.topology.peer import AskedKind
from tests.flows.rules.facts import OUTSIDE, answered, asks, healthy, resolving
from tests.kit.cases import case_of, with_facts, without

PARTNER = "files.partner.example"


@pytest.mark.parametrize(
    "name", [PARTNER, f"{PARTNER}.", f"{PARTNER}.search.svc.cluster.local", f"{PARTNER}.cluster.local", PARTNER.upper()]
)
@pytest.mark.parametrize("blind", [False, True], ids=["resolver known", "no look-up recorded"])
def test_a_name_is_known_again_with_a_search_domain_behind_it(name: str, blind: bool) -> None:
    case = asks(healthy(), PARTNER, 443)

    assert is_named(without(case, Lookups) if blind else case, PARTNER, [name])


@pytest.mark.parametrize(
    "name", ["partner.example", f"x.{PARTNER}", f"{PARTNER}.other.svc.cluster.local", f"{PARTNER}.evil.example"]
)
def test_another_name_is_another_name(name: str) -> None:
    assert not is_named(asks(healthy(), PARTNER, 443), PARTNER, [name])


def alias() -> Case:
    """Service search/ledger stands for ledger.bank.example (synthetic)."""
    case = asks(healthy(), "ledger", 5432)
    services = case[Services]
    assert services.asked is not None
    ref = Ref("Service", "search", "ledger")
    asked = replace(services.asked, kind=AskedKind.EXTERNAL, alias=ref, external_name="ledger.bank.example")
    return with_facts(case, replace(services, asked=asked))


def test_the_target_of_an_externalname_is_the_peer_that_was_asked_for() -> None:
    assert is_named(alias(), "ledger", ["ledger.bank.example"])
    assert not is_named(alias(), "ledger", ["other.bank.example"])


def test_an_address_in_the_question_has_no_name() -> None:
    assert not is_named(asks(healthy(), "203.0.113.10", 443), "203.0.113.10", ["203.0.113.10"])


def test_look_ups_link_an_address_to_the_names_that_led_there() -> None:
    case = resolving(asks(healthy(), OUTSIDE, 443), answered(OUTSIDE))

    assert addresses_of_name(case, OUTSIDE) == {"10.96.0.1"}
    assert names_at(case, "10.96.0.1")[0] == OUTSIDE
    assert names_at(case, "192.0.2.1") == ()


def test_the_dns_proxy_s_answers_among_the_flows_link_them_too() -> None:
    """Nothing was looked up by us, and the flows name no destination: the pod's own look-up was seen answered."""
    case = without(case_of("sync-to-partner"), Lookups, Connects)
    flows = case[HubbleFlows]
    stranger = tuple(replace(each, client="10.244.9.9") for each in flows.dns)

    assert names_at(case, "198.51.100.20") == ("cdn.example.net",)
    assert addresses_of_name(case, "cdn.example.net") == {"198.51.100.20"}
    assert names_at(with_facts(case, replace(flows, dns=stranger)), "198.51.100.20") == ()
