"""Checks whether Cilium's agents tell of themselves: an extra, since what lets them is a right over their nodes."""

from __future__ import annotations

from bot.doctor.check import Check, CheckState
from sensors.access.live import LiveCluster
from sensors.access.live.agents import agent_on, is_agent
from sensors.kit.cluster import Object
from sensors.kit.kinds import POD
from sensors.kit.objects import text
from sensors.kit.reading import if_readable

CHECK_NAME = "Cilium agents"
AGENTS_MISSING = (
    "their own health and their connection tables are not measured (cni.health, part of net.conntrack_usage)"
)
FIND = "kubectl get pods -A -l k8s-app=cilium  # agents are believed in kube-system, cilium and cilium-system"
MAY_GET = "kubectl -n {} create role kai-agent-metrics --verb=get --resource=pods/proxy  # and bind it to KAI's account"
ALLOW = "kai doctor --exec-in-agents  # names the rights it needs; pods/exec there is giving the node"


async def agents(cluster: LiveCluster) -> list[Check]:
    """One line where Cilium is the network; elsewhere none. Rights to run programs stand among the rights."""
    if (await cluster.environment()).cni != "cilium":
        return []
    pods, why = await if_readable(cluster.objects(POD))
    if pods is None:
        return [Check(CHECK_NAME, CheckState.UNKNOWN, why)]
    return [await _told(cluster, tuple(each for each in pods if is_agent(each)))]


async def _told(cluster: LiveCluster, pods: tuple[Object, ...]) -> Check:
    if not pods:
        return Check(CHECK_NAME, CheckState.OFF, "no pod of an agent is to be seen", AGENTS_MISSING, FIND)
    if cluster.settings.exec_in_agents:
        return Check(CHECK_NAME, CheckState.OK, f"{len(pods)} are asked for status and metrics")
    agent = agent_on(pods, text(pods[0], "spec", "nodeName"))
    if agent is None or agent.metrics_port is None:
        return Check(
            CHECK_NAME,
            CheckState.OFF,
            "not asked, and they serve no metrics (prometheus.enabled)",
            AGENTS_MISSING,
            ALLOW,
        )
    asking = cluster.kube.self_subject_access_review("get", "pods", "", "proxy", agent.namespace)
    allowed, _ = await if_readable(asking)
    if allowed:
        return Check(CHECK_NAME, CheckState.OK, "metrics through the API server; status with --exec-in-agents only")
    lacks = f"not asked: no right to get pods/proxy in {agent.namespace}"
    return Check(CHECK_NAME, CheckState.OFF, lacks, AGENTS_MISSING, MAY_GET.format(agent.namespace))
