"""`kai alert test`: what would happen and why, from a file, without starting anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.cli import run
from tests.bot.triggers.payloads import FOLDER
from tests.kit.cases import CASES

CASE = ["--case", str(CASES / "api-server-cannot-watch")]
POD = "api-server-79fd8d4cc-jzc5m"
OTHER = "postgres-588b6549d8-v4xtg"


def say(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = run(["alert", "test", *words])
    said = capsys.readouterr()
    return code, said.out or said.err


def notification(folder: Path, **labels: str) -> str:
    file = folder / "payload.json"
    one = {"status": "firing", "labels": {"alertname": "PodCannotReachPeer", **labels}, "fingerprint": "f1"}
    file.write_text(json.dumps({"version": "4", "groupLabels": {}, "alerts": [one]}))
    return str(file)


def test_an_alert_about_a_pod_that_is_there_would_start_an_investigation(tmp_path: Path, capsys):
    code, said = say(capsys, "-f", notification(tmp_path, namespace="production", pod=POD), *CASE)

    assert code == 0
    assert "network        yes: a connection fails" in said
    assert f"pod            production/{POD}" in said
    assert "would          start an investigation" in said


def test_a_probe_of_an_ipv6_address_is_shown_so_that_it_can_be_copied(tmp_path: Path, capsys):
    file = notification(tmp_path, job="blackbox", instance="[fd00::7]:443", alertname="ProbeFailed")

    _, said = say(capsys, "-f", file, "--offline")

    assert "names          the pod that probes\n" in said
    assert "peer           [fd00::7]:443\n" in said


def test_a_pod_that_is_not_there_is_said(tmp_path: Path, capsys):
    code, said = say(capsys, "-f", notification(tmp_path, namespace="shop", pod="web-1"), *CASE)

    assert code == 1
    assert "not clear: pod shop/web-1 is not there any more" in said
    assert "would          start nothing: one line says that no pod was found" in said


def test_a_choice_is_left_to_a_person(tmp_path: Path, capsys):
    (tmp_path / "x.json").write_text(json.dumps({"text": f"[FIRING:1] TargetDown {POD} and {OTHER} cannot be reached"}))

    code, said = say(capsys, "-f", str(tmp_path / "x.json"), *CASE)

    assert code == 1
    assert "not clear: the alert names 2 pods; to choose from: production/" in said
    assert "would          ask in the thread which pod is meant" in said


@pytest.mark.parametrize(
    ("payload", "would"),
    [
        ({"alerts": []}, "start nothing: the payload has no alerts"),
        ({"alerts": [{}], "truncatedAlerts": 1200}, "start nothing: 1,200 more are left out"),
    ],
)
def test_what_a_notification_does_not_hold_is_said(tmp_path: Path, capsys, payload: dict[str, object], would: str):
    (tmp_path / "x.json").write_text(json.dumps({"version": "4", "groupLabels": {}, **payload}))

    code, said = say(capsys, "-f", str(tmp_path / "x.json"), "--offline")

    assert (code, f"would          {would}" in said) == (1, True)


def test_what_is_not_about_the_network_would_start_nothing(tmp_path: Path, capsys):
    file = notification(tmp_path, namespace="production", pod=POD, alertname="CPUThrottlingHigh")

    code, said = say(capsys, "-f", file, *CASE)

    assert code == 1
    assert "network        no: it is about resources" in said


def test_a_team_s_rules_are_those_of_the_settings(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "gate.yaml").write_text("- alert: PodCannotReachPeer\n  network: no\n  why: it is known\n")
    monkeypatch.setenv("KAI_ALERT_GATE", str(tmp_path / "gate.yaml"))

    code, said = say(capsys, "-f", notification(tmp_path, namespace="production", pod=POD), *CASE)

    assert code == 1
    assert "network        no: it is known" in said


def settings_with(folder: Path, monkeypatch: pytest.MonkeyPatch, more: str = "") -> None:
    """Settings of two clusters, neither of which can be reached."""
    ways = "".join(
        f"  {each}: {{kubeconfig: {folder}/{each}, channels: [C0{each.upper()}]}}\n" for each in ("east", "west")
    )
    (folder / "config.yaml").write_text(f"clusters:\n{ways}{more}")
    monkeypatch.setenv("KAI_CONFIG", str(folder / "config.yaml"))
    monkeypatch.delenv("KAI_CLUSTER", raising=False)


def test_of_several_clusters_in_the_settings_the_alert_s_label_says_which_is_meant(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
):
    settings_with(tmp_path, monkeypatch)
    of_west, of_none, of_other = (
        say(capsys, "-f", notification(tmp_path, namespace="production", pod=POD, **labels))
        for labels in ({"cluster": "west"}, {}, {"cluster": "north"})
    )

    assert (of_west[0], f"not checked: {tmp_path}/west: no such kubeconfig\n" in of_west[1]) == (0, True)
    assert of_none[0] == of_other[0] == 1
    assert "not clear: say which cluster: --cluster with one of east, west\n" in of_none[1]
    assert "not clear: no cluster 'north'" in of_other[1]


def test_of_several_clusters_the_channel_s_or_the_default_is_meant_where_no_label_says_one(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
):
    settings_with(tmp_path, monkeypatch, "default_cluster: east\n")
    (tmp_path / "x.json").write_text(json.dumps({"text": f"[FIRING:1] TargetDown {POD}", "channel": "C0WEST"}))

    _, of_channel = say(capsys, "-f", str(tmp_path / "x.json"))
    _, of_default = say(capsys, "-f", notification(tmp_path, namespace="production", pod=POD))

    assert f"not checked: {tmp_path}/west: no such kubeconfig\n" in of_channel
    assert f"not checked: {tmp_path}/east: no such kubeconfig\n" in of_default


def test_a_recording_or_a_cluster_that_the_command_names_is_meant_whatever_the_label_says(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
):
    settings_with(tmp_path, monkeypatch)
    file = notification(tmp_path, namespace="production", pod=POD, cluster="west")

    assert f"pod            production/{POD}\n" in say(capsys, "-f", file, *CASE)[1]
    assert f"not checked: {tmp_path}/east: no such kubeconfig\n" in say(capsys, "-f", file, "--cluster", "east")[1]


def test_a_cluster_that_cannot_be_reached_is_said_in_one_clause(tmp_path: Path, capsys):
    file = notification(tmp_path, namespace="production", pod=POD)

    code, said = say(capsys, "-f", file, "--kubeconfig", "/nowhere/kubeconfig")

    assert code == 0
    assert f"pod            production/{POD}, not checked: /nowhere/kubeconfig: no such kubeconfig\n" in said


@pytest.mark.parametrize("name", sorted(each.stem for each in FOLDER.glob("*.json")))
def test_every_kind_of_payload_is_explained_without_a_cluster(name: str, capsys):
    code, said = say(capsys, "-f", str(FOLDER / f"{name}.json"), "--offline")

    assert code in (0, 1)
    assert said.startswith("read as        ")
    assert "would          " in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty; give the body that a webhook sends"),
        ("{", "it is not JSON; give the body that a webhook sends"),
        ("[1]", "it is not a JSON object; give the body that a webhook sends"),
        ('{"message": "of an older Grafana", "orgId": 1}', "x.json: it is no webhook of Alertmanager"),
        ('{"a": 1}', "it is no webhook of Alertmanager, Grafana, Datadog or PagerDuty, and no Slack message"),
    ],
)
def test_what_is_no_alert_is_one_line(tmp_path: Path, capsys, text: str, why: str):
    (tmp_path / "x.json").write_text(text)

    code, said = say(capsys, "-f", str(tmp_path / "x.json"), "--offline")

    assert (code, said.count("\n")) == (2, 1)
    assert why in said
