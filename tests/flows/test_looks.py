"""The commands that show a cause without KAI: they name what is there, and a filter that matches nothing is no look."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flows.causes import CAUSES
from flows.looks import MAX_LOOK_COMMANDS, hubble_command, looks
from flows.model import Case, Component, Finding
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import Services
from sensors.kit import Environment, Target
from tests.kit.cases import case_of, names, without

NODE = Component("Node", "", "n1")


def asking(target: Target) -> Case:
    return Case(target, Environment(), datetime(2026, 11, 23, tzinfo=UTC), {})


def finding(cause: str, component: Component | None = None) -> Finding:
    return Finding(cause, cause, component, 0.9, "", ())


def commands(case: Case, root: Finding) -> list[str]:
    return [each.command for each in looks(case, root)]


@pytest.mark.parametrize("cause", sorted(CAUSES))
def test_every_class_has_a_look_that_shows_it_and_never_more_than_a_person_types(cause):
    found = looks(asking(Target("web-1", "shop", "10.0.0.1", 443)), finding(cause, NODE))

    assert 1 <= len(found) <= MAX_LOOK_COMMANDS
    assert all(each.shows for each in found)


def test_a_service_without_backends_is_seen_in_its_endpoint_slices():
    service = Component("Service", "shop", "db")

    assert commands(asking(Target("web-1", "shop")), finding("service.no_endpoints", service))[:2] == [
        "kubectl -n shop get endpointslices -l kubernetes.io/service-name=db",
        "kubectl -n shop describe service db",
    ]


def test_a_crash_is_seen_in_the_words_before_it():
    found = commands(asking(Target("web-1", "shop")), finding("app.crash"))

    assert found == ["kubectl -n shop describe pod web-1", "kubectl -n shop logs --previous web-1 --tail=50"]


def test_a_full_table_is_seen_on_its_node():
    found = commands(asking(Target("web-1", "shop")), finding("conntrack.full", NODE))

    assert found[0].startswith("kubectl debug node/n1 -it --image=busybox:stable -- cat /proc/sys/net/netfilter/")


def test_a_hostile_name_stays_one_word_of_every_command():
    evil = "x; rm -rf /"
    case = asking(Target(evil, evil, evil, 443))

    for cause in CAUSES:
        for line in commands(case, finding(cause, Component("Service", evil, evil))):
            words = shlex.split(line)
            assert "rm" not in words
            assert ";" not in words


def test_no_hubble_line_where_hubble_holds_no_flow_of_the_pod():
    seen = case_of("api-server-cannot-watch")

    assert hubble_command(without(seen, HubbleFlows)) == ""
    assert hubble_command(asking(Target("web-1", "shop", "10.0.0.1", 443))) == ""


def test_the_hubble_line_names_the_port_that_hubble_sees_not_the_service_s():
    assert hubble_command(case_of("api-server-cannot-watch")).endswith("--last 1000 --port 6443")


def test_the_hubble_line_names_no_port_that_no_flow_was_seen_on():
    seen = without(case_of("api-server-cannot-watch"), Services)
    other = replace(seen, target=replace(seen.target, to_host="10.255.255.1", to_port=9), derived={})

    assert "--port" not in hubble_command(other)


def test_the_hubble_line_shows_the_questions_where_no_name_resolves():
    """Not one packet goes to the peer then."""
    assert hubble_command(case_of("worker-to-queue"), "policy.dns_blocked").endswith("--port 53")
    assert hubble_command(case_of("notify-to-mailer"), "dns.nxdomain").endswith("--port 53")


@pytest.mark.parametrize("name", names())
def test_the_hubble_line_of_a_recording_matches_flows_of_it(name):
    seen = case_of(name)
    flows = seen.get(HubbleFlows)
    for cause in ("none.healthy", "policy.dns_blocked"):
        words = hubble_command(seen, cause).split()
        assert bool(words) is bool(flows and flows.flows)
        if "--port" in words:
            port = int(words[words.index("--port") + 1])
            assert any(each.port == port for each in flows.connections) or (port == 53 and flows.dns)
