"""A cluster that is open to be looked at."""

from __future__ import annotations

from dataclasses import dataclass

from flows.model import RecordedCase
from sensors.kit import Cluster


@dataclass(frozen=True, slots=True)
class OpenedCluster:
    """The cluster, and the recording it plays where it is no living one."""

    cluster: Cluster
    recording: RecordedCase | None = None
