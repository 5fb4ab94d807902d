"""The definitions of kinds that others serve, as their own releases hold them, from the Go module proxy.

A schema of ours would only say what we believe. Each download is checked against the hash that is written here.
"""

from __future__ import annotations

import json
import subprocess
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.apiserver import ApiServer
from tests.cluster.binaries import CannotBuild
from tests.cluster.processes import wait_for

_OPERATOR = "example/prometheus-operator-crd/monitoring.coreos.com_"
MODULES: dict[str, tuple[str, tuple[str, ...]]] = {
    "github.com/cilium/cilium@v1.20.2": (
        "h1:dqiEGIcXc+gqCLYG/l7VCFJ8GHyb4HUrwbZOpkX5dL8=",
        ("pkg/k8s/apis/cilium.io/client/crds/v2/ciliumnetworkpolicies.yaml",),
    ),
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        (f"{_OPERATOR}servicemonitors.yaml", f"{_OPERATOR}prometheusrules.yaml"),
    ),
    "github.com/cert-manager/cert-manager@v1.19.0": (
        "h1:pPKtK06zPriliwq7B12xa7DGKbc4SvnfOjE0BXaAspk=",
        ("deploy/crds/cert-manager.io_certificates.yaml",),
    ),
}
PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def install_definitions(server: ApiServer) -> None:
    """Each kind of `MODULES`, served before this returns."""
    for module, (sum_, files) in MODULES.items():
        for file in files:
            _install(server, yaml.safe_load((_folder(module, sum_) / file).read_text("utf-8")))


def _install(server: ApiServer, definition: dict[str, Any]) -> None:
    server.create(PATH, definition)
    spec = definition["spec"]
    version = next(each["name"] for each in spec["versions"] if each["served"])
    wait_for(partial(_serves, server, f"/apis/{spec['group']}/{version}/{spec['names']['plural']}"), spec["group"])


def _serves(server: ApiServer, path: str) -> bool:
    return server.ask("GET", path).status == 200


@cache
def _folder(module: str, sum_: str) -> Path:
    done = subprocess.run(["go", "mod", "download", "-json", module], capture_output=True, text=True, cwd="/")
    said = json.loads(done.stdout or "{}")
    if "Dir" not in said:
        raise CannotBuild(f"{module} cannot be had: {said.get('Error') or done.stderr}")
    assert said["Sum"] == sum_, f"{module} is not what it was: {said['Sum']}"
    return Path(said["Dir"])
