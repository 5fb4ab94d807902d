"""A Service's port and selector, mended with a test of what was read and a way back."""

from __future__ import annotations

from typing import Any

import pytest

from flows.fixes.build import build
from flows.fixes.jsonpatch import CannotPatch, apply
from flows.fixes.service import set_selector, set_target_port
from flows.model import Component, SetSelector, SetTargetPort
from flows.rules.service_no_endpoints import RULE
from tests.flows.rules.facts import judged
from tests.flows.rules.policies import with_objects
from tests.kit.cases import case_of

GATEWAY = Component("Service", "mobile", "gateway")


def service(**port: Any) -> dict[str, Any]:
    return {"spec": {"selector": {"app": "gatway"}, "ports": [{"port": 80, **port}]}}


@pytest.mark.parametrize(
    ("before", "current"), [(service(targetPort=8081), 8081), (service(targetPort="web"), "web"), (service(), None)]
)
def test_the_target_port_is_set_and_set_back(before: dict[str, Any], current: int | str | None) -> None:
    fix = set_target_port(SetTargetPort(GATEWAY, 0, current, 8080))

    changed = apply(before, fix.patch)

    assert changed["spec"]["ports"] == [{"port": 80, "targetPort": 8080}]
    assert apply(changed, fix.inverse) == before


def test_a_service_that_changed_meanwhile_is_left_alone() -> None:
    fix = set_target_port(SetTargetPort(GATEWAY, 0, 8081, 8080))

    with pytest.raises(CannotPatch, match="not as it was read"):
        apply(service(targetPort=9090), fix.patch)


def test_the_selector_is_set_as_a_whole() -> None:
    fix = set_selector(SetSelector(GATEWAY, {"app": "gatway"}, {"app": "gateway", "tier": "edge"}))

    changed = apply(service(), fix.patch)

    assert changed["spec"]["selector"] == {"app": "gateway", "tier": "edge"}
    assert apply(changed, fix.inverse) == service()
    assert fix.title == "Let Service mobile/gateway select app=gateway,tier=edge"
    assert fix.kubectl.startswith("kubectl -n mobile patch service gateway --type=json -p='[")


def test_the_owner_of_the_service_is_named() -> None:
    """Helm would set the old selector again at its next release."""
    case = case_of("web-to-catalog")
    release = {"meta.helm.sh/release-name": "shop"}
    helm = with_objects(case, lambda each: _annotate(each, "catalog", release))
    (finding,) = judged(RULE, helm)

    (fix, *_) = build(finding, helm)

    assert fix.owner == "Helm shop"


def _annotate(thing: dict[str, Any], name: str, notes: dict[str, str]) -> None:
    if thing["kind"] == "Service" and thing["metadata"]["name"] == name:
        thing["metadata"]["annotations"] = notes
