"""The chart as helm renders it: every object, for a release `kai` in the namespace `kai`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.binaries import helm, kubernetes_version

CHART = Path(__file__).parents[2] / "helm" / "kai"
RELEASE = NAMESPACE = ACCOUNT = "kai"
SYSTEM = "kube-system"
IMAGE = {"image": {"repository": "kai-netdebug"}}


class CannotRender(ValueError):
    """helm refuses: the message is what it says."""


def rendered(
    release: str = RELEASE, *, kubernetes: str = "", knows: tuple[str, ...] = (), **values: Any
) -> list[dict[str, Any]]:
    """All objects of a release in the namespace of the same name. Raises `CannotRender`.

    `knows`: kinds that the cluster serves beside the built-in ones (`cilium.io/v2/CiliumNetworkPolicy`).
    """
    text = _template(release, kubernetes or kubernetes_version(), knows, json.dumps({**IMAGE, **values}))
    return [each for each in yaml.safe_load_all(text) if each]


def example(name: str) -> dict[str, Any]:
    """The values of one of the chart's examples."""
    said: dict[str, Any] = yaml.safe_load((CHART / "examples" / f"{name}.yaml").read_text("utf-8"))
    return said


@cache
def _template(release: str, kubernetes: str, knows: tuple[str, ...], values: str) -> str:
    command = [str(helm()), "template", release, str(CHART), "-n", release, "--kube-version", kubernetes, "-f", "-"]
    command += [word for each in knows for word in ("--api-versions", each)]
    done = subprocess.run(command, input=values, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise CannotRender(done.stderr.strip())
    return done.stdout


def roles_in(manifests: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The roles and their bindings."""
    return [each for each in manifests if each["apiVersion"].startswith("rbac.")]


def reader_manifests(release: str = RELEASE) -> list[dict[str, Any]]:
    """What the chart lets KAI read where nothing is configured."""
    return roles_in(rendered(release))


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
