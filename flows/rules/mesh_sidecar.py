"""The pod's traffic is sent through a mesh proxy beside it, and that proxy does not run: everything is refused at once.

Proof, one of: an init container that begins before the proxy does fails with errors of connecting (the redirect is set
up before it, the proxy starts after it); or the proxy's container is not ready, and whatever is tried from inside the
pod is refused. Not to be mistaken for a peer that refuses (then other connections open), for a proxy that is ready, nor
for a native sidecar, which starts before the other init containers.
"""

from __future__ import annotations

from flows.belief import CONFIRMED, CONSISTENT, EVIDENT
from flows.model import Case, Finding, Rule
from flows.symptoms.mesh import PROXIES
from flows.symptoms.owner import owner
from sensors.k8s_pod import ContainerFacts, PodFacts
from sensors.kit.app_log import LogError, LogTrouble
from sensors.net_connect import Connects

REDIRECTS = ("istio-init", "istio-validation", "linkerd-init", "linkerd-network-validator")
"""Init containers that lead the pod's traffic to the proxy, or check that it is led there."""
SHUT = frozenset({LogTrouble.REFUSED, LogTrouble.RESET, LogTrouble.CONNECT, LogTrouble.TIMEOUT})
ENDED = ("Failed", "Succeeded")


def judge(case: Case) -> Finding | None:
    pod = case[PodFacts]
    proxy = next((each for each in pod.containers if each.name in PROXIES), None)
    if proxy is None or proxy.ready or pod.phase in ENDED:
        return None
    early = next((each for each in pod.containers if _is_early(each, proxy)), None)
    line = _complaint(pod, early) if early else None
    if early is not None:
        return _too_early(case, early, proxy, line) if line else None
    return _without_proxy(case, pod, proxy)


def _is_early(each: ContainerFacts, proxy: ContainerFacts) -> bool:
    """An init container at work, or failed, where the proxy is a plain container: it only starts after all of them."""
    at_work = each.state == "running" or each.exit_code not in (None, 0)
    return each.init and not proxy.init and each.name not in REDIRECTS and at_work


def _complaint(pod: PodFacts, container: ContainerFacts) -> LogError | None:
    mine = (each for each in pod.log_errors if each.container == container.name)
    return next((each for each in mine if each.trouble in SHUT), None)


def _too_early(case: Case, early: ContainerFacts, proxy: ContainerFacts, line: LogError) -> Finding:
    return Finding(
        cause_class="mesh.sidecar",
        cause=f"init container {early.name} of {case.target} connects before {proxy.name} runs, so nothing answers it",
        component=owner(case),
        belief=EVIDENT,
        because=f'{proxy.name} starts only after all init containers; the log of {early.name} says "{line.text}"',
        shown_by=(PodFacts,),
        recommendation=(
            f"Make {proxy.name} a native sidecar (an init container that goes on running), or exempt {early.name} from "
            f"the redirect (its port by annotation, or the proxy's own user) in {owner(case)}."
        ),
    )


def _without_proxy(case: Case, pod: PodFacts, proxy: ContainerFacts) -> Finding | None:
    connects = case.get(Connects)
    attempts = [each for each in (connects.doors if connects else ()) if each.protocol.upper() == "TCP"]
    shut = bool(attempts) and all(each.result in ("refused", "reset") for each in attempts)
    line = next((each for each in pod.log_errors if each.trouble in SHUT and each.container != proxy.name), None)
    if not shut and (attempts or line is None):
        return None
    seen = f"{len(attempts)} of {len(attempts)} connections tried from inside are refused" if shut else ""
    told = f'its log says "{line.text}"' if line else ""
    return Finding(
        cause_class="mesh.sidecar",
        cause=f"{proxy.name} of {case.target} {_state(proxy)}, and all traffic of the pod is led through it",
        component=owner(case),
        belief=CONFIRMED if shut else CONSISTENT,
        because="; ".join(filter(None, (f"{proxy.name} is not ready", seen, told))),
        shown_by=(PodFacts, Connects),
        recommendation=(
            f"Read why it does not become ready (kubectl -n {pod.namespace} logs {pod.pod} -c {proxy.name}); where it "
            "only starts too late, let the application wait for it (holdApplicationUntilProxyStarts)."
        ),
    )


def _state(proxy: ContainerFacts) -> str:
    if proxy.state == "running":
        return "runs and is not ready"
    why = proxy.waiting_reason or proxy.last_terminated_reason
    return f"does not run ({why})" if why else "does not run"


RULE = Rule(id="mesh-sidecar", judge=judge, causes=("mesh.sidecar",), needs=(PodFacts,))
