"""Incidents of nodes and of the path between them: sizes, losses, checksums, tables, addresses, the plug-in's start.

Wording of kernels, kubelets and plug-ins is quoted from research/failures.md and the reports named beside it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from tests.flows.variants.catalog import variant
from tests.flows.variants.dataplanes import on
from tests.flows.variants.lab import (
    BEGAN,
    CLIENT,
    HOME,
    LAB1,
    LAB2,
    ME,
    NOW,
    NS,
    SERVER,
    SERVER_IP,
    THERE,
    VIP,
    Incident,
    Side,
    Wire,
    found,
    pod_side,
    recording,
    stamp,
)
from tests.flows.variants.names import without_sandbox
from tests.flows.variants.policies import TIMEOUT, towards_index, towards_outside
from tests.flows.variants.services import CLOSED, agent_counts, refused_at_index

CALLER, D, S = "Deployment search/search", "Deployment search/index", "Service search/index"
HANGS = "curl: (28) Operation timed out after 4001 milliseconds with 0 bytes received"
RESET = "curl: (56) Recv failure: Connection reset by peer"


def counted(lab: Incident, folder: str, part: str, table: str, **values: int) -> None:
    """Sets counters in a /proc/net file of a pod by their names."""
    name = f"{folder}/net/{part}"
    rows = lab.files[name].splitlines()
    for at, row in enumerate(rows[:-1]):
        if row.startswith(f"{table}: ") and not row.split()[1].lstrip("-").isdigit():
            held = dict(zip(row.split()[1:], rows[at + 1].split()[1:], strict=True)) | {
                key: str(value) for key, value in values.items()
            }
            rows[at + 1] = " ".join([f"{table}:", *held.values()])
    lab.files[name] = "\n".join(rows) + "\n"


def logged(lab: Incident, node: str, line: str, times: int = 6, since: float = 30) -> None:
    """Lines of the node's kernel log, `dmesg --time-format iso`."""
    stamps = (NOW - timedelta(seconds=since * (times - number) / times) for number in range(times))
    rows = (f"{each:%Y-%m-%dT%H:%M:%S},083951+00:00 {line}" for each in stamps)
    lab.files[f"nodes/{node}/dmesg"] = lab.files.get(f"nodes/{node}/dmesg", "") + "\n".join(rows) + "\n"


def tables(lab: Incident, node: str, **totals: int) -> None:
    """`conntrack -S` of a node, the same on both processors."""
    told = {"found": 0, "invalid": 0, "insert": 0, "insert_failed": 0, "drop": 0, "early_drop": 0, "error": 5,
            "search_restart": 0, "clash_resolve": 0, "chaintoolong": 0, **totals}  # fmt: skip
    row = " ".join(f"{key}={value}" for key, value in told.items())
    lab.files[f"nodes/{node}/conntrack_stats"] = f"cpu=0   \t{row} \ncpu=1   \t{row} \n"


def sizes(lab: Incident, mtu: int, unanswered: list[int], route: int = 1450) -> None:
    row = {"destination": SERVER_IP, "method": "icmp-echo-df", "route_mtu": route, "mtu": mtu}
    lab.files[f"{HOME}/pmtu.json"] = json.dumps([row | ({"unanswered": unanswered} if unanswered else {})])


# -- the path ------------------------------------------------------------------------------------------------------------


def hanging() -> Incident:
    """The connection opens, the request leaves, the large answer never comes."""
    lab = towards_index("silent_after_opening")
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "open")
    lab.fails("http://index/album", HANGS, took=4.0)
    return lab


@variant("mtu.mismatch", "Node lab2", or_component="Node lab1;ConfigMap kube-system/cilium-config")
def path_smaller_than_the_route_says() -> Incident:
    """As recorded in gallery-to-media: larger echoes are unanswered, and no ICMP comes back."""
    lab = hanging()
    sizes(lab, 1350, [1372, 1400, 1450])
    return lab


@variant("mtu.mismatch", "Node lab2", or_component="Node lab1;DaemonSet kube-system/calico-node")
def wireguard_smaller_than_the_pods() -> Incident:
    """terraform-hcloud-kube-hetzner#2286: pods keep 1,460 bytes although WireGuard leaves 1,340; nobody reports flows."""
    lab = on("calico", hanging())
    for part in (HOME, THERE):
        lab.files[f"{part}/links.json"] = lab.files[f"{part}/links.json"].replace('"mtu":1500', '"mtu":1460')
        lab.files[f"{part}/routes.json"] = lab.files[f"{part}/routes.json"].replace('"mtu":1450', '"mtu":1460')
    sizes(lab, 1340, [1380, 1420, 1460], route=1460)
    return lab


@variant("app.slow", D)
def hangs_though_every_size_passes() -> Incident:
    """The twin of a small path: the same silence after the request, and full-size echoes come back."""
    lab = hanging()
    sizes(lab, 1450, [])
    return lab


@variant("none.healthy")
def route_smaller_than_the_link() -> Incident:
    """1,450 on the route, 1,500 on the link: how every overlay looks, and nothing is wrong."""
    lab = recording(calm=True)
    lab.names(*found("index", VIP))
    sizes(lab, 1450, [])
    return lab


def late_answers(ms: float = 3021.0) -> Incident:
    lab = towards_index("opened")
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "open")
    rows = json.loads(lab.files[f"{HOME}/connect.json"])
    for row in rows:
        row["ms"] = ms if row["host"] in ("index", VIP, SERVER_IP) else row["ms"]
    lab.files[f"{HOME}/connect.json"] = json.dumps(rows)
    lab.fails("http://index/", "curl: (28) Operation timed out after 3000 milliseconds with 0 bytes received")
    return lab


def chaos(lab: Incident, running: str = "True", app: str = "index") -> None:
    """Chaos Mesh's NetworkChaos as `kubectl get networkchaos -o yaml` prints it."""
    lab.add("networkchaos", {
        "apiVersion": "chaos-mesh.org/v1alpha1", "kind": "NetworkChaos",
        "metadata": {"name": "lossy", "namespace": NS, "creationTimestamp": stamp(NOW - timedelta(minutes=4))},
        "spec": {"action": "loss", "mode": "all", "duration": "10m", "loss": {"loss": "25", "correlation": "0"},
                 "selector": {"namespaces": [NS], "labelSelectors": {"app": app}}},
        "status": {"conditions": [{"type": "Selected", "status": "True"}, {"type": "AllInjected", "status": running},
                                  {"type": "AllRecovered", "status": "False"}, {"type": "Paused", "status": "False"}]},
    })  # fmt: skip


def repeats(lab: Incident, sent: int, again: int) -> None:
    counted(lab, HOME, "snmp", "Tcp", OutSegs=sent, RetransSegs=again, ActiveOpens=90)
    counted(
        lab, HOME, "netstat", "TcpExt", TCPTimeouts=again // 2, TCPLostRetransmit=again // 4, TCPSynRetrans=again // 2
    )


@variant("path.loss", "NetworkChaos search/lossy")
def experiment_loses_packets() -> Incident:
    lab = late_answers()
    repeats(lab, 900, 64)
    chaos(lab)
    return lab


@variant("path.loss", "Node lab2", or_component="Node lab1;Pod search/search;Deployment search/search")
def segments_repeated_on_the_way() -> Incident:
    lab = late_answers()
    repeats(lab, 900, 64)
    return lab


@variant("app.slow", D, also="inconclusive none.healthy")
def slow_beside_an_experiment_of_others() -> Incident:
    """An experiment runs at a workload that has no part in this; no segment is repeated."""
    lab = hanging()
    repeats(lab, 900, 0)
    chaos(lab, app="crawler")
    return lab


BAD_SUM = f"UDP: bad checksum. From {LAB1}:41235 to {LAB2}:8472 ulen 75"


@variant("path.checksum", "Node lab2", or_component="Node lab1")
def checksums_of_the_overlay_broken() -> Incident:
    """flannel-io/flannel#1279: the other node throws the tunnel's packets away."""
    lab = on("flannel", towards_index("lost_on_the_way"))
    for node in ("lab1", "lab2"):
        logged(lab, node, BAD_SUM)
    return lab


@variant("policy.egress_denied", "NetworkPolicy search/search-egress", fix=True)
def checksums_of_a_stranger_broken() -> Incident:
    """Bad datagrams from the internet to another port stand in the same log; a policy is what is wrong."""
    from tests.flows.variants.policies import egress_dns_only

    lab = egress_dns_only()
    logged(lab, "lab1", f"UDP: bad checksum. From 203.0.113.200:5060 to {LAB1}:5060 ulen 443", since=4000)
    return lab


# -- tables ----------------------------------------------------------------------------------------------------------------


@variant("conntrack.insert_race", "Node lab1")
def entries_refused_with_room_left() -> Incident:
    """Drop 155 while the map is a tenth full; the agent counts the same drops."""
    lab = towards_index("full_map")
    agent_counts(lab, 'cilium_bpf_map_pressure{map_name="ct4_global"} 0.113',
                 'cilium_drop_count_total{direction="EGRESS",reason="CT: Map insertion failed"} 214')  # fmt: skip
    return lab


@variant("none.healthy")
def entries_refused_since_boot() -> Incident:
    """insert_failed of months of uptime, and everything opens now."""
    lab = recording(calm=True)
    lab.names(*found("index", VIP))
    tables(lab, "lab1", insert_failed=48, drop=48)
    return lab


@variant("nat.invalid_dropped", "Node lab1", or_component="Node lab2", also="app.error")
def late_segments_called_invalid() -> Incident:
    """kubernetes#74839: the kernel calls a segment invalid, does not translate it back, and the pod resets."""
    lab = on("calico", towards_index("torn"))
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "open")
    lab.fails("http://index/", RESET, took=0.4)
    tables(lab, "lab1", invalid=9214)
    logged(lab, "lab1", f"nf_ct_proto_6: invalid packet ignored in state ESTABLISHED  IN=cali1 OUT=eth0 SRC={SERVER_IP} "
           f"DST={ME.ip} LEN=1500 TOS=0x00 PREC=0x00 TTL=63 PROTO=TCP SPT=8080 DPT=40012 SEQ=1 ACK=1 WINDOW=0 RES=0x00 "
           "ACK PSH URGP=0", since=20)  # fmt: skip
    return lab


@variant("app.error", D)
def torn_beside_a_few_invalid_ones() -> Incident:
    """The server resets; a handful of invalid packets since boot is how every node looks."""
    lab = on("calico", towards_index("torn"))
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "open")
    lab.fails("http://index/", RESET, took=0.02)
    tables(lab, "lab1", invalid=7)
    return lab


OLD = "10.244.1.66"


def statsd(gone_every: float) -> Incident:
    """A sender with one UDP socket: kubernetes#19029."""
    lab = recording()
    new = pod_side(NS, "statsd-6b865b5f4b-new12", "10.244.1.67", "lab2", 55609, app="statsd")
    lab.workload("statsd", NS, new, port=8125, service_port=None)
    lab.service("statsd", NS, {"app": "statsd"}, 8125, 8125, "10.96.125.8", [(new, True)], "UDP")
    for each in (lab.find("pods", new.pod)["spec"], lab.find("deployments", "statsd", NS)["spec"]["template"]["spec"]):
        each["containers"][0]["ports"][0]["protocol"] = "UDP"
    lab.asked("statsd:8125/udp")
    lab.names(*found("statsd", "10.96.125.8"))
    lab.files[f"{HOME}/connect.json"] = json.dumps([
        {"host": "statsd", "port": 8125, "protocol": "udp", "result": "sent", "address": "10.96.125.8", "ms": 0.4}
    ])  # fmt: skip
    there = Side(OLD, labels=("reserved:world",)) if gone_every else new
    for number in range(8):
        wire = Wire(ME, there, 40404, 8125, BEGAN + timedelta(seconds=number * 1.5))
        if gone_every:
            lab.sees(wire.packet("UDP", node="lab1", point="TO_OVERLAY"))
        else:
            lab.sees(wire.packet("UDP", node="lab1", point="TO_OVERLAY"),
                     wire.packet("UDP", node="lab2", later=0.0002, point="TO_ENDPOINT"))  # fmt: skip
    lab.log(f'{stamp(NOW)} level=info msg="metrics flushed" count=40')
    lab.no_mtu()
    return lab


@variant("nat.stale_udp", "Node lab1", or_component=CALLER, also="service.stale_address")
def datagrams_still_go_to_the_old_pod() -> Incident:
    return statsd(1.5)


@variant("none.healthy", also="inconclusive")
def datagrams_go_to_the_new_pod() -> Incident:
    """Its twin: one socket, one source port, no answers ever; the datagrams arrive."""
    return statsd(0)


NO_PORTS = "curl: (7) Failed to connect to index port 80 after 0 ms: Cannot assign requested address"


def unassigned(lab: Incident) -> Incident:
    rows = [{"host": host, "port": number, "protocol": "tcp", "result": "unreachable", "errno": "EADDRNOTAVAIL", "ms": 0.2,
             **({"address": address} if address else {})}
            for host, number, address in (("index", 80, VIP), (VIP, 80, ""), (SERVER_IP, 8080, ""))]  # fmt: skip
    lab.files[f"{HOME}/connect.json"] = json.dumps(rows)
    lab.fails("http://index/", NO_PORTS, took=0.0003)
    return lab


@variant("nat.ephemeral_ports", CALLER)
def four_local_ports_only() -> Incident:
    """SREGym's ephemeral_port_range: the pod may use 32000 to 32003."""
    lab = unassigned(recording())
    lab.names(*found("index", VIP))
    narrow = {"sysctls": [{"name": "net.ipv4.ip_local_port_range", "value": "32000 32003"}]}
    lab.find("pods", CLIENT)["spec"]["securityContext"] = narrow
    lab.find("deployments", "search", NS)["spec"]["template"]["spec"]["securityContext"] = narrow
    return lab


@variant("service.no_endpoints", S, fix=True)
def narrow_port_range_beside_a_selector_typo() -> Incident:
    from tests.flows.variants.services import selector_typo

    lab = selector_typo()
    wide = {"sysctls": [{"name": "net.ipv4.ip_local_port_range", "value": "20000 60999"}]}
    lab.find("pods", CLIENT)["spec"]["securityContext"] = wide
    return lab


# -- the node and its plug-in ------------------------------------------------------------------------------------------------

LOCKDOWN: dict[str, Any] = {
    "nodeSelector": {"matchLabels": {"kubernetes.io/os": "linux"}},
    "ingress": [{"fromEntities": ["cluster"], "toPorts": [{"ports": [{"port": "22", "protocol": "TCP"},
                                                                     {"port": "6443", "protocol": "TCP"}]}]}],
}  # fmt: skip


def towards_node(fate_at_node: bool) -> Incident:
    """search → the exporter on node lab2, port 9100."""
    lab = recording()
    lab.asked(f"{LAB2}:9100")
    lab.names()
    lab.no_mtu()
    lab.doors((LAB2, 9100, "timeout" if fate_at_node else "refused"))
    there = Side(LAB2, "lab2", labels=("reserved:remote-node",), identity=6)
    host = Side(LAB2, "lab2", labels=("reserved:host",), identity=1)
    for number in range(8):
        out = Wire(ME, there, 40100 + number, 9100, BEGAN + timedelta(seconds=number))
        at = Wire(ME, host, 40100 + number, 9100, out.at)
        lab.sees(out.packet("SYN", node="lab1", point="TO_OVERLAY"))
        if fate_at_node:
            for event in (5, 1):
                lab.sees(at.packet("SYN", node="lab2", later=0.0002, drop=133, event=event, direction="INGRESS"))
        else:
            lab.sees(out.packet("RST ACK", node="lab1", later=0.001, back=True, point="TO_ENDPOINT"))
    lab.fails(
        f"http://{LAB2}:9100/metrics", TIMEOUT if fate_at_node else CLOSED.replace("index port 80", f"{LAB2} port 9100")
    )
    return lab


@variant("node.host_firewall", "CiliumClusterwideNetworkPolicy node-lockdown", also="policy.ingress_denied")
def host_policy_without_the_exporter() -> Incident:
    """cilium/cilium#27677: the policy of the nodes admits 22 and 6443."""
    lab = towards_node(True)
    lab.policy("node-lockdown", LOCKDOWN, kind="CiliumClusterwideNetworkPolicy", age=4000)
    return lab


@variant("app.not_listening", "Node lab2", unasked="app.not_listening external.unreachable inconclusive")
def exporter_not_running_behind_a_host_policy() -> Incident:
    """The policy admits 9100; nothing listens there."""
    lab = towards_node(False)
    wide = json.loads(json.dumps(LOCKDOWN).replace('"22"', '"9100"'))
    lab.policy("node-lockdown", wide, kind="CiliumClusterwideNetworkPolicy", age=4000)
    return lab


def no_sandbox(cni: str, message: str) -> Incident:
    """A new pod waits; the kubelet says why its network could not be made."""
    lab, pod = without_sandbox()
    pod["metadata"]["creationTimestamp"] = stamp(NOW - timedelta(seconds=100))
    lab.event(pod, "FailedCreatePodSandBox", "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to "
              f'setup network for sandbox "cccc": {message}')  # fmt: skip
    return on(cni, lab)


UNAUTHORIZED = (
    'plugin type="calico" failed (add): error getting ClusterInformation: connection is unauthorized: Unauthorized'
)


@variant("cni.auth", "Node lab1", or_component="DaemonSet kube-system/calico-node", also="cni.agent_down")
def plug_in_token_expired() -> Incident:
    """projectcalico/calico#9215."""
    return no_sandbox("calico", UNAUTHORIZED)


@variant("none.healthy")
def plug_in_token_expired_before() -> Incident:
    """The same words about another pod, hours ago; this pod runs and talks."""
    lab = recording(calm=True)
    lab.names(*found("index", VIP))
    lab.event(
        lab.find("pods", SERVER), "FailedCreatePodSandBox", f"Failed to create pod sandbox: {UNAUTHORIZED}", age=9000
    )
    return lab


NOT_READY = (
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
    "message:Network plugin returns error: cni plugin not initialized"
)


@variant("cni.not_initialised", "Node lab1", also="node.not_ready cni.agent_down")
def node_without_a_plug_in() -> Incident:
    lab, pod = without_sandbox()
    lab.event(pod, "NetworkNotReady", f"network is not ready: {NOT_READY}")
    for each in lab.find("nodes", "lab1")["status"]["conditions"]:
        if each["type"] == "Ready":
            each |= {"status": "False", "reason": "KubeletNotReady", "message": NOT_READY}
    lab.files = {name: text for name, text in lab.files.items() if not name.startswith("nodes/lab1/cilium")}
    return lab


@variant("cni.not_initialised", "Node lab1", also="cni.agent_down")
def plug_in_binary_missing() -> Incident:
    """rancher/rke2#7981: the agent runs, a program of the chain is not on the node."""
    return no_sandbox(
        "calico", 'plugin type="bandwidth" failed (add): failed to find plugin "bandwidth" in path [/opt/cni/bin]'
    )


@variant(
    "cni.ip_conflict", f"Pod {NS}/index-8479d57547-twin1", or_component=f"Pod {NS}/{SERVER};{D}", blind="ip.family"
)
def two_pods_with_one_address() -> Incident:
    lab = refused_at_index()
    twin = pod_side(NS, "index-8479d57547-twin1", SERVER_IP, "lab1", 41877, app="index")
    lab.workload("crawler", NS, twin, service_port=None)
    lab.find("pods", twin.pod)["metadata"]["creationTimestamp"] = stamp(NOW - timedelta(minutes=2))
    return lab


@variant("app.not_listening", D)
def address_used_again_after_a_pod_that_ended() -> Incident:
    """A pod that is over keeps its last address in its status: no conflict, and nobody listens at the new one."""
    from tests.flows.variants.services import nobody_listens

    lab = nobody_listens()
    old = pod_side(NS, "index-8479d57547-done1", SERVER_IP, "lab2", 41877, app="index")
    lab.workload("crawler", NS, old, service_port=None)
    lab.find("pods", old.pod)["status"] |= {"phase": "Succeeded", "containerStatuses": []}
    return lab


@variant("cni.cidr_overlap", "External db.corp.example.net", or_component="Node lab1", also="service.not_found", unasked=
         "cni.cidr_overlap service.not_found")  # fmt: skip
def database_inside_the_service_range() -> Incident:
    """A data base of the company has an address that the cluster uses for Services."""
    lab = towards_outside("unanswered", "db.corp.example.net:5432", "10.96.240.9")
    lab.fails("postgres://db.corp.example.net/", "dial tcp 10.96.240.9:5432: i/o timeout")
    return lab


@variant("external.unreachable", "External db.corp.example.net")
def database_beside_the_service_range() -> Incident:
    """10.97 is outside of 10.96.0.0/16: an address like any other, and nobody answers there."""
    lab = towards_outside("unanswered", "db.corp.example.net:5432", "10.97.240.9")
    lab.fails("postgres://db.corp.example.net/", "dial tcp 10.97.240.9:5432: i/o timeout")
    return lab
