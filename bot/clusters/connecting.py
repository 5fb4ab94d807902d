"""Opens the living cluster that was meant, and says what to try where nothing was named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.clusters.flags import PROBE_NAMESPACE
from bot.clusters.options import Live
from bot.errors import UsageMistake
from sensors.access.kube import BadKubeconfig, Kube, NoKubeconfig, connect
from sensors.access.live import LiveCluster, LiveSettings, SharedReads, live_cluster
from sensors.access.probe.channel import PORT as PROBE_PORT
from sensors.access.relay import BadRelayConfig, RelayConfig, relay_config

if TYPE_CHECKING:
    from sensors.access.relay import Relay

IN_CLUSTER_RELAY = "hubble-relay.kube-system.svc:80"
IN_CLUSTER_RELAY_TLS = "hubble-relay.kube-system.svc:443"
HOW_TO_REACH = "; run `cilium hubble port-forward` beside this, or name the relay with --server HOST:PORT"
PROBE_NAMESPACE_VARIABLE = "KAI_PROBE_NAMESPACE"
PROBE_PORT_VARIABLE = "KAI_PROBE_PORT"
PROBE_TLS, PROBE_TLS_VARIABLE = Path("/etc/kai/probe-tls"), "KAI_PROBE_TLS"
SERVER_VARIABLES = ("HUBBLE_SERVER", "KAI_HUBBLE_ADDR")


@asynccontextmanager
async def connected(live: Live) -> AsyncIterator[Kube]:
    """The API server. Raises `UsageMistake` (nothing to connect to) or `Blind` (no answer)."""
    try:
        async with connect(live.kubeconfig, live.context, environ=live.environ) as kube:
            yield kube
    except BadKubeconfig as why:
        recorded = "; a recorded case needs none: kai netdebug --case DIR" if isinstance(why, NoKubeconfig) else ""
        raise UsageMistake(f"{why}{recorded}") from why


@asynccontextmanager
async def opened(live: Live) -> AsyncIterator[LiveCluster]:
    """The cluster, for one investigation. Raises as `connected` does; a wrong word about the relay is told first."""
    _relay_config(live)
    async with connected(live) as kube, opened_on(live, kube) as cluster:
        yield cluster


@asynccontextmanager
async def opened_on(live: Live, kube: Kube, shared: SharedReads | None = None) -> AsyncIterator[LiveCluster]:
    """The cluster over a connection that is there. `shared`: what other investigations read just now is read once."""
    relay, hint = await relay_of(live, kube)
    async with live_cluster(kube, relay, settings_of(live, hint), shared=shared) as cluster:
        yield cluster


async def relay_of(live: Live, kube: Kube) -> tuple[Relay | None, str]:
    """The relay that was named, else the usual one; and what to try when the usual one is not there.

    A cluster that the settings name has its own relay or none: the usual address may lead to another cluster's.
    """
    await asyncio.to_thread(import_module, "sensors.access.relay.client")  # gRPC: a tenth of a second, beside the loop
    from sensors.access.relay import Relay

    if live.cluster and not _is_named(live) and not is_in_cluster(kube):
        return None, ""
    config = _relay_config(live)
    if _is_named(live) or not is_in_cluster(kube):
        return Relay(config), "" if _is_named(live) else HOW_TO_REACH
    return Relay(_relay_config(live, server=IN_CLUSTER_RELAY_TLS if config.tls else IN_CLUSTER_RELAY)), ""


def _relay_config(live: Live, **changed: Any) -> RelayConfig:
    """Settings of the relay. Raises `UsageMistake`."""
    try:
        return relay_config(live.environ, **{**_flags(live), **changed})
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
    """Checks whether we are a pod that talks to its own cluster."""
    return kube.place.name == "the pod's ServiceAccount"


def settings_of(live: Live, hint: str = "") -> LiveSettings:
    usual = live.environ.get(PROBE_NAMESPACE_VARIABLE, "").strip() or PROBE_NAMESPACE
    return LiveSettings(
        live.probe_namespace or usual,
        live.exec_in_target,
        live.exec_in_agents,
        hint,
        probe_tls_of(live),
        probe_port_of(live),
        live.cluster,
    )


def probe_port_of(live: Live) -> int:
    """Port of the probes' servers: the chart's `probe.port`. Raises `UsageMistake`."""
    said = live.environ.get(PROBE_PORT_VARIABLE, "").strip() or str(PROBE_PORT)
    if not (said.isascii() and said.isdigit() and 0 < int(said) < 65536):
        raise UsageMistake(f"{PROBE_PORT_VARIABLE} should be a port such as {PROBE_PORT}, not {said[:20]!r}")
    return int(said)


def probe_tls_of(live: Live) -> Path | None:
    """The folder with our certificate for the probes: where KAI_PROBE_TLS says, or the chart's own place."""
    said = live.environ.get(PROBE_TLS_VARIABLE, "").strip()
    return Path(said) if said else PROBE_TLS if PROBE_TLS.is_dir() else None
