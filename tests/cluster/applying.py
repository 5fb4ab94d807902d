"""A rendered chart brought into a real API server, object by object, as `helm upgrade --install` would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.cluster.apiserver import ApiServer, Reply

STRICT = "fieldValidation=Strict"
ONCE = frozenset({"Pod", "PersistentVolumeClaim"})
"""What is made anew and not changed: a hook's pod is deleted first, a claim's request stays what it was."""


def apply(server: ApiServer, objects: Iterable[Mapping[str, Any]]) -> None:
    """Namespaces first; an unknown or misspelt field is an error."""
    for each in sorted(objects, key=lambda each: each["kind"] != "Namespace"):
        reply = _applied(server, each)
        assert reply.status in (200, 201), (each["kind"], each["metadata"]["name"], reply)


def _applied(server: ApiServer, thing: Mapping[str, Any]) -> Reply:
    path = path_of(thing)
    name = f"{path}/{thing['metadata']['name']}"
    if thing["kind"] in ONCE:
        server.ask("DELETE", name, {"gracePeriodSeconds": 0})
        server.ask("PATCH", name, {"metadata": {"finalizers": None}}, "application/merge-patch+json")
    reply = server.ask("POST", f"{path}?{STRICT}", thing)
    if reply.status != 409:
        return reply
    revision = server.ask("GET", name).body["metadata"]["resourceVersion"]
    return server.ask(
        "PUT", f"{name}?{STRICT}", {**thing, "metadata": {**thing["metadata"], "resourceVersion": revision}}
    )


def path_of(thing: Mapping[str, Any]) -> str:
    """The collection that an object belongs to."""
    api, kind, namespace = thing["apiVersion"], thing["kind"].lower(), thing["metadata"].get("namespace")
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    return f"{'/apis/' if '/' in api else '/api/'}{api}{f'/namespaces/{namespace}' if namespace else ''}/{plural}"
