"""The API server as KAI meets it: a real one behind a small proxy, or, where none is wanted, lists of a recording.

No node runs behind it, so programs and logs are answered here: by stand-in probes and agents, and from the recording.
Faults are injected by path.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from lab.cluster.certificates import Certificates
from lab.cluster.streams import not_acceptable
from sensors.access.casefolder import CaseFolder, open_case
from sensors.kit.kinds import KINDS, NODE, POD, Kind
from tests.cluster.apiserver import CORE, plural
from tests.live.probe_servers import address_of
from tests.live.probes import Probes

SUCCESS = b"\x03" + json.dumps({"metadata": {}, "status": "Success"}).encode()
JSON_ALONE = {"Accept": "application/json"}
PROBE_SPACE = "kai-probe"
AGENT_FILES = {("status", "--verbose"): "status.json", ("metrics", "list"): "metrics.txt"}

Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


@dataclass
class Front:
    """`faults` by the end of a path (`/pods`); the first that answers wins. `asked` are the paths that came in."""

    folder: Path
    case: CaseFolder
    probes: Probes
    upstream: str = ""
    ca: ssl.SSLContext | None = None
    faults: dict[str, Fault] = field(default_factory=dict)
    extra: Mapping[Kind, list[dict[str, Any]]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    rules: list[dict[str, Any]] = field(default_factory=list)
    probe_mood: str = ""
    has_cat: bool = False
    url: str = ""
    session: aiohttp.ClientSession | None = None

    @property
    def nodes(self) -> list[str]:
        return nodes_of(self.case)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        for end, fault in self.faults.items():
            if request.path.endswith(end) and (said := await fault(request)) is not None:
                return said
        if request.path.endswith("/exec"):
            return await self._exec(request)
        if request.path.endswith("/log"):
            return await self._log(request)
        return await (self._forward(request) if self.upstream else self._serve(request))

    # -- a real server behind ------------------------------------------------------------------------------------------

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        assert self.session is not None
        headers = {key: value for key, value in request.headers.items() if key.lower() in ("authorization", "accept")}
        if request.can_read_body:
            headers["Content-Type"] = request.content_type
        async with self.session.request(
            request.method,
            self.upstream + request.path_qs,
            data=await request.read() or None,
            headers=headers,
            ssl=self.ca,
        ) as got:
            body = await got.read()
            return web.Response(status=got.status, body=body, content_type=got.content_type, headers=_kept(got.headers))

    async def _may(self, request: web.Request, namespace: str, resource: str, verbs: Iterable[str]) -> bool:
        """Whether the caller may, asked of the real server in the caller's own name."""
        if not self.upstream:
            return f"{resource}" not in self.refused
        assert self.session is not None
        plain, _, sub = resource.partition("/")
        answers = []
        for verb in verbs:
            wanted = {"verb": verb, "resource": plain, "subresource": sub, "namespace": namespace}
            body = {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": wanted},
            }
            url = f"{self.upstream}/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
            headers = {"Authorization": request.headers.get("Authorization", "")}
            async with self.session.post(url, json=body, headers=headers, ssl=self.ca) as got:
                answers.append((await got.json())["status"]["allowed"])
        return all(answers)

    # -- lists of a recording ------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/version":
            return web.json_response({"gitVersion": self.case.header.environment.kubernetes}, headers=self.headers)
        if request.path.endswith("/selfsubjectreviews"):
            return web.json_response({"status": {"userInfo": {"username": "somebody"}}}, status=201)
        if request.path.endswith("/selfsubjectrulesreviews"):
            return web.json_response({"status": {"resourceRules": self.rules}}, status=201)
        if request.path.endswith("/selfsubjectaccessreviews"):
            return web.json_response({"status": {"allowed": self._allowed(await request.json())}}, status=201)
        parts = request.path.strip("/").split("/")
        if parts[0] == "apis" and len(parts) <= 3:
            return self._discovery(parts[1:])
        return await self._list(parts)

    def _allowed(self, review: Mapping[str, Any]) -> bool:
        wanted = review["spec"]["resourceAttributes"]
        resource = "/".join(filter(None, (wanted["resource"], wanted.get("subresource"))))
        return resource not in self.refused

    def _discovery(self, parts: list[str]) -> web.Response:
        here = [each for each in self._kinds() if each.group == parts[0]]
        if len(parts) == 2:
            names = [{"name": plural(each)} for each in here if each.api == "/".join(parts)]
            return web.json_response({"resources": names})
        versions = [{"groupVersion": each} for each in dict.fromkeys(each.api for each in here)]
        return web.json_response({"versions": versions}) if versions else _status(404, "not found")

    def _kinds(self) -> list[Kind]:
        return [each for each in KINDS if each.plural in self.case.recorded.recorded or each.api in CORE]

    async def _list(self, parts: list[str]) -> web.StreamResponse:
        api, rest = (parts[1], parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
        namespace, name = (rest[1], rest[2]) if rest[0] == "namespaces" and len(rest) == 3 else ("", rest[0])
        kind = next((each for each in self._kinds() if each.api == api and plural(each) == name), None)
        if kind is None:
            return _status(404, "the server could not find the requested resource")
        if name in self.refused:
            return _status(403, f'{name} is forbidden: User "somebody" cannot list resource "{name}"')
        recorded = self.case.recorded.by_kind.get((kind.group, kind.name), ())
        found = [*recorded, *self.extra.get(kind, ())]
        items = [each for each in found if namespace in ("", each["metadata"].get("namespace"))]
        body = json.dumps({"apiVersion": api, "kind": f"{kind.name}List", "metadata": {}, "items": items}, default=str)
        return web.Response(text=body, content_type="application/json")

    # -- programs and logs ---------------------------------------------------------------------------------------------

    async def _log(self, request: web.Request) -> web.StreamResponse:
        *_, namespace, _, pod, _ = request.path.split("/")
        if not await self._may(request, namespace, "pods/log", ("get",)):
            return _status(403, 'pods is forbidden: User "somebody" cannot get resource "pods/log"')
        name = request.query["container"] + (".previous.log" if "previous" in request.query else ".log")
        path = self.folder / "logs" / namespace / pod / name
        if not path.is_file():
            return _status(404, f'pods "{pod}" not found')
        lines = path.read_text(errors="replace").splitlines()[-int(request.query["tailLines"]) :]
        return web.Response(text="\n".join(lines))

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        *_, namespace, _, pod, _ = request.path.split("/")
        if not await self._may(request, namespace, "pods/exec", ("get", "create")):
            return _status(403, 'pods "x" is forbidden: User "somebody" cannot create resource "pods/exec"')
        if refusal := not_acceptable(request if self.probe_mood != "json" else request.clone(headers=JSON_ALONE)):
            return refusal
        if self.probe_mood == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io", "v4.channel.k8s.io"))
        await socket.prepare(request)
        await self._play(socket, namespace, pod, request.query.getall("command"))
        await socket.close()
        return socket

    async def _play(self, socket: web.WebSocketResponse, namespace: str, pod: str, argv: list[str]) -> None:
        if self.probe_mood == "hangs":
            await asyncio.sleep(3600)
        output, code = self._run(namespace, pod, argv)
        if argv[0] == "kai-probe" and self.probes.patience_s:
            await asyncio.sleep(self.probes.wait_s(json.loads(argv[1])))
        if self.probe_mood == "killed":
            await socket.send_bytes(b"\x01" + output[: len(output) // 2])
            await socket.send_bytes(b"\x03" + exited(137))
            return
        await socket.send_bytes(b"\x01" + output)
        await socket.send_bytes(SUCCESS if code == 0 else b"\x03" + exited(code))

    def _run(self, namespace: str, pod: str, argv: list[str]) -> tuple[bytes, int]:
        node = pod.partition("-on-")[2]
        if pod.startswith("probe-on-"):
            return self.probes.run(node, argv)
        if argv[0] == "cilium-dbg":
            path = self.folder / "nodes" / node / "cilium" / AGENT_FILES[(argv[1], argv[2])]
            return (path.read_bytes(), 0) if path.is_file() else (b"", 1)
        path = self.folder / "pods" / namespace / pod / argv[-1].removeprefix("/proc/").removeprefix("/etc/")
        return (path.read_bytes(), 0) if self.has_cat and argv[0] == "cat" and path.is_file() else (b"", 127)


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key in ("Date", "Retry-After")}


def exited(code: int) -> bytes:
    causes = [{"reason": "ExitCode", "message": str(code)}]
    said = {"status": "Failure", "reason": "NonZeroExitCode", "message": "x", "details": {"causes": causes}}
    return json.dumps(said).encode()


def _status(code: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "status": "Failure", "message": message, "code": code}, status=code)


# -- faults ------------------------------------------------------------------------------------------------------------


def says(code: int, message: str = "no") -> Fault:
    async def fault(_: web.Request) -> web.StreamResponse:
        return _status(code, message)

    return fault


async def hangs(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()


async def resets(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


# -- pods that the recording has not -----------------------------------------------------------------------------------


def nodes_of(case: CaseFolder) -> list[str]:
    return [each["metadata"]["name"] for each in case.recorded.by_kind.get((NODE.group, NODE.name), ())]


def standing_in(folder: Path, case: CaseFolder, *, probes: bool = True, agents: bool = True) -> list[dict[str, Any]]:
    """A probe on each node, and an agent where one ran, as their DaemonSets would have made them."""
    wanted = []
    for number, node in enumerate(nodes_of(case)):
        if probes:
            probe = _pod(PROBE_SPACE, f"probe-on-{node}", node, {"app.kubernetes.io/name": "kai-probe"}, "probe")
            probe["status"]["podIP"] = address_of(number)
            wanted.append(probe)
        if agents and (folder / "nodes" / node / "cilium").is_dir():
            wanted.append(_pod("kube-system", f"cilium-on-{node}", node, {"k8s-app": "cilium"}, "cilium-agent"))
    return wanted


def _pod(namespace: str, name: str, node: str, labels: Mapping[str, str], container: str) -> dict[str, Any]:
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    status["containerStatuses"] = [{"name": container, "ready": True, "restartCount": 0, "state": {"running": {}}}]
    spec = {"nodeName": node, "hostNetwork": True, "containers": [{"name": container, "image": f"{container}:1"}]}
    meta = {"name": name, "namespace": namespace, "uid": f"uid-of-{name}", "labels": dict(labels)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}


@asynccontextmanager
async def front_of(
    folder: Path,
    *,
    upstream: str = "",
    ca_file: Path | None = None,
    probes: bool = True,
    agents: bool = True,
    has_cat: bool = False,
    tls: Certificates | None = None,
) -> AsyncIterator[Front]:
    """A running front; with an `upstream` the pods of `standing_in` must be stored there."""
    case = open_case(folder)
    uids = {each["metadata"]["uid"]: (each["metadata"]["namespace"], each["metadata"]["name"]) for each in _pods(case)}
    extra = {POD: standing_in(folder, case, probes=probes, agents=agents)}
    ca = ssl.create_default_context(cafile=ca_file) if ca_file else None
    front = Front(folder, case, Probes(folder, uids), upstream, ca, extra=extra, has_cat=has_cat)
    async with aiohttp.ClientSession() as front.session, _serving(front, tls):
        yield front


@asynccontextmanager
async def _serving(front: Front, tls: Certificates | None) -> AsyncIterator[None]:
    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{path:.*}", front.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls.context() if tls else None).start()
    front.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield
    finally:
        await runner.cleanup()


def _pods(case: CaseFolder) -> list[dict[str, Any]]:
    return [dict(each) for each in case.recorded.by_kind.get(("", "Pod"), ())]
