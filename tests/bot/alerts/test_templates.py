"""The templates that docs/alerts.md gives to copy: each can be loaded, and KAI reads what it sends."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.alerts.gate import load_gate
from bot.triggers.alert import Alert, AlertSubject, SubjectKind
from bot.triggers.alerts import message_trigger, webhook_of
from sensors.kit.addresses import HostPort
from tests.bot.triggers.payloads import payload

PAGE = Path(__file__).resolve().parents[3] / "docs" / "alerts.md"
BLOCKS = tuple(re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL))
VALUES = {"namespace": "shop", "pod": "web-1", "kai_to": "10.96.0.1:443"}


def block(language: str, has: str) -> str:
    """The one block of that language in which this stands."""
    (found,) = [text for kind, text in BLOCKS if kind == language and has in text]
    return found


def filled(template: str, values: Mapping[str, str]) -> str:
    """As Grafana and Alertmanager (`.CommonLabels.pod`) or Datadog (`pod_name.name`) fill it in."""
    plain = re.sub(r"\{\{ *(?:define|end)[^}]*\}\}", "", template)
    said = re.sub(r"\{\{ *\.Common\w+\.(\w+) *\}\}", lambda found: values.get(found[1], ""), plain)
    said = re.sub(r"\{\{(kube_)?(namespace|pod)(_name)?\.name\}\}", lambda found: values.get(found[2], ""), said)
    return said.replace("HOST:PORT", values.get("kai_to", ""))


def heard(message: Mapping[str, Any]) -> Alert:
    found = message_trigger(message).read(message)
    assert isinstance(found, Alert)
    return found


MESSAGES = {
    "alertmanager": lambda values: {
        "username": "Alertmanager",
        "attachments": [{"title": "[FIRING:1] X", **slack(values)}],
    },
    "grafana": lambda values: {
        "username": "Grafana",
        "attachments": [
            {"title": "[FIRING:1] X", "text": filled(block("gotemplate", "kai:v1"), values), "footer": "Grafana v13"}
        ],
    },
    "datadog": lambda values: {
        "username": "Datadog",
        "attachments": [{"title": "Triggered: X", "text": filled(block("text", "kai:v1"), values)}],
    },
}


def slack(values: Mapping[str, str]) -> dict[str, Any]:
    """Fields and footer of the message as Alertmanager would send them."""
    (receiver,) = yaml.safe_load(block("yaml", "kai:v1"))["receivers"]
    (said,) = receiver["slack_configs"]
    fields = [{"title": each["title"], "value": filled(each["value"], values)} for each in said["fields"]]
    return {"fields": fields, "footer": filled(said["footer"], values)}


@pytest.mark.parametrize("sender", MESSAGES)
def test_the_marker_of_a_message_names_the_pod_and_its_peer(sender: str):
    found = heard(MESSAGES[sender](VALUES))

    assert found.meant[0] == AlertSubject(SubjectKind.POD, "web-1", "shop")
    assert found.peer == HostPort("10.96.0.1", 443)


@pytest.mark.parametrize("sender", MESSAGES)
@pytest.mark.parametrize("without", sorted(VALUES))
def test_a_label_without_a_value_takes_none_of_its_neighbour(sender: str, without: str):
    found = heard(MESSAGES[sender]({name: value for name, value in VALUES.items() if name != without}))

    assert {name: found.labels[name] for name in VALUES if name in found.labels} == {
        name: value for name, value in VALUES.items() if name != without
    }


def test_datadog_s_payload_is_json_that_the_webhook_reads():
    said = json.loads(block("json", "$ALERT_ID"))

    assert set(said) == set(payload("datadog"))
    assert (trigger := webhook_of(said)) is not None
    assert trigger.id == "datadog"


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind == "yaml"])
def test_every_block_of_settings_is_yaml(text: str):
    assert yaml.safe_load(text)


def test_the_gate_s_example_is_a_rule(tmp_path: Path):
    (tmp_path / "gate.yaml").write_text(block("yaml", "OrdersFailing"))

    assert len(load_gate(tmp_path / "gate.yaml")) == len(load_gate()) + 1


@pytest.mark.alertmanager
@pytest.mark.parametrize("has", ["hooks/alertmanager\n        send_resolved", "kai:v1"])
def test_amtool_takes_the_receivers(has: str, tmp_path: Path):
    tool = shutil.which("amtool")
    if tool is None:
        pytest.fail("amtool is not there: apt-get install prometheus-alertmanager")
    receivers = yaml.safe_load(block("yaml", has))["receivers"]
    known = {"global": {"slack_api_url": "https://slack.example.com/x"}, "route": {"receiver": receivers[0]["name"]}}
    (tmp_path / "am.yml").write_text(yaml.safe_dump({**known, "receivers": receivers}))

    said = subprocess.run([tool, "check-config", str(tmp_path / "am.yml")], capture_output=True, text=True, check=False)

    assert said.returncode == 0, said.stderr
