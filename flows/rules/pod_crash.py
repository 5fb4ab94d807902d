"""The pod that cannot talk crashes again and again, or has ended, for reasons of its own. No network fault.

Proof: a container of the pod waits in CrashLoopBackOff or has ended, and nothing in its log blames a connection. Not to
be mistaken for a program that gives up *because* it cannot connect: its crash is the consequence. Where such a one has
ended for good, its end and its log are all that can be told, and any cause that is shown goes before it. Nor for a
restart of long ago, nor for a peer that crashes.
"""

from __future__ import annotations

from flows.belief import ATTESTED, CONFIRMED, ROOT_CAUSE_FROM, SUSPECTED
from flows.model import Case, Finding, Rule
from flows.symptoms.owner import owner
from sensors.k8s_pod import ContainerFacts, LogTrouble, PodFacts

OF_THE_NETWORK = frozenset(LogTrouble) - {LogTrouble.OTHER, LogTrouble.HTTP, LogTrouble.TLS}

ENDED = ("Failed", "Succeeded")


def judge(case: Case) -> Finding | None:
    """Speaks when the pod itself does not stay up."""
    pod = case[PodFacts]
    crashing = next(
        (each for each in pod.containers if each.waiting_reason == "CrashLoopBackOff" or _has_died(each)), None
    )
    if crashing is None and pod.phase not in ENDED:
        return None
    return Finding(
        cause_class="app.crash",
        cause=f"{case.target} {_what(pod)}, so it cannot talk: {_state(pod, crashing)}",
        component=owner(case),
        belief=_belief(pod, crashing),
        because="; ".join([_state(pod, crashing), *_last_words(pod, crashing)]),
        shown_by=(PodFacts,),
        recommendation=_advice(case, pod),
    )


def _what(pod: PodFacts) -> str:
    return "has ended" if pod.phase in ENDED else "does not stay up"


def _advice(case: Case, pod: PodFacts) -> str:
    """A container that was never started again has one log only: `--previous` would be an error."""
    previous = "--previous " if pod.restarts else ""
    read = f"Read why (kubectl -n {pod.namespace} logs {previous}{pod.pod}) and mend {owner(case)}."
    again = " Its log blames a connection: ask again while a pod of it runs, for one that has ended cannot be measured."
    return f"{read}{again}" if pod.phase in ENDED and _blames_network(pod) else read


def _has_died(container: ContainerFacts) -> bool:
    """Ended, and not yet started again; an init container that has done its work has ended as it should."""
    return container.state == "terminated" and not (container.init and container.exit_code == 0)


def _state(pod: PodFacts, container: ContainerFacts | None) -> str:
    if container is None:
        return f"its phase is {pod.phase}"
    code = f" with exit code {container.exit_code}" if container.exit_code is not None else ""
    ended = f"{container.last_terminated_reason or 'an error'}{code}"
    times = "1 restart" if container.restarts == 1 else f"{container.restarts} restarts"
    return f"container {container.name} ended by {ended}, {times}"


def _belief(pod: PodFacts, container: ContainerFacts | None) -> float:
    if container is not None and container.last_terminated_reason == "OOMKilled":
        return CONFIRMED
    if not _blames_network(pod):
        return ATTESTED
    return ROOT_CAUSE_FROM if pod.phase in ENDED else SUSPECTED  # nothing can be measured of it any more


def _blames_network(pod: PodFacts) -> bool:
    return any(each.trouble in OF_THE_NETWORK for each in pod.log_errors)


def _last_words(pod: PodFacts, container: ContainerFacts | None) -> list[str]:
    wanted = container.name if container else ""
    return [f'its last words are "{line}"' for name, line in pod.log_last if not wanted or name == wanted][:1]


RULE = Rule(id="pod-crash", judge=judge, causes=("app.crash",), needs=(PodFacts,))
