"""The admission webhook that an API server's refusal names: its Service, and the policy that cuts it off.

The wording is kube-apiserver's (apiserver/pkg/admission/plugin/webhook): `failed calling webhook "NAME": … Post
"https://SERVICE.NAMESPACE.svc:PORT/…": context deadline exceeded`.
"""

from __future__ import annotations

import re

from flows.denials.policy_world import world_of
from flows.model import Case, Component
from flows.policy import PolicyRef, PolicyVerdict
from sensors.k8s_network_policies import Policies

ADDRESS = re.compile(r"https://([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?::(\d{1,5}))?/")
SILENCE = ("deadline exceeded", "timeout", "timed out")


def is_webhook(refusal: str) -> bool:
    return "failed calling webhook" in refusal


def culprit_of(case: Case, refusal: str) -> Component | None:
    """The object to change: where the webhook's silence is that of packets which a policy drops, the one policy that
    keeps the API server from its pods; else its Service. None where the refusal names no Service."""
    called = ADDRESS.search(refusal)
    if called is None:
        return None
    name, space, port = called.groups()
    walls = _walls(case, space, name, int(port or 443)) if _is_silence(refusal) else set()
    wall = walls.pop() if len(walls) == 1 else None
    return Component(wall.kind, wall.namespace, wall.name) if wall else Component("Service", space, name)


def _is_silence(refusal: str) -> bool:
    """The last words tell, after the URL, which has a timeout of its own."""
    return any(each in refusal.rpartition('": ')[2] for each in SILENCE)


def _walls(case: Case, space: str, name: str, port: int) -> set[PolicyRef]:
    """The policies that isolate the webhook's pods, where every way from the API server to them is denied."""
    if case.get(Policies) is None:
        return set()
    world = case.once(world_of)
    service = world.service(space, name)
    servers = [world.endpoint_at(ip) for ip in world.api_servers]
    ways = [way for server in servers for way in (world.towards(server, service, port) if service else ())]
    verdicts: list[PolicyVerdict] = [world.judge(way).ingress for way in ways]
    if not all(each.allowed is False for each in verdicts):
        return set()
    return {ref for each in verdicts for ref in (*each.denied_by, *each.isolated_by)}
