"""Reads the reviews that kubectl sends as protobuf (`auth can-i`, `auth whoami`); everything else it sends as JSON.

The envelope is `k8s\\0` and a runtime.Unknown. Field numbers: Kubernetes `staging/src/k8s.io/apimachinery/pkg/runtime/
generated.proto` and `api/{authorization,authentication}/v1/generated.proto`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MAGIC = b"k8s\x00"
MEDIA = "application/vnd.kubernetes.protobuf"
RAW, SPEC = 2, 2
RESOURCE = {1: "namespace", 2: "verb", 3: "group", 4: "version", 5: "resource", 6: "subresource", 7: "name"}
NON_RESOURCE_FIELDS = {1: "path", 2: "verb"}


def review(body: bytes) -> dict[str, Any]:
    """The spec of a (Self)SubjectAccessReview, or an empty one of a SelfSubjectReview. Raises `ValueError`."""
    if not body.startswith(MAGIC):
        raise ValueError("no protobuf of Kubernetes")
    raw = dict(_fields(body[len(MAGIC) :])).get(RAW, b"")
    spec: dict[str, Any] = {}
    for number, value in _fields(dict(_fields(raw)).get(SPEC, b"")):
        if number in (1, 2):
            key, names = (
                ("resourceAttributes", RESOURCE) if number == 1 else ("nonResourceAttributes", NON_RESOURCE_FIELDS)
            )
            spec[key] = {names[each]: text.decode() for each, text in _fields(value) if each in names and text}
        elif number == 3:
            spec["user"] = value.decode()
        elif number == 4:
            spec.setdefault("groups", []).append(value.decode())
    return {"spec": spec}


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a message; whole numbers are passed over, other wire types are none of ours."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        size, place = _varint(data, place)
        if key & 7 == 2:
            if place + size > len(data):
                raise ValueError("the message breaks off")
            yield key >> 3, data[place : place + size]
            place += size
        elif key & 7:
            raise ValueError(f"wire type {key & 7} in a review")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while place < len(data) and shift < 64:
        byte = data[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not byte & 0x80:
            return number, place
    raise ValueError("the message breaks off")
