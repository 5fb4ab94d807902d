"""The chart as helm renders it is taken by a real API server, object by object, and what it holds works together."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sensors.access.probe.channel import probe_channel
from sensors.access.probe.client import ProbeRequest, parse_answer
from tests.cluster import chart
from tests.cluster.apiserver import ApiServer, api_server
from tests.cluster.applying import apply
from tests.cluster.binaries import Binaries
from tests.cluster.definitions import install_definitions
from tests.cluster.processes import free_port, running
from tests.cluster.test_patch import APPROVALS
from tests.probe.namespaces import AGENT
from tests.probe.serving import HERE, listens, proc_of

pytestmark = pytest.mark.cluster

VARIANTS: dict[str, dict[str, Any]] = {
    "usual": {},
    "approvals": {"approvals": {**APPROVALS, "groups": ["ops"]}},
    "legacy": {"approvals": {**APPROVALS, "legacyImpersonation": True}},
    "no probe": {"probe": {"enabled": False}},
    "probe": {
        "probe": {
            "namespace": "somewhere",
            "port": 9999,
            "kernelLog": False,
            "appArmor": False,
            "resources": {"limits": {"memory": "64Mi"}},
            "nodeSelector": {"a": "b"},
            "tolerations": [{"key": "x", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "priorityClassName": "high",
            "imagePullSecrets": [{"name": "p"}],
            "podLabels": {"l": "v"},
            "podAnnotations": {"a": "v"},
            "allowFrom": [{"podSelector": {"matchLabels": {"a": "b"}}}],
        }
    },
    "account": {
        "serviceAccount": {"create": False, "name": "other"},
        "reader": {"systemNamespaces": ["kube-system", "cilium"]},
    },
    "minimal": chart.example("minimal"),
    "standard": chart.example("standard"),
    "full": chart.example("full"),
    "cilium": {
        **chart.example("full"),
        "networkPolicy": {**chart.example("full")["networkPolicy"], "dialect": "cilium"},
    },
}


@pytest.fixture(scope="module")
def server(programs: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(programs, tmp_path_factory.mktemp("chart")) as running:
        for each in ("kai", "shop", "payments", "cilium"):
            running.create_namespace(each)
        install_definitions(running)
        yield running


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_api_server_takes_every_object_of_the_chart(variant: str, server: ApiServer) -> None:
    """With its own schemas, and with those of Cilium, the Prometheus operator and cert-manager for their kinds."""
    apply(server, chart.rendered(**VARIANTS[variant]))


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_role_writes_or_runs_a_program(variant: str) -> None:
    """But one: an access review, which stores nothing; and what is done as somebody else is named as such."""
    rules = [rule for each in chart.rendered(**VARIANTS[variant]) for rule in each.get("rules", ())]
    verbs = {(verb, resource) for rule in rules for verb in rule["verbs"] for resource in rule["resources"]}
    plain = {(verb, each) for verb, each in verbs if "impersonate" not in verb and verb not in ("list", "get")}

    assert plain <= {("create", "subjectaccessreviews")}
    assert not any("*" in (verb, each) or each in ("secrets", "pods/exec", "nodes/proxy") for verb, each in verbs)
    assert ("impersonate", "users") not in verbs or variant == "legacy"


def test_everybody_whom_kai_may_act_as_is_named() -> None:
    for variant in ("approvals", "legacy", "full"):
        said = VARIANTS[variant]["approvals"]
        for each in chart.rendered(**VARIANTS[variant]):
            for rule in each.get("rules", ()):
                if {"users", "groups"} & set(rule["resources"]):
                    assert rule["resourceNames"] in (said["users"], said.get("groups"))


def test_before_1_36_approvals_need_a_word_that_says_what_they_give() -> None:
    with pytest.raises(chart.CannotRender, match=r"approvals\.legacyImpersonation=true gives KAI ALL rights"):
        chart.rendered(kubernetes="v1.35.2", **VARIANTS["approvals"])
    assert chart.rendered(kubernetes="v1.35.2", **VARIANTS["legacy"])
    assert chart.rendered(kubernetes="v1.28.0")


@pytest.mark.parametrize(
    ("kubernetes", "wanted", "field", "annotation"),
    [("1.29.4", True, None, "unconfined"), ("1.30.0", True, "Unconfined", None), ("1.29.4", False, None, None)],
)
def test_the_probe_asks_for_no_apparmor_in_the_words_that_the_cluster_knows(
    kubernetes: str, wanted: bool, field: str | None, annotation: str | None
) -> None:
    probe = {"appArmor": wanted, "podAnnotations": {"team": "network"}}
    (daemons,) = (each for each in chart.rendered(kubernetes=kubernetes, probe=probe) if each["kind"] == "DaemonSet")
    pod, (container,) = daemons["spec"]["template"], daemons["spec"]["template"]["spec"]["containers"]

    assert container["securityContext"].get("appArmorProfile", {}).get("type") == field
    assert pod["metadata"]["annotations"].get("container.apparmor.security.beta.kubernetes.io/probe") == annotation
    assert pod["metadata"]["annotations"]["team"] == "network"


def test_the_probes_have_a_namespace_for_themselves() -> None:
    with pytest.raises(chart.CannotRender, match="for the probes alone"):
        chart.rendered(probe={"namespace": "kai"})

    assert chart.rendered(probe={"namespace": "kai", "enabled": False})


def test_only_kais_own_pods_may_reach_the_probes() -> None:
    (policy,) = [
        each for each in chart.rendered() if each["metadata"]["name"] == "kai-probe" and "Policy" in each["kind"]
    ]
    daemon_set = next(each for each in chart.rendered() if each["kind"] == "DaemonSet")

    assert policy["metadata"]["namespace"] == daemon_set["metadata"]["namespace"] == "kai-probe"
    assert policy["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {
                "from": [
                    {
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kai"}},
                        "podSelector": {
                            "matchLabels": {"app.kubernetes.io/name": "kai", "app.kubernetes.io/instance": "kai"}
                        },
                    }
                ],
                "ports": [{"protocol": "TCP", "port": 4246}],
            }
        ],
    }


async def test_the_certificates_of_the_chart_open_the_probe_that_the_chart_starts(tmp_path: Path) -> None:
    objects = chart.rendered()
    sides = {each["metadata"]["name"]: _written(tmp_path, each) for each in objects if each["kind"] == "Secret"}
    (container,) = next(each for each in objects if each["kind"] == "DaemonSet")["spec"]["template"]["spec"][
        "containers"
    ]
    port = free_port()
    here = {
        "[::]:4246": f"{HERE}:{port}",
        "/etc/kai-probe": str(sides["kai-probe-server"]),
        "kai-probe": f"beside-{port}",
    }
    words = [here.get(each, each) for each in container["command"][1:]]
    proc = proc_of(tmp_path / "proc")
    command = [sys.executable, "-I", str(AGENT), *words, "--proc", str(proc)]
    with running(command, tmp_path / "log", lambda: listens(port)):
        question = ProbeRequest(node_files=("nf_conntrack_max",))
        raw = await probe_channel(sides["kai-probe-client"], port).ask(HERE, question, 20)

    assert container["command"][0] == "kai-probe"
    assert parse_answer(raw, question).node_file("nf_conntrack_max") == "262144\n"


def _written(folder: Path, secret: Mapping[str, Any]) -> Path:
    """A secret as the kubelet mounts it."""
    where = folder / secret["metadata"]["name"]
    where.mkdir()
    for name, value in secret["data"].items():
        (where / name).write_bytes(base64.b64decode(value))
    return where


def test_cert_manager_makes_both_certificates_where_an_issuer_is_named() -> None:
    objects = chart.rendered(probe={"tls": {"certManager": {"issuer": {"name": "ours"}}}})
    made = {each["spec"]["secretName"]: each for each in objects if each["kind"] == "Certificate"}

    assert not any(each["kind"] == "Secret" for each in objects)
    assert {name: (each["metadata"]["namespace"], each["spec"]["commonName"]) for name, each in made.items()} == {
        "kai-probe-server": ("kai-probe", "kai-probe"),
        "kai-probe-client": ("kai", "kai"),
    }
    assert {each["spec"]["issuerRef"]["kind"] for each in made.values()} == {"ClusterIssuer"}
