"""Address of the relay and the way to speak to it, in the words of the hubble command line and its environment.

The same `HUBBLE_*` variables that make `hubble observe` work make us work, and `hubble`'s own defaults hold, with one
exception: over TLS, where no server name is said, we expect the one that Cilium's charts put into the relay's
certificate, as practically nobody reaches a relay under a name that its certificate has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

DEFAULT_SERVER = "localhost:4245"
DEFAULT_SERVER_NAME = "ui.hubble-relay.cilium.io"  # hubble.relay.tls.server.relayName of the Helm chart

VARIABLES = {
    "server": ("HUBBLE_SERVER", "KAI_HUBBLE_ADDR"),
    "tls": ("HUBBLE_TLS",),
    "ca_files": ("HUBBLE_TLS_CA_CERT_FILES",),
    "cert_file": ("HUBBLE_TLS_CLIENT_CERT_FILE",),
    "key_file": ("HUBBLE_TLS_CLIENT_KEY_FILE",),
    "server_name": ("HUBBLE_TLS_SERVER_NAME",),
    "allow_insecure": ("HUBBLE_TLS_ALLOW_INSECURE",),
}
YES, NO = frozenset({"1", "t", "true", "yes", "on"}), frozenset({"", "0", "f", "false", "no", "off"})


class BadRelayConfig(ValueError):
    """The relay's address or its TLS settings make no sense. The message is one line and names the setting."""


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """Settings to reach Hubble. Fields are hubble's flags: `--server`, `--tls`, `--tls-ca-cert-files`, …

    server         HOST:PORT, or `unix:///path` for an agent's own socket; `tls://` in front switches TLS on.
    ca_files       PEM files of the authorities that may have signed the server's certificate; none = the public ones.
    server_name    the name its certificate must have; empty = the one Cilium's charts give it.
    allow_insecure take whatever certificate the server shows at that moment (names and authorities go unchecked).
    """

    server: str = DEFAULT_SERVER
    tls: bool = False
    ca_files: tuple[str, ...] = ()
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    allow_insecure: bool = False

    def __post_init__(self) -> None:
        if self.server.startswith("tls://"):
            object.__setattr__(self, "server", self.server.removeprefix("tls://"))
            object.__setattr__(self, "tls", True)
        if not self.is_local:
            _check_address(self.server)
        if bool(self.cert_file) != bool(self.key_file):
            raise BadRelayConfig("a client certificate and its key go together: --tls-client-cert-file, …-key-file")

    @property
    def is_local(self) -> bool:
        """A unix socket: no name to look up, no TLS."""
        return self.server.startswith("unix:")

    @property
    def host(self) -> str:
        return self.server.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.server.rpartition(":")[2])

    @property
    def expected_name(self) -> str:
        """The name that the server's certificate must have."""
        return self.server_name or DEFAULT_SERVER_NAME


def relay_config(environ: Mapping[str, str], **flags: Any) -> RelayConfig:
    """The settings, a flag before its variable; flags that are None or empty were not given.

    Raises `BadRelayConfig`.
    """
    said = {name: _read(name, environ) for name in VARIABLES}
    given = {name: value for name, value in flags.items() if value not in (None, "", ())}
    known = {each.name for each in fields(RelayConfig)}
    told = {name: value for name, value in {**said, **given}.items() if value and name in known}
    return RelayConfig(**{"server": DEFAULT_SERVER, **told})


def _read(name: str, environ: Mapping[str, str]) -> Any:
    variable = next((each for each in VARIABLES[name] if environ.get(each, "").strip()), "")
    text = environ.get(variable, "").strip()
    if name == "ca_files":
        return tuple(each for each in re.split(r"[,\s]+", text) if each)
    return _switch(variable, text) if name in ("tls", "allow_insecure") else text


def _switch(variable: str, text: str) -> bool:
    if text.lower() not in YES | NO:
        raise BadRelayConfig(f"{variable}={text!r} is neither true nor false")
    return text.lower() in YES


def _check_address(server: str) -> None:
    host, colon, port = server.rpartition(":")
    is_port = port.isascii() and port.isdigit() and 0 < int(port) < 65536
    if not colon or not host or not is_port or any(each.isspace() or each == "/" for each in host):
        raise BadRelayConfig(
            f"hubble server {server!r} is not HOST:PORT (the Service hubble-relay listens on 80, with TLS on 443)"
        )
    if ":" in host and not host.startswith("["):
        raise BadRelayConfig(f"hubble server {server!r}: an IPv6 address goes into brackets, [{host}]:{port}")
