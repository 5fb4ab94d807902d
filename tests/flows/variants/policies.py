"""Incidents in which a policy stands in the way, or only seems to."""

from __future__ import annotations

from typing import Any

from tests.flows.variants.catalog import variant
from tests.flows.variants.lab import (
    API,
    API_SERVER,
    CILIUM_DNS,
    CLIENT,
    COREDNS,
    DNS,
    INDEX,
    LAB1,
    NS,
    RESOLVER,
    SERVER,
    SERVER_IP,
    VIP,
    Incident,
    egress,
    found,
    ingress,
    mute,
    pod_side,
    port,
    recording,
    world,
)

TIMEOUT = "curl: (28) Connection timed out after 3001 milliseconds"
OUTSIDE, OTHER = "203.0.113.10", "198.51.100.20"
BANK_IP, BANK_VIP = "10.244.1.77", "10.96.77.7"
BANK = pod_side("bank", "ledger-6b865b5f4b-w97fg", BANK_IP, "lab2", 55501, app="ledger")


def towards_index(fate: str, *, api: str = "open", dns: str = "open") -> Incident:
    """search → index:80 with that fate at the packet."""
    lab = recording()
    lab.calls(INDEX, 8080, fate)
    lab.names(*found("index", VIP))
    result = "open" if fate == "opened" else "timeout"
    lab.doors(
        ("index", 80, result, VIP), (VIP, 80, result), (SERVER_IP, 8080, result), (API, 443, api), (RESOLVER, 53, dns)
    )
    if fate != "opened":
        lab.fails("http://index/", TIMEOUT)
    return lab


def towards_bank(fate: str, **labels: str) -> Incident:
    """search → ledger.bank:80, a Service of another namespace."""
    lab = recording()
    lab.namespace("bank", **labels)
    lab.workload("ledger", "bank", BANK, vip=BANK_VIP)
    host = "ledger.bank.svc.cluster.local"
    lab.asked(f"{host}:80")
    lab.names(*found(host, BANK_VIP))
    lab.served(host, 80, BANK_VIP, [(BANK_IP, 8080)], "open" if fate == "opened" else "timeout")
    lab.calls(BANK, 8080, fate)
    if fate != "opened":
        lab.fails(f"http://{host}/", TIMEOUT)
    return lab


def towards_outside(
    fate: str, to: str = f"{OUTSIDE}:443", ip: str = OUTSIDE, cidr: str = "", api: str = "open"
) -> Incident:
    lab = recording()
    host, _, number = to.partition(":")
    names = () if host == ip else (host,)
    lab.asked(to)
    lab.calls(world(ip, *names, cidr=cidr), int(number), fate)
    result = {"opened": "open", "refused": "refused"}.get(fate, "timeout")
    lab.names(*(found(host, ip) if names else ()))
    lab.doors((host, int(number), result, *([ip] if names else [])), (API, 443, api))
    lab.no_mtu()
    if fate != "opened":
        lab.fails(f"http://{to}/", TIMEOUT if result == "timeout" else f"curl: (7) Failed to connect to {host}")
    return lab


def pods(**labels: str) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": labels}}


def namespaced(namespace: str, **labels: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}, **pods(**labels)}


E = "NetworkPolicy search/search-egress"
I = "NetworkPolicy search/index-ingress"  # noqa: E741


@variant("policy.egress_denied", E, fix=True)
def egress_dns_only() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.policy("search-egress", egress())
    return lab


@variant("policy.egress_denied", "NetworkPolicy search/default-deny", fix=True)
def egress_default_deny_of_the_namespace() -> Incident:
    lab = towards_bank("egress_denied")
    lab.policy("default-deny", egress(app=""))
    return lab


@variant("policy.wrong_port", E, fix=True)
def egress_port_range_too_short() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.policy("search-egress", egress({"to": [pods(app="index")], "ports": [port(8000, end=8079)]}))
    return lab


@variant("policy.wrong_port", E, fix=True)
def egress_service_port_instead_of_target() -> Incident:
    lab = towards_bank("egress_denied")
    lab.policy("search-egress", egress({"to": [namespaced("bank", app="ledger")], "ports": [port(80)]}))
    return lab


@variant("policy.wrong_port", E, fix=None)
def egress_named_port_nobody_has() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.policy("search-egress", egress({"to": [pods(app="index")], "ports": [port("web")]}))
    return lab


@variant("policy.wrong_port", E, fix=None)
def egress_udp_instead_of_tcp() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.policy("search-egress", egress({"to": [pods(app="index")], "ports": [port(8080, "UDP")]}))
    return lab


@variant("policy.wrong_selector", E, fix=None)
def egress_pod_selector_looks_only_at_home() -> Incident:
    lab = towards_bank("egress_denied")
    lab.policy("search-egress", egress({"to": [pods(app="ledger")], "ports": [port(8080)]}))
    return lab


@variant("policy.wrong_selector", E, fix=True)
def egress_namespace_misspelt() -> Incident:
    lab = towards_bank("egress_denied")
    lab.policy("search-egress", egress({"to": [namespaced("banks", app="ledger")], "ports": [port(8080)]}))
    return lab


@variant("policy.wrong_selector", E, fix=True)
def egress_label_misspelt() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.policy("search-egress", egress({"to": [pods(app="indx")], "ports": [port(8080)]}))
    return lab


@variant("policy.wrong_selector", "NetworkPolicy search/to-index", fix=True)
def two_policies_one_comes_close() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.policy("baseline", egress(app=""), age=120)
    lab.policy("to-index", egress({"to": [pods(app="indexx")], "ports": [port(8080)]}, dns=False))
    return lab


@variant("policy.egress_denied", "NetworkPolicy search/search-egress", fix=True)
def egress_policy_for_another_peer() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.policy("search-egress", egress({"to": [pods(app="redis")], "ports": [port(6379)]}))
    return lab


@variant("policy.egress_denied", E)
def outside_blocked_entirely() -> Incident:
    lab = towards_outside("egress_denied", api="timeout")
    lab.policy("search-egress", egress({"to": [{"podSelector": {}}]}))
    return lab


@variant("policy.egress_denied", E)
def outside_in_the_except() -> Incident:
    lab = towards_outside("egress_denied", cidr=f"{OUTSIDE}/32", api="timeout")
    block = {"ipBlock": {"cidr": "203.0.113.0/24", "except": [f"{OUTSIDE}/32"]}}
    lab.policy("search-egress", egress({"to": [block]}))
    return lab


@variant("policy.egress_denied", E)
def outside_of_another_block() -> Incident:
    lab = towards_outside("egress_denied", api="timeout")
    lab.policy("search-egress", egress({"to": [{"ipBlock": {"cidr": "198.51.100.0/24"}}], "ports": [port(443)]}))
    return lab


@variant("policy.wrong_port", E)
def outside_block_on_another_port() -> Incident:
    lab = towards_outside("egress_denied", f"{OUTSIDE}:8443", cidr="203.0.113.0/24", api="timeout")
    lab.policy("search-egress", egress({"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}], "ports": [port(443)]}))
    return lab


@variant("policy.egress_denied", E)
def outside_by_name_blocked() -> Incident:
    lab = towards_outside("egress_denied", "api.example.com:443", api="timeout")
    for line in lab.flows:
        (line.get("flow") or {}).pop("destination_names", None)
    lab.policy("search-egress", egress({"to": [{"podSelector": {}}]}))
    return lab


@variant("policy.cidr_never_matches", E)
def service_range_by_block() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.policy("search-egress", egress({"to": [{"ipBlock": {"cidr": "10.96.0.0/16"}}], "ports": [port(80)]}))
    return lab


@variant("policy.cidr_never_matches", E)
def everything_by_block_but_pods() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.policy("search-egress", egress({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}))
    return lab


@variant("policy.cidr_never_matches", I)
def ingress_by_pod_range() -> Incident:
    lab = towards_index("ingress_denied")
    lab.policy("index-ingress", ingress({"from": [{"ipBlock": {"cidr": "10.244.0.0/16"}}], "ports": [port(8080)]}))
    return lab


@variant("none.healthy", None)
def datapath_admits_what_the_model_does_not() -> Incident:
    """lab-facts 5: an ingress block that covers pods was once seen to admit one, and the datapath's word goes first."""
    lab = towards_index("opened")
    lab.works("http://index/")
    lab.policy("index-ingress", ingress({"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [port(8080)]}))
    return lab


@variant("policy.cidr_never_matches", E)
def api_server_by_block() -> Incident:
    lab = recording()
    lab.asked("kubernetes.default:443")
    lab.calls(API_SERVER, 6443, "egress_denied")
    lab.names(*found("kubernetes.default", API))
    lab.doors(("kubernetes.default", 443, "timeout", API), (API, 443, "timeout"), (LAB1, 6443, "timeout"))
    lab.policy("search-egress", egress({"to": [{"ipBlock": {"cidr": f"{LAB1}/32"}}], "ports": [port(6443)]}))
    lab.fails("https://kubernetes.default/", TIMEOUT)
    return lab


@variant("policy.egress_denied", E)
def api_server_not_mentioned() -> Incident:
    lab = recording()
    lab.asked("kubernetes.default.svc:443")
    lab.calls(API_SERVER, 6443, "egress_denied")
    lab.names(*found("kubernetes.default.svc", API))
    lab.doors(("kubernetes.default.svc", 443, "timeout", API), (API, 443, "timeout"), (LAB1, 6443, "timeout"))
    lab.policy("search-egress", egress())
    lab.fails("https://kubernetes.default.svc/", TIMEOUT)
    return lab


@variant("policy.cidr_never_matches", E)
def api_server_by_its_service_address() -> Incident:
    lab = recording()
    lab.asked(f"{API}:443")
    lab.calls(API_SERVER, 6443, "egress_denied")
    lab.names()
    lab.doors((API, 443, "timeout"), (LAB1, 6443, "timeout"))
    lab.policy("search-egress", egress({"to": [{"ipBlock": {"cidr": f"{API}/32"}}], "ports": [port(443)]}))
    lab.fails(f"https://{API}/", TIMEOUT)
    return lab


@variant("policy.ingress_denied", "NetworkPolicy search/default-deny-ingress", fix=True)
def ingress_default_deny() -> Incident:
    lab = towards_index("ingress_denied")
    lab.policy("default-deny-ingress", ingress(app=""))
    return lab


@variant("policy.ingress_denied", I, fix=True)
def ingress_for_another_client() -> Incident:
    lab = towards_index("ingress_denied")
    lab.policy("index-ingress", ingress({"from": [pods(app="crawler")], "ports": [port(8080)]}))
    return lab


@variant("policy.wrong_selector", I, fix=True)
def ingress_client_misspelt() -> Incident:
    lab = towards_index("ingress_denied")
    lab.policy("index-ingress", ingress({"from": [pods(app="serach")], "ports": [port(8080)]}))
    return lab


@variant("policy.wrong_port", I, fix=True)
def ingress_service_port() -> Incident:
    lab = towards_index("ingress_denied")
    lab.policy("index-ingress", ingress({"from": [pods(app="search")], "ports": [port(80)]}))
    return lab


@variant("policy.wrong_selector", "NetworkPolicy bank/ledger-ingress", also="policy.ingress_denied")
def ingress_without_namespace_selector() -> Incident:
    lab = towards_bank("ingress_denied")
    lab.policy("ledger-ingress", ingress({"from": [pods(app="search")], "ports": [port(8080)]}, app="ledger"), "bank")
    return lab


@variant("policy.wrong_selector", "Namespace search", also="policy.ingress_denied")
def namespace_lacks_a_label_others_have() -> Incident:
    lab = towards_bank("ingress_denied")
    lab.namespace("etl", team="data")
    rule = {"from": [{"namespaceSelector": {"matchLabels": {"team": "data"}}}], "ports": [port(8080)]}
    lab.policy("ledger-ingress", ingress(rule, app="ledger"), "bank", age=4000)
    return lab


@variant("policy.both_sides_denied", E, fix=None, findings="policy.ingress_denied")
def both_sides() -> Incident:
    lab = towards_bank("egress_denied")
    lab.policy("search-egress", egress())
    lab.policy("ledger-ingress", ingress({"from": [pods(app="teller")]}, app="ledger"), "bank")
    return lab


@variant("policy.dns_blocked", E, fix=True)
def dns_not_admitted() -> Incident:
    lab = recording()
    lab.quiet(lookups=True)
    lab.asked("index.search.svc.cluster.local:80")
    lab.calls(DNS, 53, "lookup_denied")
    first = [
        mute(f"{each}.search.svc.cluster.local")
        for each in ("kubernetes.default.svc.cluster.local", "index.search.svc.cluster.local")
    ]
    lab.only_names(*first)
    lab.doors((VIP, 80, "open"), (SERVER_IP, 8080, "open"), (API, 443, "timeout"), (RESOLVER, 53, "timeout"))
    lab.policy("search-egress", egress({"to": [pods(app="index")], "ports": [port(8080)]}, dns=False))
    lab.fails("http://index.search.svc.cluster.local/", "curl: (28) Resolving timed out after 3000 milliseconds")
    return lab


@variant("policy.dns_blocked", E, fix=True)
def dns_rule_with_the_wrong_label() -> Incident:
    lab = dns_not_admitted()
    lab.objects["networkpolicies"].clear()
    rule = {"to": [namespaced("kube-system", **{"k8s-app": "coredns"})], "ports": [port(53, "UDP"), port(53)]}
    lab.policy("search-egress", egress(rule, {"to": [pods(app="index")], "ports": [port(8080)]}, dns=False))
    return lab


@variant("policy.dns_blocked", E, fix=True)
def dns_rule_for_tcp_only() -> Incident:
    lab = dns_not_admitted()
    lab.objects["networkpolicies"].clear()
    rule = {"to": [namespaced("kube-system", **{"k8s-app": "kube-dns"})], "ports": [port(53)]}
    lab.policy("search-egress", egress(rule, {"to": [pods(app="index")], "ports": [port(8080)]}, dns=False))
    lab.doors((VIP, 80, "open"), (SERVER_IP, 8080, "open"), (API, 443, "timeout"), (RESOLVER, 53, "open"))
    return lab


@variant("policy.dns_blocked", E, fix=True)
def dns_by_service_address_block() -> Incident:
    lab = dns_not_admitted()
    lab.objects["networkpolicies"].clear()
    rule = {"to": [{"ipBlock": {"cidr": f"{RESOLVER}/32"}}], "ports": [port(53, "UDP"), port(53)]}
    lab.policy("search-egress", egress(rule, {"to": [pods(app="index")], "ports": [port(8080)]}, dns=False))
    return lab


@variant("policy.dns_blocked", "NetworkPolicy kube-system/lockdown")
def resolver_admits_nobody() -> Incident:
    lab = dns_not_admitted()
    lab.objects["networkpolicies"].clear()
    lab.quiet(lookups=True)
    lab.calls(DNS, 53, "lookup_denied")
    for line in lab.flows:
        flow = line.get("flow") or {}
        if flow.get("destination", {}).get("pod_name") == COREDNS and flow.get("source", {}).get("pod_name") == CLIENT:
            flow["traffic_direction"] = "INGRESS"
    lab.doors((VIP, 80, "open"), (SERVER_IP, 8080, "open"), (RESOLVER, 53, "timeout"))
    rule = {"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}, "policyTypes": ["Ingress"], "ingress": []}
    lab.policy("lockdown", rule, "kube-system")
    return lab


CNP = {"kind": "CiliumNetworkPolicy"}
MINE = {"endpointSelector": {"matchLabels": {"app": "search"}}}
THEIRS = {"endpointSelector": {"matchLabels": {"app": "index"}}}


@variant("policy.fqdn_mismatch", "CiliumNetworkPolicy search/outside")
def fqdn_of_another_name() -> Incident:
    lab = towards_outside("egress_denied", "cdn.example.net:443", OTHER, api="timeout")
    rule = {"toFQDNs": [{"matchName": "api.example.com"}], "toPorts": [{"ports": [{"port": "443", "protocol": "TCP"}]}]}
    lab.policy("outside", {**MINE, "egress": [CILIUM_DNS, rule]}, kind="CiliumNetworkPolicy")
    return lab


@variant("policy.fqdn_mismatch", "CiliumNetworkPolicy search/outside", also="policy.egress_denied")
def fqdn_without_a_dns_rule() -> Incident:
    lab = towards_outside("egress_denied", "api.example.com:443", api="timeout")
    for line in lab.flows:
        (line.get("flow") or {}).pop("destination_names", None)
    plain = {"toEndpoints": CILIUM_DNS["toEndpoints"], "toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}]}]}
    rule = {"toFQDNs": [{"matchName": "api.example.com"}], "toPorts": [{"ports": [{"port": "443", "protocol": "TCP"}]}]}
    lab.policy("outside", {**MINE, "egress": [plain, rule]}, kind="CiliumNetworkPolicy")
    return lab


@variant("policy.wrong_port", "CiliumNetworkPolicy search/outside", also="policy.fqdn_mismatch policy.egress_denied")
def fqdn_on_another_port() -> Incident:
    lab = towards_outside("egress_denied", "api.example.com:8443", api="timeout")
    rule = {"toFQDNs": [{"matchName": "api.example.com"}], "toPorts": [{"ports": [{"port": "443", "protocol": "TCP"}]}]}
    lab.policy("outside", {**MINE, "egress": [CILIUM_DNS, rule]}, kind="CiliumNetworkPolicy")
    return lab


@variant("policy.l7_denied", "CiliumNetworkPolicy search/outside")
def dns_proxy_refuses_the_name() -> Incident:
    lab = recording()
    lab.quiet(lookups=True)
    lab.asked("cdn.example.net:443")
    from tests.flows.variants.lab import lookup

    lab.only_names(
        lookup("kubernetes.default.svc.cluster.local.search.svc.cluster.local", "REFUSED"),
        lookup("cdn.example.net.search.svc.cluster.local", "REFUSED"),
    )
    for name in ("cdn.example.net.search.svc.cluster.local.",):
        lab.sees(*refused_name(name))
    lab.doors((API, 443, "timeout"))
    dns = {**CILIUM_DNS, "toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}],
                                      "rules": {"dns": [{"matchPattern": "*.example.com"}]}}]}  # fmt: skip
    lab.policy("outside", {**MINE, "egress": [dns, {"toEntities": ["world"]}]}, kind="CiliumNetworkPolicy")
    lab.fails("https://cdn.example.net/", "curl: (6) Could not resolve host: cdn.example.net")
    return lab


def refused_name(name: str) -> list[dict[str, Any]]:
    from tests.flows.variants.lab import BEGAN, ME, Wire

    wire = Wire(ME, DNS, 43000 + len(name), 53, BEGAN)
    query = {"type": "REQUEST", "dns": {"query": name, "qtypes": ["A"], "observation_source": "proxy"}}
    return [
        wire.packet("UDP", node="lab1", event=5, verdict="REDIRECTED", is_reply=False),
        wire.packet("UDP", node="lab1", later=0.0001, point="TO_PROXY"),
        wire.packet(
            "UDP", node="lab1", later=0.0002, event=129, verdict="DROPPED", Type="L7", l7=query, is_reply=False
        ),
    ]


@variant("policy.l7_denied", "CiliumNetworkPolicy search/index-http")
def http_path_not_listed() -> Incident:
    lab = towards_index("refused_by_proxy")
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "open")
    http = [
        {"ports": [{"port": "8080", "protocol": "TCP"}], "rules": {"http": [{"method": "GET", "path": "/public.*"}]}}
    ]
    rule = {"fromEndpoints": [{"matchLabels": {"app": "search"}}], "toPorts": http}
    lab.policy("index-http", {**THEIRS, "ingress": [rule]}, kind="CiliumNetworkPolicy")
    lab.fails("http://index/admin", "curl: (22) The requested URL returned error: 403", "403", 0.004)
    return lab


@variant("policy.explicit_deny", "CiliumNetworkPolicy search/no-outside", fix=False)
def cnp_denies_a_range() -> Incident:
    lab = towards_outside("egress_deny", cidr="203.0.113.0/24")
    lab.flows = [each for each in lab.flows if (each.get("flow") or {}).get("drop_reason") != 181]
    by = {"name": "no-outside", "namespace": NS, "kind": "CiliumNetworkPolicy"}
    lab.calls(world(OUTSIDE, cidr="203.0.113.0/24"), 443, "egress_deny", by=by)
    spec = {**MINE, "egress": [{"toEntities": ["all"]}], "egressDeny": [{"toCIDR": ["203.0.113.0/24"]}]}
    lab.policy("no-outside", spec, kind="CiliumNetworkPolicy")
    return lab


@variant("policy.explicit_deny", "CiliumClusterwideNetworkPolicy quarantine", fix=False)
def ccnp_denies_ingress() -> Incident:
    lab = towards_index("opened")
    lab.quiet()
    lab.calls(INDEX, 8080, "ingress_deny", by={"name": "quarantine", "kind": "CiliumClusterwideNetworkPolicy"})
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "timeout")
    lab.fails("http://index/", TIMEOUT)
    spec = {**THEIRS, "enableDefaultDeny": {"ingress": False, "egress": False},
            "ingressDeny": [{"fromEndpoints": [{"matchLabels": {"app": "search"}}]}]}  # fmt: skip
    lab.policy("quarantine", spec, kind="CiliumClusterwideNetworkPolicy")
    return lab


@variant("policy.egress_denied", "CiliumClusterwideNetworkPolicy baseline")
def ccnp_default_deny() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    spec = {"endpointSelector": {}, "egress": [CILIUM_DNS]}
    lab.policy("baseline", spec, kind="CiliumClusterwideNetworkPolicy")
    return lab


@variant("policy.ingress_denied", "CiliumNetworkPolicy search/index-nodes")
def cnp_admits_nodes_only() -> Incident:
    lab = towards_index("ingress_denied")
    spec = {**THEIRS, "ingress": [{"fromEntities": ["host", "remote-node"]}]}
    lab.policy("index-nodes", spec, kind="CiliumNetworkPolicy")
    return lab


@variant("policy.egress_denied", "CiliumNetworkPolicy search/inside-only")
def cnp_admits_the_cluster_only() -> Incident:
    lab = towards_outside("egress_denied")
    lab.policy("inside-only", {**MINE, "egress": [{"toEntities": ["cluster"]}]}, kind="CiliumNetworkPolicy")
    return lab


@variant("policy.wrong_selector", "CiliumNetworkPolicy search/to-bank", also="policy.egress_denied")
def cnp_forgets_the_namespace() -> Incident:
    lab = towards_bank("egress_denied")
    rule = {
        "toEndpoints": [{"matchLabels": {"app": "ledger"}}],
        "toPorts": [{"ports": [{"port": "8080", "protocol": "TCP"}]}],
    }
    lab.policy("to-bank", {**MINE, "egress": [CILIUM_DNS, rule]}, kind="CiliumNetworkPolicy")
    return lab


@variant("policy.wrong_port", "CiliumNetworkPolicy search/index-in")
def cnp_ingress_on_another_port() -> Incident:
    lab = towards_index("ingress_denied")
    rule = {
        "fromEndpoints": [{"matchLabels": {"app": "search"}}],
        "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}],
    }
    lab.policy("index-in", {**THEIRS, "ingress": [rule]}, kind="CiliumNetworkPolicy")
    return lab


@variant("none.healthy", None)
def audit_mode_only_reports() -> Incident:
    lab = towards_index("audited")
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "open")
    lab.works("http://index/")
    lab.policy("search-egress", egress())
    lab.find("configmaps", "cilium-config")["data"]["policy-audit-mode"] = "true"
    return lab


@variant("policy.egress_denied", E)
def asked_by_pod_address() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.asked(f"{SERVER_IP}:8080")
    lab.names()
    lab.doors((SERVER_IP, 8080, "timeout"), (API, 443, "timeout"))
    lab.policy("search-egress", egress())
    return lab


@variant("policy.egress_denied", E)
def asked_with_a_trailing_dot() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    host = "index.search.svc.cluster.local."
    lab.asked(f"{host}:80")
    lab.names(*found(host, VIP))
    lab.served(host, 80, VIP, [(SERVER_IP, 8080)], "timeout")
    lab.policy("search-egress", egress())
    return lab


@variant("policy.ingress_denied", I)
def host_network_client() -> Incident:
    """A client on its node's network: hubble names no pod, the other node sees a remote node."""
    from tests.flows.variants.lab import CLIENT_IP, Side

    lab = towards_index("opened")
    lab.quiet(lookups=True)
    pod = lab.find("pods", CLIENT)
    pod["spec"] |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    pod["status"] |= {"podIP": LAB1, "podIPs": [{"ip": LAB1}]}
    me = Side("10.244.0.11", "lab1", labels=("reserved:remote-node",), identity=6)
    lab.calls(INDEX, 8080, "ingress_denied", me=me)
    assert CLIENT_IP not in str(lab.objects["pods"])
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "timeout")
    lab.policy("index-ingress", ingress({"from": [pods(app="crawler")], "ports": [port(8080)]}))
    lab.fails("http://index/", TIMEOUT)
    return lab


@variant("policy.egress_denied", E)
def port_not_given() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.asked("index")
    lab.policy("search-egress", egress())
    return lab


@variant("policy.egress_denied", E)
def same_node() -> Incident:
    from dataclasses import replace

    lab = recording()
    near = replace(INDEX, node="lab1")
    lab.find("pods", SERVER)["spec"]["nodeName"] = "lab1"
    lab.slice_of("index")["endpoints"][0]["nodeName"] = "lab1"
    lab.calls(near, 8080, "egress_denied")
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "timeout")
    lab.policy("search-egress", egress())
    lab.fails("http://index/", TIMEOUT)
    return lab


@variant("policy.egress_denied", E)
def relay_misses_the_client_s_drops() -> Incident:
    """No flow of the client at all: the policies and the probe must tell."""
    lab = towards_index("egress_denied", api="timeout")
    lab.quiet()
    lab.policy("search-egress", egress())
    return lab


@variant("policy.wrong_selector", "NetworkPolicy search/index-ingress", also="policy.ingress_denied")
def and_meant_or_written() -> Incident:
    """namespace AND pod in one item; the pod label is of another team."""
    lab = towards_index("ingress_denied")
    rule = {"from": [namespaced("search", app="search", tier="web")], "ports": [port(8080)]}
    lab.policy("index-ingress", ingress(rule))
    return lab


@variant("cilium.identity_race", f"Pod {NS}/{CLIENT}", also="none.healthy")
def dropped_in_the_first_second_only() -> Incident:
    from datetime import timedelta

    from tests.flows.variants.lab import BEGAN, NOW, stamp

    lab = recording()
    lab.find("pods", CLIENT)["metadata"]["creationTimestamp"] = stamp(NOW - timedelta(seconds=19))
    lab.calls(INDEX, 8080, "ingress_denied", times=1, since=BEGAN - timedelta(seconds=2))
    lab.calls(INDEX, 8080, "opened", times=10)
    lab.policy("index-ingress", ingress({"from": [pods(app="search")], "ports": [port(8080)]}))
    lab.names(*found("index", VIP))
    return lab


@variant("policy.egress_denied", E, findings="service.wrong_target_port")
def policy_first_target_port_second() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.quiet()
    service = lab.find("services", "index")
    service["spec"]["ports"][0]["targetPort"] = 8081
    lab.slice_of("index")["ports"][0]["port"] = 8081
    lab.calls(INDEX, 8081, "egress_denied")
    lab.doors(
        ("index", 80, "timeout", VIP), (VIP, 80, "timeout"), (SERVER_IP, 8081, "timeout"), (SERVER_IP, 8080, "timeout")
    )
    lab.policy("search-egress", egress())
    return lab
