"""Differences in words."""

from __future__ import annotations

from flows.policy import Diff, Opening, PolicyParty, diff_in_words

WEB, API, WORLD = (
    PolicyParty("workload", "shop", "Deployment web"),
    PolicyParty("workload", "pay", "Deployment api"),
    PolicyParty("entity", "", "world-ipv4"),
)
EVERY = (("ICMP", 255), ("ICMPv6", 255), ("SCTP", 65535), ("TCP", 65535), ("UDP", 65535))


def test_a_narrow_opening_is_two_lines() -> None:
    diff = Diff(opened=(Opening(WEB, API, "TCP", ((8080, 8080),)),))

    assert diff_in_words(diff) == (
        "newly allowed: 1 source, 1 destination, 1 port\n  opens shop/Deployment web -> pay/Deployment api: TCP 8080"
    )


def test_a_broad_opening_is_one_line_a_pair_and_its_warnings() -> None:
    opened = tuple(Opening(WEB, WORLD, protocol, ((0, high),)) for protocol, high in EVERY)

    lines = diff_in_words(Diff(opened=opened, opens_world=True, opens_all_ports=True, complete=False)).splitlines()

    assert lines[1:] == [
        "  opens shop/Deployment web -> world-ipv4: every port",
        "  warning: opens the world outside the cluster",
        "  warning: opens every port",
        "  warning: opens or closes more than can be listed",
    ]


def test_what_is_undecidable_is_never_left_out() -> None:
    diff = Diff(undecidable=(Opening(WEB, API, "UDP", ((53, 53), (60, 70))),), because=("a group is not at hand",))

    assert diff_in_words(diff).splitlines() == [
        "newly allowed: nothing; 1 undecidable",
        "  undecidable: shop/Deployment web -> pay/Deployment api: UDP 53, 60-70",
        "  because a group is not at hand",
    ]


def test_long_lists_are_cut_with_their_number() -> None:
    opened = tuple(Opening(WEB, PolicyParty("cidr", "", f"10.0.0.{n}/32"), "TCP", ((1, 1),)) for n in range(13))

    assert diff_in_words(Diff(opened=opened)).splitlines()[-1] == "  … and 3 more"
