"""The gate: what is about the network, what is not, and a team's own rules before KAI's."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.alerts.gate import Judged, NetworkRelevance, judged, load_gate
from bot.errors import UsageMistake
from tests.bot.alerts.alerting import alert

RULES = load_gate()


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("CiliumPolicyDropsHigh", NetworkRelevance.YES),
        ("CoreDNSErrorsHigh", NetworkRelevance.YES),
        ("ProbeFailed", NetworkRelevance.YES),
        ("TargetDown", NetworkRelevance.YES),
        ("PodCannotReachPeer", NetworkRelevance.YES),
        ("NodeNetworkReceiveErrs", NetworkRelevance.YES),
        ("Watchdog", NetworkRelevance.NO),
        ("CPUThrottlingHigh", NetworkRelevance.NO),
        ("KubePersistentVolumeFillingUp", NetworkRelevance.NO),
        ("KubeJobFailed", NetworkRelevance.NO),
        ("InstanceDown", NetworkRelevance.YES),
        ("NodeBondingDegraded", NetworkRelevance.YES),
        ("CiliumAgentMapPressure", NetworkRelevance.YES),
        ("CiliumAgentHighMemory", NetworkRelevance.NO),
        ("CiliumAgentRestarts", NetworkRelevance.ASK),
        ("CiliumTooManyIdentities", NetworkRelevance.YES),
        ("FelixTooManyRouteErrors", NetworkRelevance.YES),
        ("CiliumAgentOOMKilled", NetworkRelevance.NO),
        ("Cilium agent oom killed", NetworkRelevance.NO),
        ("CiliumTCPUnanswered", NetworkRelevance.YES),
        ("CiliumAgentCPUHigh", NetworkRelevance.NO),
        ("TCPUnanswered", NetworkRelevance.ASK),
        ("HighCPULoad", NetworkRelevance.NO),
        ("HighPathLatency", NetworkRelevance.ASK),
        ("KubeHpaMaxedOut", NetworkRelevance.NO),
        ("HPAMaxedOut", NetworkRelevance.NO),
        ("hpa maxed out", NetworkRelevance.NO),
        ("ContainerOOMKilled", NetworkRelevance.NO),
        ("pod oom killed", NetworkRelevance.NO),
        ("NodeRAIDDegraded", NetworkRelevance.NO),
        ("NGINXTooMany500s", NetworkRelevance.YES),
        ("RedisTooManyConnections", NetworkRelevance.ASK),
        ("KubePodCrashLooping", NetworkRelevance.ASK),
        ("KubePodNotReady", NetworkRelevance.ASK),
        ("SomethingOfOurs", NetworkRelevance.ASK),
    ],
)
def test_usual_alerts_are_known_by_name(name: str, network: NetworkRelevance):
    assert judged(alert(name), RULES).network is network


def test_a_policy_that_cannot_be_imported_is_no_dropped_packet():
    assert judged(alert("CiliumAgentPolicyImportErrors"), RULES).why == "it is about what carries the cluster's network"


def test_words_about_a_connection_count_where_the_name_says_nothing():
    words = 'Get "https://10.96.0.1:443/api": dial tcp 10.96.0.1:443: i/o timeout'

    assert judged(alert("OrdersFailing", words=words), RULES).why == "its text speaks of a connection"


def test_node_js_s_words_for_a_connection_count_too():
    said = "queue: getaddrinfo EAI_AGAIN queue", "ETIMEDOUTS are counted by parsers", "the ENOTFOUND_PAGE is shown"

    assert [judged(alert("OrdersFailing", words=each), RULES).network for each in said] == [
        NetworkRelevance.YES,
        NetworkRelevance.ASK,
        NetworkRelevance.ASK,
    ]


def test_a_named_peer_is_about_the_network_unless_a_rule_says_no():
    assert judged(alert("KubePodNotReady", peer=("10.96.0.1", 443)), RULES).network is NetworkRelevance.YES
    assert judged(alert("CPUThrottlingHigh", peer=("10.96.0.1", 443)), RULES).network is NetworkRelevance.NO


def test_a_team_s_rules_come_first(tmp_path: Path):
    file = tmp_path / "gate.yaml"
    file.write_text("- alert: ^OrdersFailing$\n  labels: {team: shop}\n  network: yes\n  why: orders need payments\n")
    rules = load_gate(file)

    assert judged(alert("OrdersFailing", labels={"team": "shop"}), rules) == Judged(
        NetworkRelevance.YES, "orders need payments"
    )
    assert judged(alert("OrdersFailing", labels={"team": "web"}), rules).network is NetworkRelevance.ASK


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("- alrt: x\n  network: no\n", "rule 1: unknown word 'alrt'; did you mean 'alert'?"),
        ("- alert: x\n  network: maybe\n", "rule 1: network should be yes, no or ask"),
        ("- network: no\n", "rule 1: it fits everything"),
        ("- alert: [Orders, Pay]\n  network: no\n", "rule 1: a pattern should be a text in quotes, not \"['Orders'"),
        ("- labels: {team: }\n  network: no\n", "rule 1: a pattern should be a text in quotes, not 'None'"),
        ("- alert: '('\n  network: no\n", "rule 1: '(' is no pattern"),
        ("alert: x\n", "it should be a list of rules"),
        ("- [\n", "it is not YAML"),
    ],
)
def test_a_wrong_rule_stops_the_start_in_one_line(tmp_path: Path, text: str, why: str):
    file = tmp_path / "gate.yaml"
    file.write_text(text)

    with pytest.raises(UsageMistake, match=r"gate\.yaml") as refused:
        load_gate(file)
    assert why in str(refused.value)
