"""The pod that cannot talk crashes again and again, or has ended, for reasons of its own. No network fault.

Proof: a container of the pod waits in CrashLoopBackOff or has ended, and nothing in its log blames a connection. Not to
be mistaken for a program that gives up *because* it cannot connect: its crash is the consequence; nor for a restart of
long ago, nor for a peer that crashes.
"""

from __future__ import annotations

from flows.belief import ATTESTED, CONFIRMED, SUSPECTED
from flows.model import Case, Finding, Rule
from flows.symptoms.owner import owner
from sensors.k8s_pod import ContainerFacts, LogTrouble, PodFacts

OF_THE_NETWORK = frozenset(LogTrouble) - {LogTrouble.OTHER, LogTrouble.HTTP, LogTrouble.TLS}


def judge(case: Case) -> Finding | None:
    """Speaks when the pod itself does not stay up."""
    pod = case[PodFacts]
    crashing = next(
        (each for each in pod.containers if each.waiting_reason == "CrashLoopBackOff" or _has_died(each)), None
    )
    if crashing is None and pod.phase not in ("Failed", "Succeeded"):
        return None
    return Finding(
        cause_class="app.crash",
        cause=f"{case.target} does not stay up, so it cannot talk: {_state(pod, crashing)}",
        component=owner(case),
        belief=_belief(pod, crashing),
        because="; ".join([_state(pod, crashing), *_last_words(pod, crashing)]),
        shown_by=(PodFacts,),
        recommendation=f"Read why (kubectl -n {pod.namespace} logs --previous {pod.pod}) and mend {owner(case)}.",
    )


def _has_died(container: ContainerFacts) -> bool:
    """Ended, and not yet started again; an init container that has done its work has ended as it should."""
    return container.state == "terminated" and not (container.init and container.exit_code == 0)


def _state(pod: PodFacts, container: ContainerFacts | None) -> str:
    if container is None:
        return f"its phase is {pod.phase}"
    code = f" with exit code {container.exit_code}" if container.exit_code is not None else ""
    ended = f"{container.last_terminated_reason or 'an error'}{code}"
    return f"container {container.name} ended by {ended}, {container.restarts} restarts"


def _belief(pod: PodFacts, container: ContainerFacts | None) -> float:
    if container is not None and container.last_terminated_reason == "OOMKilled":
        return CONFIRMED
    return SUSPECTED if _blames_network(pod) else ATTESTED


def _blames_network(pod: PodFacts) -> bool:
    return any(each.trouble in OF_THE_NETWORK for each in pod.log_errors)


def _last_words(pod: PodFacts, container: ContainerFacts | None) -> list[str]:
    wanted = container.name if container else ""
    return [f'its last words are "{line}"' for name, line in pod.log_last if not wanted or name == wanted][:1]


RULE = Rule(id="pod-crash", judge=judge, causes=("app.crash",), needs=(PodFacts,))
