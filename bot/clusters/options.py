"""A living cluster from the command line: kubectl's options, hubble's options, and what to try where none are given."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bot.errors import UsageMistake

if TYPE_CHECKING:
    from sensors.access.kube import Kube
    from sensors.access.live import LiveCluster, LiveSettings
    from sensors.access.relay import Relay

F = TypeVar("F", bound=Callable[..., Any])

IN_CLUSTER_RELAY = "hubble-relay.kube-system.svc:80"
IN_CLUSTER_RELAY_TLS = "hubble-relay.kube-system.svc:443"
HOW_TO_REACH = "; run `cilium hubble port-forward` beside this, or name the relay with --server HOST:PORT"
PROBE_NAMESPACE = "kai-probe"
PROBE_NAMESPACE_VARIABLE = "KAI_PROBE_NAMESPACE"
PROBE_TLS, PROBE_TLS_VARIABLE = Path("/etc/kai/probe-tls"), "KAI_PROBE_TLS"
SERVER_VARIABLES = ("HUBBLE_SERVER", "KAI_HUBBLE_ADDR")


@dataclass(frozen=True, slots=True)
class Live:
    """What was said about the living cluster; what was not said is None or empty."""

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
    since: str | None = None
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def names_a_cluster(self) -> bool:
        return any(each is not None for each in (self.kubeconfig, self.context, self.server))


OPTIONS = (
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
    """Takes the options of `live_options` out of what a command was asked."""
    names = [each for each in Live.__dataclass_fields__ if each in asked]
    return Live(**{name: asked.pop(name) for name in names})


@asynccontextmanager
async def connected(live: Live) -> AsyncIterator[Kube]:
    """The API server. Raises `UsageMistake` (nothing to connect to) or `Blind` (no answer)."""
    from sensors.access.kube import BadKubeconfig, connect

    try:
        async with connect(live.kubeconfig, live.context, environ=live.environ) as kube:
            yield kube
    except BadKubeconfig as why:
        raise UsageMistake(f"{why}, or look at a recorded case with --case DIR") from why


@asynccontextmanager
async def opened(live: Live) -> AsyncIterator[LiveCluster]:
    """The cluster, for one investigation. Raises as `connected` does."""
    from sensors.access.live import live_cluster

    async with connected(live) as kube:
        relay, hint = relay_of(live, kube)
        async with live_cluster(kube, relay, settings_of(live, kube, hint)) as cluster:
            yield cluster


def relay_of(live: Live, kube: Kube) -> tuple[Relay, str]:
    """The relay that was named, else the usual one; and what to try when the usual one is not there."""
    from sensors.access.relay import BadRelayConfig, Relay, relay_config

    try:
        config = relay_config(live.environ, **_flags(live))
        if _is_named(live) or not is_in_cluster(kube):
            return Relay(config), "" if _is_named(live) else HOW_TO_REACH
        usual = IN_CLUSTER_RELAY_TLS if config.tls else IN_CLUSTER_RELAY
        return Relay(relay_config(live.environ, **{**_flags(live), "server": usual})), ""
    except BadRelayConfig as why:
        raise UsageMistake(str(why)) from why


def _flags(live: Live) -> dict[str, Any]:
    return {
        "server": live.server,
        "tls": live.tls,
        "ca_files": tuple(each for said in live.tls_ca_cert_files for each in said.split(",") if each),
        "cert_file": live.tls_client_cert_file,
        "key_file": live.tls_client_key_file,
        "server_name": live.tls_server_name,
        "allow_insecure": live.tls_allow_insecure,
    }


def _is_named(live: Live) -> bool:
    return bool(live.server) or any(live.environ.get(each, "").strip() for each in SERVER_VARIABLES)


def is_in_cluster(kube: Kube) -> bool:
    """Whether we are a pod that talks to its own cluster."""
    return kube.place.name == "the pod's ServiceAccount"


def settings_of(live: Live, kube: Kube, hint: str = "") -> LiveSettings:
    from sensors.access.live import LiveSettings

    return LiveSettings(
        live.probe_namespace or live.environ.get(PROBE_NAMESPACE_VARIABLE) or PROBE_NAMESPACE,
        live.exec_in_target,
        live.exec_in_agents,
        since_of(live.since),
        hint,
        probe_tls_of(live),
    )


def probe_tls_of(live: Live) -> Path | None:
    """The folder with our certificate for the probes: the chart's own place, or where KAI_PROBE_TLS says."""
    said = live.environ.get(PROBE_TLS_VARIABLE, "").strip()
    return Path(said) if said else PROBE_TLS if PROBE_TLS.is_dir() else None


def since_of(word: str | None) -> timedelta | None:
    """`90s`, `10m`, `1h`, `2d`. Raises `UsageMistake`."""
    if word is None:
        return None
    from sensors.kit.durations import seconds_in  # here, since the command's help needs none of it

    try:
        return timedelta(seconds=seconds_in(word))
    except ValueError:
        raise UsageMistake(f"--since wants a time such as 90s, 10m or 1h, not {word[:40]!r}") from None
