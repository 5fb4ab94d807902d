"""What the chart says of KAI itself: one replica on a file, many on Postgres; policies; values that cannot be right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot import __version__, settings
from bot.settings import load
from flows.policy import CALICO_IPTABLES, CILIUM, Profile
from tests.cluster import chart
from tests.flows.policy.builders import allowed, pod, space

pytestmark = pytest.mark.cluster

POSTGRES: dict[str, Any] = {"database": {"postgres": {"secretName": "kai-database"}}}


def only(kind: str, **values: Any) -> dict[str, Any]:
    (found,) = [
        each
        for each in chart.rendered(**values)
        if each["kind"] == kind and each["metadata"].get("namespace") == chart.NAMESPACE
    ]
    return found


def container(**values: Any) -> dict[str, Any]:
    (found,) = only("Deployment", **values)["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def environment(**values: Any) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container(**values)["env"]}


def test_the_chart_and_the_program_are_of_one_version() -> None:
    assert yaml.safe_load((chart.CHART / "Chart.yaml").read_text("utf-8"))["appVersion"] == __version__


def test_a_file_has_one_replica_that_is_replaced_and_a_volume_that_outlives_the_release() -> None:
    spec, claim = only("Deployment")["spec"], only("PersistentVolumeClaim")

    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert environment()["KAI_DATABASE_URL"] == "sqlite:////var/lib/kai/kai.db"
    assert {"name": "data", "mountPath": "/var/lib/kai"} in container()["volumeMounts"]
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    with pytest.raises(
        chart.CannotRender, match=r"bot\.replicas is more than 1: .* give database\.postgres\.secretName"
    ):
        chart.rendered(bot={"replicas": 2})


def test_postgres_has_as_many_as_wanted_a_budget_and_no_volume() -> None:
    values = {**POSTGRES, "bot": {"replicas": 3}}
    spec, kinds = only("Deployment", **values)["spec"], {each["kind"] for each in chart.rendered(**values)}

    assert (spec["replicas"], spec["strategy"]["type"]) == (3, "RollingUpdate")
    assert environment(**values)["KAI_DATABASE_URL_FILE"] == "/etc/kai/database/url"
    assert "PersistentVolumeClaim" not in kinds
    assert only("PodDisruptionBudget", **values)["spec"]["maxUnavailable"] == 1
    assert "PodDisruptionBudget" not in {
        each["kind"] for each in chart.rendered()
    }  # it would only keep nodes from draining


def test_the_bot_runs_as_nobody_on_a_root_that_it_cannot_write_and_needs_no_shell() -> None:
    spec = only("Deployment")["spec"]["template"]["spec"]
    security = container()["securityContext"]

    assert spec["securityContext"]["runAsUser"] == 10001
    assert (security["readOnlyRootFilesystem"], security["runAsNonRoot"]) == (True, True)
    assert (security["allowPrivilegeEscalation"], security["capabilities"]) == (False, {"drop": ["ALL"]})
    assert (container().get("command"), container()["args"]) == (None, ["serve"])


def test_the_user_is_ours_unless_the_cluster_chooses_it() -> None:
    def who(**bot: Any) -> list[dict[str, Any]]:
        pods = (only("Deployment", bot=bot)["spec"]["template"], only("Pod", bot=bot))
        return [each["spec"]["securityContext"] for each in pods]

    fixed = {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001}
    assert all(each.items() >= {**fixed, "runAsNonRoot": True}.items() for each in who())
    assert not any(fixed.keys() & each.keys() for each in who(ownUser=False))
    assert all(each["runAsNonRoot"] for each in who(ownUser=False))


def test_no_secret_is_in_the_environment_but_the_key_that_its_own_library_reads_there() -> None:
    values = chart.example("full")
    secret = [each["name"] for each in container(**values)["env"] if "valueFrom" in each]

    assert secret == ["ANTHROPIC_API_KEY"]
    assert not any("xoxb" in json.dumps(each) for each in chart.rendered(**values))


@pytest.mark.parametrize("name", ["standard", "full"])
def test_the_settings_of_the_examples_are_settings_that_kai_takes(name: str, tmp_path: Path) -> None:
    values = chart.example(name)
    file = tmp_path / "config.yaml"
    file.write_text(only("ConfigMap", **{**values, "metrics": {}})["data"]["config.yaml"])
    said = environment(**values)
    for variable in [each for each in said if each.endswith("_FILE") and each.startswith(("SLACK", "KAI"))]:
        place = tmp_path / variable
        place.write_text(
            {"SLACK_BOT_TOKEN_FILE": "xoxb-1", "SLACK_APP_TOKEN_FILE": "xapp-1"}.get(variable, "sqlite:///x")
        )
        said[variable] = str(place)

    said |= {each: "sk-of-the-tests" for each in said if each == "ANTHROPIC_API_KEY"}
    settings = load({**said, "KAI_CONFIG": str(file)})

    assert (settings.slack.mode, settings.log_format) == ({"standard": "socket", "full": "http"}[name], "json")
    assert settings.approvals.enabled is (name == "full")
    assert settings.alerts.enabled is settings.claude.enabled is (name == "full")
    assert (settings.alerts.tls is not None) is (name == "full")


SECRETS_OF_THE_FILE = [key.place for key in settings._KEYS.values() if key.secret and len(key.place) == 2]
SECRETS_OF_THE_FILE += [("claude", "api_key")]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"bot": {"replica": 2}}, "replica"),
        ({"slack": {"mode": "webhook"}}, "mode"),
        (
            {"bot": {"extraVolumes": [{"name": "data", "emptyDir": {}}]}},
            'bot.extraVolumes: "data" is a volume of the chart',
        ),
        ({"hubble": {"server": "relay"}}, "server"),
        ({"hubble": {"tls": {"secretName": "relay"}}}, "hubble.tls.enabled is false"),
        ({"hubble": {"tls": {"enabled": True, "clientCertificate": True}}}, "needs hubble.tls.secretName"),
        ({"settings": {"bot_token": "xoxb-1"}}, "bot_token"),
        *(({"settings": {part: {name: "a secret"}}}, f"settings/{part}/{name}") for part, name in SECRETS_OF_THE_FILE),
        ({"networkPolicy": {"from": [{"namespaceSelector": {"matchExpressions": []}}]}}, "from"),
        ({"reader": {"systemNamespaces": []}}, "systemNamespaces"),
        ({"alerts": {"tls": {"secretName": "a", "port": 443}}}, "port"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_value_that_cannot_be_right_is_refused_by_name(values: dict[str, Any], why: str) -> None:
    with pytest.raises(chart.CannotRender, match=why):
        chart.rendered(**values)


HOOKS: dict[str, Any] = {"alerts": {"tls": {"secretName": "ours"}}}
LET_IN: dict[str, Any] = {"networkPolicy": {"from": [{"podSelector": {"matchLabels": {"app": "alertmanager"}}}]}}


def ports(kind: str, **values: Any) -> dict[str, int]:
    found = container(**values)["ports"] if kind == "Deployment" else only(kind, **values)["spec"]["ports"]
    return {each["name"]: each.get("containerPort", each.get("port")) for each in found}


def test_webhooks_with_certificates_have_a_port_of_their_own_only_where_a_secret_is_named() -> None:
    values = {**HOOKS, **LET_IN}
    said = {name: value for name, value in environment(**values).items() if name.startswith("KAI_ALERT")}

    assert (ports("Deployment"), ports("Service")) == ({"http": 8080}, {"http": 80})
    assert not any(name.startswith("KAI_ALERT") for name in environment())
    assert (ports("Deployment", **values), ports("Service", **values)) == (
        {"http": 8080, "hooks": 8443},
        {"http": 80, "hooks": 8443},
    )
    assert said == {
        "KAI_ALERT_TLS_CERT": "/etc/kai/alerts-tls/tls.crt",
        "KAI_ALERT_TLS_KEY": "/etc/kai/alerts-tls/tls.key",
        "KAI_ALERT_CLIENT_CA": "/etc/kai/alerts-tls/ca.crt",
        "KAI_ALERT_TLS_PORT": "8443",
    }


def test_the_callers_authority_may_be_in_a_secret_of_its_own() -> None:
    tls = {"secretName": "ours", "clientCa": {"name": "theirs", "key": "root.pem"}, "port": 9443}
    values = {"alerts": {"tls": tls}, **LET_IN}
    mounts = {each["name"]: each["mountPath"] for each in container(**values)["volumeMounts"]}
    volumes = {each["name"]: each for each in only("Deployment", **values)["spec"]["template"]["spec"]["volumes"]}

    assert environment(**values)["KAI_ALERT_CLIENT_CA"] == "/etc/kai/alerts-ca/root.pem"
    assert (mounts["alerts-tls"], mounts["alerts-ca"]) == ("/etc/kai/alerts-tls", "/etc/kai/alerts-ca")
    assert [volumes[each]["secret"]["secretName"] for each in ("alerts-tls", "alerts-ca")] == ["ours", "theirs"]
    assert ports("Service", **values)["hooks"] == 9443


def test_kubeconfigs_of_other_clusters_are_mounted_where_the_settings_name_them() -> None:
    values = {
        "clusters": {"secretName": "kai-clusters"},
        "settings": {"clusters": {"eu": {"kubeconfig": "/etc/kai/clusters/eu"}}},
    }
    mounts = {each["name"]: each["mountPath"] for each in container(**values)["volumeMounts"]}

    assert mounts["clusters"] == "/etc/kai/clusters"
    assert "clusters" not in {each["name"] for each in container()["volumeMounts"]}
    assert "kubeconfig: /etc/kai/clusters/eu" in only("ConfigMap", **{**values, "metrics": {}})["data"]["config.yaml"]


def test_who_reads_figures_or_brings_requests_has_to_be_let_in() -> None:
    for values in ({"metrics": {"serviceMonitor": {"enabled": True}}}, {"slack": {"mode": "http"}}, HOOKS):
        with pytest.raises(chart.CannotRender, match=r"networkPolicy\.from is empty"):
            chart.rendered(**values)
        assert chart.rendered(**values, networkPolicy={"enabled": False})


# -- whom KAI may talk to ----------------------------------------------------------------------------------------------

OURS = {"app.kubernetes.io/name": "kai", "app.kubernetes.io/instance": "kai"}
PROBE = {"app.kubernetes.io/name": "kai-probe", "app.kubernetes.io/instance": "kai"}
NAMED = "kubernetes.io/metadata.name"
CLUSTER = [
    *(space(each, **{NAMED: each}) for each in ("kai", "kai-probe", "kube-system", "monitoring", "shop", "databases")),
    pod("kai/kai-1", "10.0.0.1", **OURS, **{"app.kubernetes.io/component": "bot"}),
    pod("kai/other", "10.0.0.2", app="other"),
    pod("kai-probe/probe-1", "10.0.0.3", **PROBE),
    pod("kube-system/relay", "10.0.0.4", **{"k8s-app": "hubble-relay"}),
    pod("kube-system/dns", "10.0.0.5", **{"k8s-app": "kube-dns"}),
    pod("kube-system/other", "10.0.0.6", app="other"),
    pod("monitoring/prometheus", "10.0.0.7", app="prometheus"),
    pod("shop/web", "10.0.0.8", app="web"),
    pod("databases/postgres", "10.0.0.9", app="postgres"),
]
EITHER = [
    ("kai/kai-1", "kube-system/relay", "TCP 4245", True),
    ("kai/kai-1", "kube-system/relay", "TCP 80", False),  # the Service's port, which no policy sees
    ("kai/kai-1", "kube-system/other", "TCP 4245", False),
    ("kai/kai-1", "kube-system/dns", "UDP 53", True),
    ("kai/kai-1", "shop/web", "UDP 53", False),
    ("kai/kai-1", "kai-probe/probe-1", "TCP 4246", True),
    ("kai/kai-1", "kai-probe/probe-1", "TCP 22", False),
    ("kai/kai-1", "databases/postgres", "TCP 5432", True),
    ("kai/kai-1", "shop/web", "TCP 5432", False),
    ("kai/kai-1", "shop/web", "TCP 8080", False),
    ("monitoring/prometheus", "kai/kai-1", "TCP 8080", True),
    ("monitoring/prometheus", "kai/kai-1", "TCP 22", False),
    ("shop/web", "kai/kai-1", "TCP 8080", False),
    ("monitoring/prometheus", "kai/kai-1", "TCP 8443", True),  # callers that show a certificate
    ("shop/web", "kai/kai-1", "TCP 8443", False),
    ("shop/web", "kai-probe/probe-1", "TCP 4246", False),
    ("kai/other", "kai-probe/probe-1", "TCP 4246", False),
    ("kai/other", "shop/web", "TCP 8080", True),  # what is not KAI is not touched
    ("entity:host", "kai/kai-1", "TCP 8080", True),  # the kubelet
]
BY_NAME = [
    ("kai/kai-1", "entity:kube-apiserver", "TCP 6443", True),
    ("kai/kai-1", "name:wss-primary.slack.com", "TCP 443", True),
    ("kai/kai-1", "name:api.anthropic.com", "TCP 443", True),
    ("kai/kai-1", "name:slack.com", "TCP 80", False),
    ("kai/kai-1", "name:evil.example", "TCP 443", False),
]
BY_ADDRESS = [
    ("kai/kai-1", "203.0.113.9", "TCP 443", True),
    ("kai/kai-1", "203.0.113.9", "TCP 6443", True),
    ("kai/kai-1", "203.0.113.9", "TCP 80", False),
    ("kai/kai-1", "169.254.169.254", "TCP 443", False),
]


@pytest.mark.parametrize(
    ("dialect", "profile", "asked"),
    [("cilium", CILIUM, [*EITHER, *BY_NAME]), ("kubernetes", CALICO_IPTABLES, [*EITHER, *BY_ADDRESS])],
    ids=["cilium", "kubernetes"],
)
def test_kai_reaches_what_it_asks_and_nothing_else(
    dialect: str, profile: Profile, asked: list[tuple[str, str, str, bool]]
) -> None:
    values = chart.example("full")
    values["networkPolicy"] |= {"dialect": dialect}
    policies = [each for each in chart.rendered(**values) if each["kind"].endswith("NetworkPolicy")]

    found = {question[:3]: allowed([*CLUSTER, *policies], profile, *question[:3]) for question in asked}

    assert len(policies) == 2  # KAI's own and the probes'
    assert found == {question[:3]: question[3] for question in asked}


@pytest.mark.parametrize("dialect", ["cilium", "kubernetes"])
def test_peers_mean_the_same_in_both_dialects(dialect: str) -> None:
    said = {
        "dialect": dialect,
        "from": [{"namespaceSelector": {}}],
        "postgres": {"pods": [{"ipBlock": {"cidr": "10.9.0.0/16"}}, {"ipBlock": {"cidr": "::/0"}}]},
    }
    policies = [
        each
        for each in chart.rendered(networkPolicy=said, database={"postgres": {"secretName": "url"}})
        if each["kind"].endswith("NetworkPolicy")
    ]
    profile = CILIUM if dialect == "cilium" else CALICO_IPTABLES

    def may(*asked: str) -> bool:
        return allowed([*CLUSTER, *policies], profile, *asked)

    assert may("shop/web", "kai/kai-1", "TCP 8080")  # every namespace
    assert not may("203.0.113.9", "kai/kai-1", "TCP 8080")
    assert may("kai/kai-1", "10.9.1.1", "TCP 5432")
    assert not may("kai/kai-1", "kai/other", "TCP 5432")


def test_a_resolver_on_the_node_may_have_an_address_of_ipv6() -> None:
    (policy,) = (
        each
        for each in chart.rendered(networkPolicy={"dns": {"nodeLocal": "fd00::a"}}, probe={"enabled": False})
        if each["kind"] == "NetworkPolicy"
    )

    assert {"ipBlock": {"cidr": "fd00::a/128"}} in policy["spec"]["egress"][0]["to"]


def test_the_dialect_follows_what_the_cluster_knows() -> None:
    kinds = {
        known: {each["kind"] for each in chart.rendered(knows=known)} & {"CiliumNetworkPolicy"}
        for known in ((), ("cilium.io/v2/CiliumNetworkPolicy",))
    }

    assert list(kinds.values()) == [set(), {"CiliumNetworkPolicy"}]


def test_helm_test_asks_the_doctor_with_kais_own_account_certificates_and_policies() -> None:
    pod_, bot = only("Pod", **chart.example("full")), only("Deployment", **chart.example("full"))["spec"]["template"]
    (doctor,) = pod_["spec"]["containers"]
    reach = {each["name"] for each in doctor["env"]}

    assert pod_["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert OURS.items() <= pod_["metadata"]["labels"].items()
    assert pod_["metadata"]["labels"]["app.kubernetes.io/component"] != "bot"  # no traffic of the Service for it
    assert (doctor["args"], doctor["image"]) == (["doctor"], bot["spec"]["containers"][0]["image"])
    assert pod_["spec"]["serviceAccountName"] == bot["spec"]["serviceAccountName"]
    assert {"HUBBLE_TLS", "KAI_PROBE_TLS", "KAI_PROBE_NAMESPACE", "ANTHROPIC_API_KEY"} <= reach


def test_the_doctor_runs_where_the_bot_may_run_and_is_told_what_the_bot_is() -> None:
    bot = {
        "extraEnv": [{"name": "SSL_CERT_FILE", "value": "/etc/kai/ours/ca.crt"}],
        "extraVolumes": [{"name": "ours", "configMap": {"name": "our-authority"}}],
        "extraVolumeMounts": [{"name": "ours", "mountPath": "/etc/kai/ours"}],
        "nodeSelector": {"pool": "infra"},
        "affinity": {"nodeAffinity": {}},
        "tolerations": [{"key": "infra", "operator": "Exists"}],
        "podLabels": {"team": "network"},
        "podAnnotations": {"sidecar.istio.io/inject": "false"},
    }
    doctor, kai = only("Pod", bot=bot), only("Deployment", bot=bot)["spec"]["template"]

    for spec in (doctor["spec"], kai["spec"]):
        assert bot["extraEnv"][0] in spec["containers"][0]["env"]
        assert bot["extraVolumes"][0] in spec["volumes"]
        assert bot["extraVolumeMounts"][0] in spec["containers"][0]["volumeMounts"]
    assert doctor["spec"]["nodeSelector"]["pool"] == "infra"
    assert doctor["spec"]["tolerations"] == bot["tolerations"]
    assert doctor["spec"]["affinity"] == bot["affinity"]
    assert doctor["metadata"]["labels"]["team"] == "network"
    assert doctor["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"


def test_the_doctor_waits_for_no_secret_and_the_bot_for_each() -> None:
    def needs(spec: dict[str, Any]) -> dict[str, bool]:
        (container_,) = spec["containers"]
        found = {each["name"]: each["secret"] for each in spec["volumes"] if "secret" in each}
        found |= {each["name"]: each["valueFrom"]["secretKeyRef"] for each in container_["env"] if "valueFrom" in each}
        return {name: not said.get("optional", False) for name, said in found.items()}

    values = chart.example("full")
    doctor, bot = needs(only("Pod", **values)["spec"]), needs(only("Deployment", **values)["spec"]["template"]["spec"])

    assert {"slack", "hubble-tls", "probe-tls", "ANTHROPIC_API_KEY"} <= doctor.keys()
    assert not any(doctor.values())
    assert all(bot.values())


def test_the_probes_image_is_kais_unless_another_is_named() -> None:
    def image(**values: Any) -> str:
        found = next(each for each in chart.rendered(**values) if each["kind"] == "DaemonSet")
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    digest = f"sha256:{'0' * 64}"
    assert image() == f"kai-netdebug:{__version__}"
    assert image(image={"repository": "r/kai", "digest": digest}) == f"r/kai@{digest}"
    assert image(image={"repository": "r/kai", "digest": digest}, probe={"image": {"tag": "2"}}) == "r/kai:2"
