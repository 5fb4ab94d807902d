"""Incidents of service meshes, webhooks, peers that no selector reaches, and Services that lead astray.

Wording of Envoy, Istio and the API server is quoted from research/failures.md and the reports named beside it.
"""

from __future__ import annotations

import json
from datetime import timedelta

from tests.flows.variants.catalog import variant
from tests.flows.variants.dataplanes import NODELOCAL, agents, on
from tests.flows.variants.lab import (
    BEGAN,
    CLIENT,
    HOME,
    INDEX,
    LAB1,
    ME,
    NOW,
    NS,
    SERVER,
    SERVER_IP,
    VIP,
    Incident,
    Json,
    Side,
    Wire,
    endpoint,
    found,
    ingress,
    lookup,
    mute,
    pod_side,
    port,
    recording,
    stamp,
    world,
)
from tests.flows.variants.policies import TIMEOUT, pods, towards_index
from tests.flows.variants.services import CLOSED, no_backends, refused_at_index

CALLER, D, S = "Deployment search/search", "Deployment search/index", "Service search/index"
I = "NetworkPolicy search/index-ingress"  # noqa: E741
RESET = "curl: (56) Recv failure: Connection reset by peer"
DENIED = "RBAC: access denied"


# -- meshes ----------------------------------------------------------------------------------------------------------------


def sidecar(lab: Incident, pod_name: str, began: timedelta = timedelta(minutes=30)) -> None:
    """Istio's proxy beside the program, as the injector writes it."""
    pod = lab.find("pods", pod_name)
    pod["metadata"].setdefault("labels", {})["security.istio.io/tlsMode"] = "istio"
    pod["metadata"].setdefault("annotations", {})["sidecar.istio.io/status"] = '{"containers":["istio-proxy"]}'
    pod["spec"]["containers"].append({"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.23.0",
                                      "ports": [{"containerPort": 15090, "name": "http-envoy-prom"}]})  # fmt: skip
    pod["status"]["containerStatuses"].append({
        "name": "istio-proxy", "ready": True, "started": True, "restartCount": 0, "image": "docker.io/istio/proxyv2:1.23.0",
        "state": {"running": {"startedAt": stamp(NOW - began)}}})  # fmt: skip


def istio(kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": "security.istio.io/v1", "kind": kind, "spec": spec,
            "metadata": {"name": name, "namespace": NS, "creationTimestamp": stamp(NOW - timedelta(hours=1))}}  # fmt: skip


def meshed(fate: str = "torn") -> Incident:
    """search → index, whose pod has a sidecar; Calico below."""
    lab = on("calico", towards_index(fate))
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "open")
    lab.fails("http://index/", RESET, took=0.01)
    sidecar(lab, SERVER)
    return lab


@variant("mesh.mtls", "PeerAuthentication search/default", blind="app.error")
def strict_and_the_client_has_no_sidecar() -> Incident:
    """istio/istio#27169: the connection opens, the sidecar resets plain text."""
    lab = meshed()
    lab.add("peerauthentications", istio("PeerAuthentication", "default", {"mtls": {"mode": "STRICT"}}))
    return lab


@variant("app.error", D)
def permissive_and_the_program_resets() -> Incident:
    lab = meshed()
    lab.add("peerauthentications", istio("PeerAuthentication", "default", {"mtls": {"mode": "PERMISSIVE"}}))
    return lab


def authorized(principal: str) -> Json:
    rule = {"from": [{"source": {"principals": [f"cluster.local/ns/{NS}/sa/{principal}"]}}]}
    return istio("AuthorizationPolicy", "index-callers", {
        "selector": {"matchLabels": {"app": "index"}}, "action": "ALLOW", "rules": [rule]})  # fmt: skip


def forbidden(body: str) -> Incident:
    lab = meshed("opened")
    sidecar(lab, CLIENT)
    lab.fails("http://index/", f"curl: (22) The requested URL returned error: 403 {body}".rstrip(), "403", 0.004)
    return lab


@variant("mesh.authz", "AuthorizationPolicy search/index-callers", blind="app.error")
def authorization_admits_another_account() -> Incident:
    lab = forbidden(DENIED)
    lab.add("authorizationpolicies", authorized("crawler"))
    return lab


@variant("app.error", D)
def authorization_admits_and_the_program_says_403() -> Incident:
    lab = forbidden("")
    lab.add("authorizationpolicies", authorized("default"))
    return lab


def before_the_proxy() -> Incident:
    """The pod's rules send every TCP connection to its own proxy at 15001, which is not up: refused at once."""
    lab = on("calico", towards_index("opened"))
    closed = [("index", 80, "refused", VIP), (VIP, 80, "refused"), (SERVER_IP, 8080, "refused")]
    lab.doors(*closed, ("10.96.0.1", 443, "refused"), ("10.96.0.10", 53, "refused"))
    lab.fails("http://index/", CLOSED, took=0.001)
    return lab


@variant("mesh.sidecar", CALLER, or_component=f"Pod {NS}/{CLIENT}")
def program_started_before_its_sidecar() -> Incident:
    lab = before_the_proxy()
    sidecar(lab, CLIENT, timedelta(seconds=2))
    box = lab.find("pods", CLIENT)["status"]["containerStatuses"][-1]
    box |= {"ready": False, "started": False}
    return lab


@variant("policy.wrong_port", I, also="policy.ingress_denied mesh.sidecar")
def ambient_tunnel_not_admitted() -> Incident:
    """Ambient: ztunnel carries everything to port 15008, and the policy admits 8080 only."""
    lab = towards_index("unanswered")
    for name in (CLIENT, SERVER):
        lab.find("pods", name)["metadata"].setdefault("annotations", {})["ambient.istio.io/redirection"] = "enabled"
    lab.find("namespaces", NS)["metadata"]["labels"]["istio.io/dataplane-mode"] = "ambient"
    lab.quiet()
    lab.calls(INDEX, 15008, "ingress_denied")
    lab.policy("index-ingress", ingress({"from": [pods(app="search")], "ports": [port(8080)]}))
    return lab


@variant("app.not_listening", D)
def sidecars_up_and_nobody_listens() -> Incident:
    from tests.flows.variants.services import nobody_listens

    lab = nobody_listens()
    sidecar(lab, CLIENT)
    return lab


# -- webhooks ----------------------------------------------------------------------------------------------------------------

HOOK = (
    'Internal error occurred: failed calling webhook "pods.guard.example.com": failed to call webhook: Post '
    '"https://guard.hooks.svc:443/validate?timeout=10s": {}'
)


def refused_by_a_webhook(why: str) -> Incident:
    """index has no pod, because the API server may not make one: the webhook gives no answer."""
    lab = no_backends()
    guard = pod_side("hooks", "guard-6b865b5f4b-w97fg", "10.244.1.80", "lab2", 55701, app="guard")
    lab.namespace("hooks")
    lab.workload("guard", "hooks", guard, port=9443, service_port=443, vip="10.96.80.80")
    lab.drop("pods", SERVER)
    lab.slice_of("index").update(endpoints=None, ports=None)
    lab.doors(("index", 80, "unreachable", VIP), (VIP, 80, "unreachable"))
    message = HOOK.format(why)
    lab.event(
        lab.find("replicasets", "index", NS), "FailedCreate", f"Error creating: {message}", kind="ReplicaSet", times=14
    )
    for kind in ("replicasets", "deployments"):
        thing = lab.find(kind, "index", NS)
        thing["status"] = {"replicas": 0, "observedGeneration": 2, "conditions": [
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]}  # fmt: skip
    lab.add("validatingwebhookconfigurations", {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "guard", "creationTimestamp": stamp(NOW - timedelta(days=9))},
        "webhooks": [{"name": "pods.guard.example.com", "failurePolicy": "Fail", "timeoutSeconds": 10,
                      "clientConfig": {"service": {"name": "guard", "namespace": "hooks", "path": "/validate", "port": 443}},
                      "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]}],
    })  # fmt: skip
    return lab


@variant("control.webhook", "NetworkPolicy hooks/default-deny", or_component=D)
def webhook_behind_a_default_deny() -> Incident:
    """kubernetes#128162: nothing of the control plane is admitted to the webhook's port."""
    lab = refused_by_a_webhook("context deadline exceeded")
    lab.policy("default-deny", {"podSelector": {}, "policyTypes": ["Ingress"]}, "hooks", age=600)
    return lab


@variant("service.no_endpoints", S, also="service.no_ready_endpoints", or_component=D)
def quota_refuses_beside_a_webhook() -> Incident:
    """The twin: a webhook is there and a default deny, too; what refuses the pods is a quota."""
    lab = refused_by_a_webhook("context deadline exceeded")
    lab.policy("default-deny", {"podSelector": {}, "policyTypes": ["Ingress"]}, "hooks", age=600)
    words = (
        'pods "index-8479d57547-" is forbidden: exceeded quota: small, requested: pods=1, used: pods=4, limited: pods=4'
    )
    for each in lab.objects["events"]:
        if each["reason"] == "FailedCreate":
            each["message"] = f"Error creating: {words}"
    for kind in ("replicasets", "deployments"):
        lab.find(kind, "index", NS)["status"]["conditions"][0]["message"] = words
    return lab


# -- Services ------------------------------------------------------------------------------------------------------------------


def own_service(cni: str, result: str) -> Incident:
    """The pod asks the Service that only it stands behind."""
    lab = on(cni, recording())
    lab.header["target"] |= {"pod": SERVER, "to": "index:80"}
    lab.files[f"pods/{NS}/{SERVER}/connect.json"] = json.dumps([
        {"host": "index", "port": 80, "protocol": "tcp", "result": result, "address": VIP, "ms": 2502.0,
         **({"errno": "ETIMEDOUT"} if result == "timeout" else {})},
        {"host": SERVER_IP, "port": 8080, "protocol": "tcp", "result": "open", "ms": 0.2},
        {"host": "10.96.0.1", "port": 443, "protocol": "tcp", "result": "open", "ms": 0.4}])  # fmt: skip
    lab.files[f"pods/{NS}/{SERVER}/dns.json"] = lab.files[f"{HOME}/dns.json"]
    if result == "timeout":
        lab.files[f"logs/{NS}/{SERVER}/index.log"] = (
            f'{stamp(NOW - timedelta(seconds=9))} level=error msg="GET http://index/self failed" err="{TIMEOUT}"\n' * 5
        )
    return lab


@variant("service.hairpin", "Node lab2", or_component=f"{S};{D}", unasked="service.hairpin inconclusive none.healthy")
def pod_cannot_reach_itself_by_its_service() -> Incident:
    """kubernetes#20475: a bridge that does not send a packet back where it came from."""
    return own_service("flannel", "timeout")


@variant("none.healthy", also="inconclusive")
def pod_reaches_itself_by_its_service() -> Incident:
    return own_service("flannel", "open")


def by_load_balancer(*ranges: str) -> Incident:
    """search → the Service's load-balancer address, from inside."""
    lab = recording()
    outer = "192.0.2.80"
    service = lab.find("services", "index", NS)
    service["spec"] |= {"type": "LoadBalancer", "externalTrafficPolicy": "Cluster"}
    if ranges:
        service["spec"]["loadBalancerSourceRanges"] = list(ranges)
    service["status"] = {"loadBalancer": {"ingress": [{"ip": outer, "ipMode": "VIP"}]}}
    lab.asked(f"{outer}:80")
    lab.names()
    lab.no_mtu()
    return lab


@variant("service.lb_source_range", S)
def source_range_without_the_pods() -> Incident:
    lab = by_load_balancer("198.51.100.0/24")
    for number in range(6):
        wire = Wire(ME, world("192.0.2.80"), 40200 + number, 80, BEGAN + timedelta(seconds=number))
        dropped = wire.packet("SYN", node="lab1", drop=177, event=1)
        lab.sees(dropped)
    lab.doors(("192.0.2.80", 80, "timeout"), (SERVER_IP, 8080, "open"))
    lab.fails("http://192.0.2.80/", TIMEOUT)
    return lab


@variant("none.healthy")
def source_range_with_the_pods() -> Incident:
    lab = by_load_balancer("10.244.0.0/16", "198.51.100.0/24")
    lab.calls(INDEX, 8080, "opened")
    lab.doors(("192.0.2.80", 80, "open"), (SERVER_IP, 8080, "open"))
    lab.works("http://192.0.2.80/")
    return lab


@variant("service.rollout", D, also="service.stale_address none.healthy")
def refused_while_pods_are_replaced() -> Incident:
    """A pod that ends stands in the EndpointSlice as terminating; what still reached it was refused, and it is over."""
    lab = recording()
    old = pod_side(NS, "index-7c6d8f9b5-old12", "10.244.1.66", "lab2", 41877, app="index")
    ending = endpoint(old, False) | {"conditions": {"ready": False, "serving": True, "terminating": True}}
    lab.slice_of("index")["endpoints"].append(ending)
    text = json.dumps([lab.find("replicasets", "index", NS), lab.find("pods", SERVER)])
    text = text.replace(SERVER, old.pod).replace(SERVER_IP, old.ip).replace("8479d57547", "7c6d8f9b5")
    earlier, gone = json.loads(text)
    gone["metadata"] |= {
        "deletionTimestamp": stamp(NOW - timedelta(seconds=4)),
        "deletionGracePeriodSeconds": 30,
    }
    lab.add("replicasets", earlier)
    lab.add("pods", gone)
    lab.find("pods", SERVER)["metadata"]["creationTimestamp"] = stamp(NOW - timedelta(seconds=20))
    lab.calls(old, 8080, "refused", times=4, since=NOW - timedelta(seconds=9), every=0.7)
    lab.calls(INDEX, 8080, "opened", times=4, since=NOW - timedelta(seconds=5))
    lab.names(*found("index", VIP))
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "open")
    at = [stamp(NOW - timedelta(seconds=each)) for each in (9, 8, 4, 2)]
    lab.log(f'{at[0]} level=error msg="GET http://index/ failed" err="{CLOSED}', "000 0.003000s",
            f'{at[1]} level=error msg="GET http://index/ failed" err="{CLOSED}', "000 0.003000s",
            f'{at[2]} level=info msg="GET http://index/" status="200 0.003000s"',
            f'{at[3]} level=info msg="GET http://index/" status="200 0.003000s"')  # fmt: skip
    return lab


@variant("ip.family", S, or_component=D, also="app.not_listening")
def listens_on_ipv6_only() -> Incident:
    """The Service is IPv4, the program binds an IPv6 address of its own."""
    lab = refused_at_index()
    head = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   0: 000010FD4402001000000000F5000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 496132 1 0 100 0 0 10 0\n"
    lab.files[f"pods/{NS}/{SERVER}/net/tcp6"] = head + row
    lab.files[f"pods/{NS}/{SERVER}/net/tcp"] = head
    lab.find("pods", SERVER)["status"]["podIPs"] = [{"ip": SERVER_IP}, {"ip": "fd10:244::f5"}]
    return lab


@variant("ip.family", S, or_component=f"{D};{CALLER}", unasked="ip.family inconclusive")
def name_has_an_ipv6_address_only() -> Incident:
    """A Service of family IPv6, a pod without an IPv6 route: ENETUNREACH at once."""
    lab = recording()
    spec = lab.find("services", "index", NS)["spec"]
    spec |= {"ipFamilies": ["IPv6"], "clusterIP": "fd10:96::1d", "clusterIPs": ["fd10:96::1d"]}
    part = lab.slice_of("index")
    part |= {"addressType": "IPv6"}
    part["endpoints"][0]["addresses"] = ["fd10:244::f5"]
    lab.names({**lookup("index.search.svc.cluster.local"), "qtype": "A"},
              {**lookup("index.search.svc.cluster.local", "NOERROR", "fd10:96::1d"), "qtype": "AAAA"})  # fmt: skip
    lab.files[f"{HOME}/connect.json"] = json.dumps([
        {"host": "index", "port": 80, "protocol": "tcp", "result": "unreachable", "errno": "ENETUNREACH",
         "address": "fd10:96::1d", "ms": 0.2},
        {"host": "10.96.0.1", "port": 443, "protocol": "tcp", "result": "open", "ms": 0.4},
        {"host": "10.96.0.10", "port": 53, "protocol": "tcp", "result": "open", "ms": 0.4}])  # fmt: skip
    lab.no_mtu()
    lab.fails(
        "http://index/", "curl: (7) Failed to connect to index port 80 after 0 ms: Network is unreachable", took=0.001
    )
    return lab


# -- peers that a policy does not mean ----------------------------------------------------------------------------------------


def scraped(source: Side, *rules: Json) -> Incident:
    """index is the target: somebody calls its 8080, and its policy drops that."""
    lab = recording()
    lab.header["target"] |= {"pod": SERVER}
    lab.asked(None)
    lab.policy("index-ingress", ingress(*rules))
    for number in range(8):
        wire = Wire(source, INDEX, 40300 + number, 8080, BEGAN + timedelta(seconds=number * 1.5))
        for event in (5, 1):
            lab.sees(wire.packet("SYN", node="lab2", drop=133, event=event, direction="INGRESS"))
    return lab


NODE1 = Side(LAB1, "lab1", labels=("reserved:remote-node",), identity=6)


@variant("policy.hostnet_peer", I, also="policy.ingress_denied")
def scraper_on_the_host_network() -> Incident:
    """A pod selector never matches a pod that has its node's address."""
    lab = scraped(NODE1, {"from": [pods(app="scraper")], "ports": [port(8080)]})
    agents(lab, "scraper", {"app": "scraper"})
    for each in lab.objects["pods"]:
        if each["metadata"]["name"].startswith("scraper-"):
            each["metadata"]["namespace"] = NS
    lab.find("daemonsets", "scraper")["metadata"]["namespace"] = NS
    return lab


@variant("policy.ingress_denied", I, also="policy.wrong_selector")
def scraper_of_its_own_network() -> Incident:
    """The twin: host-network pods run, too, and what is dropped comes from a pod with an address of its own."""
    other = pod_side(NS, "crawler-6b865b5f4b-zzzzz", "10.244.0.99", "lab1", 55801, app="crawler")
    lab = scraped(other, {"from": [pods(app="search")], "ports": [port(8080)]})
    lab.workload("crawler", NS, other, service_port=None)
    agents(lab, "node-agent", {"app": "node-agent"})
    return lab


@variant("policy.snat_source", I, or_component=S, also="policy.ingress_denied policy.cidr_never_matches")
def office_comes_through_a_node_port() -> Incident:
    """antrea-io/antrea#280: the node masquerades the clients, so that the office's range never matches."""
    lab = scraped(NODE1, {"from": [{"ipBlock": {"cidr": "198.51.100.0/24"}}], "ports": [port(8080)]})
    service = lab.find("services", "index", NS)
    service["spec"] |= {"type": "NodePort", "externalTrafficPolicy": "Cluster"}
    service["spec"]["ports"][0]["nodePort"] = 30080
    return lab


@variant("policy.ingress_denied", I)
def stranger_keeps_its_address() -> Incident:
    """externalTrafficPolicy Local: the policy sees the client itself, and does not admit it."""
    lab = scraped(world("203.0.113.50"), {"from": [{"ipBlock": {"cidr": "198.51.100.0/24"}}], "ports": [port(8080)]})
    service = lab.find("services", "index", NS)
    service["spec"] |= {"type": "NodePort", "externalTrafficPolicy": "Local"}
    service["spec"]["ports"][0]["nodePort"] = 30080
    return lab


@variant("policy.not_enforced", None, also="none.healthy", unasked="policy.not_enforced none.healthy inconclusive")
def policy_that_nobody_enforces() -> Incident:
    """flannel: the policy denies it, and it opens."""
    lab = on("flannel", towards_index("opened"))
    lab.policy("index-ingress", ingress({"from": [pods(app="crawler")], "ports": [port(8080)]}), age=4000)
    lab.works("http://index/")
    return lab


# -- names and the client ------------------------------------------------------------------------------------------------------


@variant(
    "dns.nodelocal",
    "DaemonSet kube-system/node-local-dns",
    or_component="Node lab1;Pod kube-system/node-local-dns-lab1",
)
def node_local_cache_is_down_here() -> Incident:
    """Only this node's pods are refused at 169.254.20.10."""
    lab = on("calico", towards_index("opened"))
    agents(lab, "node-local-dns", {"k8s-app": "node-local-dns"})
    for name in list(lab.files):
        if name.endswith("resolv.conf"):
            lab.files[name] = lab.files[name].replace("10.96.0.10", NODELOCAL)
    lab.unready(lab.find("pods", "node-local-dns-lab1"), "CrashLoopBackOff", "back-off 5m0s restarting failed container", 9,
                exitCode=1, reason="Error")  # fmt: skip
    lab.only_names(*(mute(name, "Connection refused", 0.3, NODELOCAL) for name in
                     ("kubernetes.default.svc.cluster.local", "index.search.svc.cluster.local")))  # fmt: skip
    lab.doors((NODELOCAL, 53, "refused"), (SERVER_IP, 8080, "open"), (VIP, 80, "open"))
    lab.fails("http://index/", "curl: (6) Could not resolve host: index", took=0.01)
    return lab


def told_by_env(host: str) -> Incident:
    """The program takes its peer from its environment."""
    lab = recording()
    for spec in (lab.find("pods", CLIENT)["spec"], lab.find("deployments", "search", NS)["spec"]["template"]["spec"]):
        spec["containers"][0]["env"] = [{"name": "INDEX_URL", "value": f"http://{host}/"}]
    return lab


@variant("app.client_config", CALLER, unasked="app.client_config app.error none.healthy inconclusive")
def environment_leads_to_the_loopback() -> Incident:
    """Cloud-OpsBench's wrong environment: the program dials itself; the Service that was asked for works."""
    lab = told_by_env("localhost:80")
    lab.names(*found("index", VIP))
    lab.served("index", 80, VIP, [(SERVER_IP, 8080)], "open")
    lab.fails("http://localhost/", "curl: (7) Failed to connect to localhost port 80 after 0 ms: Couldn't connect to server",
              took=0.001)  # fmt: skip
    return lab


@variant("service.wrong_port", CALLER, also="app.client_config")
def environment_names_another_port() -> Incident:
    from tests.flows.variants.services import caller_uses_another_port

    lab = caller_uses_another_port()
    lab.find("pods", CLIENT)["spec"]["containers"][0]["env"] = [{"name": "INDEX_URL", "value": "http://index:8081/"}]
    return lab
