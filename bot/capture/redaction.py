"""Takes out of a case what nobody else needs to see; what decides about a network stays, or nothing could be learnt.

Gone: logs, environment values, commands and arguments, annotations other than those that say who manages an object,
URL paths, and whatever looks like a credential in messages. Staying: names, labels, addresses, ports, policies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from sensors.kit.hubble import HubbleFlow, HubbleMessage
from sensors.kit.objects import redact

GONE = "[redacted]"
KEPT_ANNOTATIONS = frozenset(
    {
        "argocd.argoproj.io/tracking-id",
        "meta.helm.sh/release-name",
        "meta.helm.sh/release-namespace",
        "kubernetes.io/config.hash",
        "deployment.kubernetes.io/revision",
        "kubectl.kubernetes.io/restartedAt",
    }
)
DROPPED = frozenset({"command", "args"})
"""Of a container and of its exec probes; flags carry passwords more often than anybody admits."""


def redacted(thing: Any, where: str = "") -> Any:
    """An object, or any part of one (`where` is the key it stood under)."""
    if isinstance(thing, Mapping):
        gone = DROPPED if where in ("containers", "exec") else frozenset()
        return {key: _value(key, value, where) for key, value in thing.items() if key not in gone}
    if isinstance(thing, list | tuple):
        return [redacted(each, where) for each in thing]
    return redact(thing) if isinstance(thing, str) else thing


def _value(key: str, value: Any, where: str) -> Any:
    if key == "annotations" and isinstance(value, Mapping):
        return {name: said for name, said in value.items() if name in KEPT_ANNOTATIONS}
    if key == "env" and isinstance(value, list):
        return [_variable(each) for each in value]
    return redacted(value, "containers" if key in ("containers", "initContainers", "ephemeralContainers") else key)


def _variable(variable: Any) -> Any:
    """Name and reference stay: which Secret or field a value comes from is no secret, the value is."""
    if not isinstance(variable, Mapping):
        return GONE
    return {key: GONE if key == "value" else value for key, value in variable.items()}


def without_paths(messages: Iterable[HubbleMessage]) -> list[HubbleMessage]:
    """Hubble messages whose HTTP requests keep method, host and code only."""
    return [_without_path(each) if isinstance(each, HubbleFlow) else each for each in messages]


def _without_path(flow: HubbleFlow) -> HubbleFlow:
    if flow.http is None:
        return flow
    return msgspec.structs.replace(flow, http=msgspec.structs.replace(flow.http, path=""))
