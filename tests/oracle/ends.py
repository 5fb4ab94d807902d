"""Who talks in a test, in the words of the table of documented verdicts."""

from __future__ import annotations

from dataclasses import replace

from lab.oracle import End, OracleNetwork


def end(network: OracleNetwork, text: str) -> End:
    """`namespace/pod`, an address, `entity:host+kube-apiserver` or `name:api.example.com`."""
    if text.startswith("entity:"):
        return End(words=frozenset(text.removeprefix("entity:").split("+")), names=())
    if text.startswith("name:"):
        return End(ip="203.0.113.77", words=frozenset({"world"}), names=(text.removeprefix("name:"),))
    if "/" in text:
        namespace, name = text.split("/")
        return replace(network.pods[namespace, name])
    return End(ip=text, words=frozenset({"world"}))


def packet(text: str) -> tuple[str, int | None]:
    """`TCP 80`, or `TCP` where the port is not known."""
    protocol, _, number = text.partition(" ")
    return protocol, int(number) if number else None
