"""Strict mutual TLS and a caller outside the mesh."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.model import Case, Component, Missing
from flows.rules.mesh_mtls import RULE
from sensors.k8s_network_policies import Policies
from tests.flows.rules.edits import classes, said, strong, with_doors
from tests.kit.cases import case_of, with_facts, without

STRICT = "85-istio-strict-plain-client"


def changed(**kinds: Any) -> Case:
    """The case with the objects of some kinds put through a function."""
    seen = case_of(STRICT)
    objects = tuple(kinds[each["kind"]](each) if each["kind"] in kinds else each for each in seen[Policies].objects)
    return with_facts(seen, replace(seen[Policies], objects=tuple(each for each in objects if each)))


def mode(word: str, **spec: Any):
    return lambda each: {**each, "spec": {"mtls": {"mode": word}, **spec}}


def with_proxy(each: dict[str, Any]) -> dict[str, Any]:
    if not each["metadata"]["name"].startswith("taster"):
        return each
    return {**each, "spec": {**each["spec"], "containers": [*each["spec"]["containers"], {"name": "istio-proxy"}]}}


def test_speaks_of_a_caller_without_a_proxy_before_strict_mutual_tls():
    (finding,) = said(RULE, case_of(STRICT))

    assert finding.component == Component("PeerAuthentication", "cellar", "default")
    assert finding.belief > 0.8
    assert finding.remedy is None


@pytest.mark.parametrize("word", ["PERMISSIVE", "DISABLE", "UNSET"])
def test_stays_silent_where_plain_text_is_taken(word):
    assert classes(RULE, changed(PeerAuthentication=mode(word))) == []


def test_a_port_of_its_own_goes_before_the_mode_of_all():
    open_port = mode("STRICT", portLevelMtls={"9000": {"mode": "PERMISSIVE"}})

    assert classes(RULE, changed(PeerAuthentication=open_port)) == []


def test_stays_silent_where_the_policy_is_another_namespaces():
    def elsewhere(each: dict[str, Any]) -> dict[str, Any]:
        return {**each, "metadata": {**each["metadata"], "namespace": "other"}}

    assert classes(RULE, changed(PeerAuthentication=elsewhere)) == []


def test_stays_silent_about_a_caller_in_the_mesh():
    assert classes(RULE, changed(Pod=with_proxy)) == []


def test_is_no_root_cause_where_nothing_was_reset():
    seen = with_doors(case_of(STRICT), "timeout")

    assert strong(RULE, seen) == []


@pytest.mark.parametrize("name", ["cart-to-coupons", "search-to-index"])
def test_stays_silent_without_a_mesh(name):
    assert classes(RULE, case_of(name)) == []


def test_cannot_tell_without_policies():
    with pytest.raises(Missing, match="Policies"):
        said(RULE, without(case_of(STRICT), Policies))
