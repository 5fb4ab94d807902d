"""Incidents at the corners: noise that looks like a fault, faults that look like noise, and who is not heard."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from tests.flows.variants.catalog import variant
from tests.flows.variants.lab import (
    API,
    BEGAN,
    CILIUM_DNS,
    CLIENT,
    COREDNS,
    DNS,
    HOME,
    INDEX,
    LAB1,
    LAB2,
    ME,
    NOW,
    NS,
    OTHER_NODE,
    RESOLVER,
    SEARCH,
    SERVER,
    SERVER_IP,
    VIP,
    Incident,
    Side,
    egress,
    found,
    ingress,
    lookup,
    missing,
    mute,
    pod_side,
    port,
    recording,
    stamp,
    world,
)
from tests.flows.variants.names import HOST, UNRESOLVED
from tests.flows.variants.policies import (
    BANK,
    BANK_IP,
    BANK_VIP,
    MINE,
    OUTSIDE,
    THEIRS,
    TIMEOUT,
    E,
    I,
    dns_not_admitted,
    namespaced,
    pods,
    towards_bank,
    towards_index,
    towards_outside,
)
from tests.flows.variants.services import CLOSED, no_backends

D, S, CALLER = "Deployment search/index", "Service search/index", "Deployment search/search"


# -- noise -------------------------------------------------------------------------------------------------------------


@variant("none.healthy")
def coredns_was_rolled_out() -> Incident:
    """Questions to the pod that went away are dropped as to the world, under a policy with a good DNS rule."""
    lab = recording(calm=True)
    lab.names(*found("index", VIP))
    gone = Side("10.244.0.99", labels=("reserved:world",))
    lab.calls(gone, 53, "lookup_denied", times=3, since=BEGAN)
    lab.calls(DNS, 53, "looked_up", times=8, since=BEGAN + timedelta(seconds=5))
    lab.calls(INDEX, 8080, "opened", times=6, since=BEGAN + timedelta(seconds=6))
    lab.policy("search-egress", egress({"to": [pods(app="index")], "ports": [port(8080)]}))
    return lab


@variant("none.healthy")
def late_answers_turned_away() -> Incident:
    """ICMP 3/3 to CoreDNS, dropped by the pod's own policy: nobody's fault."""
    lab = recording(calm=True)
    lab.names(*found("index", VIP))
    lab.policy("search-egress", egress({"to": [pods(app="index")], "ports": [port(8080)]}))
    from tests.flows.variants.lab import Wire

    for number in range(5):
        wire = Wire(ME, DNS, 0, 0, BEGAN + timedelta(seconds=number))
        for event in (5, 1):
            packet = wire.packet("", node="lab1", drop=133, event=event, direction="EGRESS")
            packet["l4"] = {"ICMPv4": {"type": 3, "code": 3}}
            lab.sees(packet)
    return lab


@variant("policy.egress_denied", E)
def events_were_lost() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.policy("search-egress", egress())
    lost = {"source": "HUBBLE_RING_BUFFER", "num_events_lost": "1200"}
    lab.flows.append({"lost_events": lost, "node_name": "lab1", "time": stamp(NOW)})
    return lab


# -- who is not heard --------------------------------------------------------------------------------------------------


def silent(lab: Incident, node: str) -> None:
    lab.flows = [each for each in lab.flows if each.get("node_name") != node and "node_status" not in each]
    lab.flows.append({"node_status": {"state_change": "NODE_UNAVAILABLE", "node_names": [node]}, "node_name": "lab1",
                      "time": stamp(NOW)})  # fmt: skip
    lab.files.pop(f"nodes/{node}/cilium/status.json")
    lab.files.pop(f"nodes/{node}/cilium/metrics.txt")


@variant("policy.ingress_denied", I, also="inconclusive")
def ingress_denied_where_nobody_listens() -> Incident:
    """The drop is on the other node, whose agent the relay does not hear."""
    lab = towards_index("ingress_denied")
    lab.policy("index-ingress", ingress({"from": [pods(app="crawler")], "ports": [port(8080)]}))
    silent(lab, "lab2")
    return lab


@variant("cni.agent_down", "Node lab1", or_component="DaemonSet kube-system/cilium")
def agent_down_and_the_backend_moved() -> Incident:
    """Running pods keep their network, but the Service still leads where its backend was."""
    lab = recording()
    lab.names(*found("index", VIP))
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "timeout", "open")
    lab.fails("http://index/", TIMEOUT)
    silent(lab, "lab1")
    return lab


@variant("cni.overlay_blocked", "Node lab1", also="cni.route_missing", or_component="Node lab2")
def nothing_crosses_between_the_nodes() -> Incident:
    return towards_index("lost_on_the_way")


# -- policies ----------------------------------------------------------------------------------------------------------


@variant("policy.dns_blocked", "CiliumNetworkPolicy search/only-index")
def cnp_without_dns() -> Incident:
    lab = dns_not_admitted()
    lab.objects["networkpolicies"].clear()
    rule = {"toEndpoints": [{"matchLabels": {"app": "index"}}]}
    lab.policy("only-index", {**MINE, "egress": [rule]}, kind="CiliumNetworkPolicy")
    return lab


@variant("policy.both_sides_denied", "NetworkPolicy search/default-deny")
def default_deny_of_both_sides() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    spec = {**egress(app=""), "policyTypes": ["Ingress", "Egress"]}
    lab.policy("default-deny", spec)
    return lab


@variant("policy.ingress_denied", I)
def the_world_comes_through_a_node_port() -> Incident:
    """Somebody outside cannot reach the pod; nobody can name a peer to which it talks."""
    lab = recording()
    lab.header["target"] = {"pod": SERVER, "namespace": NS}
    lab.files[f"logs/{NS}/{SERVER}/index.log"] = ""
    there = f"pods/{NS}/{SERVER}"
    lab.files[f"{there}/connect.json"] = json.dumps([{"host": API, "port": 443, "protocol": "tcp", "result": "open", "ms": 1},
                                                     {"host": RESOLVER, "port": 53, "protocol": "tcp", "result": "open", "ms": 1}])  # fmt: skip
    lab.files[f"{there}/dns.json"] = lab.files[f"{HOME}/dns.json"]
    client = Side("172.30.0.100", "lab2", labels=("reserved:world",))
    lab.calls(INDEX, 8080, "ingress_denied", me=client)
    lab.policy("index-ingress", ingress({"from": [pods(app="search")], "ports": [port(8080)]}))
    return lab


@variant("policy.wrong_port", I)
def ingress_by_a_name_no_container_port_has() -> Incident:
    lab = towards_index("ingress_denied")
    lab.policy("index-ingress", ingress({"from": [pods(app="search")], "ports": [port("web")]}))
    return lab


@variant("policy.cidr_never_matches", E)
def kubelet_by_block() -> Incident:
    lab = recording()
    lab.asked(f"{LAB2}:10250")
    lab.calls(OTHER_NODE, 10250, "egress_denied")
    lab.names()
    lab.doors((LAB2, 10250, "timeout"), (API, 443, "timeout"))
    lab.policy("search-egress", egress({"to": [{"ipBlock": {"cidr": "172.30.0.0/24"}}]}))
    lab.fails(f"https://{LAB2}:10250/", TIMEOUT)
    return lab


@variant("policy.cidr_never_matches", "CiliumNetworkPolicy search/to-index")
def cnp_by_pod_range() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    rule = {"toCIDR": ["10.244.1.0/24"]}
    lab.policy("to-index", {**MINE, "egress": [CILIUM_DNS, rule]}, kind="CiliumNetworkPolicy")
    return lab


@variant("policy.ingress_denied", "CiliumNetworkPolicy search/index-world")
def cnp_admits_the_world_and_no_pod() -> Incident:
    lab = towards_index("ingress_denied")
    lab.policy("index-world", {**THEIRS, "ingress": [{"fromEntities": ["world"]}]}, kind="CiliumNetworkPolicy")
    return lab


@variant("policy.fqdn_mismatch", "CiliumNetworkPolicy search/outside")
def fqdn_pattern_does_not_cover_its_own_root() -> Incident:
    lab = towards_outside("egress_denied", "example.com:443", api="timeout")
    rule = {
        "toFQDNs": [{"matchPattern": "*.example.com"}],
        "toPorts": [{"ports": [{"port": "443", "protocol": "TCP"}]}],
    }
    lab.policy("outside", {**MINE, "egress": [CILIUM_DNS, rule]}, kind="CiliumNetworkPolicy")
    return lab


@variant(
    "policy.wrong_selector",
    "NetworkPolicy bank/ledger-ingress",
    also="policy.ingress_denied",
    or_component="Namespace search",
)
def namespace_label_nobody_carries() -> Incident:
    lab = towards_bank("ingress_denied")
    rule = {"from": [{"namespaceSelector": {"matchLabels": {"team": "search"}}}], "ports": [port(8080)]}
    lab.policy("ledger-ingress", ingress(rule, app="ledger"), "bank")
    return lab


@variant("policy.wrong_selector", "NetworkPolicy bank/ledger-ingress", also="policy.ingress_denied")
def namespace_by_its_wrong_name() -> Incident:
    lab = towards_bank("ingress_denied")
    rule = {"from": [namespaced("serch", app="search")], "ports": [port(8080)]}
    lab.policy("ledger-ingress", ingress(rule, app="ledger"), "bank")
    return lab


@variant("policy.wrong_selector", I, also="policy.ingress_denied", or_component=CALLER)
def client_lacks_the_label_asked_for() -> Incident:
    lab = towards_index("ingress_denied")
    rule = {"from": [{"podSelector": {"matchLabels": {"access": "index"}}}], "ports": [port(8080)]}
    lab.policy("index-ingress", ingress(rule), age=4000)
    return lab


@variant("policy.egress_denied", E)
def headless_peer_denied() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    spec = lab.find("services", "index")["spec"]
    spec |= {"clusterIP": "None", "clusterIPs": ["None"]}
    lab.asked("index:8080")
    lab.names(*found("index", SERVER_IP))
    lab.doors(("index", 8080, "timeout", SERVER_IP), (SERVER_IP, 8080, "timeout"), (API, 443, "timeout"))
    lab.fails("http://index:8080/", TIMEOUT)
    lab.policy("search-egress", egress())
    return lab


@variant("none.healthy")
def egress_rules_without_the_policy_type() -> Incident:
    """Egress rules that take no effect, since policyTypes names ingress only."""
    lab = towards_index("opened")
    lab.works("http://index/")
    lab.policy("search-egress", {**egress(), "policyTypes": ["Ingress"]})
    return lab


@variant("policy.egress_denied", E)
def two_services_before_the_same_pod() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.service("index-too", NS, {"app": "index"}, 81, 8080, "10.96.51.30", [(INDEX, True)])
    lab.policy("search-egress", egress())
    return lab


@variant("policy.egress_denied", E)
def worked_before_the_policy_came() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.quiet()
    lab.calls(INDEX, 8080, "opened", times=4, since=BEGAN - timedelta(seconds=2))
    lab.calls(INDEX, 8080, "egress_denied", times=8, since=BEGAN + timedelta(seconds=4))
    lab.policy("search-egress", egress(), age=12)
    return lab


@variant("policy.egress_denied", "NetworkPolicy kube-system/coredns-egress")
def coredns_may_not_ask_its_upstream() -> Incident:
    lab = recording()
    lab.asked("api.example.com:443")
    lab.names(*missing("api.example.com", "SERVFAIL"))
    lab.doors()
    lab.fails("https://api.example.com/", "curl: (6) Could not resolve host: api.example.com", took=2.0)
    said = "[ERROR] plugin/errors: 2 api.example.com. A: read udp 10.244.0.240:50034->172.30.0.100:53: i/o timeout\n"
    lab.files[f"logs/kube-system/{COREDNS}/coredns.log"] += said * 6
    spec = {"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}, "policyTypes": ["Egress"],
            "egress": [{"ports": [port(6443)]}]}  # fmt: skip
    lab.policy("coredns-egress", spec, "kube-system")
    lab.calls(world("172.30.0.100"), 53, "lookup_denied", me=DNS)
    return lab


# -- Services ----------------------------------------------------------------------------------------------------------


@variant("service.no_endpoints", S)
def pods_live_in_another_namespace() -> Incident:
    lab = no_backends()
    lab.namespace("bank")
    lab.workload("ledger", "bank", BANK, vip=BANK_VIP)
    lab.find("services", "index")["spec"]["selector"] = {"app": "ledger"}
    lab.slice_of("index").update(endpoints=None, ports=None)
    return lab


@variant("service.no_endpoints", "Service bank/ledger")
def selector_typo_in_another_namespace() -> Incident:
    lab = towards_bank("opened")
    lab.quiet()
    host = "ledger.bank.svc.cluster.local"
    lab.find("services", "ledger")["spec"]["selector"] = {"app": "leger"}
    lab.slice_of("ledger", "bank").update(endpoints=None, ports=None)
    lab.served(host, 80, BANK_VIP, [(BANK_IP, 8080)], "unreachable", "open")
    lab.fails(
        f"http://{host}/", f"curl: (7) Failed to connect to {host} port 80 after 1 ms: Couldn't connect to server"
    )
    return lab


@variant("service.wrong_port", CALLER)
def wrong_port_in_another_namespace() -> Incident:
    lab = towards_bank("opened")
    lab.quiet()
    host = "ledger.bank.svc.cluster.local"
    lab.asked(f"{host}:8443")
    lab.calls(world(BANK_VIP), 8443, "unanswered")
    lab.doors((host, 8443, "timeout", BANK_VIP), (BANK_VIP, 8443, "timeout"))
    lab.fails(f"http://{host}:8443/", TIMEOUT)
    return lab


@variant("service.wrong_target_port", "Service bank/ledger")
def target_port_astray_in_another_namespace() -> Incident:
    lab = towards_bank("opened")
    lab.quiet()
    host = "ledger.bank.svc.cluster.local"
    lab.find("services", "ledger")["spec"]["ports"][0]["targetPort"] = 9090
    lab.slice_of("ledger", "bank")["ports"][0]["port"] = 9090
    lab.calls(BANK, 9090, "refused")
    lab.doors(
        (host, 80, "refused", BANK_VIP), (BANK_VIP, 80, "refused"), (BANK_IP, 9090, "refused"), (BANK_IP, 8080, "open")
    )
    lab.fails(
        f"http://{host}/", f"curl: (7) Failed to connect to {host} port 80 after 1 ms: Couldn't connect to server"
    )
    return lab


@variant("service.no_ready_endpoints", "Deployment bank/ledger")
def crash_loop_in_another_namespace() -> Incident:
    lab = towards_bank("opened")
    lab.quiet()
    host = "ledger.bank.svc.cluster.local"
    pod = lab.find("pods", "ledger")
    lab.unready(
        pod, "CrashLoopBackOff", "back-off 20s restarting failed container=ledger", 3, exitCode=1, reason="Error"
    )
    lab.slice_of("ledger", "bank")["endpoints"][0]["conditions"] = {
        "ready": False,
        "serving": False,
        "terminating": False,
    }
    lab.served(host, 80, BANK_VIP, [(BANK_IP, 8080)], "unreachable", "refused")
    lab.fails(
        f"http://{host}/", f"curl: (7) Failed to connect to {host} port 80 after 1 ms: Couldn't connect to server"
    )
    return lab


@variant("service.no_ready_endpoints", D)
def backend_waits_for_its_init_container() -> Incident:
    lab = no_backends()
    pod = lab.find("pods", SERVER)
    lab.unready(pod, "PodInitializing")
    pod["status"]["phase"] = "Pending"
    pod["spec"]["initContainers"] = [{"name": "migrate", "image": "docker.io/lab/tools:1"}]
    pod["status"]["initContainerStatuses"] = [{"name": "migrate", "ready": False, "restartCount": 4, "lastState": {},
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container=migrate"}}}]  # fmt: skip
    lab.slice_of("index")["endpoints"][0]["conditions"] = {"ready": False, "serving": False, "terminating": False}
    return lab


@variant("service.wrong_port", S, also="service.wrong_target_port app.not_listening")
def headless_asked_at_the_service_port() -> Incident:
    """A headless Service translates nothing: the caller reaches the pods at the port it names."""
    lab = recording()
    spec = lab.find("services", "index")["spec"]
    spec |= {"clusterIP": "None", "clusterIPs": ["None"]}
    lab.calls(INDEX, 80, "refused")
    lab.names(*found("index", SERVER_IP))
    lab.doors(("index", 80, "refused", SERVER_IP), (SERVER_IP, 80, "refused"), (SERVER_IP, 8080, "open"))
    lab.fails("http://index/", CLOSED, took=0.003)
    return lab


@variant("app.not_listening", D)
def nobody_listens_at_the_pod_s_own_address() -> Incident:
    from tests.flows.variants.services import loopback_only

    lab = loopback_only()
    lab.asked(f"{SERVER_IP}:8080")
    lab.names()
    lab.doors((SERVER_IP, 8080, "refused"))
    lab.fails(
        f"http://{SERVER_IP}:8080/", f"curl: (7) Failed to connect to {SERVER_IP} port 8080 after 0 ms", took=0.003
    )
    return lab


@variant("none.healthy")
def one_of_two_backends_not_ready() -> Incident:
    lab = recording(calm=True)
    lab.names(*found("index", VIP))
    other = pod_side(NS, "index-8479d57547-zzzzz", "10.244.1.99", "lab2", 41877, app="index")
    lab.workload("spare", NS, other, service_port=None)
    pod = lab.find("pods", other.pod)
    pod["metadata"]["labels"]["app"] = "index"
    lab.unready(pod)
    from tests.flows.variants.lab import endpoint

    lab.slice_of("index")["endpoints"].append(endpoint(other, False))
    return lab


@variant("app.error", "External api.example.com", or_component="External 203.0.113.10")
def outside_certificate_expired() -> Incident:
    lab = towards_outside("opened", "api.example.com:443")
    lab.fails("https://api.example.com/", "curl: (60) SSL certificate problem: certificate has expired", took=0.02)
    return lab


@variant("app.slow", "External api.example.com", or_component="External 203.0.113.10")
def outside_answers_too_late() -> Incident:
    lab = towards_outside("silent_after_opening", "api.example.com:443")
    lab.doors(("api.example.com", 443, "open", OUTSIDE))
    lab.fails(
        "https://api.example.com/", "curl: (28) Operation timed out after 3001 milliseconds with 0 bytes received"
    )
    return lab


# -- names -------------------------------------------------------------------------------------------------------------


@variant("dns.coredns_config", "ConfigMap kube-system/coredns", also="dns.coredns_down service.wrong_target_port")
def corefile_serves_another_port() -> Incident:
    lab = recording()
    lab.quiet(lookups=True)
    data = lab.find("configmaps", "coredns", "kube-system")["data"]
    data["Corefile"] = data["Corefile"].replace(".:53 {", ".:5353 {")
    lab.asked(f"{HOST}:80")
    lab.only_names(
        mute(f"kubernetes.default.svc.cluster.local.{NS}.svc.cluster.local", "connection refused", 1.0),
        mute(f"{HOST}.{NS}.svc.cluster.local", "connection refused", 1.0),
    )
    lab.doors((VIP, 80, "open"), (SERVER_IP, 8080, "open"), (RESOLVER, 53, "refused"))
    lab.fails(f"http://{HOST}/", UNRESOLVED, took=0.01)
    return lab


@variant("dns.conntrack_race", "Node lab1", also="inconclusive")
def five_seconds_now_and_then() -> Incident:
    lab = recording(calm=True)
    lab.asked(f"{HOST}:80")
    lab.only_names(
        *found("kubernetes.default.svc.cluster.local", API),
        *found(HOST, VIP)[:3],
        lookup(HOST, "NOERROR", VIP, ms=5003.0),
    )
    lab.fails(f"http://{HOST}/", "curl: (28) Resolving timed out after 3000 milliseconds")
    return lab


@variant("dns.nxdomain", CALLER, also="service.not_found")
def namespace_misspelt_without_a_dot() -> Incident:
    lab = recording()
    lab.asked("index.serach:80")
    lab.names(*missing("index.serach"))
    lab.doors()
    lab.fails("http://index.serach/", "curl: (6) Could not resolve host: index.serach", took=0.01)
    return lab


@variant("dns.nxdomain", "Service search/partner")
def external_name_leads_nowhere() -> Incident:
    lab = recording()
    lab.add("services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "partner", "namespace": NS},
                         "spec": {"type": "ExternalName", "externalName": "no.example.org", "ports": [{"port": 443}]}})  # fmt: skip
    lab.asked("partner:443")
    alias, *others = SEARCH
    lab.names(
        lookup(f"partner.{alias}"),
        *(lookup(f"partner.{each}", "NXDOMAIN") for each in others),
        lookup("partner", "NXDOMAIN"),
    )
    lab.doors()
    lab.fails("https://partner/", "curl: (6) Could not resolve host: partner", took=0.01)
    return lab


@variant("app.crash", CALLER)
def client_has_ended() -> Incident:
    from tests.flows.variants.names import unstarted

    lab = unstarted()
    pod = lab.find("pods", CLIENT)
    pod["status"]["phase"] = "Failed"
    box = pod["status"]["containerStatuses"][0]
    box |= {"ready": False, "state": {"terminated": {"exitCode": 2, "reason": "Error", "finishedAt": stamp(NOW)}}}
    lab.log('2026-11-23T21:17:29Z level=fatal msg="no licence"')
    return lab


__all__ = ["LAB1", "replace"]
