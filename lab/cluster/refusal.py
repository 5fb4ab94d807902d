"""Refusals of an API server: Status objects in Kubernetes' own wording.

Sources: apimachinery `pkg/api/errors/errors.go`, apiserver `pkg/endpoints/handlers/responsewriters/errors.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab.cluster.resources import Resource

Json = Mapping[str, Any]


class StatusRefusal(Exception):
    """A request that was not granted, as its Status object."""

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            **({"details": dict(details)} if details is not None else {}),
            "code": code,
        }


def _about(resource: Resource, name: str = "") -> dict[str, Any]:
    said = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in said.items() if value}


def unauthorized() -> StatusRefusal:
    return StatusRefusal(401, "Unauthorized", "Unauthorized")


def not_found(resource: Resource, name: str) -> StatusRefusal:
    return StatusRefusal(404, "NotFound", f'{resource.qualified} "{name}" not found', _about(resource, name))


def no_such_path() -> StatusRefusal:
    return StatusRefusal(404, "NotFound", "the server could not find the requested resource", {})


def exists(resource: Resource, name: str) -> StatusRefusal:
    message = f'{resource.qualified} "{name}" already exists'
    return StatusRefusal(409, "AlreadyExists", message, _about(resource, name))


def conflict(resource: Resource, name: str, why: str = "") -> StatusRefusal:
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return StatusRefusal(409, "Conflict", message, _about(resource, name))


def bad_request(message: str) -> StatusRefusal:
    return StatusRefusal(400, "BadRequest", message)


def unprocessable() -> StatusRefusal:
    """A JSON patch that does not fit, a failed `test` among them. The server does not say which operation."""
    return StatusRefusal(422, "Invalid", "the server rejected our request due to an error in our request", {})


def unsupported(types: Sequence[str]) -> StatusRefusal:
    listed = ", ".join(types)
    message = f"the body of the request was in an unknown format - accepted media types include: {listed}"
    return StatusRefusal(415, "UnsupportedMediaType", message)


def method_not_allowed() -> StatusRefusal:
    return StatusRefusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def expired() -> StatusRefusal:
    return StatusRefusal(410, "Expired", "too old resource version")


def not_recorded(what: str) -> StatusRefusal:
    """The lab's own no: it does not make up what nobody recorded."""
    return StatusRefusal(503, "ServiceUnavailable", f"{what} not in this lab's recording")


def invalid(resource: Resource, name: str, faults: Sequence[tuple[str, str, str]]) -> StatusRefusal:
    """`faults` are (field, message, reason), as `field.Error` prints them."""
    lines = [f"{field}: {message}" for field, message, _ in faults]
    said = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    causes = [{"reason": reason, "message": message, "field": field} for field, message, reason in faults]
    details = {"name": name, "group": resource.group, "kind": resource.kind, "causes": causes}
    details = {key: value for key, value in details.items() if value}
    return StatusRefusal(422, "Invalid", f'{kind} "{name}" is invalid: {said}', details)


def forbidden(user: str, verb: str, group: str, resource: str, namespace: str, name: str) -> StatusRefusal:
    """`resource` with its subresource: `pods/exec`."""
    plain = resource.partition("/")[0]
    subject = f"{plain}.{group}" if group else plain
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    message = (
        f'{subject}{f" {chr(34)}{name}{chr(34)}" if name else ""} is forbidden: User "{user}" cannot {verb} '
        f'resource "{resource}" in API group "{group}" {where}'
    )
    details = {key: value for key, value in {"name": name, "group": group, "kind": plain}.items() if value}
    return StatusRefusal(403, "Forbidden", message, details)


def forbidden_path(user: str, verb: str, path: str) -> StatusRefusal:
    return StatusRefusal(403, "Forbidden", f'forbidden: User "{user}" cannot {verb} path "{path}"', {})
