"""A cluster as policies see it: an indexed, immutable view of its pods, Services, nodes and policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flows.policy.model import Diff, Endpoint, Judgement, Traffic
from flows.policy.profile import Profile


class World:
    """Built once from objects of any kinds, then asked."""

    @classmethod
    def of(cls, objects: Iterable[Mapping[str, Any]], profile: Profile) -> World:
        """Index objects as the API server returns them: Lists are flattened, unknown kinds ignored, malformed
        policies kept as undecidable."""
        raise NotImplementedError

    def endpoint_of_pod(self, namespace: str, name: str) -> Endpoint | None:
        raise NotImplementedError

    def endpoint_at(self, ip: str) -> Endpoint:
        """Who has this address: a pod, a node, the API server, else the world outside."""
        raise NotImplementedError

    def with_objects(self, changed: Iterable[Mapping[str, Any]], removed: Iterable[Mapping[str, Any]] = ()) -> World:
        """The same world with objects added, replaced or removed (identified by kind, namespace and name)."""
        raise NotImplementedError

    def judge(self, traffic: Traffic) -> Judgement:
        raise NotImplementedError

    def newly_allowed(self, after: World) -> Diff:
        raise NotImplementedError
