"""The rights an investigation needs, what is blind without each, and the command that gives it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from bot.doctor.check import Check, CheckState
from sensors.access.environment import SERVICE_CIDR
from sensors.kit.kinds import KINDS, Kind


@dataclass(frozen=True, slots=True)
class RequiredRight:
    """One verb on one resource; an empty namespace means everywhere."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    namespace: str = ""
    without: str = ""

    @property
    def full(self) -> str:
        """As RBAC and kubectl name it: `pods/log`, `networkpolicies.networking.k8s.io`."""
        grouped = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{grouped}/{self.subresource}" if self.subresource else grouped

    @property
    def name(self) -> str:
        return f"right: {self.verb} {self.full}{f' in {self.namespace}' if self.namespace else ''}"


RIGHTS_MISSING = {
    "pods": "no pod can be found: nothing can be investigated",
    "namespaces": "policies that select namespaces cannot be decided",
    "nodes": "the nodes' health is not measured",
    "services": "a Service without endpoints is not seen",
    "endpointslices": "a Service without endpoints is not seen",
    "events": "why pods wait or fail is not seen",
    "deployments": "what was changed last is not seen",
    "replicasets": "pods are not traced to their Deployment",
    "statefulsets": "what was changed last is not seen",
    "daemonsets": "the network plug-in's agents are not seen",
    "configmaps": "the network's own settings are not known: some policies cannot be decided",
    "ciliumendpoints": "identities are taken from flows only",
    "ciliumnodes": "pod ranges and host-network pods are not known",
    "ciliumcidrgroups": "policies that name CIDR groups cannot be decided",
    "servicecidrs": "an address of no Service is not told from one of outside",
}
SYSTEM = "kube-system"
EXEC = ("get", "create")
"""A websocket is opened with GET, and newer API servers ask for create as well."""


def rights_needed(
    installed: frozenset[Kind], probe_namespace: str = "", *, with_agents: bool = False
) -> tuple[RequiredRight, ...]:
    """The rights for the kinds that this cluster has.

    `probe_namespace` is where the probe's program is run by hand; empty where its server is asked, which needs none.
    `with_agents`: programs are to run in the network plug-in's agents.
    """
    lists = tuple(_list(each) for each in (*KINDS, SERVICE_CIDR) if each in installed)
    log = RequiredRight("get", "pods", subresource="log", without="the application's own complaints are not read")
    probe = "nothing is measured from inside pods (counters, DNS, connections, MTU, connection tracking)"
    execs = [RequiredRight(verb, "pods", "", "exec", probe_namespace, probe) for verb in EXEC if probe_namespace]
    if with_agents:
        execs += [RequiredRight(verb, "pods", "", "exec", SYSTEM, "agents do not tell of themselves") for verb in EXEC]
    return (*lists, log, *dict.fromkeys(execs))


def _list(kind: Kind) -> RequiredRight:
    plural = kind.plural.partition(".")[0]
    usual = "no drop can be attributed to a policy" if plural.endswith("policies") else "it is not looked at"
    namespace = SYSTEM if plural == "configmaps" else ""  # only the network's own settings, never anybody else's
    return RequiredRight("list", plural, kind.group, namespace=namespace, without=RIGHTS_MISSING.get(plural, usual))


def check_of(right: RequiredRight, allowed: bool | None, user: str, why: str = "") -> Check:
    """`allowed` None: could not be asked, `why` says the reason."""
    if allowed is None:
        return Check(right.name, CheckState.UNKNOWN, why)
    if allowed:
        return Check(right.name, CheckState.OK)
    return Check(right.name, CheckState.MISSING, f"{user or 'we'} may not", right.without, grant(right, user))


def grant(right: RequiredRight, user: str) -> str:
    """kubectl commands that give exactly this right to exactly this user."""
    name = "kai-" + "-".join(filter(None, (right.verb, right.resource, right.subresource)))
    kind, where = ("role", f" -n {right.namespace}") if right.namespace else ("clusterrole", "")
    binding = f"{kind}binding"
    verb = f"--verb={right.verb} --resource={right.full}"
    return (
        f"kubectl create {kind} {name}{where} {verb} && "
        f"kubectl create {binding} {name}{where} --{kind}={name} {_subject(user)}"
    )


def _subject(user: str) -> str:
    parts = user.split(":")
    if user.startswith("system:serviceaccount:") and len(parts) == 4:
        return shlex.quote(f"--serviceaccount={parts[2]}:{parts[3]}")
    return shlex.quote(f"--user={user or 'YOU'}")
