"""A recording whose objects are read back from a real API server; everything else comes from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sensors.access.casefolder import CaseFolder
from sensors.access.kube import Kube, RememberingLists
from sensors.kit.cluster import Object
from sensors.kit.kinds import Kind


@dataclass
class LiveObjects:
    """The `Cluster` port over both worlds."""

    recorded: CaseFolder
    lists: RememberingLists

    async def objects(self, kind: Kind, namespace: str | None = None) -> tuple[Object, ...]:
        return await self.lists.objects(kind, namespace)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.recorded, name)


def live(recorded: CaseFolder, kube: Kube) -> LiveObjects:
    return LiveObjects(recorded, RememberingLists(kube.list))
