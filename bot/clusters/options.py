"""Options that name a living cluster: kubectl's and hubble's, under their own names. Light, for --help."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click

from bot.lazy import resolve

F = TypeVar("F", bound=Callable[..., Any])

PROBE_NAMESPACE = "kai-probe"
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

OPTIONS = (
    click.option("--cluster", metavar="NAME", default="", help="A cluster of the settings (clusters:)."),
    click.option("--context", metavar="NAME", help="The kubeconfig's context to use."),
    click.option("--kubeconfig", metavar="FILE", help="The kubeconfig to use; default as kubectl."),
    click.option("--server", metavar="HOST:PORT", help="hubble-relay (or HUBBLE_SERVER, KAI_HUBBLE_ADDR)."),
    click.option("--tls", is_flag=True, default=None, help="Speak TLS to the relay (HUBBLE_TLS)."),
    click.option("--tls-ca-cert-files", multiple=True, metavar="FILE", help="Authorities of the relay's certificate."),
    click.option("--tls-client-cert-file", metavar="FILE", help="Our certificate, where the relay asks for one."),
    click.option("--tls-client-key-file", metavar="FILE", help="The key to it."),
    click.option("--tls-server-name", metavar="NAME", help="The name that the relay's certificate has."),
    click.option("--tls-allow-insecure", is_flag=True, default=None, help="Take any certificate of the relay."),
    click.option("--probe-namespace", metavar="NS", help=f"Where kai-probe runs; default {PROBE_NAMESPACE}."),
    click.option(
        "--exec-in-target/--no-exec-in-target",
        default=True,
        help="Without a probe, read /proc/net in the pod's own container (default: yes).",
    ),
    click.option("--exec-in-agents", is_flag=True, help="Let Cilium's agents tell of themselves (pods/exec there)."),
)


def live_options(command: F) -> F:
    """kubectl's and hubble's options, under their own names."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def live_of(asked: dict[str, Any]) -> Live:
    """Takes the options of `live_options` out of what a command was asked. Raises `BadSettings`."""
    live = said_live(asked)
    return resolve(WAY_TO)(live) if live.cluster else live


def said_live(asked: dict[str, Any]) -> Live:
    """The same as it was said: what the settings know of the named cluster is not looked up."""
    names = [each for each in Live.__dataclass_fields__ if each in asked]
    return Live(**{name: asked.pop(name) for name in names})
