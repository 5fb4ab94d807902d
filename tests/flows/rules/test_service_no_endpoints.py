"""A selector that matches nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Component, Missing, SetSelector
from flows.rules.service_no_endpoints import RULE
from sensors.k8s_recent_changes import ChangeKind, RecentChange, RecentChanges
from sensors.k8s_services import IdleWorkload, LabelMiss, Services
from sensors.kit.objects import Ref
from tests.flows.rules.edits import classes, said, with_service
from tests.flows.rules.made import edited, made
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
    relabelled = RecentChange(
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


# -- a workload without pods -------------------------------------------------------------------------------------------


def test_speaks_of_the_workload_that_is_scaled_to_nothing_and_changes_no_selector():
    (finding,) = said(RULE, case_of("press-to-ink"))

    assert finding.cause == "Service print/ink has no pod behind it: Deployment print/ink has 0 replicas"
    assert (finding.component, finding.remedy) == (Component("Deployment", "print", "ink"), None)
    assert "kubectl -n print scale deployment/ink" in finding.recommendation


def test_a_look_alike_beside_the_sleeping_workload_gets_no_patch():
    """Synthetic: an older workload, one letter away, runs beside the one that has no pods."""
    near = LabelMiss(Ref("Deployment", "print", "inks"), 1, "app", "ink", "inks", 1)

    (finding,) = said(RULE, with_service(case_of("press-to-ink"), near_misses=(near,)))

    assert (finding.component.name, finding.remedy) == ("ink", None)
    assert "inks" not in finding.recommendation


@pytest.mark.parametrize(
    ("refusal", "cause_class", "advice"),
    [
        ('pods "ink-1" is forbidden: exceeded quota: small', "service.no_endpoints", "Raise the quota of namespace"),
        ('failed calling webhook "a.b": context deadline exceeded', "control.webhook", "what answers that webhook"),
        ('serviceaccount "ink" not found', "service.no_endpoints", "Mend what refuses the pods"),
    ],
)
def test_speaks_of_what_refuses_the_pods(refusal, cause_class, advice):
    idle = IdleWorkload(Ref("Deployment", "print", "ink"), 1, refusal)

    (finding,) = said(RULE, with_service(case_of("press-to-ink"), idle=(idle,)))

    assert finding.cause_class == cause_class
    assert refusal in finding.cause
    assert advice in finding.recommendation


# -- which near miss is meant ------------------------------------------------------------------------------------------


def near(*misses: LabelMiss):
    return said(RULE, with_service(case_of("web-to-catalog"), near_misses=misses))


def miss(name: str, found: str | None = "paper", **fields) -> LabelMiss:
    usual = LabelMiss(Ref("Deployment", "store", name), 1, "app", "catalogue", found, 1)
    return replace(usual, **fields)


def test_never_advises_to_select_the_caller_itself():
    (finding,) = near(miss("web", "catalogues"))

    assert "catalogues" not in f"{finding.cause}{finding.recommendation}"
    assert finding.remedy is None


def test_never_advises_to_select_a_stranger():
    (finding,) = near(miss("printer", "paper"))

    assert "paper" not in f"{finding.cause}{finding.recommendation}"
    assert finding.remedy is None


@pytest.mark.parametrize(
    "meant",
    [
        miss("b", "b2", wanted="b1"),
        miss("b", "green", wanted="blue", key="version", of=2),
        miss("catalog", "shop"),
        miss("stock", "stock", has_port=True),
    ],
    ids=["one letter", "the rest of the selector fits", "the Service's own name", "the only one with the port"],
)
def test_one_workload_that_differs_in_one_value_is_offered(meant):
    (finding,) = near(meant)

    assert finding.remedy is not None
    assert finding.remedy.wanted[meant.key] == meant.found


def test_a_label_that_is_not_there_is_never_set_to_none():
    (finding,) = near(miss("catalog", None))

    assert "None" not in finding.recommendation
    assert "give the pods of Deployment store/catalog the label app=catalogue" in finding.recommendation


# -- Services without a selector ---------------------------------------------------------------------------------------


def test_speaks_of_slices_that_carry_another_name():
    (finding,) = said(RULE, case_of("32-manual-endpoints-wrong-name"))

    assert finding.cause == (
        "Service cellar/olddb has no selector, and no EndpointSlice belongs to it; "
        "EndpointSlices of old-db are there, and no such Service"
    )
    assert finding.component == Component("Service", "cellar", "olddb")
    assert "selector" not in finding.recommendation


def test_speaks_of_slices_without_the_port_by_its_name():
    (finding,) = said(RULE, case_of("32c-manual-slice-port-name"))

    assert "has no endpoint for port" in finding.cause
    assert "same name" in finding.recommendation


@pytest.mark.parametrize(
    "changes", [{"external_name": "db.example.com"}, {"endpoints": None}], ids=["ExternalName", "slices not read"]
)
def test_stays_silent_on_a_service_without_a_selector_of_which_nothing_more_is_known(changes):
    assert classes(RULE, with_service(case_of("web-to-catalog"), selector={}, **changes)) == []


def test_stays_silent_on_endpoints_made_by_hand_that_have_the_port():
    seen = case_of("search-to-index")

    assert classes(RULE, with_service(seen, selector={}, matching_pods=())) == []


def test_stays_silent_when_the_pods_could_not_be_read():
    assert classes(RULE, with_service(case_of("web-to-catalog"), matching_pods=None)) == []


def test_cannot_tell_without_services():
    with pytest.raises(Missing, match="Services"):
        said(RULE, without(case_of("web-to-catalog"), Services))


# -- a webhook that gives no answer ------------------------------------------------------------------------------------

HOOK = "webhook_behind_a_default_deny"


def test_names_the_policy_that_cuts_the_webhook_off():
    (finding,) = said(RULE, made(HOOK))

    assert (finding.cause_class, str(finding.component)) == ("control.webhook", "NetworkPolicy hooks/default-deny")


def test_names_the_webhook_s_service_where_no_policy_isolates_it():
    def outward(lab):
        lab.find("networkpolicies", "default-deny")["spec"]["policyTypes"] = ["Egress"]

    (finding,) = said(RULE, edited(HOOK, outward))

    assert str(finding.component) == "Service hooks/guard"


@pytest.mark.parametrize("rule", [{}, {"ports": [{"protocol": "TCP", "port": 9443}]}])
def test_names_no_policy_that_admits_the_api_server(rule):
    """It selects the webhook's pods, and it is not what keeps them silent."""

    def admits(lab):
        lab.find("networkpolicies", "default-deny")["spec"]["ingress"] = [rule]

    (finding,) = said(RULE, edited(HOOK, admits))

    assert str(finding.component) == "Service hooks/guard"


def test_names_the_policy_that_admits_others_only():
    def others(lab):
        lab.find("networkpolicies", "default-deny")["spec"]["ingress"] = [{"from": [{"podSelector": {}}]}]

    (finding,) = said(RULE, edited(HOOK, others))

    assert str(finding.component) == "NetworkPolicy hooks/default-deny"


def test_a_webhook_that_answers_wrongly_is_no_policy_s_matter():
    """x509 instead of silence: bytes arrived."""

    def answered(lab):
        for each in lab.objects["events"]:
            each["message"] = each["message"].replace("context deadline exceeded", "x509: certificate has expired")
        for kind in ("replicasets", "deployments"):
            said_ = lab.find(kind, "index", "search")["status"]["conditions"][0]
            said_["message"] = said_["message"].replace("context deadline exceeded", "x509: certificate has expired")

    (finding,) = said(RULE, edited(HOOK, answered))

    assert str(finding.component) == "Service hooks/guard"
