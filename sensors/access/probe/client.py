"""Builds the request to the probe on a pod's node, and reads its answer: plain values, no cluster needed.

The document on the wire is described in docs/probe.md. The answer comes from a node and is untrusted: whatever is not
what it should be is left out and named in `errors`, and an answer that is none at all is `Blind`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, ip_address
from typing import Any, TypeVar

from sensors.kit.cluster import Connect, Dial, DnsLookup, PathMtu
from sensors.kit.model import Blind

PROTOCOL_VERSION = 2
PROGRAM = "kai-probe"
MAX_ANSWER = 4 * 1024 * 1024
MOST_TEXTS, MOST_ROWS = 256, 2048
"""Of one table: far more than any question can bring."""

RESULTS = frozenset({"open", "refused", "timeout", "unreachable", "reset", "sent"})

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """One question to the probe. `allow` (addresses and CIDRs) is all that it may send to beside the pod's resolver.

    `files` and `node_files` carry the names of the case folder (`net/snmp`, `links.json`, `nf_conntrack_count`, …);
    `lookups` are (name, A or AAAA), `path_mtu` addresses. The budget is wall time in the
    probe; the caller's own limit must leave a second more for the way there and back.
    """

    pod_uid: str | None = None
    files: tuple[str, ...] = ()
    lookups: tuple[tuple[str, str], ...] = ()
    connects: tuple[Dial, ...] = ()
    path_mtu: tuple[str, ...] = ()
    node_files: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    budget_ms: int = 8000
    max_targets: int = 16

    def to_json(self) -> str:
        """The request document, without spaces: it travels as one argument."""
        document: dict[str, Any] = {"version": PROTOCOL_VERSION, "pod_uid": self.pod_uid}
        document |= {"files": self.files, "node_files": self.node_files, "path_mtu": self.path_mtu}
        document |= {"lookups": [{"name": name, "qtype": qtype} for name, qtype in self.lookups]}
        document |= {"connects": [{k: v for k, v in each._asdict().items() if v} for each in self.connects]}
        document |= {"allow": {"addresses": self.allow}}
        document |= {"budget_ms": self.budget_ms, "max_targets": self.max_targets}
        return json.dumps({key: value for key, value in document.items() if value is not None}, separators=(",", ":"))


def build_command(request: ProbeRequest) -> list[str]:
    """The argument list to run in the probe's pod: never a shell, always the same program."""
    return [PROGRAM, request.to_json()]


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """Answer of the probe. `errors` says of each thing asked for and missing why it is missing, under `table/name`
    (`pod_files/net/tcp`, `connects/10.0.0.1:80`, `connects/10.0.0.1:514/udp`, `lookups/kubernetes/A`,
    `path_mtu/10.0.0.1`, `node_files/dmesg`).

    `pid` is the process whose network was read and `how` it was found; `host_network` is None where it could not be
    told. `truncated` names texts of which only the beginning is here.
    """

    pid: int | None = None
    how: str | None = None
    host_network: bool | None = None
    pod_files: Mapping[str, str] = field(default_factory=dict)
    node_files: Mapping[str, str] = field(default_factory=dict)
    lookups: tuple[DnsLookup, ...] = ()
    connects: tuple[Connect, ...] = ()
    path_mtu: tuple[PathMtu, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    truncated: Mapping[str, str] = field(default_factory=dict)
    took_ms: float | None = None

    def pod_file(self, name: str) -> str:
        """One text of the pod. Raises `Blind` with the probe's reason."""
        return self._file("pod_files", self.pod_files, name)

    def node_file(self, name: str) -> str:
        """One text of the node. Raises `Blind` with the probe's reason."""
        return self._file("node_files", self.node_files, name)

    def _file(self, table: str, files: Mapping[str, str], name: str) -> str:
        if name in files:
            return files[name]
        raise Blind(f"{name}: {self.errors.get(f'{table}/{name}', 'the probe was not asked for it')}")


def parse_answer(raw: bytes, asked: ProbeRequest | None = None) -> ProbeAnswer:
    """The probe's answer as values. Raises `Blind` with one sentence where it is not an answer.

    With `asked` nothing is taken that was not asked for: a node that is not its own master can say what it likes
    about itself, and nothing else.
    """
    found = _parsed(raw)
    return found if asked is None else _as_asked(found, asked)


def _as_asked(found: ProbeAnswer, asked: ProbeRequest) -> ProbeAnswer:
    names = {name.rstrip(".").lower() for name in (*(n for n, _ in asked.lookups), *(d.host for d in asked.connects))}
    peers = {(as_spoken(each.host), each.port, each.protocol) for each in asked.connects}
    ends = set(map(as_spoken, asked.path_mtu))
    return replace(
        found,
        pod_files={name: each for name, each in found.pod_files.items() if name in asked.files},
        node_files={name: each for name, each in found.node_files.items() if name in asked.node_files},
        lookups=tuple(each for each in found.lookups if _is_one_of(each.name.lower(), names)),
        connects=tuple(each for each in found.connects if (each.host, each.port, each.protocol) in peers),
        path_mtu=tuple(each for each in found.path_mtu if each.destination in ends),
    )


def as_spoken(host: str) -> str:
    """A host as the probe repeats it: addresses in their shortest form, IPv4 in IPv6 clothes as IPv4."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str((isinstance(address, IPv6Address) and address.ipv4_mapped) or address)


def _is_one_of(name: str, asked: Set[str]) -> bool:
    """A name that was asked, itself or with a search domain behind it."""
    labels = name.rstrip(".").split(".")
    return any(".".join(labels[:end]) in asked for end in range(1, len(labels) + 1))


def _parsed(raw: bytes) -> ProbeAnswer:
    said = _document(raw)
    if isinstance(said.get("error"), str):
        raise Blind(f"the probe refused the request: {_line(said['error'])}")
    if said.get("version") != PROTOCOL_VERSION:
        raise Blind(
            f"the probe speaks version {_line(said.get('version'))}, "
            f"KAI speaks {PROTOCOL_VERSION}: upgrade the older one"
        )
    unread: dict[str, str] = {}
    return ProbeAnswer(
        pid=_as(int, said.get("pid")),
        how=_as(str, said.get("how")),
        host_network=_as(bool, said.get("host_network")),
        pod_files=_texts(said.get("pod_files")),
        node_files=_texts(said.get("node_files")),
        lookups=_rows("lookups", said.get("lookups"), lookup, unread),
        connects=_rows("connects", said.get("connects"), connect, unread),
        path_mtu=_rows("path_mtu", said.get("path_mtu"), path_mtu, unread),
        errors=_texts(said.get("errors")) | unread,
        truncated=_texts(said.get("truncated")),
        took_ms=_milliseconds(said.get("took_ms")),
    )


def _document(raw: bytes) -> Mapping[str, Any]:
    """The last line that is a JSON object: a container's start-up words may stand before it."""
    if len(raw) > MAX_ANSWER:
        raise Blind(f"the probe's answer is larger than {MAX_ANSWER} bytes")
    lines = [line for line in raw.decode(errors="replace").splitlines() if line.lstrip().startswith("{")]
    for line in reversed(lines):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and ("version" in found or "error" in found):
            return found
    if lines:
        raise Blind(f"the probe's answer breaks off or is garbled ({len(raw)} bytes)")
    raise Blind(f"the probe gave no answer: {_line(raw.decode(errors='replace')) or 'nothing on standard output'}")


def _line(value: object) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in str(value)).split())[:200]


Kind = TypeVar("Kind")


def _as(kind: type[Kind], value: object) -> Kind | None:
    is_kind = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    return value if is_kind else None  # type: ignore[return-value]


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    texts = {key: each for key, each in value.items() if isinstance(each, str)}
    return dict(list(texts.items())[:MOST_TEXTS])


def _rows(
    table: str, value: object, read: Callable[[Mapping[str, Any]], Row], unread: dict[str, str]
) -> tuple[Row, ...]:
    found: list[Row] = []
    wrong = 0
    for each in value[:MOST_ROWS] if isinstance(value, list) else ():
        try:
            found.append(read(each))
        except (KeyError, TypeError, ValueError, AttributeError):
            wrong += 1
    if wrong or not isinstance(value, list):
        rows = "1 row" if wrong == 1 else f"{wrong} rows"
        unread[table] = f"{rows} of the probe's answer could not be understood" if wrong else "missing"
    return tuple(found)


# -- rows: the same shapes as dns.json, connect.json and pmtu.json of a case folder ------------------------------------


def lookup(row: Mapping[str, Any]) -> DnsLookup:
    """One question on the wire. Raises `ValueError` or `KeyError` where it has neither an answer nor an error."""
    rcode, error = _as(str, row.get("rcode")), _as(str, row.get("error"))
    if rcode is None and error is None:
        raise ValueError("neither an answer nor an error")
    name, qtype, server = (_text(row[key]) for key in ("name", "qtype", "server"))
    return DnsLookup(name, qtype, server, rcode, error, _strings(row.get("addresses")), _milliseconds(row.get("ms")))


def connect(row: Mapping[str, Any]) -> Connect:
    """One connection. Raises `ValueError` or `KeyError` on a result that is none of the six."""
    if row["result"] not in RESULTS or (row["result"] == "sent" and row.get("protocol") != "udp"):
        raise ValueError("not a result")
    return Connect(
        host=_text(row["host"]),
        port=_number(row["port"]),
        protocol=_text(row["protocol"]),
        result=row["result"],
        errno=_as(str, row.get("errno")),
        address=_as(str, row.get("address")),
        ms=_milliseconds(row.get("ms")),
        ask=_as(str, row.get("ask")),
    )


def path_mtu(row: Mapping[str, Any]) -> PathMtu:
    """One path. Raises `ValueError` or `KeyError` where it has neither a size nor an error."""
    mtu, error = _as(int, row.get("mtu")), _as(str, row.get("error"))
    if mtu is None and error is None:
        raise ValueError("neither a size nor an error")
    return PathMtu(
        destination=_text(row["destination"]),
        mtu=mtu,
        error=error,
        method=_as(str, row.get("method")),
        route_mtu=_as(int, row.get("route_mtu")),
        unanswered=tuple(_number(each) for each in row.get("unanswered") or ()),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def _number(value: object) -> int:
    if (number := _as(int, value)) is None:
        raise ValueError("not a number")
    return number


def _strings(value: object) -> tuple[str, ...]:
    listed: Iterable[object] = value if isinstance(value, list) else ()
    return tuple(each for each in listed if isinstance(each, str))


def _milliseconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
