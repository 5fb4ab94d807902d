"""A service mesh that lets the caller in nowhere (synthetic: the recorded mesh with other policies)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.model import Case, Component, Missing
from flows.rules.mesh_authz import RULE
from sensors.k8s_network_policies import Policies
from tests.flows.rules.edits import classes, said, strong, with_doors
from tests.kit.cases import case_of, with_facts, without

MESH = "85-istio-strict-plain-client"
Json = dict[str, Any]


def with_objects(*more: Json) -> Case:
    seen = case_of(MESH)
    return with_facts(seen, replace(seen[Policies], objects=(*seen[Policies].objects, *more)))


def istio(action: str = "", *rules: Json, **spec: Any) -> Json:
    said = {"rules": list(rules), **spec} if rules else spec
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "door", "namespace": "cellar"},
        "spec": {**({"action": action} if action else {}), **said},
    }


def from_(**source: Any) -> Json:
    return {"from": [{"source": source}]}


def linkerd(kind: str, group: str = "policy.linkerd.io/v1beta3", **spec: Any) -> Json:
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "web", "namespace": "cellar"}, "spec": spec}


SERVER = linkerd("Server", podSelector={"matchLabels": {"app": "cask"}}, port=9000)


@pytest.mark.parametrize(
    "policy",
    [
        istio(),
        istio("ALLOW", from_(namespaces=["kitchen"])),
        istio("ALLOW", from_(principals=["cluster.local/ns/cellar/sa/other"])),
        istio("DENY", {}),
        istio("DENY", {"to": [{"operation": {"ports": ["9000"]}}]}),
    ],
    ids=["allow nothing", "another namespace", "another account", "deny all", "deny the port"],
)
def test_speaks_of_an_authorization_policy_that_refuses_the_caller(policy):
    (finding,) = said(RULE, with_objects(policy))

    assert finding.component == Component("AuthorizationPolicy", "cellar", "door")
    assert finding.belief > 0.8
    assert finding.remedy is None


@pytest.mark.parametrize(
    "policy",
    [
        istio("ALLOW", {}),
        istio("ALLOW", {"to": [{"operation": {"ports": ["9000"]}}]}),
        istio("ALLOW", {"to": [{"operation": {"paths": ["/x"]}}]}),
        istio("DENY", {"to": [{"operation": {"ports": ["80"]}}]}),
        istio("ALLOW", from_(namespaces=["kitchen"]), selector={"matchLabels": {"app": "somebody"}}),
        istio("CUSTOM", {}),
    ],
    ids=["allow all", "allow the port", "paths are not compared", "deny another port", "other pods", "a provider"],
)
def test_stays_silent_where_the_caller_is_let_in_or_nobody_can_tell(policy):
    assert classes(RULE, with_objects(policy)) == []


def test_speaks_of_a_linkerd_server_that_nobody_is_authorized_for():
    (finding,) = said(RULE, with_objects(SERVER))

    assert finding.component == Component("Server", "cellar", "web")


@pytest.mark.parametrize(
    "more",
    [
        linkerd("AuthorizationPolicy", "policy.linkerd.io/v1alpha1", targetRef={"kind": "Server", "name": "web"}),
        linkerd("AuthorizationPolicy", "policy.linkerd.io/v1alpha1", targetRef={"kind": "Namespace", "name": "cellar"}),
    ],
)
def test_stays_silent_about_a_server_with_an_authorization(more):
    assert classes(RULE, with_objects(SERVER, more)) == []


def test_stays_silent_about_a_server_of_another_port_or_an_open_one():
    another = linkerd("Server", podSelector={"matchLabels": {"app": "cask"}}, port=1)
    open_one = linkerd(
        "Server", podSelector={"matchLabels": {"app": "cask"}}, port=9000, accessPolicy="all-unauthenticated"
    )

    assert classes(RULE, with_objects(another, open_one)) == []


def test_is_no_root_cause_where_no_refusal_was_seen():
    seen = with_doors(with_objects(istio()), "timeout")

    assert strong(RULE, seen) == []


def test_cannot_tell_without_policies():
    with pytest.raises(Missing, match="Policies"):
        said(RULE, without(case_of(MESH), Policies))
