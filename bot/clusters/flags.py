"""The options of `Live`: kubectl's and hubble's, under their own names. Light, for --help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from bot.lazy import option

F = TypeVar("F", bound=Callable[..., Any])

PROBE_NAMESPACE = "kai-probe"

OPTIONS = (
    option("--cluster", metavar="NAME", default="", help="A cluster of the settings (clusters:)."),
    option("--context", metavar="NAME", help="The kubeconfig's context to use."),
    option("--kubeconfig", metavar="FILE", help="The kubeconfig to use; default as kubectl."),
    option("--server", metavar="HOST:PORT", help="hubble-relay (or HUBBLE_SERVER, KAI_HUBBLE_ADDR)."),
    option("--tls", is_flag=True, default=None, help="Speak TLS to the relay (HUBBLE_TLS)."),
    option("--tls-ca-cert-files", multiple=True, metavar="FILE", help="Authorities of the relay's certificate."),
    option("--tls-client-cert-file", metavar="FILE", help="Our certificate, where the relay asks for one."),
    option("--tls-client-key-file", metavar="FILE", help="The key to it."),
    option("--tls-server-name", metavar="NAME", help="The name that the relay's certificate has."),
    option("--tls-allow-insecure", is_flag=True, default=None, help="Take any certificate of the relay."),
    option("--probe-namespace", metavar="NS", help=f"Where kai-probe runs; default {PROBE_NAMESPACE}."),
    option(
        "--exec-in-target/--no-exec-in-target",
        default=True,
        help="Without a probe, read /proc/net in the pod's own container (default: yes).",
    ),
    option("--exec-in-agents", is_flag=True, help="Let Cilium's agents tell of themselves (pods/exec there)."),
)


def live_options(command: F) -> F:
    """kubectl's and hubble's options, under their own names."""
    for each in reversed(OPTIONS):
        command = each(command)
    return command
