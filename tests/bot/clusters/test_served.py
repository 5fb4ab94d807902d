"""Several clusters: which one a request means, and that none but that one is ever asked or changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.approval.proposal import KubeUser, ProposalPart
from bot.change.orders import ClusterConnection, Orders
from bot.change.ports import CannotRead, NotWritten
from bot.cluster_settings import NamedCluster, read
from bot.clusters.options import Live
from bot.clusters.served import ServedClusters, UnknownCluster, live_to, served
from bot.commands.approve import only_of
from bot.errors import BadSettings, UsageMistake
from bot.patch import Applied, Rehearsed
from bot.store import OriginKind, Request
from sensors.kit import Blind, Target
from tests.bot.approval.making import part, proposal

PROD = NamedCluster("prod-eu", "eks-prod", hubble="relay.prod:443", channels=("C0PROD",))
STAGING = NamedCluster("staging", "eks-staging", channels=("C0STAGE",))
TWO = (PROD, STAGING)
BOB = KubeUser("bob")


def two(default: str = "") -> ServedClusters:
    return served(TWO, default, Live(environ={"HUBBLE_SERVER": "relay.of.somebody:443", "HOME": "/none"}))


# -- which one is meant ----------------------------------------------------------------------------------------------


def test_a_channel_speaks_of_its_cluster_and_a_named_one_goes_before() -> None:
    assert two().meant("", "C0PROD") == "prod-eu"
    assert two().meant("staging", "C0PROD") == "staging"


def test_a_form_suggests_the_pods_of_the_cluster_that_was_named_and_else_of_its_channel_s() -> None:
    assert two().usual("C0PROD", "staging") == "staging"
    assert two().usual("C0PROD", "") == "prod-eu"
    assert two().usual("C0PROD", "prod-us") == "prod-eu"


def test_where_neither_says_it_the_default_is_meant_and_without_one_the_list_is_told() -> None:
    assert two("staging").meant("", "C0ELSE") == "staging"
    with pytest.raises(UnknownCluster, match="say which cluster: --cluster with one of prod-eu, staging"):
        two().meant("", "C0ELSE")


@pytest.mark.parametrize("said", ["prod-us", "default", "eks-prod"])
def test_an_unknown_cluster_is_answered_with_those_there_are(said: str) -> None:
    with pytest.raises(UnknownCluster, match="there are: prod-eu, staging"):
        two().meant(said, "C0PROD")


def test_one_cluster_without_a_name_takes_no_name() -> None:
    only = served((), "", Live(environ={}))

    assert only.meant("", "C1") == "default"
    with pytest.raises(UnknownCluster, match="the settings name none"):
        only.meant("prod-eu", "C1")


def test_an_alert_is_about_the_cluster_of_its_label() -> None:
    assert two().of_alert({"cluster": "staging"}, "C0PROD") == "staging"
    assert two().of_alert({}, "C0PROD") == "prod-eu"
    with pytest.raises(UnknownCluster):
        two().of_alert({"cluster": "eks-other"}, "C0PROD")


def test_where_one_cluster_has_no_name_prometheus_s_own_name_for_it_is_no_other_cluster() -> None:
    assert served((), "", Live(environ={})).of_alert({"cluster": "eks-other"}, "C1") == "default"


# -- each its own readers --------------------------------------------------------------------------------------------


def test_each_cluster_has_its_own_context_and_relay_and_no_relay_of_the_environment() -> None:
    prod, staging = two().live("prod-eu"), two().live("staging")

    assert (prod.context, prod.server, prod.cluster) == ("eks-prod", "relay.prod:443", "prod-eu")
    assert (staging.context, staging.server) == ("eks-staging", None)
    assert "HUBBLE_SERVER" not in staging.environ


async def test_a_request_that_was_kept_for_a_cluster_that_is_gone_opens_no_other() -> None:
    kept = Request(Target("api", "shop"), "flow", OriginKind.SLASH, "U1", "prod-us")

    with pytest.raises(Blind, match="no cluster 'prod-us'"):
        async with two("staging").open(kept):
            pytest.fail("opened")


# -- changes ---------------------------------------------------------------------------------------------------------


class Writer:
    """Somebody who writes whatever they are told, and counts."""

    def __init__(self) -> None:
        self.applied = 0

    async def rehearse(self, order: Any) -> Any:
        return Rehearsed(None, None, (), "digest")

    async def apply(self, order: Any) -> Any:
        self.applied += 1
        return Applied("u1", "2")


def orders_of(writers: dict[str, Writer]) -> Orders:
    @asynccontextmanager
    async def line(cluster: str) -> AsyncIterator[ClusterConnection]:
        if cluster not in writers:
            raise Blind(f"no cluster {cluster!r}")
        nobody: Any = None
        writer: Any = writers[cluster]
        yield ClusterConnection(nobody, writer)

    return Orders(line)


async def test_what_was_tried_on_one_cluster_is_never_written_to_another() -> None:
    writers = {"prod-eu": Writer(), "staging": Writer()}
    orders, change = orders_of(writers), part()
    await orders.dry_run(BOB, change, "p-1", "staging")

    with pytest.raises(NotWritten, match="not tried by a dry run"):
        await orders.write(BOB, change, "p-1", "prod-eu")

    assert [each.applied for each in writers.values()] == [0, 0]


@pytest.mark.parametrize("cluster", ["prod-us", "", "default"])
async def test_a_change_for_a_cluster_that_is_not_served_goes_nowhere(cluster: str) -> None:
    writers = {"prod-eu": Writer(), "staging": Writer()}
    orders, change = orders_of(writers), part()

    with pytest.raises(CannotRead):
        await orders.read(change, cluster)
    with pytest.raises((CannotRead, NotWritten)):
        await orders.dry_run(BOB, change, "p-1", cluster)

    assert [each.applied for each in writers.values()] == [0, 0]


def _for(cluster: str, *parts: ProposalPart) -> Any:
    return proposal(*(parts or (part(),)), cluster=cluster)


def test_in_a_terminal_a_change_is_applied_to_its_own_cluster_and_no_other() -> None:
    found = only_of(_for("prod-eu"), Live(environ={}), TWO)

    assert found.names == ("prod-eu",)
    assert found.live("prod-eu").context == "eks-prod"
    with pytest.raises(Blind):
        found.live("staging")


@pytest.mark.parametrize(
    ("live", "known", "why"),
    [
        (Live(cluster="staging", environ={}), TWO, "not for staging: nothing is applied"),
        (Live(context="eks-staging", environ={}), TWO, "not eks-staging: nothing is applied"),
        (Live(environ={}), (), "say --cluster prod-eu with its --context"),
    ],
)
def test_in_a_terminal_another_cluster_is_refused(live: Live, known: tuple[NamedCluster, ...], why: str) -> None:
    with pytest.raises(UsageMistake, match=why):
        only_of(_for("prod-eu"), live, known)


def test_a_change_of_an_installation_without_names_needs_none() -> None:
    assert only_of(_for("default"), Live(environ={}), ()).names == ("default",)


# -- the settings ----------------------------------------------------------------------------------------------------


def test_the_settings_name_clusters_ways_and_channels() -> None:
    said = {
        "prod-eu": {"context": "eks-prod", "hubble": "relay.prod:443", "channels": ["C0PROD"]},
        "staging": {"context": "eks-staging", "channels": ["C0STAGE"]},
    }

    assert read(said) == TWO
    assert read(None) == ()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([], "should hold a name for each cluster"),
        ({"Prod EU": {"context": "a"}}, "small letters"),
        ({"default": {"context": "a"}}, "small letters"),
        ({"prod": "a"}, "should hold context"),
        ({"prod": {"kontext": "a"}}, r"unknown word 'kontext'.*context"),
        ({"prod": {}}, "say its context: or its kubeconfig:"),
        ({"prod": {"context": 7}}, "context: should be a text"),
        ({"prod": {"context": "a", "channels": "C1"}}, "should be a list of channel ids"),
        ({"prod": {"context": "a", "channels": ["#prod"]}}, "'#prod' is no channel id"),
        (
            {"a": {"context": "x", "channels": ["C01"]}, "b": {"context": "y", "channels": ["C01"]}},
            "C01 is named twice",
        ),
        ({"a": {"context": "x"}, "b": {"context": "x"}}, "another cluster has the same context"),
    ],
)
def test_a_wrong_word_about_clusters_is_one_line(said: Any, why: str) -> None:
    with pytest.raises(BadSettings, match=why) as caught:
        read(said)
    assert "\n" not in str(caught.value)


def test_a_named_way_keeps_what_a_person_said_of_the_relay() -> None:
    assert live_to(PROD, Live(server="127.0.0.1:4245", environ={})).server == "127.0.0.1:4245"
