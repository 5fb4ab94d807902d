"""The live cluster's API server, read only: lists, logs, programs in a container, and what we may do.

`connect` opens it. Every read raises `Absent` when it looked and there is nothing, and `Blind` when it could not look.
"""

from __future__ import annotations

import asyncio
import importlib
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sensors.access.kube.failure import no_right, refused, status_of
from sensors.access.kube.kubeconfig import SERVICE_ACCOUNT, BadKubeconfig, ClusterContext, find_place
from sensors.access.kube.lists import Lists
from sensors.access.kube.streams import MAX_OUTPUT, ContainerRef, ExecResult, run
from sensors.access.kube.watching import KnownObjects, ObjectChange, Watching
from sensors.access.kube.wire import ANYTHING, MIB, ApiConnection, HttpResponse, path_of
from sensors.kit.cluster import Object
from sensors.kit.kinds import Kind
from sensors.kit.model import Absent, Blind
from sensors.kit.objects import flag, one_line, text

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient

MAX_LOG = 16 * MIB


@dataclass(frozen=True, slots=True)
class Kube:
    """One API server, as one user. Make one with `connect`."""

    wire: ApiConnection
    lists: Lists

    @property
    def place(self) -> ClusterContext:
        return self.wire.place

    @property
    def namespace(self) -> str:
        """The namespace that is meant where nobody names one."""
        return self.place.namespace

    async def list(self, kind: Kind, namespace: str | None = None) -> tuple[Object, ...]:
        """Every object of a kind, in one namespace or in all, with apiVersion and kind filled in.

        `Absent`: the kind is not installed. `Blind`: no right (which one), no answer, too many.
        """
        return await self.lists.of(kind, namespace)

    def changes(self, kind: Kind, known: KnownObjects | None = None) -> AsyncGenerator[ObjectChange, None]:
        """Every change of the objects of a kind since `known`, else from now on, for ever. Raises as `list` does."""
        return Watching(self.wire, kind, known).changes()

    async def log(self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int = 500) -> str:
        """The last lines of a container's log. `Absent`: no such pod, or no run before the present one."""
        path = path_of("api", "v1", "namespaces", namespace, "pods", pod, "log")
        query = [("container", container), ("tailLines", str(lines)), *([("previous", "true")] if previous else [])]
        answer = await self.wire.ask(path, query, limit=MAX_LOG, accept=ANYTHING)
        if not answer.good:
            raise _no_log(answer, namespace, f"{namespace}/{pod} ({container})", previous)
        return "\n".join(answer.body.decode(errors="replace").splitlines()[-lines:])

    async def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        within: float = 10.0,
        limit: int = MAX_OUTPUT,
    ) -> ExecResult:
        """Run a program in a container: an argument list, no shell. `within` seconds in all, `limit` bytes of output.

        `Absent`: no such pod. `Blind`: no right, no answer, no exit code, too much output, the program is not there.
        """
        return await run(self.wire, ContainerRef(namespace, pod, container), argv, stdin, within, limit)

    async def self_subject_access_review(
        self,
        verb: str,
        resource: str,
        group: str = "",
        subresource: str = "",
        namespace: str = "",
        name: str = "",
    ) -> bool:
        """Checks whether we may do this, as the API server sees it; an empty namespace means all of them."""
        asked = {"verb": verb, "resource": resource, "group": group, "subresource": subresource}
        wanted = {key: value for key, value in {**asked, "namespace": namespace, "name": name}.items() if value}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": wanted},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = await self.wire.ask(path, method="POST", body=body)
        allowed = flag(status_of(answer.body), "status", "allowed") if answer.good else None
        if allowed is None:
            raise Blind(refused(answer.status, answer.body, "our rights could not be asked for"))
        return allowed

    async def version(self) -> str:
        """The API server's version, such as `v1.36.3`."""
        answer = await self.wire.ask("/version", limit=MIB)
        version = text(status_of(answer.body), "gitVersion") if answer.good else ""
        if not version:
            raise Blind(refused(answer.status, answer.body, "the version could not be read"))
        return one_line(version)

    async def clock_skew(self, clock: Callable[[], float] = time.time) -> float:
        """Seconds by which the API server's clock is ahead of ours (negative: behind), to about one second."""
        before = clock()
        answer = await self.wire.ask("/version", limit=MIB)
        return _skew(answer.headers, (before + clock()) / 2)


def _no_log(answer: HttpResponse, namespace: str, whose: str, previous: bool) -> Absent | Blind:
    said = one_line(text(status_of(answer.body), "message"), 200)
    if answer.status == 403:
        return Blind(no_right("get", "pods/log", namespace, answer.body))
    if answer.status == 404 or (answer.status == 400 and previous and "previous" in said):
        return Absent(f"{whose} has no such log: {said or 'not found'}")
    return Blind(refused(answer.status, answer.body, f"the log of {whose} could not be read"))


def _skew(headers: Mapping[str, str], now: float) -> float:
    """The Date header counts whole seconds: on the average half a second is missing from it."""
    try:
        return parsedate_to_datetime(headers.get("date", "")).timestamp() + 0.5 - now
    except (ValueError, TypeError):
        raise Blind("the API server does not tell its time") from None


@asynccontextmanager
async def connect(
    kubeconfig: str | Path | None = None,
    context: str | None = None,
    *,
    in_cluster: bool | None = None,
    environ: Mapping[str, str] | None = None,
    service_account: Path = SERVICE_ACCOUNT,
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncIterator[Kube]:
    """Open the API server that kubectl would talk to, and make sure that it answers and knows us.

    `in_cluster`: None looks for a kubeconfig first and takes the pod's ServiceAccount where there is none; True and
    False insist. Raises `BadKubeconfig` (nothing to connect to, no such context) or `Blind` (unreachable, certificate
    not trusted, credentials not accepted), each with one line that says what to do.
    """
    await asyncio.to_thread(importlib.import_module, "kubernetes.aio.client")  # a third of a second, beside the loop
    place = await find_place(
        kubeconfig, context, in_cluster=in_cluster, environ=environ, service_account=service_account
    )
    async with _client(place) as api:
        wire = ApiConnection(api, place, pause)
        await wire.ask("/version", limit=MIB)  # any answer but 401 will do
        yield Kube(wire, Lists(wire))


def _client(place: ClusterContext) -> ApiClient:
    from kubernetes.aio.client import ApiClient

    try:
        return ApiClient(place.configuration)
    except (OSError, ssl.SSLError) as why:
        raise BadKubeconfig(f"{place.name}: its certificates cannot be used: {one_line(str(why))}") from None
