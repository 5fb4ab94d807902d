"""Writes objects as the API server does: who changed what and when, which number, and nothing at all in a dry run."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.cluster.agenda import Agenda
from lab.cluster.refusal import StatusRefusal, bad_request, conflict, exists, not_found
from lab.cluster.resources import Resource
from lab.cluster.shift import stamp_of
from lab.cluster.store import ObjectStore, Thing
from lab.cluster.validation import admitted

SERVER_METADATA = ("uid", "creationTimestamp", "generation", "managedFields", "selfLink", "deletionTimestamp")
"""Metadata that only the server writes; what a client says about it is passed over."""


@dataclass(frozen=True, slots=True)
class FieldManager:
    """The manager of a change, and whether it is only to be tried (`dryRun=All`)."""

    manager: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Pen:
    store: ObjectStore
    agenda: Agenda

    def create(self, resource: Resource, namespace: str, body: Mapping[str, Any], writer: FieldManager) -> Thing:
        thing = _placed(resource, namespace, body)
        meta = thing["metadata"]
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = f"{meta['generateName']}{uuid.uuid4().hex[:5]}"
        if not meta.get("name"):
            raise StatusRefusal(422, "Invalid", f"{resource.kind} is invalid: metadata.name: Required value")
        if self.store.get(resource, namespace, meta["name"]) is not None:
            raise exists(resource, meta["name"])
        if meta.get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        for key in SERVER_METADATA:
            meta.pop(key, None)
        stored = admitted(resource, thing)
        fresh: dict[str, Any] = {"uid": str(uuid.uuid4()), "creationTimestamp": stamp_of(self.agenda.now)}
        fresh |= {"generation": 1} if resource.counts_changes else {}
        stored["metadata"] = {**stored["metadata"], **fresh}
        stored = self._signed(resource, {}, stored, writer)
        return stored if writer.dry_run else self.store.put(resource, stored)

    def change(self, resource: Resource, before: Thing, wanted: Mapping[str, Any], writer: FieldManager) -> Thing:
        """`wanted` in the place of `before`; the number that it carries must be the present one (409)."""
        name = before["metadata"]["name"]
        meta = self._metadata(resource, before, wanted)
        said = str(meta.get("resourceVersion") or "")
        if said and said != before["metadata"].get("resourceVersion"):
            raise conflict(resource, name)
        head = {"apiVersion": resource.api, "kind": resource.kind}
        status = {"status": before["status"]} if "status" in before else {}
        rest = {key: value for key, value in wanted.items() if key not in ("apiVersion", "kind", "status", "metadata")}
        after = admitted(resource, {**head, "metadata": meta, **rest, **status}, before)
        if _same(before, after):
            return before
        if resource.counts_changes and after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] = int(before["metadata"].get("generation") or 1) + 1
        after = self._signed(resource, before, after, writer)
        return after if writer.dry_run else self.store.put(resource, after)

    def delete(
        self, resource: Resource, before: Thing, options: Mapping[str, Any], writer: FieldManager
    ) -> dict[str, Any]:
        meta, asked = before["metadata"], options.get("preconditions") or {}
        for key, words in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            if asked.get(key) and asked[key] != meta.get(key):
                why = f"the {words} in the precondition ({asked[key]}) does not match the {words} in record "
                raise conflict(resource, meta["name"], f"Precondition failed: {why}({meta.get(key)})")
        if not writer.dry_run:
            self.store.remove(resource, before)
        details = {"name": meta["name"], "group": resource.group, "kind": resource.plural, "uid": meta.get("uid", "")}
        details = {key: value for key, value in details.items() if value}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def set_status(self, resource: Resource, before: Thing, status: Mapping[str, Any], manager: str) -> Thing:
        """Writes the status, as controllers do."""
        after = self._signed(resource, before, {**before, "status": dict(status)}, FieldManager(manager))
        return self.store.put(resource, after)

    def _metadata(self, resource: Resource, before: Thing, wanted: Mapping[str, Any]) -> dict[str, Any]:
        meta = wanted.get("metadata")
        if not isinstance(meta, Mapping):
            raise bad_request("metadata is missing")
        for key in ("name", "namespace"):
            if (meta.get(key) or "") != (before["metadata"].get(key) or ""):
                here = before["metadata"].get(key) or ""
                raise bad_request(
                    f"the {key} of the object ({meta.get(key)}) does not match the {key} on the URL ({here})"
                )
        if meta.get("uid") not in (None, "", before["metadata"].get("uid")):
            raise conflict(
                resource, before["metadata"]["name"], f"Precondition failed: UID in precondition: {meta['uid']}"
            )
        for key, value in (("apiVersion", resource.api), ("kind", resource.kind)):
            if wanted.get(key, value) != value:
                raise bad_request(f"the {key} in the data ({wanted[key]}) does not match the expected {key} ({value})")
        kept = {key: before["metadata"][key] for key in SERVER_METADATA if key in before["metadata"]}
        return {**{key: value for key, value in meta.items() if key not in SERVER_METADATA}, **kept}

    def _signed(self, resource: Resource, before: Mapping[str, Any], after: Thing, writer: FieldManager) -> Thing:
        """The manager's entry in managedFields, with the fields that changed now."""
        changed = _changed(before, after)
        entry = {
            "manager": writer.manager,
            "operation": "Update",
            "apiVersion": resource.api,
            "time": stamp_of(self.agenda.now),
            "fieldsType": "FieldsV1",
            "fieldsV1": changed,
        }
        old = after["metadata"].get("managedFields") or []
        others = [each for each in old if (each.get("manager"), each.get("operation")) != (writer.manager, "Update")]
        mine = [each for each in old if each not in others and "subresource" not in each]
        others += [each for each in old if each not in others and "subresource" in each]
        for each in mine:
            entry["fieldsV1"] = _joined(each.get("fieldsV1") or {}, changed)
        return {**after, "metadata": {**after["metadata"], "managedFields": [*others, entry]}}


def _placed(resource: Resource, namespace: str, body: Mapping[str, Any]) -> Thing:
    for key, value in (("apiVersion", resource.api), ("kind", resource.kind)):
        if body.get(key, value) != value:
            raise bad_request(f"the {key} in the data ({body[key]}) does not match the expected {key} ({value})")
    meta = body.get("metadata")
    if not isinstance(meta, Mapping):
        raise bad_request("metadata is missing")
    if meta.get("namespace") and meta["namespace"] != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    space = {"namespace": namespace} if namespace else {}
    return {**body, "apiVersion": resource.api, "kind": resource.kind, "metadata": {**meta, **space}}


def _same(before: Thing, after: Thing) -> bool:
    numberless = {key: value for key, value in after["metadata"].items() if key != "resourceVersion"}
    known = {key: value for key, value in before["metadata"].items() if key != "resourceVersion"}
    return {**after, "metadata": known} == {**before, "metadata": known} and numberless == known


def _changed(before: Any, after: Any) -> dict[str, Any]:
    """Changed fields as FieldsV1: mappings by key, lists as a whole."""
    found: dict[str, Any] = {}
    for key, value in after.items():
        if key in ("apiVersion", "kind", "managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"):
            continue
        old = before.get(key) if isinstance(before, Mapping) else None
        if value == old:
            continue
        inner = _changed(old, value) if isinstance(value, Mapping) else {}
        if inner or not (isinstance(value, Mapping) and isinstance(old, Mapping)):
            found[f"f:{key}"] = inner
    return found


def _joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {**one}
    for key, value in other.items():
        both[key] = _joined(both.get(key) or {}, value)
    return both


def the(store: ObjectStore, resource: Resource, namespace: str, name: str) -> Thing:
    """The object, or 404."""
    found = store.get(resource, namespace, name)
    if found is None:
        raise not_found(resource, name)
    return found
