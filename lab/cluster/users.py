"""Users of the API server and their roles: real Role objects, read by the lab's own RBAC like anybody else's.

admin  all.
alice  on call: may read all, and change policies, Services and Deployments in the case's namespaces, the labels of
       these namespaces, and CoreDNS.
bob    may read all.
kai    KAI's own account: reads what its chart lets it read, and may act as alice or bob. It can write nothing itself.
       Only where the probes' servers do not serve it runs programs in the probe's pods.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.cluster.resources import RBAC

RoleRule = Mapping[str, Any]
PROBE_NAMESPACE = "kai-probe"
EVERYBODY = "system:authenticated"


@dataclass(frozen=True, slots=True)
class ApiUser:
    """User of a request, as the API server knows them after authentication (and impersonation)."""

    name: str
    groups: tuple[str, ...] = (EVERYBODY,)
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """As reviews tell it."""
        said = {"username": self.name, "uid": self.uid, "groups": list(self.groups)}
        return {key: value for key, value in said.items() if value}


USERS = {
    "admin": ApiUser("admin", ("system:masters", EVERYBODY)),
    "alice": ApiUser("alice"),
    "bob": ApiUser("bob"),
    "kai": ApiUser("kai"),
}


def tokens() -> dict[str, str]:
    """A fresh token for each user, by name."""
    return {name: f"lab-{name}-{secrets.token_hex(12)}" for name in USERS}


def roles(namespaces: Iterable[str], *, kai_may_exec: bool = True) -> list[dict[str, Any]]:
    """All roles and bindings for a case that plays in these namespaces. `kai_may_exec`: it has no other way to ask."""
    spaces = sorted({*namespaces} - {"kube-system", PROBE_NAMESPACE})
    found = [*_bound("lab-basic", BASIC, group=EVERYBODY)]
    found += [each for user in ("alice", "bob") for each in _bound(f"lab-view-{user}", VIEW, user=user)]
    found += [*_bound("lab-kai-reader", READER, user="kai"), *_bound("lab-kai-approvals", APPROVALS, user="kai")]
    for space in spaces:
        found += _bound("lab-kai-approvals", APPROVED, user="kai", namespace=space)
    found += _bound("lab-kai-approvals-coredns", _as_them(COREDNS), user="kai", namespace="kube-system")
    if kai_may_exec:
        found += _bound("lab-kai-probe", PROBE, user="kai", namespace=PROBE_NAMESPACE)
    found += [each for space in spaces for each in _bound("lab-on-call", ON_CALL, user="alice", namespace=space)]
    found += _bound("lab-on-call-dns", COREDNS, user="alice", namespace="kube-system")
    labels: RoleRule = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["patch"], "resourceNames": spaces}
    found += _bound("lab-kai-approvals-namespaces", _as_them([labels]), user="kai")
    return [*found, *_bound("lab-on-call-namespaces", [labels], user="alice")]


def _rule(verbs: str, resources: str, group: str = "", names: tuple[str, ...] = ()) -> RoleRule:
    said = {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}
    return {**said, "resourceNames": list(names)} if names else said


LOOK, CHANGE = "get list watch", "create update patch delete"
GROUPS = {
    "": "pods namespaces nodes events services configmaps",
    "discovery.k8s.io": "endpointslices",
    "apps": "deployments replicasets statefulsets daemonsets",
    "networking.k8s.io": "networkpolicies",
    "policy.networking.k8s.io": "*",
    "projectcalico.org": "*",
    "crd.projectcalico.org": "*",
    "security.istio.io": "*",
    "policy.linkerd.io": "*",
    "cilium.io": "*",
}
READER = [
    *(_rule(LOOK, resources, group) for group, resources in GROUPS.items()),
    _rule("get", "pods/log"),
    _rule("create", "subjectaccessreviews", "authorization.k8s.io"),
]
VIEW = [*READER[:-1], _rule(LOOK, "roles rolebindings clusterroles clusterrolebindings", "rbac.authorization.k8s.io")]
APPROVALS = [
    _rule("impersonate:user-info", "users", "authentication.k8s.io", names=("alice", "bob")),
    _rule("impersonate:user-info", "userextras/kai.dev/proposal", "authentication.k8s.io"),
]
"""Whom KAI may act as, and that it may say for which proposal; as `helm/kai/templates/rbac-approvals.yaml` gives it."""

PROBE = [_rule("get create", "pods/exec")]
ON_CALL = [
    _rule(CHANGE, "networkpolicies", "networking.k8s.io"),
    _rule(CHANGE, "ciliumnetworkpolicies", "cilium.io"),
    _rule("patch update", "services"),
    _rule("patch update", "deployments", "apps"),
    _rule("create patch", "events"),
]
COREDNS = [_rule("patch update", "deployments", "apps", names=("coredns",))]


def _as_them(rules: Iterable[RoleRule]) -> list[RoleRule]:
    """Rights of KAI in a person's name, out of the person's own: to look and to patch."""
    return [{**each, "verbs": [f"impersonate-on:user-info:{verb}" for verb in ("get", "patch")]} for each in rules]


_CHANGES = " ".join(f"impersonate-on:user-info:{each}" for each in ("get", "create", "patch", "delete"))
APPROVED = [
    _rule(_CHANGES, "networkpolicies", "networking.k8s.io"),
    _rule(_CHANGES, "ciliumnetworkpolicies", "cilium.io"),
    *_as_them([_rule("patch", "services")]),
]
HEALTH = ("/healthz", "/readyz", "/livez")
BASIC: list[RoleRule] = [
    _rule("create", "selfsubjectaccessreviews selfsubjectrulesreviews", "authorization.k8s.io"),
    _rule("create", "selfsubjectreviews", "authentication.k8s.io"),
    {
        "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/version", "/openapi/*", *HEALTH],
        "verbs": ["get"],
    },
]


def _bound(
    name: str, rules: list[RoleRule], *, user: str = "", group: str = "", namespace: str = ""
) -> list[dict[str, Any]]:
    """A role and its binding to one subject; cluster-wide without a namespace."""
    cluster = "" if namespace else "Cluster"
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    subject = {"kind": "User" if user else "Group", "name": user or group, "apiGroup": "rbac.authorization.k8s.io"}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": f"{cluster}Role", "name": name}
    return [
        {"apiVersion": RBAC, "kind": f"{cluster}Role", "metadata": dict(meta), "rules": [dict(each) for each in rules]},
        {
            "apiVersion": RBAC,
            "kind": f"{cluster}RoleBinding",
            "metadata": dict(meta),
            "roleRef": ref,
            "subjects": [subject],
        },
    ]
