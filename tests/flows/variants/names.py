"""Incidents of DNS, of the pod itself and of its node."""

from __future__ import annotations

from datetime import timedelta

from tests.flows.variants.catalog import variant
from tests.flows.variants.lab import (
    API,
    CLIENT,
    COREDNS,
    COREDNS_IP,
    HOME,
    INDEX,
    LAB1,
    NOW,
    NS,
    RESOLVER,
    SERVER,
    SERVER_IP,
    VIP,
    Incident,
    Json,
    found,
    lookup,
    missing,
    mute,
    recording,
    stamp,
)

HOST = "index.search.svc.cluster.local"
UNRESOLVED = f"curl: (6) Could not resolve host: {HOST}"


def names_fail(error: str = "Operation not permitted", ms: float = 0.3, server: str = RESOLVER) -> Incident:
    """Nothing resolves; addresses open."""
    lab = recording()
    lab.quiet(lookups=True)
    lab.asked(f"{HOST}:80")
    lab.only_names(
        mute(f"kubernetes.default.svc.cluster.local.{NS}.svc.cluster.local", error, ms, server),
        mute(f"{HOST}.{NS}.svc.cluster.local", error, ms, server),
    )
    result = "unreachable" if error.startswith("Op") else "timeout"
    lab.doors((VIP, 80, "open"), (SERVER_IP, 8080, "open"), (RESOLVER, 53, result))
    lab.fails(f"http://{HOST}/", UNRESOLVED, took=0.01)
    return lab


def dns_pod_away(lab: Incident) -> None:
    part = lab.slice_of("kube-dns", "kube-system")
    part["endpoints"][0]["conditions"] = {"ready": False, "serving": False, "terminating": False}


C = "Deployment kube-system/coredns"
CM = "ConfigMap kube-system/coredns"
ME = "Deployment search/search"


@variant("dns.coredns_down", C)
def coredns_scaled_to_nothing() -> Incident:
    lab = names_fail()
    lab.drop("pods", COREDNS)
    lab.slice_of("kube-dns", "kube-system").update(endpoints=None, ports=None)
    for kind in ("deployments", "replicasets"):
        thing = lab.find(kind, "coredns", "kube-system")
        thing["spec"]["replicas"] = 0
        thing["status"] = {"observedGeneration": 2}
    lab.files = {name: text for name, text in lab.files.items() if "coredns" not in name}
    return lab


@variant("dns.coredns_down", CM)
def corefile_with_a_typo() -> Incident:
    lab = names_fail()
    pod = lab.find("pods", COREDNS)
    lab.unready(
        pod, "CrashLoopBackOff", "back-off 40s restarting failed container=coredns", 4, exitCode=1, reason="Error"
    )
    dns_pod_away(lab)
    data = lab.find("configmaps", "coredns", "kube-system")["data"]
    data["Corefile"] = data["Corefile"].replace("    cache 30\n", "    cahce 30\n")
    lab.files[f"logs/kube-system/{COREDNS}/coredns.log"] = (
        "/etc/coredns/Corefile:10 - Error during parsing: Unknown directive 'cahce'\n"
    )
    return lab


@variant("dns.coredns_down", C)
def coredns_image_missing() -> Incident:
    lab = names_fail()
    pod = lab.find("pods", COREDNS)
    lab.unready(
        pod, "ErrImageNeverPull", 'Container image "docker.io/lab/coredns:2" is not present with pull policy of Never'
    )
    pod["status"]["phase"] = "Pending"
    dns_pod_away(lab)
    lab.files.pop(f"logs/kube-system/{COREDNS}/coredns.log")
    return lab


@variant("dns.coredns_down", C)
def coredns_readiness_fails() -> Incident:
    lab = names_fail()
    pod = lab.find("pods", COREDNS)
    lab.unready(pod)
    lab.event(
        pod, "Unhealthy", 'Readiness probe failed: Get "http://10.244.0.240:8282/ready": connect: connection refused'
    )
    dns_pod_away(lab)
    return lab


@variant("dns.coredns_down", C)
def coredns_unschedulable() -> Incident:
    lab = names_fail()
    pod = lab.find("pods", COREDNS)
    pod["spec"].pop("nodeName")
    pod["status"] = {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
         "message": "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."}]}  # fmt: skip
    lab.slice_of("kube-dns", "kube-system").update(endpoints=None, ports=None)
    return lab


@variant("dns.coredns_oom", C)
def coredns_killed_for_memory() -> Incident:
    lab = names_fail()
    pod = lab.find("pods", COREDNS)
    pod["spec"]["containers"][0]["resources"] = {"limits": {"memory": "26Mi"}}
    lab.find("deployments", "coredns")["spec"]["template"]["spec"]["containers"][0]["resources"] = {
        "limits": {"memory": "26Mi"}
    }
    lab.unready(pod, "CrashLoopBackOff", "back-off", 5, exitCode=137, reason="OOMKilled")
    dns_pod_away(lab)
    return lab


@variant("dns.service_selector", "Service kube-system/kube-dns")
def kube_dns_selects_nobody() -> Incident:
    lab = names_fail()
    lab.find("services", "kube-dns")["spec"]["selector"] = {"k8s-app": "coredns"}
    lab.slice_of("kube-dns", "kube-system").update(endpoints=None, ports=None)
    return lab


@variant("dns.coredns_config", CM)
def cluster_zone_removed() -> Incident:
    lab = recording()
    data = lab.find("configmaps", "coredns", "kube-system")["data"]
    data["Corefile"] = data["Corefile"].replace("kubernetes cluster.local", "kubernetes cluster.internal")
    lab.asked(f"{HOST}:80")
    lab.only_names(*missing("kubernetes.default.svc.cluster.local"), *missing(HOST))
    lab.doors((VIP, 80, "open"), (SERVER_IP, 8080, "open"))
    lab.fails(f"http://{HOST}/", UNRESOLVED, took=0.01)
    return lab


@variant("dns.coredns_config", CM)
def kubernetes_plugin_removed() -> Incident:
    lab = cluster_zone_removed()
    data = lab.find("configmaps", "coredns", "kube-system")["data"]
    data["Corefile"] = ".:53 {\n    errors\n    ready :8181\n    forward . 172.30.0.100\n    cache 30\n}\n"
    return lab


@variant("dns.coredns_config", CM)
def template_answers_for_our_name() -> Incident:
    lab = recording()
    data = lab.find("configmaps", "coredns", "kube-system")["data"]
    data["Corefile"] = data["Corefile"].replace(
        "    cache 30\n", "    rewrite name index.search.svc.cluster.local old.search.svc.cluster.local\n    cache 30\n"
    )
    lab.asked(f"{HOST}:80")
    lab.names(*missing(HOST))
    lab.doors((VIP, 80, "open"), (SERVER_IP, 8080, "open"))
    lab.fails(f"http://{HOST}/", UNRESOLVED, took=0.01)
    return lab


def outside_name(rcode: str = "SERVFAIL", ms: float = 2000.0) -> Incident:
    lab = recording()
    lab.asked("api.example.com:443")
    dead = [
        lookup(f"api.example.com.{each}", "NXDOMAIN")
        for each in ("search.svc.cluster.local", "svc.cluster.local", "cluster.local")
    ]
    lab.names(*dead, lookup("api.example.com", rcode, ms=ms) if rcode != "timeout" else mute("api.example.com"))
    lab.doors()
    lab.fails("https://api.example.com/", "curl: (6) Could not resolve host: api.example.com", took=2.0)
    return lab


SAID = "[ERROR] plugin/errors: 2 api.example.com. A: read udp 10.244.0.240:50034->172.30.0.100:53: i/o timeout\n"


@variant("dns.upstream_failure", "External 172.30.0.100")
def upstream_silent() -> Incident:
    lab = outside_name()
    lab.files[f"logs/kube-system/{COREDNS}/coredns.log"] += SAID * 6
    return lab


@variant("dns.upstream_failure", "External 172.30.0.100")
def upstream_silent_client_times_out() -> Incident:
    lab = outside_name("timeout")
    lab.files[f"logs/kube-system/{COREDNS}/coredns.log"] += SAID * 6
    return lab


@variant("dns.coredns_config", CM)
def forward_line_removed() -> Incident:
    lab = outside_name("REFUSED", 0.4)
    data = lab.find("configmaps", "coredns", "kube-system")["data"]
    data["Corefile"] = data["Corefile"].replace("    forward . 172.30.0.100\n", "")
    return lab


@variant("dns.coredns_config", CM)
def forward_line_astray() -> Incident:
    """The forward line was changed a minute ago to an address where no DNS server is."""
    lab = outside_name()
    thing = lab.find("configmaps", "coredns", "kube-system")
    thing["data"]["Corefile"] = thing["data"]["Corefile"].replace("172.30.0.100", "172.30.0.99")
    thing["metadata"]["managedFields"][0]["time"] = stamp(NOW - timedelta(seconds=60))
    lab.files[f"logs/kube-system/{COREDNS}/coredns.log"] += SAID.replace("172.30.0.100", "172.30.0.99") * 6
    return lab


@variant("dns.nxdomain", ME)
def outside_name_does_not_exist() -> Incident:
    return outside_name("NXDOMAIN", 1.0)


@variant("dns.nxdomain", ME, also="service.not_found")
def service_misspelt() -> Incident:
    lab = recording()
    lab.asked("indx:80")
    dead = [
        lookup(f"indx.{each}", "NXDOMAIN")
        for each in ("search.svc.cluster.local", "svc.cluster.local", "cluster.local")
    ]
    lab.names(*dead, lookup("indx", "NXDOMAIN"))
    lab.doors()
    lab.fails("http://indx/", "curl: (6) Could not resolve host: indx", took=0.01)
    return lab


@variant("dns.nxdomain", ME, also="service.not_found")
def service_in_another_namespace() -> Incident:
    lab = recording()
    lab.namespace("mail")
    from tests.flows.variants.policies import BANK, BANK_VIP

    lab.namespace("bank")
    lab.workload("ledger", "bank", BANK, vip=BANK_VIP)
    lab.asked("ledger:80")
    dead = [
        lookup(f"ledger.{each}", "NXDOMAIN")
        for each in ("search.svc.cluster.local", "svc.cluster.local", "cluster.local")
    ]
    lab.names(*dead, lookup("ledger", "NXDOMAIN"))
    lab.doors()
    lab.fails("http://ledger/", "curl: (6) Could not resolve host: ledger", took=0.01)
    return lab


@variant("dns.pod_config", ME)
def policy_default() -> Incident:
    lab = recording()
    lab.quiet(lookups=True)
    lab.asked(f"{HOST}:80")
    for kind, name in (("pods", CLIENT), ("deployments", "search")):
        thing = lab.find(kind, name, NS)
        (thing["spec"] if kind == "pods" else thing["spec"]["template"]["spec"])["dnsPolicy"] = "Default"
    lab.files[f"{HOME}/resolv.conf"] = "nameserver 172.30.0.100\n"
    lab.only_names(
        lookup("kubernetes.default.svc.cluster.local", "NXDOMAIN", server="172.30.0.100"),
        lookup(HOST, "NXDOMAIN", server="172.30.0.100"),
    )
    lab.doors((VIP, 80, "open"), (SERVER_IP, 8080, "open"))
    lab.fails(f"http://{HOST}/", UNRESOLVED, took=0.01)
    return lab


@variant("dns.pod_config", ME)
def policy_none_with_a_dead_server() -> Incident:
    lab = names_fail("timeout", 2503.0, "198.51.100.53")
    for kind, name in (("pods", CLIENT), ("deployments", "search")):
        thing = lab.find(kind, name, NS)
        spec = thing["spec"] if kind == "pods" else thing["spec"]["template"]["spec"]
        spec |= {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["198.51.100.53"]}}
    lab.files[f"{HOME}/resolv.conf"] = "nameserver 198.51.100.53\n"
    lab.only_names(
        mute("kubernetes.default.svc.cluster.local", server="198.51.100.53"), mute(HOST, server="198.51.100.53")
    )
    lab.doors((VIP, 80, "open"), (SERVER_IP, 8080, "open"), (RESOLVER, 53, "open"))
    return lab


@variant("dns.pod_config", ME)
def search_list_lost() -> Incident:
    """dnsPolicy None with the right server and no search list: short names fail, full ones do not."""
    lab = recording()
    lab.asked("index:80")
    lab.find("pods", CLIENT)["spec"] |= {"dnsPolicy": "None", "dnsConfig": {"nameservers": [RESOLVER]}}
    lab.files[f"{HOME}/resolv.conf"] = f"nameserver {RESOLVER}\n"
    lab.only_names(lookup("kubernetes.default.svc.cluster.local", "NOERROR", API), lookup("index", "NXDOMAIN"))
    lab.doors((VIP, 80, "open"), (SERVER_IP, 8080, "open"))
    lab.fails("http://index/", "curl: (6) Could not resolve host: index", took=0.01)
    return lab


@variant("dns.search_amplification", ME)
def slow_by_detour() -> Incident:
    lab = recording()
    lab.asked("api.example.com:443")
    dead = [
        lookup(f"api.example.com.{each}", "NXDOMAIN", ms=900.0)
        for each in ("search.svc.cluster.local", "svc.cluster.local", "cluster.local")
    ]
    lab.names(*dead, lookup("api.example.com", "NOERROR", "203.0.113.10", ms=30.0))
    from tests.flows.variants.lab import world

    lab.calls(world("203.0.113.10"), 443, "opened", every=3.0, times=4)
    lab.doors(("api.example.com", 443, "open", "203.0.113.10"))
    lab.no_mtu()
    lab.works("https://api.example.com/")
    return lab


@variant("dns.overload", C)
def too_many_questions() -> Incident:
    lab = recording()
    lab.asked(f"{HOST}:80")
    lab.names(lookup(f"{HOST}.search.svc.cluster.local", "SERVFAIL", ms=1200.0))
    lab.files[f"logs/kube-system/{COREDNS}/coredns.log"] += (
        "[ERROR] plugin/errors: 2 x.example.com. A: concurrent queries exceeded maximum 1000\n" * 20
    )
    lab.doors((VIP, 80, "open"), (SERVER_IP, 8080, "open"))
    lab.fails(f"http://{HOST}/", UNRESOLVED, took=1.0)
    return lab


@variant("dns.coredns_config", CM, also="policy.egress_denied", or_component="ClusterRole system:coredns")
def coredns_may_not_read_the_api() -> Incident:
    lab = recording()
    lab.asked(f"{HOST}:80")
    from tests.flows.variants.lab import SEARCH

    bad = [lookup(f"{name}.{SEARCH[0]}", "SERVFAIL") for name in ("kubernetes.default.svc.cluster.local", HOST)]
    lab.only_names(*bad)
    lab.files[f"logs/kube-system/{COREDNS}/coredns.log"] += (
        '[ERROR] plugin/kubernetes: Failed to watch: failed to list *v1.Service: services is forbidden: User "system:serviceaccount:kube-system:coredns" cannot list resource "services" in API group "" at the cluster scope\n'
        * 5
    )
    lab.doors((VIP, 80, "open"), (SERVER_IP, 8080, "open"))
    lab.fails(f"http://{HOST}/", UNRESOLVED, took=0.01)
    return lab


@variant("dns.loop", "ConfigMap kube-system/coredns")
def coredns_asks_itself() -> Incident:
    lab = names_fail()
    pod = lab.find("pods", COREDNS)
    lab.unready(pod, "CrashLoopBackOff", "back-off", 6, exitCode=1, reason="Error")
    dns_pod_away(lab)
    lab.files[f"logs/kube-system/{COREDNS}/coredns.log"] = (
        '[FATAL] plugin/loop: Loop (127.0.0.1:55953 -> :53) detected for zone ".", see https://coredns.io/plugins/loop#troubleshooting. Query: "HINFO 4547991504243258144.3688648895315093531."\n'
    )
    return lab


# -- the pod itself, its node ------------------------------------------------------------------------------------------


def unstarted() -> Incident:
    lab = recording()
    lab.quiet(lookups=True)
    lab.files = {name: text for name, text in lab.files.items() if not name.startswith((HOME, f"logs/{NS}/{CLIENT}"))}
    return lab


def without_sandbox() -> tuple[Incident, Json]:
    """A new pod whose network is not made yet, and that pod."""
    lab = unstarted()
    pod = lab.find("pods", CLIENT)
    lab.unready(pod, "ContainerCreating")
    pod["status"] |= {"phase": "Pending", "podIP": None, "podIPs": None}
    return lab, pod


@variant("app.pending", ME)
def client_unschedulable() -> Incident:
    lab = unstarted()
    pod = lab.find("pods", CLIENT)
    pod["spec"].pop("nodeName")
    pod["status"] = {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
         "message": "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."}]}  # fmt: skip
    lab.event(pod, "FailedScheduling", "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.")
    return lab


@variant("app.pending", ME)
def client_image_missing() -> Incident:
    lab = unstarted()
    pod = lab.find("pods", CLIENT)
    lab.unready(pod, "ImagePullBackOff", 'Back-off pulling image "docker.io/lab/tool:1"')
    pod["status"]["phase"] = "Pending"
    lab.event(pod, "Failed", "Error: ErrImagePull")
    return lab


@variant("app.pending", ME)
def client_secret_missing() -> Incident:
    lab = unstarted()
    pod = lab.find("pods", CLIENT)
    lab.unready(pod, "CreateContainerConfigError", 'secret "db" not found')
    pod["status"]["phase"] = "Pending"
    lab.event(pod, "Failed", 'Error: secret "db" not found')
    return lab


@variant("app.crash", ME)
def client_crash_loops() -> Incident:
    lab = unstarted()
    pod = lab.find("pods", CLIENT)
    lab.unready(
        pod, "CrashLoopBackOff", "back-off 40s restarting failed container=search", 4, exitCode=1, reason="Error"
    )
    lab.log('2026-11-23T21:17:29Z level=fatal msg="config: no such file /etc/search.yaml"')
    return lab


@variant("app.crash", ME)
def client_killed_for_memory() -> Incident:
    lab = unstarted()
    pod = lab.find("pods", CLIENT)
    lab.unready(
        pod, "CrashLoopBackOff", "back-off 40s restarting failed container=search", 4, exitCode=137, reason="OOMKilled"
    )
    lab.log('2026-11-23T21:17:29Z level=info msg="loading"')
    return lab


def node_lost(lab: Incident, name: str) -> None:
    node = lab.find("nodes", name)
    for each in node["status"]["conditions"]:
        if each["type"] != "NetworkUnavailable":
            each |= {"status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status.",
                     "lastTransitionTime": stamp(NOW - timedelta(seconds=30))}  # fmt: skip


@variant("node.not_ready", "Node lab2", findings="service.no_ready_endpoints")
def server_s_node_is_gone() -> Incident:
    lab = recording()
    node_lost(lab, "lab2")
    pod = lab.find("pods", SERVER)
    for each in pod["status"]["conditions"]:
        if each["type"] == "Ready":
            each |= {"status": "False"}
    lab.slice_of("index")["endpoints"][0]["conditions"] = {"ready": False, "serving": False, "terminating": False}
    lab.names(*found("index", VIP))
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "unreachable", "open")
    lab.fails("http://index/", "curl: (7) Failed to connect to index port 80 after 1 ms: Couldn't connect to server")
    return lab


@variant("cni.ip_exhaustion", "Node lab1")
def no_address_left() -> Incident:
    lab, pod = without_sandbox()
    lab.event(
        pod,
        "FailedCreatePodSandBox",
        'Failed to create pod sandbox: plugin type="cilium-cni" failed (add): unable to allocate IP via local cilium agent: [POST /ipam][502] postIpamFailure "No more IPs available"',
    )
    return lab


@variant("cni.agent_down", "Node lab1", or_component="DaemonSet kube-system/cilium")
def agent_refuses_the_sandbox() -> Incident:
    lab, pod = without_sandbox()
    pod["metadata"]["creationTimestamp"] = stamp(NOW - timedelta(seconds=60))
    lab.event(
        pod,
        "FailedCreatePodSandBox",
        'Failed to create pod sandbox: plugin type="cilium-cni" failed (add): unable to connect to Cilium agent: dial unix /var/run/cilium/cilium.sock: connect: no such file or directory. Is the agent running?',
    )
    lab.files.pop("nodes/lab1/cilium/status.json")
    return lab


@variant("policy.dns_blocked", "NetworkPolicy search/search-egress", findings="")
def kubelet_says_nothing_of_a_policy() -> Incident:
    """The look-up drops under a policy and a CoreDNS pod that also restarted an hour ago: the policy is the cause."""
    from tests.flows.variants.policies import dns_not_admitted

    lab = dns_not_admitted()
    pod = lab.find("pods", COREDNS)
    pod["status"]["containerStatuses"][0] |= {"restartCount": 1, "lastState": {"terminated": {
        "reason": "OOMKilled", "exitCode": 137, "finishedAt": stamp(NOW - timedelta(hours=1))}}}  # fmt: skip
    return lab


__all__ = ["COREDNS_IP", "INDEX", "LAB1"]
