"""Over TLS the relay is asked as over plaintext, whatever combination of certificates it wants."""

from __future__ import annotations

from lab.observer import ObserverServer
from tests.relay.world import all_of, flows_in, recorded, relay_at


async def test_the_name_that_cilium_puts_into_certificates_needs_no_saying(certificates):
    async with ObserverServer(recorded(), tls=certificates.server()) as server:
        relay = relay_at(server.address, tls=True, ca_files=(certificates.file("ca.crt"),))
        flows = flows_in(await all_of(relay))

    assert len(flows) == 174


async def test_any_name_of_the_certificate_will_do_when_it_is_said(certificates):
    name = {"server_name": "eu.hubble-relay.cilium.io"}
    async with ObserverServer(recorded(), tls=certificates.server()) as server:
        relay = relay_at(server.address, tls=True, ca_files=(certificates.file("ca.crt"),), **name)
        status = await relay.status()

    assert status.connected == 2


async def test_several_authorities_may_vouch(certificates):
    files = (certificates.file("stranger.crt"), certificates.file("ca.crt"))
    async with ObserverServer(recorded(), tls=certificates.server()) as server:
        status = await relay_at(server.address, tls=True, ca_files=files).status()

    assert status.connected == 2


async def test_a_client_certificate_opens_a_relay_that_asks_for_one(certificates):
    async with ObserverServer(recorded(), tls=certificates.server(asks_clients=True)) as server:
        relay = relay_at(server.address, tls=True, ca_files=(certificates.file("ca.crt"),), **certificates.client)
        flows = flows_in(await all_of(relay))

    assert len(flows) == 174


async def test_insecure_takes_whatever_certificate_is_shown(certificates):
    async with ObserverServer(recorded(), tls=certificates.server()) as server:
        status = await relay_at(server.address, tls=True, allow_insecure=True).status()

    assert status.connected == 2
