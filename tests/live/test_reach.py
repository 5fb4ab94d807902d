from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sensors.access.live.probing import ProbeTargets, requests_for
from sensors.access.live.reach import ConnectPlan, answered, plan
from sensors.kit.cluster import Dial, DnsLookup
from sensors.topology.peer import AddressBook


def service(name: str, namespace: str, address: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": address, "clusterIPs": [address]}}


def part_of(name: str, namespace: str, *addresses: str) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": name}
    meta = {"name": f"{name}-x", "namespace": namespace, "labels": labels}
    return {"metadata": meta, "endpoints": [{"addresses": [each]} for each in addresses]}


WHERE = AddressBook(
    services=(service("db", "shop", "10.96.0.7"),),
    slices=(part_of("db", "shop", "10.244.1.9", "fd00::9"), part_of("other", "shop", "10.244.1.66")),
    pods=(),
    nodes=(),
    namespaces=("shop", "web"),
)


def test_an_address_is_allowed_itself_and_nothing_beside_it() -> None:
    assert plan([Dial("203.0.113.5", 443)], ["10.244.1.9"], "web", WHERE) == ConnectPlan(
        (Dial("203.0.113.5", 443),), (), ("10.244.1.9", "203.0.113.5")
    )


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "fd00:ec2::254", "64:ff9b::a9fe:a9fe", "::ffff:169.254.169.254"),
        *("169.254.1.1", "127.0.0.1", "224.0.0.1", "0.0.0.0"),
    ],
)
def test_metadata_addresses_are_never_allowed_whoever_names_them(address: str) -> None:
    where = replace(WHERE, slices=(part_of("db", "shop", address, "10.244.1.9"),))

    asked, behind = plan([Dial(address, 80)], [address], "web", where), plan([Dial("db.shop", 5432)], [], "web", where)

    assert asked == ConnectPlan((Dial(address, 80),), (), ())  # asked for all the same: the probe says why it does not
    assert behind.allow == ("10.244.1.9", "10.96.0.7")


def test_the_node_local_dns_cache_is_the_one_link_local_address_that_may_be_asked() -> None:
    assert plan([Dial("169.254.20.10", 53)], [], "web", WHERE).allow == ("169.254.20.10",)


def test_a_service_is_its_address_and_the_pods_behind_it() -> None:
    planned = plan([Dial("db.shop", 5432)], [], "web", WHERE)

    assert (planned.dials, planned.allow) == ((Dial("db.shop", 5432),), ("10.244.1.9", "10.96.0.7", "fd00::9"))


def test_a_name_of_outside_is_left_for_later_and_allows_nothing() -> None:
    assert plan([Dial("api.example.com", 443)], [], "web", WHERE) == ConnectPlan(
        (), (Dial("api.example.com", 443),), ()
    )


def test_only_answers_to_that_very_name_say_where_it_is() -> None:
    rows = (
        DnsLookup("api.example.com.web.svc.cluster.local", "A", "10.96.0.10", "NXDOMAIN"),
        DnsLookup("api.example.com.", "A", "10.96.0.10", "NOERROR", addresses=("203.0.113.5", "nonsense")),
        DnsLookup("evil-api.example.com", "A", "10.96.0.10", "NOERROR", addresses=("10.0.0.1",)),
    )

    assert answered("API.example.com", rows) == ("203.0.113.5",)


def test_more_targets_than_the_probe_takes_go_in_several_requests() -> None:
    wish = ProbeTargets(("a", "b"), tuple(Dial("10.0.0.1", port) for port in range(1, 13)), ("10.0.0.1", "10.0.0.2"))

    requests = requests_for("uid", wish, ("10.0.0.1",))

    assert [len(each.lookups) + len(each.connects) + len(each.path_mtu) for each in requests] == [16, 2]
    assert all(each.allow == ("10.0.0.1",) for each in requests)
