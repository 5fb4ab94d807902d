"""Hubble's JSON, line by line, read into the shapes of `wire`.

Two paths. The fast one is a typed decoder for what today's Hubble writes. The patient one takes everything else: other
spellings and wrappings, and lines in which one field is not what it should be, of which it keeps all the others.
The measurements behind the choice of decoder are in bench/flows.py.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from sensors.hubble.sides import Side
from sensors.hubble.wire import FlowLine, read_ends

POLICY_VERDICT_EVENT = 5
POLICY_DENIED, POLICY_DENY = 133, 181


_decode = msgspec.json.Decoder(FlowLine).decode
_decode_anything = msgspec.json.Decoder().decode
_CANNOT_READ = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)

Shape = TypeVar("Shape", bound=msgspec.Struct)


def read_line(line: bytes) -> FlowLine | None:
    """One line, in whatever form; None when it cannot be understood."""
    try:
        read = _decode(line)
        if read.flow is not None and read.flow.node_name:  # every jsonpb flow names its node, in this spelling
            read_ends(read.flow)
            return read
    except _CANNOT_READ:
        pass
    return _read_patiently(line)


def _read_patiently(line: bytes) -> FlowLine | None:
    """Other spellings, other wrappings, and lines in which a field is not what it should be: keep all the others."""
    try:
        raw = _decode_anything(line)
        if not isinstance(raw, dict):
            return None
        raw = _plain(_snake(raw))
        if _looks_like_flow(raw):
            raw = {**raw, "flow": raw}
        if "flow" in raw and not _looks_like_flow(raw["flow"]):
            return None
        read = _tolerant(FlowLine, raw)
        if read.flow is not None:
            read_ends(read.flow)
        return read
    except _CANNOT_READ:
        return None


def _plain(raw: dict[str, Any]) -> dict[str, Any]:
    """A line of another writer, in the words of Hubble's."""
    raw = raw["json_payload"] if isinstance(raw.get("json_payload"), dict) else raw  # as Cloud Logging exports it
    if isinstance(raw.get("connection"), dict) and "disposition" in raw:
        return _from_policy_log(raw)
    if isinstance(raw.get("flow"), dict):
        return {**raw, "flow": _from_go(raw["flow"])}
    return _from_go(raw)


def _from_go(flow: dict[str, Any]) -> dict[str, Any]:
    """Hubble before 0.6 printed Go's structs: an l4 in a Protocol, times as seconds."""
    l4, time = flow.get("l4"), flow.get("time")
    changed: dict[str, Any] = {}
    if isinstance(l4, dict) and isinstance(l4.get("Protocol"), dict):
        changed["l4"] = l4["Protocol"]
    if isinstance(time, dict) and isinstance(time.get("seconds"), int):
        nanos = time.get("nanos")
        seconds = time["seconds"] + (nanos / 1e9 if isinstance(nanos, int) else 0)
        changed["time"] = datetime.fromtimestamp(seconds, UTC).isoformat()
    return {**flow, **changed} if changed else flow


def _from_policy_log(raw: dict[str, Any]) -> dict[str, Any]:
    """GKE's network policy log (Dataplane V2): one line for each connection that a policy allowed or denied.

    https://cloud.google.com/kubernetes-engine/docs/how-to/network-policy-logging: policies are named where one
    allowed or denied it; a default deny names none.
    """
    link, is_denied = raw["connection"], raw["disposition"] == "deny"
    ports = {"source_port": link.get("src_port"), "destination_port": link.get("dest_port")}
    reason = POLICY_DENY if raw.get("policies") else POLICY_DENIED
    return {
        "time": raw.get("timestamp"),
        "verdict": "DROPPED" if is_denied else "FORWARDED",
        **({"drop_reason": reason} if is_denied else {}),
        "IP": {"source": link.get("src_ip"), "destination": link.get("dest_ip")},
        "l4": {str(link.get("protocol", "")).upper(): ports},
        "source": _logged_side(raw.get("src")),
        "destination": _logged_side(raw.get("dest")),
        "Type": "L3_L4",
        "node_name": raw.get("node_name"),
        "event_type": {"type": POLICY_VERDICT_EVENT},
        "traffic_direction": str(link.get("direction", "")).upper(),
        "is_reply": False,
    }


def _logged_side(side: object) -> dict[str, Any]:
    said = side if isinstance(side, dict) else {}
    return {"pod_name": said.get("pod_name"), "namespace": said.get("namespace") or said.get("pod_namespace")}


def _looks_like_flow(raw: object) -> bool:
    return isinstance(raw, dict) and ("verdict" in raw or isinstance(raw.get("IP"), dict) or "event_type" in raw)


def _snake(raw: Any) -> Any:
    """lowerCamelCase keys as the proto spells them; keys that begin with a capital (`IP`, `TCP`) are proto names."""
    if isinstance(raw, list):
        return [_snake(each) for each in raw]
    if not isinstance(raw, dict):
        return raw
    return {_snake_key(key): _snake(value) for key, value in raw.items()}


def _snake_key(key: str) -> str:
    if key == "ipVersion" or not key[:1].islower():
        return key
    return re.sub("[A-Z]", lambda capital: "_" + capital.group().lower(), key)


def _tolerant(shape: type[Shape], raw: dict[str, Any]) -> Shape:
    """A shape from its readable fields; the unreadable ones keep their defaults."""
    read = {}
    for each in msgspec.structs.fields(shape):
        value = _as(each.type, raw.get(each.encode_name))
        if value is not None:
            read[each.name] = value
    return shape(**read)


def _as(kind: Any, value: Any) -> Any:
    """`value` as `kind`, or what can be saved of it, or None."""
    if value is None:
        return None
    if kind is msgspec.Raw:  # a side of a flow, which stays text until somebody asks for it
        return None if (side := _as(Side, value)) is None else msgspec.Raw(msgspec.json.encode(side))
    try:
        return msgspec.convert(value, kind, strict=False)
    except _CANNOT_READ:
        return _saved(kind, value)


def _saved(kind: Any, value: Any) -> Any:
    """Valid part of a container in which something has the wrong type."""
    inner = get_args(kind)
    if get_origin(kind) is tuple:
        found = value if isinstance(value, list) else ()
        return tuple(saved for each in found if (saved := _as(inner[0], each)) is not None)
    if not isinstance(value, dict):
        return None
    if get_origin(kind) is dict:
        return {key: saved for key, each in value.items() if (saved := _as(inner[1], each)) is not None}
    shapes = [each for each in (kind, *inner) if isinstance(each, type) and issubclass(each, msgspec.Struct)]
    return _tolerant(shapes[0], value) if shapes else None
