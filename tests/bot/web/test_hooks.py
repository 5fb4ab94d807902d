"""Webhooks over a socket: who may call, by token, signature or certificate, and what a refusal costs."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, TCPConnector

from bot.alert_settings import HookTls
from bot.alerts.incidents import Novelty
from bot.alerts.plan import Received
from bot.errors import UsageMistake
from bot.web import listening
from bot.web.callers import client_certificates
from bot.web.hooks import Hooks, payload_of
from bot.web.server import MOST_LARGE_BODIES, SMALL_BODY_BYTES
from lab.cluster.certificates import Certificates, make_certificates
from tests.bot.triggers.payloads import payload

TOKEN = "s3cret-ü"
NOW = 1_795_900_000.0


@dataclass
class Ear:
    """Hears alerts."""

    received: list[Received] = field(default_factory=list)
    is_safe: bool = True
    missing: list[tuple[str, int]] = field(default_factory=list)

    async def written(self) -> bool:
        return self.is_safe

    def hear(self, one: Received) -> Novelty:
        self.received.append(one)
        return Novelty.NEW

    def leave_out(self, channel: str, count: int) -> None:
        self.missing.append((channel, count))

    def hooks(self, **more: Any) -> Hooks:
        return Hooks(self.hear, self.written, self.leave_out, **{"channel": "C0A", "now": lambda: NOW, **more})


def grafana(body: bytes, secret: str, at: str | None = None) -> dict[str, str]:
    """The headers of a signed notification."""
    whole = body if at is None else at.encode() + b":" + body
    signature = hmac.new(secret.encode(), whole, hashlib.sha256).hexdigest()
    return {"X-Grafana-Alerting-Signature": signature, **({"X-Grafana-Alerting-Timestamp": at} if at else {})}


async def post(url: str, body: bytes, headers: dict[str, str], tls: ssl.SSLContext | None = None) -> int:
    connector = TCPConnector(ssl=tls if tls is not None else True)
    async with ClientSession(connector=connector) as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (lambda body: grafana(body, "shared"), 200),
        (lambda body: grafana(body, "shared", str(int(NOW) - 299)), 200),
        (lambda body: grafana(body, "shared", str(int(NOW) - 301)), 401),
        (lambda body: grafana(body, "shared", str(int(NOW) + 301)), 401),
        (lambda body: grafana(body, "shared", "soon"), 401),
        (lambda body: grafana(body, "another"), 401),
        (lambda body: grafana(body + b" ", "shared"), 401),
        (lambda body: {**grafana(body, "shared"), "X-Grafana-Alerting-Timestamp": str(int(NOW))}, 401),
        (lambda body: {"Authorization": "Bearer a-token"}, 401),
        (lambda body: {}, 401),
    ],
    ids=["body", "time", "old", "ahead", "no time", "secret", "changed", "time added", "token", "nothing"],
)
async def test_where_grafana_signs_only_its_signature_counts(headers: Any, status: int):
    ear, body = Ear(), json.dumps(payload("grafana")).encode()
    hooks = ear.hooks(token="a-token", secrets={"grafana": "shared"})
    async with listening("127.0.0.1", 0, hooks.routes()) as url:
        assert await post(f"{url}/hooks/grafana", body, headers(body)) == status
        assert await post(f"{url}/hooks/alertmanager", b"{}", {"Authorization": "Bearer a-token"}) == 400

    assert bool(ear.received) is (status == 200)


@pytest.mark.parametrize("held", ["Content-Length: 2000000", "Transfer-Encoding: chunked"])
async def test_large_bodies_of_unknown_callers_do_not_fill_memory_and_keep_no_small_one_out(held: str):
    ear, body = Ear(), json.dumps(payload("grafana")).encode()
    large = json.dumps(payload("grafana") | {"message": "x" * 2 * SMALL_BODY_BYTES}).encode()
    async with listening("127.0.0.1", 0, ear.hooks(secrets={"grafana": "shared"}).routes()) as url:
        port = int(url.rpartition(":")[2])
        holders = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MOST_LARGE_BODIES)]
        for _, writer in holders:
            writer.write(f"POST /hooks/grafana HTTP/1.1\r\nHost: x\r\n{held}\r\n\r\n".encode())
            await writer.drain()
        crowded = [await post(f"{url}/hooks/grafana", each, grafana(each, "shared")) for each in (body, large)]
        for _, writer in holders:
            writer.close()
            await writer.wait_closed()
        for _ in range(100):  # until the server has seen that they hung up
            after = await post(f"{url}/hooks/grafana", large, grafana(large, "shared"))
            if after == 200:
                break
            await asyncio.sleep(0.02)

    assert (crowded, after) == ([200, 503], 200)


# -- certificates ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trust:
    """Our own certificate, and clients of two authorities."""

    server: Certificates
    strangers: Certificates

    @property
    def tls(self) -> HookTls:
        return HookTls(self.server.certificate, self.server.key, self.server.ca)

    def client(self, shows: Certificates | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.server.ca))
        if shows is not None:
            context.load_cert_chain(shows.certificate, shows.key)
        return context


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(*(make_certificates(tmp_path_factory.mktemp(each)) for each in ("ours", "theirs")))


def mount(these: Certificates, folder: Path) -> Certificates:
    """The same certificates in another folder, in place of those that were there."""
    names = ("ca", "certificate", "key")
    files = {name: folder / name for name in names}
    for name in names:
        shutil.copy(getattr(these, name), folder / "new")
        (folder / "new").rename(files[name])
    return replace(these, **files)


@asynccontextmanager
async def with_certificates(ear: Ear, trust: Trust, **more: Any) -> AsyncIterator[str]:
    routes = ear.hooks(**more).routes(certificates=True)
    async with listening("127.0.0.1", 0, routes, client_certificates(trust.tls)) as url:
        yield f"{url}/hooks/alertmanager"


BODY = json.dumps(payload("alertmanager_firing")).encode()


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ({"truncatedAlerts": 7}, [("C0A", 7)]),
        ({"truncatedAlerts": 0}, []),
        ({"truncatedAlerts": "many"}, []),
        ({"alerts": payload("alertmanager_firing")["alerts"] * 502}, [("C0A", 4)]),
    ],
    ids=["cut off", "whole", "no number", "beyond what is read"],
)
async def test_alerts_that_a_notification_leaves_out_are_told_and_logged(
    said: dict[str, Any], missing: list[tuple[str, int]], caplog: pytest.LogCaptureFixture
):
    ear, body = Ear(), json.dumps(payload("alertmanager_firing") | said).encode()
    async with listening("127.0.0.1", 0, ear.hooks(token="a-token").routes()) as url:
        assert await post(f"{url}/hooks/alertmanager", body, {"Authorization": "Bearer a-token"}) == 200

    assert ear.missing == missing
    assert len(caplog.records) == len(missing)


async def test_a_certificate_of_our_authority_is_enough_without_any_token(trust: Trust):
    ear = Ear()
    async with with_certificates(ear, trust) as url:
        assert url.startswith("https://")
        assert await post(url, BODY, {}, trust.client(trust.server)) == 200

    assert ear.received


async def test_without_a_certificate_the_caller_is_refused_with_one_line_unless_it_has_the_token(
    trust: Trust, caplog: pytest.LogCaptureFixture
):
    ear = Ear()
    async with with_certificates(ear, trust, token="a-token") as url:
        caplog.clear()
        assert await post(url, BODY, {}, trust.client(None)) == 401
        assert [(each.levelname, each.exc_info) for each in caplog.records] == [("WARNING", None)]
        assert ear.received == []
        assert await post(url, BODY, {"Authorization": "Bearer a-token"}, trust.client(None)) == 200


async def test_a_certificate_of_another_authority_is_refused_without_a_trace(
    trust: Trust, caplog: pytest.LogCaptureFixture
):
    ear = Ear()
    async with with_certificates(ear, trust) as url:
        with pytest.raises((ClientError, ssl.SSLError)):
            await post(url, BODY, {}, trust.client(trust.strangers))

    assert ear.received == []
    assert [each for each in caplog.records if each.exc_info] == []


async def test_renewed_certificates_hold_from_the_next_connection_on(
    trust: Trust, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    ear, mounted = Ear(), mount(trust.server, tmp_path)
    renewed = replace(trust, server=trust.strangers)
    async with with_certificates(ear, replace(trust, server=mounted)) as url:
        assert await post(url, BODY, {}, trust.client(trust.server)) == 200

        mount(trust.strangers, tmp_path)
        assert await post(url, BODY, {}, renewed.client(trust.strangers)) == 200
        with pytest.raises((ClientError, ssl.SSLError)):
            await post(url, BODY, {}, renewed.client(trust.server))

        mounted.certificate.write_text("half of a file")
        assert await post(url, BODY, {}, renewed.client(trust.strangers)) == 200

    warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert len([each for each in warnings if each.endswith("the old certificates stay")]) == 1


async def test_no_session_is_resumed_so_that_a_replaced_authority_lets_nobody_in(trust: Trust):
    async with with_certificates(Ear(), trust) as url:
        port, client = int(url.partition("//")[2].partition(":")[2].partition("/")[0]), trust.client(trust.server)
        first = await asyncio.to_thread(resumed, client, port, None)
        again = await asyncio.to_thread(resumed, client, port, first[0])

    assert again[1] is False


def resumed(client: ssl.SSLContext, port: int, session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool]:
    """The session of one request, and whether it went on with the one before."""
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        client.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as secure,
    ):
        secure.sendall(b"GET / HTTP/1.1\r\nHost: kai\r\nConnection: close\r\n\r\n")
        while secure.recv(4096):
            pass
        return secure.session, bool(secure.session_reused)


async def test_garbage_instead_of_tls_or_http_costs_no_trace(trust: Trust, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    ear = Ear()
    async with with_certificates(ear, trust) as secure, listening("127.0.0.1", 0, ear.hooks(token="x").routes()) as url:
        for each in (secure, url):
            port = int(each.partition("//")[2].partition(":")[2].partition("/")[0])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\x00\xff garbage \r\n\r\n")
            await reader.read()
            writer.close()

    assert [each.getMessage() for each in caplog.records if each.exc_info] == []
    assert len(caplog.records) <= 2


@pytest.mark.parametrize("broken", ["certificate", "key", "client_ca"])
def test_a_file_that_cannot_be_used_stops_the_start_in_one_line(broken: str, trust: Trust, tmp_path: Path):
    (tmp_path / "no.pem").write_text("nothing")
    given = {"certificate": trust.tls.certificate, "key": trust.tls.key, "client_ca": trust.tls.client_ca}

    with pytest.raises(UsageMistake, match=r"^TLS for webhooks: .* cannot be used \([^\n]*\)$"):
        client_certificates(HookTls(**{**given, broken: tmp_path / "no.pem"}))


# -- bodies ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 200_000])
def test_what_is_no_object_is_no_payload(body: bytes):
    assert payload_of(body) is None


def test_without_its_secret_an_address_is_not_there():
    def paths(certificates: bool = False, **more: Any) -> set[str]:
        found = Ear().hooks(**more).routes(certificates=certificates)
        return {each.path.rpartition("/")[2] for each in found}

    assert paths(token="x") == {"alertmanager", "grafana", "datadog"}
    assert paths(secrets={"pagerduty": "x"}) == {"pagerduty"}
    assert paths(secrets={"grafana": "x"}) == {"grafana"}
    assert paths() == set()
    assert paths(certificates=True) == {"alertmanager", "grafana", "datadog"}


async def test_what_could_not_be_written_down_is_not_taken_in():
    ear = Ear(is_safe=False)
    async with listening("127.0.0.1", 0, ear.hooks(token="x").routes()) as url:
        assert await post(f"{url}/hooks/alertmanager", BODY, {"Authorization": "Bearer x"}) == 503
