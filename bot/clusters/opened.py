"""A cluster that is open to be looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.report import Circumstances
from sensors.kit import Cluster


@dataclass(frozen=True, slots=True)
class OpenedCluster:
    """The cluster, and what a report says about it."""

    cluster: Cluster
    circumstances: Circumstances = field(default_factory=Circumstances)
