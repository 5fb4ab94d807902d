"""The caller's own settings send it astray: it calls itself at localhost, or a proxy that should not be asked.

Proof, one of: the pod's log tells of refused connections to its own loopback, nothing of the pod listens on that port
or is meant to, and a Service nearby has it; or the pod's environment names an HTTP proxy, `NO_PROXY` leaves out the
peer, which is a Service and opens from inside the pod, and the log tells of the proxy. Wrong names and wrong ports of a
Service have classes of their own (`dns.nxdomain`, `service.not_found`, `service.wrong_port`). Not to be mistaken for a
container of the same pod that is down, for a mesh's proxy that does not run, nor for a proxy that does its work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network

from flows.belief import ASIDE, CONTEXT, EVIDENT, OWN_TROUBLE, PARTIAL, PLAUSIBLE
from flows.model import Case, Finding, Rule
from flows.symptoms.caller import settings_of
from flows.symptoms.dns import is_recent
from flows.symptoms.mesh import PROXIES
from flows.symptoms.owner import owner
from flows.symptoms.peers import Peer, suspects
from sensors.k8s_network_policies import Policies
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import ServiceFacts, Services
from sensors.kit.addresses import as_ip
from sensors.kit.app_log import LogError, LogTrouble
from sensors.net_connect import Connects
from sensors.net_tcp_stats import TcpStats

REFUSED = (LogTrouble.REFUSED, LogTrouble.CONNECT)


def judge(case: Case) -> Iterator[Finding]:
    pod = case[PodFacts]
    line = next((each for each in pod.log_errors if _calls_itself(case, pod, each)), None)
    service = _meant(case, line.port) if line and line.port else None
    if line is not None and service is not None:
        yield _itself(case, line, service)
    for peer, weight in suspects(case):
        proxy = _proxy_for(case, peer)
        if proxy:
            yield _by_proxy(case, peer, proxy, weight)


# -- localhost ---------------------------------------------------------------------------------------------------------


def _is_loopback(host: str) -> bool:
    address = as_ip(host)
    return address.is_loopback if address else host.lower() == "localhost"


def _calls_itself(case: Case, pod: PodFacts, line: LogError) -> bool:
    """Refused at its own loopback, on a port that no container of the pod is meant to serve."""
    port, stats = line.port, case.get(TcpStats)
    if line.trouble not in REFUSED or port is None or not _is_loopback(line.host) or not is_recent(case, line.time):
        return False
    listens = stats is not None and bool(stats.target.listens_on(port))
    declared = any(each.port == port for box in pod.containers for each in box.ports)
    return not listens and not declared and not any(each.name in PROXIES for each in pod.containers)


def _has_company(pod: PodFacts) -> bool:
    """Another container runs beside it, which may be meant to serve that port without saying so."""
    return sum(not each.init or each.state == "running" for each in pod.containers) > 1


def _meant(case: Case, port: int) -> ServiceFacts | None:
    """The Service that was probably meant: the asked one, else the only one of the namespace with that port."""
    services = case.get(Services)
    if services is None:
        return None
    asked = services.asked_service
    if asked is not None and asked.port(port) and not _is_its_own(case, asked):
        return asked
    near = [each for each in services.services if each.namespace == case.target.namespace and each.port(port)]
    return near[0] if len(near) == 1 and not _is_its_own(case, near[0]) else None


def _is_its_own(case: Case, service: ServiceFacts) -> bool:
    """The caller stands behind that Service: it looks whether it answers itself."""
    return any(each.pod == case.target.pod for each in service.matching_pods or ())


def _itself(case: Case, line: LogError, service: ServiceFacts) -> Finding:
    stats, services = case.get(TcpStats), case[Services]
    sure = stats is not None and line.port is not None and stats.target.does_not_listen_on(line.port)
    weight = OWN_TROUBLE if services.asked is None or services.asked_service is service else CONTEXT
    seen = "its socket table shows nothing on that port" if sure else "its socket table was not read"
    times = "1 time" if line.count == 1 else f"{line.count} times"
    return Finding(
        cause_class="app.client_config",
        cause=(
            f"{case.target} calls itself at {line.host}:{line.port}, where nothing of the pod listens; "
            f"{service.ref} has that port"
        ),
        component=owner(case),
        belief=(PARTIAL if _has_company(case[PodFacts]) else EVIDENT if sure else PLAUSIBLE) * weight,
        because=f'its log says "{line.text}" ({times}); {seen}, and no container declares it',
        shown_by=(PodFacts, TcpStats, Services),
        recommendation=(
            f"Set the address in the settings of {owner(case)} to {service.name}.{service.namespace}:{line.port} "
            f"instead of {line.host}:{line.port}: in a pod, localhost is the pod itself."
        ),
    )


# -- a proxy -----------------------------------------------------------------------------------------------------------

BY_PROXY = re.compile(r"(?i)proxyconnect tcp|from proxy after connect|tunnel connection failed|\bproxyerror\b")
"""How Go, curl, Python's urllib and requests tell that it is the proxy that failed them."""


def _proxy_for(case: Case, peer: Peer) -> str:
    """The proxy of the caller's environment, where the peer is a Service that it should reach without one."""
    said = {name.lower(): value for name, value in settings_of(case).items()}
    proxy = said.get("http_proxy") or said.get("https_proxy") or said.get("all_proxy") or ""
    covered = peer.service is None or _exempts(said.get("no_proxy", ""), peer)
    return "" if covered else proxy.rpartition("@")[2]


def _exempts(no_proxy: str, peer: Peer) -> bool:
    """By the rules that Go and curl share: a name, a domain with or without a dot before it, an address, a range."""
    return any(each == "*" or _covers(each, peer.host) for each in map(str.strip, no_proxy.lower().split(",")) if each)


def _covers(entry: str, host: str) -> bool:
    name, address = entry.partition(":")[0].removeprefix("*").lstrip("."), as_ip(host)
    if address is None:
        return host == name or host.endswith(f".{name}")
    try:
        return address in ip_network(entry, strict=False)
    except (ValueError, TypeError):
        return False


def _by_proxy(case: Case, peer: Peer, proxy: str, weight: float) -> Finding:
    pod = case[PodFacts]
    opens = any(each.is_open for each in peer.doors) and not any(each.packets_dropped for each in peer.connections)
    line = next((each for each in pod.log_errors if BY_PROXY.search(each.text) and is_recent(case, each.time)), None)
    told = f'; its log says "{line.text}"' if line else ""
    direct = "opens from inside the pod" if opens else "was not seen to open"
    return Finding(
        cause_class="app.client_config",
        cause=f"{case.target} asks the proxy {proxy} for {peer}, which is inside the cluster: NO_PROXY leaves it out",
        component=owner(case),
        belief=(EVIDENT if opens and line else ASIDE) * weight,
        because=f"its environment names {proxy}, and NO_PROXY does not cover {peer.host}; {peer} {direct}{told}",
        shown_by=(Policies, Connects, PodFacts),
        recommendation=f"Add .svc, .cluster.local and {peer.host} to NO_PROXY in {owner(case)}.",
    )


RULE = Rule(id="app-client-config", judge=judge, causes=("app.client_config",), needs=(PodFacts, Services))
