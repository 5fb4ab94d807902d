"""Author of an object, in words: the field manager of `metadata.managedFields` as the command or program it stands for.

Source: kubectl names its manager after its verb (k8s.io/kubectl, `--field-manager`); client-side apply and `kubectl
apply --server-side` are `kubectl-client-side-apply` and `kubectl`. Controllers name themselves.
"""

from __future__ import annotations

PROGRAMS = {
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "helm": "Helm",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "kai-netdebug": "KAI",
    "kube-controller-manager": "the controller manager",
}
APPLY = ("kubectl", "kubectl-client-side-apply", "kubectl-last-applied")
UNKNOWN_MANAGERS = ("", "unknown", "before-first-apply")


def made_with(manager: str) -> str:
    """`with kubectl apply`, `by Argo CD`, `by my-operator`; empty where nobody wrote it down."""
    if manager in UNKNOWN_MANAGERS:
        return ""
    if manager in APPLY:
        return "with kubectl apply"
    verb = manager.removeprefix("kubectl-")
    if verb != manager:
        return f"with kubectl {verb.replace('-', ' ')}"
    return f"by {PROGRAMS.get(manager.lower(), manager)}"
