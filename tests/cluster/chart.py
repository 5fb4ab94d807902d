"""The chart's reader role as manifests, rendered as Helm would.

Helm itself is not at hand everywhere; this understands the few constructs that this one template uses and refuses
to guess at any other.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).parents[2] / "helm" / "kai" / "templates" / "rbac-reader.yaml"
RELEASE = NAMESPACE = ACCOUNT = "kai"
SYSTEM = "kube-system"

BLOCK = re.compile(r"\{\{- (?:/\*.*?\*/ -|\$account := [^}]*|(?:range|if) [^}]*|end )\}\}", re.DOTALL)


def reader_manifests(release: str = RELEASE) -> list[dict[str, Any]]:
    """ClusterRole, Roles and their bindings, for a release in the namespace of the same name."""
    flat = BLOCK.sub("", TEMPLATE.read_text())
    words = {".": SYSTEM, "$account": release, ".Release.Service": "Helm"}  # the one `range` goes over one namespace
    words |= {".Release.Name": release, ".Release.Namespace": release}
    text = re.sub(r"\{\{ (\S+) \}\}", lambda found: words[found[1].replace("$.", ".")], flat)
    assert "{{" not in text, "the template uses something that is not understood here"
    return [each for each in yaml.safe_load_all(text) if each]


def without_rule(manifests: list[dict[str, Any]], resource: str) -> list[dict[str, Any]]:
    """The same manifests without the right to one resource (`pods`, `networkpolicies.networking.k8s.io`)."""
    return [
        {**each, "rules": [rule for rule in each["rules"] if resource_of(rule) != resource]}
        if "rules" in each
        else each
        for each in manifests
    ]


def resource_of(rule: dict[str, Any]) -> str:
    """The one resource of a rule."""
    (group,), (resource,) = rule["apiGroups"], rule["resources"]
    return f"{resource}.{group}" if group else resource
