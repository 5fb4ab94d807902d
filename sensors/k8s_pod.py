"""What Kubernetes and the pod itself say about the pod that cannot talk: phase, containers, events, errors in its log.

Reads    Pod, ReplicaSets (for the workload), its Namespace, Events about it, the last log lines of its containers.
Touches  nothing.
Blind    when pods cannot be read; everything else it lacks is named in `unread`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sensors.kit.events import EventFact
from sensors.kit.objects import Condition, Ref


@dataclass(frozen=True, slots=True)
class DeclaredPort:
    """A `containerPort`: what the author says the container listens on; nothing enforces it."""

    name: str
    port: int
    protocol: str


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """One container. `state` is running, waiting, terminated or unknown; `exit_code` is that of the last end seen."""

    name: str
    init: bool
    image: str
    ready: bool
    restarts: int
    state: str
    waiting_reason: str
    waiting_message: str
    last_terminated_reason: str
    last_terminated_at: datetime | None
    exit_code: int | None
    ports: tuple[DeclaredPort, ...]


class LogTrouble(StrEnum):
    """What kind of failure a log line tells of."""

    RESOLVE = "resolve"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    RESET = "reset"
    TLS = "tls"
    HTTP = "http"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class LogError:
    """A kind of error line in the target's log: its newest text (redacted), how often, and what the line names.

    `code` is the HTTP status of an `http` line or curl's exit code; `host` and `port` are where the line says it
    wanted to go; `time` is the line's own timestamp.
    """

    container: str
    trouble: LogTrouble
    text: str
    count: int
    code: int | None = None
    host: str = ""
    port: int | None = None
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class PodFacts:
    """The pod at the time of the investigation.

    `age_s` in seconds; `namespace_labels` is None where namespaces could not be read; `scheduling` is the scheduler's
    complaint about an unscheduled pod; `log_errors` up to eight kinds of error line, most frequent first; `log_hosts`
    the hosts its log names; `log_last` the newest line per container; `unread` says what could not be read and why.
    """

    pod: str
    namespace: str
    phase: str
    node: str
    ips: tuple[str, ...]
    host_network: bool
    dns_policy: str
    dns_nameservers: tuple[str, ...]
    dns_searches: tuple[str, ...]
    dns_options: tuple[tuple[str, str], ...]
    labels: Mapping[str, str]
    namespace_labels: Mapping[str, str] | None
    service_account: str
    workload: Ref | None
    created: datetime | None
    age_s: float | None
    ready: bool | None
    containers: tuple[ContainerFacts, ...]
    conditions: tuple[Condition, ...]
    scheduling: str
    deleting_since: datetime | None
    events: tuple[EventFact, ...]
    log_errors: tuple[LogError, ...]
    log_hosts: tuple[str, ...]
    log_last: tuple[tuple[str, str], ...]
    unread: tuple[str, ...]

    @property
    def restarts(self) -> int:
        return sum(each.restarts for each in self.containers)

    def summary(self) -> str:
        parts = [f"{self.namespace}/{self.pod} {self._state()}"]
        parts += [f"on {self.node}"] if self.node else []
        parts += [f"{self.restarts} restarts"] if self.restarts else []
        parts += [f'log: "{self.log_errors[0].text}" ({self.log_errors[0].count} times)'] if self.log_errors else []
        return ", ".join(parts)

    def _state(self) -> str:
        waiting = next((each.waiting_reason for each in self.containers if each.waiting_reason), "")
        if self.deleting_since:
            return "is being deleted"
        ready = "ready" if self.ready else f"not ready {waiting}".rstrip()
        return f"is {self.phase or 'in an unknown phase'}, {ready}"
