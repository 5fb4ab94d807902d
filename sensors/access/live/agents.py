"""Asks a node's Cilium agent for its own word: metrics through the API server, and its status where that is allowed.

A program run in the agent's container could do anything to the node's network, so it is off unless somebody switches
it on (`exec_in_agents`). Commands and ports: Cilium's cmdref and `Documentation/observability/metrics.rst`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sensors.access.kube import Kube
from sensors.access.kube.failure import no_right, refused
from sensors.access.kube.wire import ANYTHING, MIB, path_of
from sensors.kit.cluster import Object
from sensors.kit.model import Absent, Blind
from sensors.kit.objects import items, label_of, name_of, namespace_of, number, one_line, pod_is_ready, text

STATUS, METRICS = "cilium/status.json", "cilium/metrics.txt"
COMMANDS = {STATUS: ("status", "--verbose", "-o", "json"), METRICS: ("metrics", "list")}
PROGRAMS = ("cilium-dbg", "cilium")
"""The agent's own tool; `cilium` before 1.15."""

SWITCHED_OFF = "the agent was not asked: running programs in agents is switched off (--exec-in-agents)"
MOST_OUTPUT = 8 * MIB
AGENT_TIMEOUT_S = 6.0


@dataclass(frozen=True, slots=True)
class Agent:
    """One node's agent pod. `metrics_port` is set where it serves Prometheus."""

    namespace: str
    pod: str
    metrics_port: int | None = None


NAMESPACES = frozenset({"kube-system", "cilium", "cilium-system"})
"""Where Cilium is installed; elsewhere anybody may give a pod the agent's label."""


def is_agent(pod: Object) -> bool:
    return label_of(pod, "k8s-app") == "cilium" and namespace_of(pod) in NAMESPACES


def agent_on(pods: Iterable[Object], node: str) -> Agent | None:
    """The agent's pod on a node; of two (a rollout) the one that is ready."""
    here = [each for each in pods if is_agent(each) and text(each, "spec", "nodeName") == node]
    if not here:
        return None
    pod = max(here, key=lambda each: pod_is_ready(each) is True)
    ports = (port for each in items(pod, "spec", "containers") for port in items(each, "ports"))
    metrics = next((number(each, "containerPort") for each in ports if text(each, "name") == "prometheus"), None)
    return Agent(namespace_of(pod), name_of(pod), metrics)


async def ask_agent(kube: Kube, agent: Agent | None, node: str, name: str, *, may_exec: bool) -> str:
    """`cilium/status.json` or `cilium/metrics.txt` of a node. Raises `Blind`."""
    if agent is None:
        raise Blind(f"there is no pod of a Cilium agent on node {node}")
    if may_exec and name in COMMANDS:
        return await _run(kube, agent, COMMANDS[name])
    if name == METRICS and agent.metrics_port:
        return await _scrape(kube, agent)
    if name == METRICS:
        raise Blind("the agent serves no metrics (Helm value prometheus.enabled)")
    raise Blind(SWITCHED_OFF)


async def _run(kube: Kube, agent: Agent, arguments: tuple[str, ...]) -> str:
    why = ""
    for program in PROGRAMS:
        try:
            ended = await kube.exec(
                agent.namespace,
                agent.pod,
                "cilium-agent",
                (program, *arguments),
                within=AGENT_TIMEOUT_S,
                limit=MOST_OUTPUT,
            )
        except Absent as gone:
            raise Blind(str(gone)) from None
        except Blind as not_run:
            if "not found" not in str(not_run):
                raise
            why = str(not_run)
            continue
        if ended.exit_code == 0:
            return ended.stdout.decode(errors="replace")
        why = one_line((ended.stderr or ended.stdout).decode(errors="replace"), 200)
    raise Blind(f"{agent.namespace}/{agent.pod} cannot say {' '.join(arguments[:1])}: {why}")


async def _scrape(kube: Kube, agent: Agent) -> str:
    path = path_of("api", "v1", "namespaces", agent.namespace, "pods", f"{agent.pod}:{agent.metrics_port}", "proxy")
    answer = await kube.wire.ask(f"{path}/metrics", limit=MOST_OUTPUT, within=AGENT_TIMEOUT_S, accept=ANYTHING)
    if answer.status == 403:
        raise Blind(no_right("get", "pods/proxy", agent.namespace, answer.body))
    if not answer.good:
        raise Blind(refused(answer.status, answer.body, f"the metrics of {agent.namespace}/{agent.pod} were not had"))
    return answer.body.decode(errors="replace")
