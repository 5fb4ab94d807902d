"""Requests to a real API server with anybody's token and any headers: for what must be refused."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any

from tests.cluster.apiserver import ApiServer, Reply

JSON_PATCH = "application/json-patch+json"


def ask_as(
    server: ApiServer, token: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> Reply:
    """One request; the status is the caller's to judge."""
    context = ssl.create_default_context(cafile=server.ca_file)
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=30, context=context)
    sent = {"Authorization": f"Bearer {token}", "Content-Type": JSON_PATCH if method == "PATCH" else "application/json"}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), {**sent, **(headers or {})})
        answer = connection.getresponse()
        raw = answer.read()
    finally:
        connection.close()
    return Reply(answer.status, json.loads(raw) if raw.startswith(b"{") else {"message": raw.decode(errors="replace")})


def bind(server: ApiServer, user: str, role: str, namespace: str = "") -> None:
    """A ClusterRole for a person, everywhere or in one namespace."""
    cluster = "" if namespace else "Cluster"
    meta = {"name": f"{user}-{role}", **({"namespace": namespace} if namespace else {})}
    root = "/apis/rbac.authorization.k8s.io/v1"
    path = f"{root}{f'/namespaces/{namespace}' if namespace else ''}/{cluster.lower()}rolebindings"
    subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    server.create(path, {"kind": f"{cluster}RoleBinding", "metadata": meta, "roleRef": ref, "subjects": [subject]})
