"""Incidents in which a Service, its pods or the application behind it is at fault."""

from __future__ import annotations

import json
from datetime import timedelta

from tests.flows.variants.catalog import variant
from tests.flows.variants.lab import (
    API,
    INDEX,
    NOW,
    NS,
    RESOLVER,
    SERVER,
    SERVER_IP,
    THERE,
    VIP,
    Incident,
    found,
    lookup,
    pod_side,
    recording,
    stamp,
    world,
)
from tests.flows.variants.policies import OUTSIDE, TIMEOUT, towards_index, towards_outside

CLOSED = "curl: (7) Failed to connect to index port 80 after 3 ms: Couldn't connect to server"


def no_backends() -> Incident:
    """connect() to the Service fails at once; the pod's own address opens."""
    lab = recording()
    lab.names(*found("index", VIP))
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "unreachable", "open")
    lab.fails("http://index/", CLOSED, took=0.003)
    return lab


S, D = "Service search/index", "Deployment search/index"


@variant("service.no_endpoints", S, fix=True)
def selector_typo() -> Incident:
    lab = no_backends()
    lab.find("services", "index")["spec"]["selector"] = {"app": "indexer"}
    lab.slice_of("index").update(endpoints=None, ports=None)
    return lab


@variant("service.no_endpoints", S)
def selector_of_nobody() -> Incident:
    lab = no_backends()
    lab.find("services", "index")["spec"]["selector"] = {"component": "warehouse", "tier": "db"}
    lab.slice_of("index").update(endpoints=None, ports=None)
    return lab


@variant("service.no_endpoints", S, also="service.no_ready_endpoints", or_component=D)
def scaled_to_nothing() -> Incident:
    lab = no_backends()
    lab.drop("pods", SERVER)
    for kind in ("deployments", "replicasets"):
        thing = lab.find(kind, "index", NS)
        thing["spec"]["replicas"] = 0
        thing["status"] = {"replicas": 0, "observedGeneration": 2}
    lab.slice_of("index").update(endpoints=None, ports=None)
    lab.doors(("index", 80, "unreachable", VIP), (VIP, 80, "unreachable"))
    lab.files = {name: text for name, text in lab.files.items() if not name.startswith((THERE, f"logs/{NS}/{SERVER}"))}
    return lab


def unready(lab: Incident) -> None:
    lab.slice_of("index")["endpoints"][0]["conditions"] = {"ready": False, "serving": False, "terminating": False}


@variant("service.no_ready_endpoints", D)
def readiness_probe_fails() -> Incident:
    lab = no_backends()
    pod = lab.find("pods", SERVER)
    lab.unready(pod)
    lab.event(pod, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404", times=9)
    unready(lab)
    return lab


@variant("service.no_ready_endpoints", D)
def backend_crash_loops() -> Incident:
    lab = no_backends()
    pod = lab.find("pods", SERVER)
    lab.unready(
        pod, "CrashLoopBackOff", "back-off 20s restarting failed container=index", 3, exitCode=1, reason="Error"
    )
    lab.event(pod, "BackOff", "Back-off restarting failed container index in pod index")
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "unreachable", "refused")
    unready(lab)
    return lab


@variant("service.no_ready_endpoints", D)
def backend_image_missing() -> Incident:
    lab = no_backends()
    pod = lab.find("pods", SERVER)
    lab.unready(pod, "ImagePullBackOff", 'Back-off pulling image "docker.io/lab/indx:1"')
    pod["status"]["phase"] = "Pending"
    lab.event(pod, "Failed", 'Failed to pull image "docker.io/lab/indx:1": not found')
    unready(lab)
    return lab


@variant("service.no_ready_endpoints", D, also="app.pending")
def backend_unschedulable() -> Incident:
    lab = no_backends()
    pod = lab.find("pods", SERVER)
    pod["spec"].pop("nodeName")
    pod["status"] = {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
         "message": "0/2 nodes are available: 2 Insufficient cpu."}]}  # fmt: skip
    lab.event(pod, "FailedScheduling", "0/2 nodes are available: 2 Insufficient cpu.")
    lab.slice_of("index").update(endpoints=None, ports=None)
    lab.doors(("index", 80, "unreachable", VIP), (VIP, 80, "unreachable"))
    return lab


@variant("service.no_ready_endpoints", D)
def no_backends_drop_visible() -> Incident:
    lab = readiness_probe_fails()
    there = world(VIP)
    lab.calls(there, 80, "no_backend")
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "timeout", "open")
    lab.fails("http://index/", TIMEOUT)
    return lab


@variant("service.wrong_target_port", S, fix=True)
def target_port_astray() -> Incident:
    lab = recording()
    lab.find("services", "index")["spec"]["ports"][0]["targetPort"] = 9090
    lab.slice_of("index")["ports"][0]["port"] = 9090
    lab.calls(INDEX, 9090, "refused")
    lab.names(*found("index", VIP))
    lab.doors(
        ("index", 80, "refused", VIP), (VIP, 80, "refused"), (SERVER_IP, 9090, "refused"), (SERVER_IP, 8080, "open")
    )
    lab.fails("http://index/", CLOSED, took=0.003)
    return lab


@variant("service.wrong_target_port", S)
def target_port_name_unknown() -> Incident:
    """A named target port no container has: the endpoint has no port, connect() fails at once."""
    lab = no_backends()
    lab.find("services", "index")["spec"]["ports"][0]["targetPort"] = "web"
    part = lab.slice_of("index")
    part["ports"] = []
    return lab


@variant("service.wrong_target_port", S, fix=True)
def target_port_astray_undeclared() -> Incident:
    """The container declares no port; only its socket table tells where it listens."""
    lab = target_port_astray()
    for kind in ("pods", "deployments"):
        thing = lab.find(kind, SERVER if kind == "pods" else "index", NS)
        spec = thing["spec"] if kind == "pods" else thing["spec"]["template"]["spec"]
        spec["containers"][0].pop("ports")
    return lab


def refused_at_index() -> Incident:
    """search → index:80, and its pod refuses."""
    lab = recording()
    lab.calls(INDEX, 8080, "refused")
    lab.names(*found("index", VIP))
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "refused")
    lab.fails("http://index/", CLOSED, took=0.003)
    return lab


@variant("app.not_listening", D)
def loopback_only() -> Incident:
    lab = refused_at_index()
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 496132 1 0 100 0 0 10 0\n"
    lab.files[f"{THERE}/net/tcp"] = head + row
    lab.files[f"{THERE}/net/tcp6"] = head
    return lab


@variant("app.not_listening", D)
def nobody_listens() -> Incident:
    lab = loopback_only()
    lab.files[f"{THERE}/net/tcp"] = lab.files[f"{THERE}/net/tcp6"]
    return lab


@variant("service.wrong_port", "Deployment search/search")
def caller_uses_another_port() -> Incident:
    """lab-facts 3: a port the Service lacks leaves the node as if it were the outside world."""
    lab = recording()
    lab.asked("index:8081")
    lab.calls(world(VIP), 8081, "unanswered")
    lab.names(*found("index", VIP))
    lab.doors(("index", 8081, "timeout", VIP), (VIP, 8081, "timeout"))
    lab.fails("http://index:8081/", TIMEOUT)
    return lab


@variant("service.wrong_port", "Deployment search/search")
def caller_uses_the_target_port() -> Incident:
    lab = recording()
    host = "index.search.svc.cluster.local"
    lab.asked(f"{host}:8080")
    lab.calls(world(VIP), 8080, "unanswered")
    lab.names(*found(host, VIP))
    lab.doors((host, 8080, "timeout", VIP), (VIP, 8080, "timeout"), (SERVER_IP, 8080, "open"))
    lab.fails(f"http://{host}:8080/", TIMEOUT)
    return lab


@variant("service.protocol", S, also="service.wrong_port")
def service_is_udp() -> Incident:
    lab = recording()
    lab.find("services", "index")["spec"]["ports"][0]["protocol"] = "UDP"
    lab.slice_of("index")["ports"][0]["protocol"] = "UDP"
    lab.calls(world(VIP), 80, "unanswered")
    lab.names(*found("index", VIP))
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "timeout", "open")
    lab.fails("http://index/", TIMEOUT)
    return lab


@variant("service.external_traffic_local", S, or_component="")
def only_local_backends_and_none_here() -> Incident:
    lab = no_backends()
    lab.find("services", "index")["spec"]["internalTrafficPolicy"] = "Local"
    return lab


@variant("service.not_found", "Deployment search/search", also="dns.nxdomain")
def service_address_of_nobody() -> Incident:
    lab = recording()
    lab.asked("10.96.200.1:80")
    lab.calls(world("10.96.200.1"), 80, "unanswered")
    lab.names()
    lab.doors(("10.96.200.1", 80, "timeout"))
    lab.fails("http://10.96.200.1/", TIMEOUT)
    return lab


GONE = "10.244.1.66"


@variant("service.stale_address", "Deployment search/search")
def pod_address_of_nobody() -> Incident:
    lab = recording()
    lab.asked(f"{GONE}:8080")
    lab.calls(world(GONE), 8080, "stale")
    lab.names()
    lab.doors((GONE, 8080, "timeout"))
    lab.fails(f"http://{GONE}:8080/", TIMEOUT)
    return lab


@variant("service.stale_address", "Deployment search/search")
def name_asked_old_address_used() -> Incident:
    """The question names the Service, which works; the pod itself still dials an address that is gone."""
    lab = recording()
    lab.asked(f"{GONE}:8080")
    old = pod_side(NS, "index-8479d57547-old12", GONE, "lab2", 41877, app="index")
    lab.calls(old, 8080, "opened", times=3)
    lab.calls(world(GONE), 8080, "stale", times=8, since=NOW - timedelta(seconds=11))
    lab.names()
    lab.doors((GONE, 8080, "timeout"))
    lab.fails(f"http://{GONE}:8080/", TIMEOUT)
    return lab


@variant("app.error", D)
def server_answers_500() -> Incident:
    lab = towards_index("opened")
    lab.fails("http://index/", "curl: (22) The requested URL returned error: 500", "500", 0.003)
    return lab


@variant("app.error", D)
def server_answers_403_itself() -> Incident:
    lab = towards_index("opened")
    lab.fails("http://index/admin", "curl: (22) The requested URL returned error: 403", "403", 0.003)
    return lab


@variant("app.error", D)
def certificate_expired() -> Incident:
    lab = towards_index("opened")
    words = "curl: (60) SSL certificate problem: certificate has expired"
    lab.fails("https://index:80/", words, took=0.02)
    return lab


@variant("app.error", D)
def connection_torn_after_data() -> Incident:
    lab = towards_index("torn")
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "open")
    lab.fails("http://index/", "curl: (56) Recv failure: Connection reset by peer", took=0.02)
    return lab


@variant("app.slow", D)
def answers_too_late() -> Incident:
    lab = towards_index("silent_after_opening")
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "open")
    lab.fails("http://index/slow", "curl: (28) Operation timed out after 3001 milliseconds with 0 bytes received")
    return lab


@variant("service.mixed_backends", S)
def two_programs_behind_one_service() -> Incident:
    lab = recording()
    other = pod_side(NS, "metrics-5b865b5f4b-aaaaa", "10.244.1.99", "lab2", 41999, app="index", role="metrics")
    lab.workload("metrics", NS, other, service_port=None)
    pod = lab.find("pods", other.pod)
    pod["metadata"]["labels"]["app"] = "index"
    lab.slice_of("index")["endpoints"].append({"addresses": [other.ip], "nodeName": "lab2", "conditions": {"ready": True},
        "targetRef": {"kind": "Pod", "name": other.pod, "namespace": NS}})  # fmt: skip
    lab.calls(INDEX, 8080, "opened", times=6)
    lab.calls(other, 8080, "refused", times=6)
    lab.names(*found("index", VIP))
    lab.doors(("index", 80, "open", VIP), (VIP, 80, "refused"), (SERVER_IP, 8080, "open"), (other.ip, 8080, "refused"))
    lab.fails("http://index/", CLOSED, took=0.003)
    return lab


@variant("dns.nxdomain", "Deployment search/search", also="service.no_ready_endpoints", or_component=D)
def headless_without_ready_pods() -> Incident:
    """A headless Service with no ready pod has no address: its name is NXDOMAIN, or no data."""
    lab = readiness_probe_fails()
    spec = lab.find("services", "index")["spec"]
    spec |= {"clusterIP": "None", "clusterIPs": ["None"]}
    lab.names(lookup("index.search.svc.cluster.local", "NXDOMAIN"), lookup("index.svc.cluster.local", "NXDOMAIN"),
              lookup("index.cluster.local", "NXDOMAIN"), lookup("index", "NXDOMAIN"))  # fmt: skip
    lab.doors((SERVER_IP, 8080, "open"))
    lab.fails("http://index/", "curl: (6) Could not resolve host: index", took=0.01)
    return lab


@variant("external.unreachable", "External 172.30.0.77")
def outside_silent() -> Incident:
    return towards_outside("unanswered", "172.30.0.77:443", "172.30.0.77")


@variant("external.unreachable", "External 203.0.113.10")
def outside_refuses() -> Incident:
    return towards_outside("refused", f"{OUTSIDE}:9")


@variant("external.unreachable", "External api.example.com")
def outside_silent_by_name() -> Incident:
    lab = towards_outside("unanswered", "api.example.com:443")
    for line in lab.flows:
        (line.get("flow") or {}).pop("destination_names", None)
    return lab


@variant("none.healthy")
def calm() -> Incident:
    lab = recording(calm=True)
    lab.names(*found("index", VIP))
    return lab


@variant("none.healthy", unasked="none.healthy inconclusive")
def calm_with_old_drops() -> Incident:
    """Where nobody names the peer, its door was not tried since the drops: healthy would not be earned."""
    lab = recording(calm=True)
    lab.names(*found("index", VIP))
    lab.aged(timedelta(hours=1))
    lab.calls(INDEX, 8080, "egress_denied", times=4, since=NOW - timedelta(minutes=6))
    return lab


@variant("none.healthy")
def calm_beside_a_scanner() -> Incident:
    """Drops of others at the client, and of others among themselves."""
    from tests.flows.variants.lab import ME

    lab = recording(calm=True)
    lab.names(*found("index", VIP))
    scan = pod_side("tools", "scanner-6b865b5f4b-zzzzz", "10.244.1.200", "lab2", 60001, app="scanner")
    for number in (22, 3306, 6379, 9200):
        lab.calls(ME, number, "ingress_denied", times=3, me=scan)
    lab.calls(world("203.0.113.99"), 25, "egress_denied", times=5, me=scan)
    from tests.flows.variants.lab import ingress

    lab.policy("search-ingress", ingress(app="search"), age=4000)
    return lab


@variant("service.no_endpoints", S, fix=True)
def selector_typo_beside_a_scanner() -> Incident:
    lab = selector_typo()
    from tests.flows.variants.lab import ME, ingress

    scan = pod_side("tools", "scanner-6b865b5f4b-zzzzz", "10.244.1.200", "lab2", 60001, app="scanner")
    for number in (22, 3306, 6379, 9200):
        lab.calls(ME, number, "ingress_denied", times=9, me=scan)
    lab.policy("search-ingress", ingress(app="search"), age=4000)
    return lab


def agent_counts(lab: Incident, *lines: str) -> None:
    """Cilium's metrics of lab1, with these in place of what they say of the maps."""
    name = "nodes/lab1/cilium/metrics.txt"
    kept = [each for each in lab.files[name].splitlines() if "bpf_map_pressure" not in each]
    lab.files[name] = "\n".join((*kept, *lines)) + "\n"


@variant("conntrack.full", "Node lab1")
def cilium_map_full() -> Incident:
    lab = towards_index("full_map")
    agent_counts(
        lab,
        'cilium_bpf_map_pressure{map_name="ct4_global"} 0.991',
        'cilium_bpf_map_pressure{map_name="ct_any4_global"} 0.9',
    )
    return lab


@variant("nat.port_exhaustion", "Node lab1")
def snat_ports_gone() -> Incident:
    return towards_outside("no_ports")


@variant("cni.route_missing", "Node lab2", or_component="Node lab1;DaemonSet kube-system/cilium")
def no_tunnel_to_the_other_node() -> Incident:
    return towards_index("no_tunnel")


@variant("cilium.auth_required", None, or_component="CiliumNetworkPolicy search/mutual")
def mutual_auth_missing() -> Incident:
    lab = towards_index("unauthenticated")
    rule = {"toEndpoints": [{"matchLabels": {"app": "index"}}], "authentication": {"mode": "required"}}
    from tests.flows.variants.lab import CILIUM_DNS
    from tests.flows.variants.policies import MINE

    lab.policy("mutual", {**MINE, "egress": [CILIUM_DNS, rule]}, kind="CiliumNetworkPolicy")
    return lab


__all__ = ["API", "RESOLVER", "json", "stamp"]
