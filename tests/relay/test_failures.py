"""Every way in which a relay cannot be asked has its own sentence, and the sentence says what to do."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import grpc
import pytest

from lab.observer import Manners, ObserverServer
from sensors.kit import Blind
from tests.relay.world import QUICK, all_of, recorded, relay_at

IMPATIENT = replace(QUICK, greeting=1.0, within=1.5)


async def sentence(relay) -> str:
    """Why the relay cannot be asked; the doctor's and the look's words are the same."""
    with pytest.raises(Blind) as of_status:
        await relay.status()
    with pytest.raises(Blind) as of_look:
        await all_of(relay)
    assert str(of_status.value) == str(of_look.value)
    assert "\n" not in str(of_status.value)
    return str(of_status.value)


@contextlib.asynccontextmanager
async def tcp(answer: bytes):
    """A server that says `answer` to whoever connects and asks, and then hangs up; b"" = says nothing and waits."""

    async def serve(reader, writer):
        await reader.read(1)
        if answer:
            writer.write(answer)
        else:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_relay_name_that_does_not_resolve_is_named():
    assert await sentence(relay_at("hubble-relay.nowhere.invalid:80")) == (
        "hubble relay hubble-relay.nowhere.invalid:80: no such name; is the relay installed (hubble.relay.enabled), "
        "and in which namespace? See --server"
    )


async def test_a_relay_port_without_a_listener_is_named():
    async with tcp(b"x") as address:
        pass

    assert await sentence(relay_at(address)) == (
        f"hubble relay {address}: connection refused, nothing listens there; "
        "is the port right (4245 on a pod, 80 or 443 on the Service)?"
    )


async def test_a_tls_server_asked_without_tls_is_named(certificates):
    async with ObserverServer(recorded(), tls=certificates.server()) as server:
        said = await sentence(relay_at(server.address))

    assert said == (
        f"hubble relay {server.address}: speaks TLS and we do not: "
        "add --tls (HUBBLE_TLS=true) and its authority (--tls-ca-cert-files)"
    )


async def test_we_speak_tls_and_the_server_does_not(certificates):
    async with ObserverServer(recorded()) as server:
        said = await sentence(relay_at(server.address, tls=True, ca_files=(certificates.file("ca.crt"),)))

    assert said == (
        f"hubble relay {server.address}: does not speak TLS and we do: "
        "leave out --tls (HUBBLE_TLS), or take the Service's TLS port (443)"
    )


async def test_the_certificate_has_another_name(certificates):
    settings = {"tls": True, "ca_files": (certificates.file("ca.crt"),), "server_name": "relay.example"}
    async with ObserverServer(recorded(), tls=certificates.server()) as server:
        said = await sentence(relay_at(server.address, **settings))

    assert said == (
        f"hubble relay {server.address}: its certificate is for *.hubble-relay.cilium.io and not for relay.example: "
        "say one of these names with --tls-server-name"
    )


async def test_the_certificate_is_of_an_unknown_authority(certificates):
    stranger = certificates.file("stranger.crt")
    async with ObserverServer(recorded(), tls=certificates.server()) as server:
        said = await sentence(relay_at(server.address, tls=True, ca_files=(stranger,)))
        of_public = await sentence(relay_at(server.address, tls=True))

    assert said == (
        f"hubble relay {server.address}: the authorities in {stranger} do not vouch for its certificate: "
        "give the one that signed it (ca.crt) with --tls-ca-cert-files"
    )
    assert "the public authorities do not vouch" in of_public


async def test_the_certificate_has_expired(certificates):
    expired = certificates.server(name="expired")
    async with ObserverServer(recorded(), tls=expired) as server:
        said = await sentence(relay_at(server.address, tls=True, ca_files=(certificates.file("ca.crt"),)))

    assert "its certificate is not valid now (certificate has expired)" in said


async def test_the_server_wants_a_client_certificate(certificates):
    async with ObserverServer(recorded(), tls=certificates.server(asks_clients=True)) as server:
        said = await sentence(relay_at(server.address, tls=True, ca_files=(certificates.file("ca.crt"),)))

    assert said == (
        f"hubble relay {server.address}: asks for a client certificate (mTLS) and hangs up without one: "
        "give --tls-client-cert-file and --tls-client-key-file"
    )


async def test_the_server_refuses_our_client_certificate(certificates):
    mine = {"cert_file": certificates.file("unknown.crt"), "key_file": certificates.file("unknown.key")}
    async with ObserverServer(recorded(), tls=certificates.server(asks_clients=True)) as server:
        said = await sentence(relay_at(server.address, tls=True, ca_files=(certificates.file("ca.crt"),), **mine))

    assert f"refuses the client certificate in {mine['cert_file']}" in said


async def test_a_file_that_is_not_there_is_named(tmp_path, certificates):
    missing = str(tmp_path / "ca.crt")
    key = {"cert_file": certificates.file("client.crt"), "key_file": str(tmp_path / "tls.key")}

    of_authority = await sentence(relay_at("127.0.0.1:1", tls=True, ca_files=(missing,)))
    of_key = await sentence(relay_at("127.0.0.1:1", tls=True, ca_files=(certificates.file("ca.crt"),), **key))

    assert of_authority == f"hubble relay: --tls-ca-cert-files {missing} cannot be read (No such file or directory)"
    assert of_key == (
        f"hubble relay: --tls-client-key-file {tmp_path}/tls.key cannot be read (No such file or directory)"
    )


async def test_a_file_that_holds_no_certificate_is_said_to_hold_none(tmp_path):
    (tmp_path / "ca.crt").write_text("geheim, not PEM")
    async with ObserverServer(recorded()) as server:
        said = await sentence(relay_at(server.address, tls=True, ca_files=(str(tmp_path / "ca.crt"),)))

    assert said.startswith("hubble relay: the TLS files do not fit")
    assert "geheim" not in said


async def test_a_grpc_server_that_is_not_hubble():
    async with ObserverServer(recorded(), Manners(is_foreign=True)) as server:
        said = await sentence(relay_at(server.address))

    assert said == (
        f"hubble relay {server.address}: speaks gRPC but is not Hubble; "
        "the Service is called hubble-relay and listens on 80 (with TLS on 443)"
    )


async def test_a_web_server_in_place_of_a_relay_is_named():
    async with tcp(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        said = await sentence(relay_at(address))

    assert "answers HTTP/1, not gRPC; is it a web server?" in said


async def test_a_server_that_hangs_up():
    async with tcp(b"?") as address:
        said = await sentence(relay_at(address))

    assert "closes the connection without a word of gRPC" in said


async def test_a_server_that_accepts_and_says_nothing():
    async with tcp(b"") as address:
        said = await sentence(relay_at(address, IMPATIENT))

    assert "accepts the connection and then says nothing" in said


async def test_a_relay_that_never_answers():
    async with ObserverServer(recorded(), Manners(is_mute=True)) as server:
        said = await sentence(relay_at(server.address, IMPATIENT))

    assert said == (
        f"hubble relay {server.address}: accepts connections and gave no answer in time; "
        "its log (deploy/hubble-relay) names nodes it waits for"
    )


@pytest.mark.parametrize("code", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED])
async def test_a_relay_that_does_not_let_us_ask(code):
    async with ObserverServer(recorded(), Manners(refuses=code, because="token\x1b[31m\nmissing")) as server:
        with pytest.raises(Blind) as why:
            await all_of(relay_at(server.address))

    assert str(why.value) == (
        f"hubble relay {server.address}: does not let us ask ({code.name}: token [31m missing); "
        "does it want a client certificate (--tls-client-…)?"
    )
