"""Label selectors, addresses and ports, each answered for one packet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from lab.oracle.ends import CannotTell, End

Json = Mapping[str, Any]


def selects(selector: Json, labels: Mapping[str, str]) -> bool:
    """LabelSelector of the Kubernetes API: all of it must hold; an empty one selects everything."""
    pairs = (selector.get("matchLabels") or {}).items()
    return all(labels.get(key) == value for key, value in pairs) and all(
        _holds(each, labels) for each in selector.get("matchExpressions") or ()
    )


def _holds(expression: Json, labels: Mapping[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or ()
    match operator:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise CannotTell(f"operator {operator}")


def in_identity(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels without those that Cilium leaves out of identities by default (`pkg/labelsfilter/filter.go`)."""
    return {key: value for key, value in labels.items() if not _LEFT_OUT.match(key)}


_LEFT_OUT = re.compile(
    r"io\.kubernetes|kubernetes\.io|statefulset\.kubernetes\.io/pod-name|apps\.kubernetes\.io/pod-index"
    r"|batch\.kubernetes\.io/job-completion-index|.*beta\.kubernetes\.io|k8s\.io|pod-template-(generation|hash)"
    r"|controller-revision-hash|annotation|controller-uid|etcd_node"
)


def inside(ip: str, cidr: str, excepts: Iterable[str] = ()) -> bool:
    """Checks whether an address lies in a block and in none of its exceptions."""
    if not ip:
        raise CannotTell("an address that is not known")
    address = ip_address(ip)
    return _within(address, cidr) and not any(_within(address, each) for each in excepts)


def _within(address: Any, cidr: str) -> bool:
    network = ip_network(cidr, strict=False)
    return bool(address.version == network.version and address in network)


def port_fits(said: Any, last: Any, protocols: Iterable[str], there: End, protocol: str, port: int | None) -> bool:
    """True if one entry of a rule's ports holds; `said` None or "0" is every port, a name is the receiver's own."""
    if protocol not in protocols:
        return False
    if said in (None, "0", 0):
        return True
    if port is None:
        raise CannotTell("a port that is not known")
    if isinstance(said, str) and not said.isdigit():
        return there.ports.get((said, protocol)) == port
    return int(said) <= port <= int(last or said)
