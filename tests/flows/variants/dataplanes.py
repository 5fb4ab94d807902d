"""The same faults on other dataplanes: no hubble flows at all, kube-proxy, Calico, a plug-in without policies."""

from __future__ import annotations

import copy

from tests.flows.variants import names, policies, services
from tests.flows.variants.catalog import variant
from tests.flows.variants.lab import (
    API,
    COREDNS,
    LAB1,
    LAB2,
    NOW,
    SERVER,
    SERVER_IP,
    VIP,
    Incident,
    egress,
    ingress,
    port,
    stamp,
)
from tests.flows.variants.policies import OUTSIDE, namespaced, pods, towards_bank, towards_index, towards_outside

AGENTS = {
    "calico": ("calico-node", {"k8s-app": "calico-node"}),
    "aws-vpc-cni": ("aws-node", {"k8s-app": "aws-node"}),
    "flannel": ("kube-flannel-ds", {"app": "flannel"}),
    "kindnet": ("kindnet", {"app": "kindnet", "k8s-app": "kindnet"}),
}


def on(cni: str, lab: Incident) -> Incident:
    """The same incident where there is no Cilium: nobody sends flows, kube-proxy translates, the plug-in's own agents."""
    lab.flows = []
    lab.header["cluster"] = {"cni": cni, "kubernetes": "v1.36.2", "kube_proxy_replacement": False,
                             "service_cidr": "10.96.0.0/16", "pod_cidrs": ["10.244.0.0/24", "10.244.1.0/24"]}  # fmt: skip
    lab.files = {name: text for name, text in lab.files.items() if "/cilium/" not in name}
    for kind in ("ciliumnodes", "ciliumendpoints", "ciliumnetworkpolicies", "ciliumclusterwidenetworkpolicies"):
        lab.objects.pop(kind, None)
    if any(each["metadata"]["name"] == "cilium-config" for each in lab.objects["configmaps"]):
        lab.drop("configmaps", "cilium-config")
    agents(lab, *AGENTS[cni])
    agents(lab, "kube-proxy", {"k8s-app": "kube-proxy"})
    return lab


def agents(lab: Incident, name: str, labels: dict[str, str]) -> None:
    """A DaemonSet with a ready pod on each node."""
    for node, ip in (("lab1", LAB1), ("lab2", LAB2)):
        pod = copy.deepcopy(lab.find("pods", COREDNS))
        pod["metadata"] |= {"name": f"{name}-{node}", "namespace": "kube-system", "labels": dict(labels), "uid": f"{name}-{node}",
                            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": name, "controller": True}]}  # fmt: skip
        pod["spec"] |= {"nodeName": node, "hostNetwork": True}
        pod["status"] |= {"podIP": ip, "podIPs": [{"ip": ip}], "hostIP": ip}
        box = pod["status"]["containerStatuses"][0]
        box |= {"ready": True, "restartCount": 0, "lastState": {}, "state": {"running": {"startedAt": stamp(NOW)}}}
        for each in pod["status"]["conditions"]:
            each["status"] = "True"
        lab.add("pods", pod)
    lab.add("daemonsets", {
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {}}},
        "status": {"desiredNumberScheduled": 2, "numberReady": 2},
    })  # fmt: skip


CALLER, D, S = "Deployment search/search", "Deployment search/index", "Service search/index"
E, I = "NetworkPolicy search/search-egress", "NetworkPolicy search/index-ingress"  # noqa: E741
REFUSED = "curl: (7) Failed to connect to index port 80 after 3 ms: Couldn't connect to server"
TIMEOUT = "curl: (28) Connection timed out after 3001 milliseconds"
NODELOCAL = "169.254.20.10"


# -- policies, computed: nobody reports a drop ---------------------------------------------------------------------------


@variant("policy.ingress_denied", "NetworkPolicy bank/ledger-ingress")
def calico_backend_admits_another_tier() -> Incident:
    lab = on("calico", towards_bank("ingress_denied"))
    lab.policy("ledger-ingress", ingress({"from": [pods(tier="backend")], "ports": [port(8080)]}, app="ledger"), "bank")
    return lab


@variant("policy.wrong_port", E)
def calico_policy_names_the_service_port() -> Incident:
    lab = on("calico", towards_bank("egress_denied"))
    lab.policy("search-egress", egress({"to": [namespaced("bank", app="ledger")], "ports": [port(80)]}))
    return lab


@variant("policy.egress_denied", E, unasked="inconclusive")
def calico_egress_outside_of_the_block() -> Incident:
    lab = on("calico", towards_outside("egress_denied", api="timeout"))
    lab.policy("search-egress", egress({"to": [{"ipBlock": {"cidr": "198.51.100.0/24"}}]}))
    return lab


@variant("none.healthy", also="inconclusive")
def calico_block_covers_the_pods() -> Incident:
    """Under iptables an address block of pods matches pods: what is wrong under Cilium is right here."""
    lab = on("calico", towards_index("opened"))
    lab.policy("search-egress", egress({"to": [{"ipBlock": {"cidr": "10.244.0.0/16"}}], "ports": [port(8080)]}))
    lab.works("http://index/")
    return lab


def under_calico(**spec: object) -> Incident:
    lab = on("calico", towards_index("egress_denied"))
    lab.add("globalnetworkpolicies", {
        "apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkPolicy", "metadata": {"name": "default-deny"},
        "spec": {"selector": "all()", "types": ["Egress", "Ingress"], **spec}})  # fmt: skip
    return lab


@variant(
    "policy.both_sides_denied",
    "GlobalNetworkPolicy default-deny",
    fix=False,
    findings="policy.ingress_denied",
)
def calico_policy_of_its_own_kind() -> Incident:
    """A Calico policy selects everything and admits nothing."""
    return under_calico()


@variant("inconclusive")
def calico_policy_that_depends_on_its_order() -> Incident:
    """What denies may stand before or after what admits: it is not modelled, so nothing is said about policies."""
    return under_calico(egress=[{"action": "Deny", "protocol": "TCP"}])


@variant("policy.egress_denied", E, also="inconclusive", fix=False)
def unknown_plug_in_computes_and_says_so() -> Incident:
    lab = on("kindnet", towards_index("egress_denied", api="timeout"))
    lab.header["cluster"].pop("cni")
    lab.policy("search-egress", egress())
    return lab


@variant("service.wrong_target_port", S)
def flannel_with_a_decoy_policy() -> Incident:
    """A deny-all policy that nobody enforces stands beside the real mistake."""
    lab = on("flannel", services.target_port_astray())
    lab.policy("deny-all", egress(app="", dns=False))
    lab.policy("deny-all-in", ingress(app=""))
    return lab


@variant("app.not_listening", D)
def policies_admit_it_and_nobody_listens() -> Incident:
    """A default deny is there and admits exactly this; the program listens on its loopback only."""
    lab = on("calico", services.loopback_only())
    lab.policy("default-deny", egress(app=""), age=4000)
    lab.policy("to-index", egress({"to": [pods(app="index")], "ports": [port(8080)]}, dns=False), age=4000)
    lab.policy("index-ingress", ingress({"from": [pods(app="search")], "ports": [port(8080)]}), age=4000)
    return lab


@variant("app.not_listening", D, unasked="inconclusive")
def calico_nobody_listens_at_the_pod_s_own_address() -> Incident:
    from tests.flows.variants.corners import nobody_listens_at_the_pod_s_own_address

    return on("calico", nobody_listens_at_the_pod_s_own_address())


@variant("inconclusive")
def nothing_could_be_asked() -> Incident:
    """No Hubble, no probe, no log: the objects look right and the client fails all the same."""
    lab = on("calico", towards_index("unanswered"))
    lab.files = {name: text for name, text in lab.files.items() if not name.startswith(("pods/", "logs/"))}
    return lab


# -- Services and translation ---------------------------------------------------------------------------------------------


def refused_at_once() -> Incident:
    """kube-proxy answers for a Service without endpoints: REJECT, connection refused."""
    lab = on("calico", services.no_backends())
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "refused", "open")
    lab.fails("http://index/", REFUSED, took=0.003)
    return lab


@variant("service.no_endpoints", S)
def kube_proxy_selector_typo() -> Incident:
    lab = refused_at_once()
    lab.find("services", "index")["spec"]["selector"] = {"app.kubernetes.io/name": "index"}
    lab.slice_of("index").update(endpoints=None, ports=None)
    return lab


@variant("service.no_ready_endpoints", D)
def kube_proxy_probe_on_the_wrong_port() -> Incident:
    lab = refused_at_once()
    pod = lab.find("pods", SERVER)
    lab.unready(pod)
    lab.event(
        pod, "Unhealthy", f"Readiness probe failed: dial tcp {SERVER_IP}:9999: connect: connection refused", times=30
    )
    services.unready(lab)
    return lab


@variant("service.no_ready_endpoints", D, also="app.pending")
def backend_wants_a_node_nobody_is() -> Incident:
    lab = on("calico", services.backend_unschedulable())
    message = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
    pod = lab.find("pods", SERVER)
    pod["status"]["conditions"][0]["message"] = message
    lab.served("index", 80, VIP, [], "refused")
    lab.fails("http://index/", REFUSED, took=0.003)
    return lab


@variant("nat.kube_proxy_down", "DaemonSet kube-system/kube-proxy", unasked="nat.kube_proxy_down inconclusive")
def kube_proxy_crashes_on_the_client_s_node() -> Incident:
    """The Service's address leads nowhere from this node; the pod's own address opens."""
    lab = on("calico", towards_index("unanswered"))
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "timeout", "open")
    lab.doors(("index", 80, "timeout", VIP), (VIP, 80, "timeout"), (SERVER_IP, 8080, "open"), (API, 443, "timeout"))
    pod = lab.find("pods", "kube-proxy-lab1")
    lab.unready(
        pod, "CrashLoopBackOff", "back-off 5m0s restarting failed container=kube-proxy", 12, exitCode=1, reason="Error"
    )
    lab.fails("http://index/", TIMEOUT)
    return lab


@variant("service.external_traffic_local", S)
def kube_proxy_only_local_backends_and_none_here() -> Incident:
    return on("calico", services.only_local_backends_and_none_here())


# -- names ---------------------------------------------------------------------------------------------------------------


@variant("policy.dns_blocked", E, also="dns.nodelocal")
def node_local_resolver_is_not_in_the_policy() -> Incident:
    """NodeLocal DNSCache: the pod asks 169.254.20.10 on its own node; the policy admits kube-dns only."""
    lab = policies.dns_not_admitted()
    lab.objects["networkpolicies"].clear()
    lab = on("calico", lab)
    agents(lab, "node-local-dns", {"k8s-app": "node-local-dns"})
    for name, text in list(lab.files.items()):
        if name.endswith("resolv.conf"):
            lab.files[name] = text.replace("10.96.0.10", NODELOCAL)
        if name.endswith(("dns.json", "connect.json")):
            lab.files[name] = text.replace("10.96.0.10", NODELOCAL)
    lab.policy("search-egress", egress({"to": [pods(app="index")], "ports": [port(8080)]}))
    return lab


@variant("dns.coredns_oom", "Deployment kube-system/coredns")
def calico_coredns_killed_for_memory() -> Incident:
    return on("calico", names.coredns_killed_for_memory())


@variant("dns.loop", "ConfigMap kube-system/coredns")
def loop_that_ends_in_the_memory_killer() -> Incident:
    """CoreDNS asks itself until it is killed for its memory: more memory is the wrong fix."""
    lab = on("calico", names.coredns_asks_itself())
    pod = lab.find("pods", COREDNS)
    for each in pod["status"]["containerStatuses"]:
        each["lastState"] = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": stamp(NOW)}}
    return lab


@variant("dns.pod_config", CALLER)
def calico_dns_policy_default() -> Incident:
    return on("calico", names.policy_default())


# -- the plug-in and the node ---------------------------------------------------------------------------------------------


@variant("inconclusive", findings="cni.agent_down")
def calico_node_crashes_where_the_pod_is() -> Incident:
    """Running pods keep their rules: that the agent is down is suspected, and not the verdict."""
    lab = on("calico", towards_index("unanswered", api="timeout", dns="timeout"))
    pod = lab.find("pods", "calico-node-lab1")
    lab.unready(
        pod, "CrashLoopBackOff", "back-off 5m0s restarting failed container=calico-node", 9, exitCode=1, reason="Error"
    )
    lab.quiet(lookups=True)
    lab.only_names()
    lab.fails("http://index/", TIMEOUT)
    return lab


@variant("cni.ip_exhaustion", "Node lab1")
def calico_pool_is_full() -> Incident:
    lab = on("calico", names.no_address_left())
    for each in lab.objects["events"]:
        if each["reason"] == "FailedCreatePodSandBox":
            each["message"] = (
                'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "ab": '
                'plugin type="calico" failed (add): failed to request IPv4 addresses: Assigned 0 out of 1 requested IPv4 '
                "addresses; No more free affine blocks and strict affinity enabled"
            )
    return lab


@variant("conntrack.full", "Node lab1")
def kernel_table_full() -> Incident:
    lab = on("calico", towards_index("unanswered"))
    lab.files["nodes/lab1/nf_conntrack_count"] = "262101\n"
    lab.files["nodes/lab1/nf_conntrack_max"] = "262144\n"
    stats = "cpu=0 found=12 invalid=4 insert=0 insert_failed=0 drop=5120 early_drop=0 error=0 search_restart=0\n"
    lab.files["nodes/lab1/conntrack_stats"] = stats
    lab.files["nodes/lab1/dmesg"] = "[ 5120.123456] nf_conntrack: nf_conntrack: table full, dropping packet\n" * 5
    return lab


# -- the application -------------------------------------------------------------------------------------------------------


@variant("app.error", "External api.example.com", or_component=f"External {OUTSIDE}", unasked="inconclusive")
def calico_outside_certificate_expired() -> Incident:
    lab = on("calico", towards_outside("opened", "api.example.com:443"))
    lab.fails("https://api.example.com/", "curl: (60) SSL certificate problem: certificate has expired", took=0.02)
    return lab


@variant("app.error", D)
def calico_server_answers_500() -> Incident:
    return on("calico", services.server_answers_500())


@variant("app.crash", CALLER)
def calico_client_crash_loops() -> Incident:
    return on("calico", names.client_crash_loops())
