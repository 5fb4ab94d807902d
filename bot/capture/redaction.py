"""Takes out of a case what nobody else needs to see; what decides about a network stays, or nothing could be learnt.

Gone: logs and last words of containers, environment values, commands and arguments, HTTP headers of probes, annotations
other than those that say who manages an object, what ConfigMaps hold that are not the network's own, URL paths, and
whatever looks like a credential in messages. Staying: names, labels, addresses, ports, policies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from sensors.hubble.lines import HubbleFlow, HubbleMessage
from sensors.k8s_recent_changes import VITAL_CONFIG
from sensors.kit.objects import name_of
from sensors.kit.secrets import redact

REDACTED = "[redacted]"
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
SETTINGS = frozenset({"data", "binaryData"})
DROPPED = frozenset({"command", "args"})
"""Of a container and of its exec probes; flags carry passwords more often than anybody admits."""


def redacted(thing: Any, where: str = "") -> Any:
    """An object, or any part of one (`where` is the key it stood under)."""
    if isinstance(thing, Mapping):
        gone = DROPPED if where in ("containers", "exec") else frozenset()
        if not where and _holds_foreign_settings(thing):
            gone = SETTINGS
        return {key: _value(key, value, where) for key, value in thing.items() if key not in gone}
    if isinstance(thing, list | tuple):
        return [redacted(each, where) for each in thing]
    return redact(thing) if isinstance(thing, str) else thing


def _holds_foreign_settings(thing: Mapping[str, Any]) -> bool:
    """A ConfigMap of a system namespace that has nothing to do with the network: anybody may have put it there."""
    name = name_of(thing)
    return thing.get("kind") == "ConfigMap" and name not in VITAL_CONFIG and "dns" not in name


def _value(key: str, value: Any, where: str) -> Any:
    if key == "annotations" and isinstance(value, Mapping):
        return {name: said for name, said in value.items() if name in KEPT_ANNOTATIONS}
    if key in ("env", "httpHeaders") and isinstance(value, list):
        return [_variable(each) for each in value]
    if key == "message" and where == "terminated":
        return REDACTED  # the end of the log, where the pod asks for that
    return redacted(value, "containers" if key in ("containers", "initContainers", "ephemeralContainers") else key)


def _variable(variable: Any) -> Any:
    """Name and reference stay: which Secret or field a value comes from is no secret, the value is."""
    if not isinstance(variable, Mapping):
        return REDACTED
    return {key: REDACTED if key == "value" else value for key, value in variable.items()}


def without_paths(messages: Iterable[HubbleMessage]) -> list[HubbleMessage]:
    """Hubble messages whose HTTP requests keep method, host and code only."""
    return [_without_path(each) if isinstance(each, HubbleFlow) else each for each in messages]


def _without_path(flow: HubbleFlow) -> HubbleFlow:
    if flow.http is None:
        return flow
    return msgspec.structs.replace(flow, http=msgspec.structs.replace(flow.http, path=""))
