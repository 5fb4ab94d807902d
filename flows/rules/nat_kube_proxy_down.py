"""Nothing turns Service addresses into pod addresses on the pod's node.

Proof: kube-proxy is missing or unwell on that node, and the Service's address fails while a backend's own address
opens. Not to be mistaken for a Service without endpoints, nor for a cluster where the CNI replaces kube-proxy.
"""

from __future__ import annotations

from flows.belief import PARTIAL, SHOWN, SUSPECTED
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import asked_peer
from sensors.kube_proxy_health import KubeProxy
from sensors.net_connect import Connects, Door, Role


def judge(case: Case) -> Finding | None:
    proxy, peer = case[KubeProxy], asked_peer(case)
    here = [each for each in proxy.not_ready if each.node == proxy.target_node]
    missing = proxy.target_node in proxy.nodes_without
    if proxy.replaced or not (here or missing):
        return None
    doors = peer.doors if peer else ()
    address_fails = [each for each in doors if each.role in (Role.SERVICE, Role.PEER) and not each.is_open]
    backend_opens = [each for each in doors if each.role is Role.BACKEND and each.is_open]
    state = f"{here[0].pod} is not ready {here[0].waiting_reason}".strip() if here else "no kube-proxy pod runs there"
    proven = bool(address_fails and backend_opens)
    return Finding(
        cause_class="nat.kube_proxy_down",
        cause=f"kube-proxy does not work on {proxy.target_node} ({state}), so Service addresses lead nowhere there",
        component=Component("DaemonSet", "kube-system", "kube-proxy"),
        belief=SHOWN if proven else SUSPECTED if backend_opens or not doors else PARTIAL,
        because=_because(state, address_fails, backend_opens),
        shown_by=(KubeProxy, Connects),
        recommendation=f"Bring kube-proxy on {proxy.target_node} back; pods there keep failing until it has synced.",
    )


def _because(state: str, address_fails: list[Door], backend_opens: list[Door]) -> str:
    told = [state]
    told += [f"{address_fails[0].where} is {address_fails[0].result}"] if address_fails else []
    told += [f"the backend {backend_opens[0].where} opens"] if backend_opens else []
    return "; ".join(told)


RULE = Rule(
    id="nat-kube-proxy-down",
    judge=judge,
    causes=("nat.kube_proxy_down",),
    needs=(KubeProxy,),
    moot_if_absent=("kube_proxy.health",),
)
