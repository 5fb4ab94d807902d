"""Whether the pod asks for a host, or only the question does."""

from __future__ import annotations

import pytest

from flows.symptoms.caller import asks_itself, caller_of, who_asks
from tests.flows.rules.facts import asks, complaining, healthy
from tests.kit.cases import case_of


@pytest.mark.parametrize("host", ["nonsense", "10.9.9.9", "nonsense.search.svc.cluster.local"])
def test_a_question_is_no_measurement(host: str) -> None:
    case = asks(healthy(), host)

    assert not asks_itself(case, host)
    assert caller_of(case, host) is None
    assert who_asks(case, host) == f"you asked for {host}"


def test_the_pods_log_shows_that_it_asks() -> None:
    assert asks_itself(complaining(asks(healthy(), "indx"), host="indx"), "indx")


def test_the_pods_traffic_shows_that_it_asks() -> None:
    case = case_of("fx-to-rates")

    assert asks_itself(case, "172.30.0.77")
    assert str(caller_of(case, "172.30.0.77")).startswith("Deployment ")


def test_the_pods_command_shows_that_it_asks() -> None:
    """The recorded client names its peer in its command."""
    case = case_of("basket-to-pricing")

    assert asks_itself(asks(case, "pricing"), "pricing")
