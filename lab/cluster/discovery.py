"""Discovery, which a client asks first: versions, groups, resources. Enough for kubectl and the client libraries."""

from __future__ import annotations

from typing import Any

from lab.cluster.resources import ResourceCatalog

EXEC = [
    {"name": "pods/log", "singularName": "", "namespaced": True, "kind": "Pod", "verbs": ["get"]},
    {"name": "pods/exec", "singularName": "", "namespaced": True, "kind": "PodExecOptions", "verbs": ["create", "get"]},
]


def version(git: str) -> dict[str, Any]:
    """`git` is the recorded version, `v1.36.2-lab`."""
    parts = git.lstrip("v").split(".")
    return {
        "major": parts[0],
        "minor": parts[1] if len(parts) > 1 else "0",
        "gitVersion": git,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }


def core_versions(address: str) -> dict[str, Any]:
    servers = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": servers}


def groups(catalog: ResourceCatalog) -> dict[str, Any]:
    found = [_group(name, apis) for name, apis in catalog.versions.items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def group(catalog: ResourceCatalog, name: str) -> dict[str, Any] | None:
    apis = catalog.versions.get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, apis)} if apis else None


def _group(name: str, apis: list[str]) -> dict[str, Any]:
    versions = [{"groupVersion": api, "version": api.rpartition("/")[2]} for api in apis]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def resources(catalog: ResourceCatalog, api: str) -> dict[str, Any] | None:
    found = [each.discovered() for each in catalog.resources if each.api == api]
    if not found:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api,
        "resources": [*found, *(EXEC if api == "v1" else [])],
    }


def openapi_index(catalog: ResourceCatalog) -> dict[str, Any]:
    """Paths of the OpenAPI documents; kubectl looks into them before it applies anything."""
    roots = dict.fromkeys(f"apis/{each.api}" if each.group else f"api/{each.api}" for each in catalog.resources)
    return {"paths": {root: {"serverRelativeURL": f"/openapi/v3/{root}"} for root in roots}}


def openapi(catalog: ResourceCatalog, api: str) -> dict[str, Any] | None:
    """Only what kubectl asks: that PATCH knows `dryRun` and `fieldValidation`. No schemas: nothing is checked there."""
    parameters = [{"name": each, "in": "query"} for each in ("dryRun", "fieldManager", "fieldValidation")]
    paths = {}
    for each in (one for one in catalog.resources if one.api == api):
        root = f"/apis/{api}" if each.group else f"/api/{api}"
        space = "/namespaces/{namespace}" if each.namespaced else ""
        kind = {"group": each.group, "version": api.rpartition("/")[2], "kind": each.kind}
        patch = {"parameters": parameters, "x-kubernetes-group-version-kind": kind, "responses": {}}
        paths[f"{root}{space}/{each.plural}/{{name}}"] = {"patch": patch}
    info = {"title": "Kubernetes", "version": "lab"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}} if paths else None
