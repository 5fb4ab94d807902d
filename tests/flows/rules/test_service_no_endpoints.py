"""A selector that matches nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Component, Missing, SetSelector
from flows.rules.service_no_endpoints import RULE
from sensors.k8s_recent_changes import Change, ChangeKind, RecentChanges
from sensors.k8s_services import Services
from sensors.kit.objects import Ref
from tests.flows.rules.edits import classes, said, with_service
from tests.kit.cases import case_of, with_facts, without


def test_speaks_of_the_label_that_is_one_word_off():
    (finding,) = said(RULE, case_of("web-to-catalog"))

    assert finding.cause == (
        "Service store/catalog selects app=catalogue, and no pod has that; "
        "the pods of Deployment store/catalog have app=catalog"
    )
    service = Component("Service", "store", "catalog")
    assert finding.component == service
    assert finding.remedy == SetSelector(service, {"app": "catalogue"}, {"app": "catalog"})


def test_speaks_of_the_workload_when_its_labels_are_what_changed_last():
    """Synthetic onset: the Deployment's template was patched after the Service was made."""
    seen = case_of("web-to-catalog")
    changes = seen[RecentChanges]
    relabelled = Change(
        Ref("Deployment", "store", "catalog"), ChangeKind.CHANGED, changes.at, 0.0, "kubectl-patch", ("spec.template",)
    )

    (finding,) = said(RULE, with_facts(seen, replace(changes, changes=(relabelled,))))

    assert (finding.component, finding.remedy) == (Component("Deployment", "store", "catalog"), None)


def test_offers_no_selector_when_two_workloads_are_equally_near():
    seen = case_of("web-to-catalog")
    service = seen[Services].asked_service
    assert service is not None
    twice = (*service.near_misses, replace(service.near_misses[0], found="catalogues"))

    (finding,) = said(RULE, with_service(seen, near_misses=twice))

    assert finding.remedy is None


def test_a_label_that_the_pods_do_not_have_is_no_value_to_select():
    """`tier=None` selects nothing: there is no such label."""
    seen = case_of("web-to-catalog")
    service = seen[Services].asked_service
    assert service is not None
    bare = replace(service.near_misses[0], key="tier", wanted="back", found=None)

    (finding,) = said(RULE, with_service(seen, near_misses=(bare,)))

    assert finding.remedy is None
    assert finding.recommendation == (
        "Take tier out of the selector of Service store/catalog, or give the pods of Deployment store/catalog the "
        "label tier=back."
    )


@pytest.mark.parametrize("name", ["portal-to-profile", "planner-to-roster", "mobile-to-gateway", "search-to-index"])
def test_stays_silent_when_pods_match_and_are_only_unready(name):
    assert classes(RULE, case_of(name)) == []


def test_stays_silent_on_a_service_without_a_selector():
    assert classes(RULE, with_service(case_of("web-to-catalog"), selector={})) == []


def test_stays_silent_when_the_pods_could_not_be_read():
    assert classes(RULE, with_service(case_of("web-to-catalog"), matching_pods=None)) == []


def test_cannot_tell_without_services():
    with pytest.raises(Missing, match="Services"):
        said(RULE, without(case_of("web-to-catalog"), Services))
