"""Options that name a living cluster: kubectl's and hubble's, under their own names. Light, for --help."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from bot.lazy import resolve

WAY_TO = "bot.clusters.named:way_to"


@dataclass(frozen=True, slots=True)
class Live:
    """Options for the living cluster; what was not said is None or empty. `cluster`: its name in the
    settings."""

    kubeconfig: str | None = None
    context: str | None = None
    server: str | None = None
    tls: bool | None = None
    tls_ca_cert_files: tuple[str, ...] = ()
    tls_client_cert_file: str | None = None
    tls_client_key_file: str | None = None
    tls_server_name: str | None = None
    tls_allow_insecure: bool | None = None
    probe_namespace: str | None = None
    exec_in_target: bool = True
    exec_in_agents: bool = False
    cluster: str = ""
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def names_a_cluster(self) -> bool:
        return any((self.kubeconfig, self.context, self.server, self.cluster))


CASE_OR_CLUSTER = "--case is a recording; --kubeconfig, --context, --server, --cluster name a cluster; leave one out"


def live_of(asked: dict[str, Any]) -> Live:
    """Takes the options of `live_options` out of what a command was asked. Raises `BadSettings`."""
    live = said_live(asked)
    return resolve(WAY_TO)(live) if live.cluster else live


def said_live(asked: dict[str, Any]) -> Live:
    """The same as it was said: what the settings know of the named cluster is not looked up."""
    names = [each for each in Live.__dataclass_fields__ if each in asked]
    return Live(**{name: asked.pop(name) for name in names})
