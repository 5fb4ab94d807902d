"""Who is meant by labels, and which peer: by one table, for every sender, and never by a guess."""

from __future__ import annotations

import pytest

from bot.triggers.alert import AlertSubject, SubjectKind
from bot.triggers.alert_labels import meant_by, peer_in
from sensors.kit.addresses import HostPort

SHOP = {"namespace": "shop"}


@pytest.mark.parametrize(
    ("labels", "meant"),
    [
        ({**SHOP, "pod": "web-1"}, (AlertSubject(SubjectKind.POD, "web-1", "shop"),)),
        ({"kube_namespace": "shop", "pod_name": "web-1"}, (AlertSubject(SubjectKind.POD, "web-1", "shop"),)),
        ({"k8s.namespace.name": "shop", "k8s.pod.name": "web-1"}, (AlertSubject(SubjectKind.POD, "web-1", "shop"),)),
        ({**SHOP, "deployment": "web"}, (AlertSubject(SubjectKind.WORKLOAD, "deploy/web", "shop"),)),
        ({**SHOP, "kube_stateful_set": "db"}, (AlertSubject(SubjectKind.WORKLOAD, "sts/db", "shop"),)),
        ({**SHOP, "service": "web", "job": "web"}, (AlertSubject(SubjectKind.SERVICE, "web", "shop"),)),
        ({**SHOP, "ingress": "web"}, (AlertSubject(SubjectKind.INGRESS, "web", "shop"),)),
        ({"node": "w1"}, (AlertSubject(SubjectKind.NODE, "w1"),)),
        ({"pod": "web-1"}, ()),
        ({**SHOP, "pod": "<!channel>"}, ()),
        ({}, ()),
    ],
)
def test_labels_name_what_is_meant(labels: dict[str, str], meant: tuple[AlertSubject, ...]):
    assert meant_by(labels) == meant


def test_the_pod_of_a_scrape_is_not_the_pod_that_is_meant():
    own = {"namespace": "monitoring", "pod": "kube-state-metrics-7d", "job": "kube-state-metrics", "service": "ksm"}

    assert meant_by({**own, "exported_namespace": "shop", "exported_pod": "web-1"}) == (
        AlertSubject(SubjectKind.POD, "web-1", "shop"),
    )
    assert meant_by(own) == ()


def test_a_probe_alert_means_the_probing_pod_and_its_target_as_the_peer():
    labels = {"namespace": "monitoring", "pod": "blackbox-1", "instance": "https://pay.example/healthz"}

    assert meant_by(labels) == (AlertSubject(SubjectKind.PROBE, "blackbox-1", "monitoring"),)
    assert peer_in(labels, "") == HostPort("pay.example", 443)
    assert meant_by({"job": "blackbox-tcp", "instance": "db.shop:5432"}) == (AlertSubject(SubjectKind.PROBE, ""),)


def test_the_address_of_a_usual_scrape_is_no_peer():
    labels = {**SHOP, "pod": "web-1", "instance": "10.0.1.7:8080", "job": "web"}

    assert peer_in(labels, "") is None
    assert meant_by(labels) == (AlertSubject(SubjectKind.POD, "web-1", "shop"),)


@pytest.mark.parametrize(
    ("words", "peer"),
    [
        ("shop/web-1 cannot reach 10.96.0.1:443", HostPort("10.96.0.1", 443)),
        ("Get: dial tcp 10.96.0.1:443: i/o timeout", HostPort("10.96.0.1", 443)),
        ("dial tcp [fd00::1]:443: connect: connection refused", HostPort("fd00::1", 443)),
        ("web → payments.prod:8080 fails", HostPort("payments.prod", 8080)),
        ("unable to connect to `https://pay.example/x`.", HostPort("pay.example", 443)),
        ("cannot reach 10.0.0.1:443, cannot reach 10.0.0.2:443", None),
        ("it cannot reach the database", None),
        ("listens on 0.0.0.0:8080", None),
        ("", None),
    ],
)
def test_a_peer_is_what_the_words_cannot_reach(words: str, peer: HostPort | None):
    assert peer_in({}, words) == peer


def test_a_label_wins_over_words():
    assert peer_in({"kai_to": "db.shop:5432/tcp"}, "cannot reach 10.0.0.1:443") == HostPort("db.shop", 5432, "TCP")
