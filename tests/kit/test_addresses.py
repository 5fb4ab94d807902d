"""One grammar for the place that a person names, wherever it is typed."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.kit.addresses import HostPort, as_ip, host_port, spelled
from sensors.kit.model import Target


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("api", HostPort("api")),
        ("api:80", HostPort("api", 80)),
        (" api.shop:8080 ", HostPort("api.shop", 8080)),
        ("db-0.db.data.svc.cluster.local.:3306", HostPort("db-0.db.data.svc.cluster.local.", 3306)),
        ("_dns.kube:53", HostPort("_dns.kube", 53)),
        ("[2001:db8::1]:443", HostPort("2001:db8::1", 443)),
        ("[fd00::1]:443/udp", HostPort("fd00::1", 443, "UDP")),
        ("[fd00::1:443]", HostPort("fd00::1:443")),
        ("2001:db8::1", HostPort("2001:db8::1")),
        ("fe80::a%eth0", HostPort("fe80::a%eth0")),
        ("10.96.0.10:53/udp", HostPort("10.96.0.10", 53, "UDP")),
        ("core:5140/UDP", HostPort("core", 5140, "UDP")),
        ("api:80/tcp", HostPort("api", 80, "TCP")),
        ("sig:2905/sctp", HostPort("sig", 2905, "SCTP")),
        ("core/udp", HostPort("core", None, "UDP")),
        ("http://payments.prod:8080/", HostPort("payments.prod", 8080)),
        ("HTTPS://payments.prod/health?x=1", HostPort("payments.prod")),
        ("http://payments.prod?x=/y", HostPort("payments.prod")),
        ("http://[fd00::1]:8080/a/b", HostPort("fd00::1", 8080)),
        ("https://user:p@ss@payments.prod:8443/x", HostPort("payments.prod", 8443)),
        ("postgres://db.prod:5432/orders", HostPort("db.prod", 5432)),
        ("payments.prod:8080/health", HostPort("payments.prod", 8080)),
    ],
)
def test_a_place_is_a_host_and_perhaps_a_port_and_a_protocol(said: str, meant: HostPort) -> None:
    assert host_port(said) == meant


@pytest.mark.parametrize(
    "said",
    [
        *("", " ", ":80", ":53/udp", "*", "*:80", "a b:80", "$(id):80", "`id`:80", "api\n:80", "-a:80", "a..b:80"),
        *("api:", "api:0", "api:65536", "api:http", "api:٣", "api:99999999999999999999", "user:pw@api:80", "é.com:80"),
        *("10.96.0.1:443:443", "999.1.1.1:80", "10.0.0:80", "1.2.3.4.5:80", "256.1.1.1", "api.999:80"),
        *("[api]:80", "[10.0.0.1]:80", "[fd00::1", "[fd00::1]x:443", "[]:80", "fe80::a%$(id)", "fd00::zz"),
        *("10.0.0.0/8", "api:53/upd", "api/health", "api/", "a" * 64 + ":80", "a." * 127 + "a:80"),
    ],
)
def test_what_is_no_place_is_refused_in_one_line(said: str) -> None:
    with pytest.raises(ValueError, match=r"is not (HOST:PORT|a port)") as why:
        host_port(said)

    assert "\n" not in str(why.value)


@pytest.mark.parametrize("said", ["fd00::1:443", "fd00::1:30080"])
def test_ipv6_without_brackets_that_could_end_in_a_port_is_not_guessed(said: str) -> None:
    with pytest.raises(ValueError, match=r"write \[fd00::1\]:\d+, or \[fd00::1:\d+\] for that address"):
        host_port(said)


@given(st.text(max_size=80))
def test_any_text_is_a_place_or_refused_and_a_place_survives_being_written(said: str) -> None:
    try:
        place = host_port(said)
    except ValueError:
        return
    written = Target("web", "shop", place.host, place.port, place.protocol).to or ""
    assert host_port(written) == place


@pytest.mark.parametrize(
    ("host", "one"),
    [("API.Shop.", "api.shop"), ("FD00:0:0::0001", "fd00::1"), ("[fd00::1]", "fd00::1"), ("10.0.0.1", "10.0.0.1")],
)
def test_a_host_has_one_spelling(host: str, one: str) -> None:
    assert spelled(host) == one
    assert as_ip("api") is None


@given(st.text(st.sampled_from("0123456789abcdefgF.:%[]/٣ "), max_size=20) | st.ip_addresses().map(str))
def test_an_address_is_what_the_library_takes_for_one(word: str) -> None:
    try:
        expected = ip_address(word.strip("[]").partition("%")[0])
    except ValueError:
        expected = None

    assert as_ip(word) == expected


@pytest.mark.parametrize("said", ["fd00::7", "[fd00::7]:443/tcp", "10.0.0.1", "payments.prod:8080", "db.shop:53/udp"])
def test_a_place_is_written_so_that_it_is_read_again(said: str):
    assert host_port(str(host_port(said))) == host_port(said)
