"""The probe asks what the C library asks: the same names in the same order, whatever the server says to them."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.probe.dns_server import DnsServer
from tests.probe.namespaces import PEER, World

CONF = "search a.one b.two c.three\nnameserver {server}\noptions ndots:{ndots} timeout:1 attempts:1\n"
FOUND = ["192.0.2.1"]

CASES = {
    "found at the end of the list": (5, "db", {"db.c.three": FOUND}),
    "found nowhere": (5, "db", {}),
    "found as it stands": (5, "db.x", {"db.x": FOUND}),
    "dots enough to be tried first": (2, "a.b.c", {}),
    "tried first and found": (1, "example.org", {"example.org": FOUND}),
    "one dot too few": (3, "a.b.c", {}),
    "a full name is not searched": (5, "db.", {}),
    "a name that exists without such a record": (5, "db", {"db.a.one": [], "db.b.two": FOUND}),
    "a failing server does not end the search": (5, "db", {"db.a.one": "SERVFAIL", "db.b.two": FOUND}),
    "a refusal ends the search": (5, "db", {"db.a.one": "REFUSED", "db.b.two": FOUND}),
    "a formal error ends the search": (5, "db", {"db.a.one": "FORMERR", "db.b.two": FOUND}),
    "silence ends the search": (5, "db", {"db.a.one": "silent", "db.b.two": FOUND}),
    "ndots zero": (0, "db", {}),
}


@pytest.mark.parametrize(("ndots", "name", "table"), CASES.values(), ids=CASES.keys())
def test_the_same_questions_as_the_c_library(world: World, ndots: int, name: str, table: dict[str, object]) -> None:
    conf = CONF.format(server=PEER, ndots=ndots)
    world.resolv_conf(conf)

    with DnsServer(world.peer.name, PEER, table) as server:
        library = _asked_by_the_library(world, conf, name, server)
        world.probe(lookups=[{"name": name, "qtype": "A"}])

    assert server.names[len(library) :] == library


def test_a_refused_resolver_ends_the_search_as_glibc_does(world: World) -> None:
    world.resolv_conf(CONF.format(server=PEER, ndots=5))

    answer = world.probe(lookups=[{"name": "db", "qtype": "A"}])

    assert [row["name"] for row in answer["lookups"]] == ["db.a.one"]


def _asked_by_the_library(world: World, conf: str, name: str, server: DnsServer) -> list[str]:
    """What `getent` asks in the pod's namespace with this resolv.conf in place of the machine's."""
    file = world.proc / "resolv.conf"
    file.write_text(conf)
    script = f"mount --bind {file} /etc/resolv.conf && exec getent ahostsv4 {name}"
    subprocess.run(
        ["ip", "netns", "exec", world.pod.name, "unshare", "-m", "sh", "-c", script],
        capture_output=True,
        timeout=20,
        check=False,
        env=dict(os.environ, LC_ALL="C"),
    )
    asked = list(server.names)
    assert asked, "getent asked nothing: is resolv.conf bound?"
    return asked
