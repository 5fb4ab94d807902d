"""A shrug says what is known, and asks next for what can exist."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.unexplained import blind_looks, known, next_look
from sensors.hubble_capture_flows import HubbleFlows
from sensors.net_connect import Connects
from tests.kit.cases import case_of, without


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("50-no-egress-gateway", "as NO_EGRESS_GATEWAY (194)"),
        ("90-sctp-not-enabled", "as CT_UNKNOWN_L4_PROTOCOL (137)"),
        ("86-probe-with-deny-all", "Liveness probe failed"),
        ("46f-multus-missing-nad", "FailedCreatePodSandBox"),
        ("88-aws-service-port-differs", "10.96.30.1:90 ends in timeout, and 10.244.2.21:9000 behind it opens"),
        ("search-to-index", "opens now"),
    ],
)
def test_what_is_known_is_said(name: str, words: str) -> None:
    assert any(words in each for each in known(case_of(name)))


@pytest.mark.parametrize("cni", ["flannel", "calico", "aws-vpc-cni"])
def test_no_hubble_command_is_shown_where_there_is_no_hubble(cni: str) -> None:
    case = without(case_of("search-to-index"), HubbleFlows)
    elsewhere = replace(case, environment=replace(case.environment, cni=cni, flow_source=None), derived={})

    assert "hubble" not in next_look(elsewhere, blind_looks(elsewhere))
    assert "hubble.capture_flows" in next_look(case, blind_looks(case))


def test_the_look_that_decides_most_comes_first() -> None:
    case = without(case_of("search-to-index"), HubbleFlows, Connects)

    assert "net.connect" in next_look(case, blind_looks(case))


def test_a_pod_that_has_not_started_is_described_first() -> None:
    case = case_of("46f-multus-missing-nad")

    assert "kubectl -n lighthouse describe pod" in next_look(case, blind_looks(case))
