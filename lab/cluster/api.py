"""The Kubernetes API over HTTP: who asks is known, may do it, and gets what a real server would answer.

Discovery, lists with pages and selectors, watches, create, patch, replace, delete, dry runs, reviews, logs, exec.
Not served: server-side apply, status and scale subresources, tables, port-forward, proxies; each answers as a server
without them does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any, Protocol
from uuid import uuid4

from aiohttp import web

from lab.cluster import discovery, protobuf, reviews
from lab.cluster.acting import acting_as, check_path
from lab.cluster.agenda import Agenda
from lab.cluster.asking import ResourceRequest, asked, user_of
from lab.cluster.patching import patched
from lab.cluster.refusal import (
    StatusRefusal,
    bad_request,
    forbidden,
    method_not_allowed,
    no_such_path,
    not_recorded,
    unsupported,
)
from lab.cluster.resources import ResourceCatalog
from lab.cluster.rights import Attributes, Rights
from lab.cluster.selecting import named, page, wanted
from lab.cluster.store import ObjectStore, StoreEvent, Thing
from lab.cluster.streams import exec_in
from lab.cluster.users import ApiUser
from lab.cluster.writing import FieldManager, Pen, the

MOST_BODY = 3 * 1024 * 1024
LONGEST_WATCH = 3600.0
Json = dict[str, Any]
ServerResponse = web.StreamResponse


class Inside(Protocol):
    """Port to the nodes: logs, and programs in containers."""

    def log(self, pod: Thing, container: str, previous: bool) -> str:
        """Raises `StatusRefusal`."""
        ...

    def run(self, pod: Thing, container: str, argv: list[str], stdin: bytes) -> tuple[bytes, bytes, int]:
        """Output, errors and exit code. Raises `StatusRefusal`."""
        ...


@dataclass
class ApiServer:
    """The server's mind; `app` gives it ears. `catch_up` lets the world go on before each answer."""

    store: ObjectStore
    catalog: ResourceCatalog
    agenda: Agenda
    tokens: Mapping[str, str]
    inside: Inside
    git_version: str
    catch_up: Callable[[], None] = lambda: None
    rights: Rights = field(init=False)
    pen: Pen = field(init=False)
    _watching: set[asyncio.Event] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rights = Rights(self.store, self.catalog)
        self.pen = Pen(self.store, self.agenda)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MOST_BODY)
        app.router.add_route("*", "/{path:.*}", self.answer)
        app.on_shutdown.append(self._end_watches)
        app.on_response_prepare.append(self._date)
        return app

    async def _end_watches(self, app: web.Application) -> None:
        for each in self._watching:
            each.set()

    async def _date(self, request: web.Request, response: web.StreamResponse) -> None:
        """A cluster whose clock goes with the lab's; each answer has the id under which it would be audited."""
        response.headers["Date"] = format_datetime(self.agenda.now, usegmt=True)
        response.headers["Audit-Id"] = request.headers.get("Audit-Id") or str(uuid4())

    async def answer(self, request: web.Request) -> ServerResponse:
        self.catch_up()
        try:
            return await self._answer(request, user_of(request.headers, self.tokens))
        except StatusRefusal as why:
            retry = {"Retry-After": "1"} if why.code == 429 else {}
            return web.json_response(why.status, status=why.code, headers=retry)

    async def _answer(self, request: web.Request, caller: ApiUser) -> ServerResponse:
        if (said := self._told(request.path)) is not None:
            check_path(self.rights, caller, request.headers, request.path)
            return said
        watching = request.query.get("watch") in ("1", "true")
        what = asked(request.method, request.path, self.catalog, watching)
        user = acting_as(caller, request.headers, self.rights, what.wish)
        self._check(user, what, named(request.query.get("fieldSelector", "")))
        if what.resource in self.catalog.unrecorded:
            raise not_recorded(f"{what.resource.plural} are")
        if what.resource.virtual:
            return await self._review(request, what, user)
        if what.sub:
            return await self._inside(request, what, user)
        return await VERB_HANDLERS[what.verb](self, request, what)

    # -- rights --------------------------------------------------------------------------------------------------------

    def _check(self, user: ApiUser, what: ResourceRequest, selected: str) -> None:
        wish = what.wish
        if what.verb in ("list", "watch") and selected:
            wish = Attributes(wish.verb, wish.group, wish.resource, wish.namespace, selected)
        if self.rights.allows(user, wish) is None:
            name = what.name if what.verb != "create" or what.sub else ""
            raise forbidden(user.name, wish.verb, wish.group, wish.resource, wish.namespace, name)

    # -- what is no object ---------------------------------------------------------------------------------------------

    def _told(self, path: str) -> web.Response | None:
        """Discovery and health; None for everything else."""
        parts = path.strip("/").split("/")
        match parts:
            case ["version"]:
                return web.json_response(discovery.version(self.git_version))
            case ["healthz" | "livez" | "readyz"]:
                return web.Response(text="ok")
            case ["api"]:
                return web.json_response(discovery.core_versions("127.0.0.1"))
            case ["apis"]:
                return web.json_response(discovery.groups(self.catalog))
            case ["apis", name]:
                return self._found(discovery.group(self.catalog, name))
            case ["openapi", "v3"]:
                return web.json_response(discovery.openapi_index(self.catalog))
            case ["openapi", "v3", "api" | "apis", *api]:
                return self._found(discovery.openapi(self.catalog, "/".join(api)))
            case ["api", _] | ["apis", _, _]:
                return self._found(discovery.resources(self.catalog, "/".join(parts[1:])))
        if parts[0] not in ("api", "apis"):
            raise no_such_path()
        return None

    def _found(self, document: Json | None) -> web.Response:
        if document is None:
            raise no_such_path()
        return web.json_response(document)

    async def _review(self, request: web.Request, what: ResourceRequest, user: ApiUser) -> ServerResponse:
        if what.verb != "create":
            raise method_not_allowed()
        body = await _review_body(request)
        match what.resource.kind:
            case "SelfSubjectAccessReview":
                status = reviews.access(self.rights, user, body)
            case "SubjectAccessReview":
                status = reviews.access(self.rights, reviews.subject_of(body), body)
            case "SelfSubjectReview":
                status = reviews.myself(user)
            case _:
                status = reviews.token(self.tokens, body)
        head = {"kind": what.resource.kind, "apiVersion": what.resource.api}
        answer = {**head, "metadata": {}, "spec": body.get("spec") or {}, "status": status}
        return web.json_response(answer, status=201)

    # -- reading -------------------------------------------------------------------------------------------------------

    async def _get(self, request: web.Request, what: ResourceRequest) -> ServerResponse:
        return _said(the(self.store, what.resource, what.namespace, what.name))

    async def _list(self, request: web.Request, what: ResourceRequest) -> ServerResponse:
        query = request.query
        test = wanted(what.resource.kind, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        found = [each for each in self.store.all(what.resource, what.namespace) if test(each)]
        shown, meta = page(found, _number(query.get("limit")), query.get("continue", ""), self.store.version)
        if query.get("labelSelector") or query.get("fieldSelector"):
            meta.pop("remainingItemCount", None)
        head = {"kind": f"{what.resource.kind}List", "apiVersion": what.resource.api}
        return web.json_response({**head, "metadata": meta, "items": [_bare(what, each) for each in shown]})

    async def _watch(self, request: web.Request, what: ResourceRequest) -> ServerResponse:
        query = request.query
        test = wanted(what.resource.kind, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        queue = self.store.watch()
        ended = asyncio.Event()
        self._watching.add(ended)
        seconds = _number(query.get("timeoutSeconds")) or LONGEST_WATCH
        try:
            with suppress(TimeoutError):  # the usual end of a watch
                async with asyncio.timeout(seconds):
                    await self._tell(response, what, test, query, queue, ended)
        except StatusRefusal as why:
            await _send(response, "ERROR", why.status)
        except ConnectionError:
            return response
        finally:
            self.store.unwatch(queue)
            self._watching.discard(ended)
        with suppress(ConnectionError):
            await response.write_eof()
        return response

    async def _tell(
        self,
        response: web.StreamResponse,
        what: ResourceRequest,
        test: Callable[[Thing], bool],
        query: Mapping[str, str],
        queue: asyncio.Queue[StoreEvent],
        ended: asyncio.Event,
    ) -> None:
        start = query.get("resourceVersion", "")
        initial = query.get("sendInitialEvents") in ("1", "true")
        if initial or start in ("", "0"):
            for each in filter(test, self.store.all(what.resource, what.namespace)):
                await _send(response, "ADDED", each)
            if initial:
                await _send(response, "BOOKMARK", self._bookmark(what, {"k8s.io/initial-events-end": "true"}))
        else:
            if not start.isdecimal():
                raise bad_request(f"invalid resource version {start!r}")
            for change in self.store.since(int(start)):
                await _tell_change(response, what, test, change)
        over = asyncio.ensure_future(ended.wait())
        try:
            while not ended.is_set():
                coming = asyncio.ensure_future(queue.get())
                await asyncio.wait({coming, over}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    return
                await _tell_change(response, what, test, coming.result())
        finally:
            over.cancel()

    def _bookmark(self, what: ResourceRequest, annotations: Mapping[str, str]) -> Json:
        meta = {"resourceVersion": str(self.store.version), "annotations": dict(annotations)}
        return {"kind": what.resource.kind, "apiVersion": what.resource.api, "metadata": meta}

    # -- writing -------------------------------------------------------------------------------------------------------

    async def _create(self, request: web.Request, what: ResourceRequest) -> ServerResponse:
        if what.resource.namespaced and not what.namespace:
            raise method_not_allowed()
        stored = self.pen.create(what.resource, what.namespace, await _body(request), _writer(request))
        return _said(stored, status=201)

    async def _patch(self, request: web.Request, what: ResourceRequest) -> ServerResponse:
        patch = await _any_body(request)
        before = the(self.store, what.resource, what.namespace, what.name)
        after = patched(what.resource, before, patch, request.content_type)
        return _said(self.pen.change(what.resource, before, after, _writer(request)))

    async def _update(self, request: web.Request, what: ResourceRequest) -> ServerResponse:
        body = await _body(request)
        before = the(self.store, what.resource, what.namespace, what.name)
        return _said(self.pen.change(what.resource, before, body, _writer(request)))

    async def _delete(self, request: web.Request, what: ResourceRequest) -> ServerResponse:
        options = await _body(request) if request.can_read_body else {}
        before = the(self.store, what.resource, what.namespace, what.name)
        dry = _writer(request).dry_run or options.get("dryRun") == ["All"]
        return web.json_response(self.pen.delete(what.resource, before, options, FieldManager("", dry)))

    async def _no_collection(self, request: web.Request, what: ResourceRequest) -> ServerResponse:
        raise method_not_allowed()

    # -- pods ----------------------------------------------------------------------------------------------------------

    async def _inside(self, request: web.Request, what: ResourceRequest, user: ApiUser) -> ServerResponse:
        if what.resource.plural != "pods" or what.sub not in ("log", "exec"):
            raise no_such_path()
        if what.sub == "exec" and request.method == "GET":  # newer servers ask for create as well as for get
            self._check(user, ResourceRequest("create", what.resource, what.namespace, what.name, what.sub), "")
        pod = the(self.store, what.resource, what.namespace, what.name)
        container = _container(pod, request.query.get("container", ""))
        if what.sub == "exec":
            return await exec_in(request, lambda argv, stdin: self.inside.run(pod, container, argv, stdin))
        text = self.inside.log(pod, container, request.query.get("previous") in ("1", "true"))
        return web.Response(text=_end_of(text, request.query), content_type="text/plain")


VERB_HANDLERS: Mapping[str, Callable[[ApiServer, web.Request, ResourceRequest], Awaitable[ServerResponse]]] = {
    "get": ApiServer._get,
    "list": ApiServer._list,
    "watch": ApiServer._watch,
    "create": ApiServer._create,
    "patch": ApiServer._patch,
    "update": ApiServer._update,
    "delete": ApiServer._delete,
    "deletecollection": ApiServer._no_collection,
}


def _said(thing: Thing, status: int = 200) -> web.Response:
    return web.json_response(thing, status=status)


def _bare(what: ResourceRequest, thing: Thing) -> Thing:
    """Items of a list of built-in kinds do not repeat their kind."""
    if what.resource.is_custom:
        return thing
    return {key: value for key, value in thing.items() if key not in ("kind", "apiVersion")}


async def _send(response: web.StreamResponse, kind: str, thing: Mapping[str, Any]) -> None:
    await response.write(json.dumps({"type": kind, "object": thing}).encode() + b"\n")


async def _tell_change(
    response: web.StreamResponse, what: ResourceRequest, test: Callable[[Thing], bool], change: StoreEvent
) -> None:
    """A change as this watcher sees it: what comes into its selection is added, what leaves it deleted."""
    if change.resource != what.resource:
        return
    space = change.thing["metadata"].get("namespace") or ""
    if what.namespace and space != what.namespace:
        return
    was, is_now = change.before is not None and test(change.before), change.type != "DELETED" and test(change.thing)
    kind = "MODIFIED" if was and is_now else "ADDED" if is_now else "DELETED" if was else ""
    if kind:
        await _send(response, kind, change.thing)


async def _any_body(request: web.Request) -> Any:
    if request.content_type in ("application/apply-patch+yaml", protobuf.MEDIA):
        raise unsupported(("application/json-patch+json", "application/merge-patch+json"))
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError):
        raise bad_request("the object provided is unrecognized: couldn't get version/kind; json parse error") from None


async def _review_body(request: web.Request) -> Json:
    """kubectl sends its own questions about rights as protobuf."""
    if request.content_type != protobuf.MEDIA:
        return await _body(request)
    try:
        return protobuf.review(await request.read())
    except ValueError as why:
        raise bad_request(str(why)) from None


async def _body(request: web.Request) -> Json:
    said = await _any_body(request)
    if not isinstance(said, dict):
        raise bad_request("the object provided is unrecognized: it is not an object")
    return said


def _writer(request: web.Request) -> FieldManager:
    dry = request.query.getall("dryRun", [])
    if dry and dry != ["All"]:
        raise bad_request(f'dryRun: Unsupported value: "{dry[0]}": supported values: "All"')
    agent = request.headers.get("User-Agent", "unknown").partition("/")[0]
    return FieldManager(request.query.get("fieldManager") or agent[:128], bool(dry))


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def _container(pod: Thing, wanted_one: str) -> str:
    names = [each["name"] for each in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])]
    name = pod["metadata"]["name"]
    if not wanted_one and len(pod["spec"]["containers"]) == 1:
        return str(pod["spec"]["containers"][0]["name"])
    if not wanted_one:
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]")
    if wanted_one not in names:
        raise bad_request(f"container {wanted_one} is not valid for pod {name}")
    return wanted_one


def _end_of(text: str, query: Mapping[str, str]) -> str:
    lines = text.splitlines(keepends=True)
    if query.get("tailLines"):
        count = _number(query["tailLines"])
        lines = lines[-count:] if count else []
    said = "".join(lines)
    return said[: _number(query["limitBytes"])] if query.get("limitBytes") else said


__all__ = ["ApiServer", "Inside"]
