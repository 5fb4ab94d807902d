"""The relay's address and TLS settings, in hubble's own words."""

from __future__ import annotations

import pytest

from sensors.access.relay import BadRelayConfig, RelayConfig, relay_config


def test_hubbles_own_variables_are_enough():
    environ = {
        "HUBBLE_SERVER": "hubble-relay.kube-system:443",
        "HUBBLE_TLS": "true",
        "HUBBLE_TLS_CA_CERT_FILES": "/tls/ca.crt,/tls/old.crt",
        "HUBBLE_TLS_CLIENT_CERT_FILE": "/tls/tls.crt",
        "HUBBLE_TLS_CLIENT_KEY_FILE": "/tls/tls.key",
        "HUBBLE_TLS_SERVER_NAME": "relay.example",
        "HUBBLE_TLS_ALLOW_INSECURE": "0",
    }

    config = relay_config(environ)

    assert config == RelayConfig(
        "hubble-relay.kube-system:443",
        True,
        ("/tls/ca.crt", "/tls/old.crt"),
        "/tls/tls.crt",
        "/tls/tls.key",
        "relay.example",
        False,
    )


def test_nothing_said_is_what_hubble_would_try():
    config = relay_config({})

    assert config == RelayConfig("localhost:4245")
    assert (config.host, config.port, config.expected_name) == ("localhost", 4245, "ui.hubble-relay.cilium.io")


def test_a_flag_goes_before_its_variable_and_the_alias_after_it():
    environ = {"HUBBLE_SERVER": "one:1", "KAI_HUBBLE_ADDR": "two:2"}

    assert relay_config(environ, server="three:3").server == "three:3"
    assert relay_config(environ, server=None).server == "one:1"
    assert relay_config({"KAI_HUBBLE_ADDR": "two:2"}).server == "two:2"


def test_tls_in_the_address_switches_tls_on():
    assert relay_config({"HUBBLE_SERVER": "tls://relay:443"}) == RelayConfig("relay:443", tls=True)


def test_a_unix_socket_needs_no_port():
    assert relay_config({"HUBBLE_SERVER": "unix:///var/run/cilium/hubble.sock"}).is_local


def test_an_ipv6_address_in_brackets_is_an_address():
    assert (RelayConfig("[::1]:4245").host, RelayConfig("[::1]:4245").port) == ("::1", 4245)


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"HUBBLE_SERVER": "hubble-relay"}, "HOST:PORT"),
        ({"HUBBLE_SERVER": "relay:http"}, "HOST:PORT"),
        ({"HUBBLE_SERVER": "relay:70000"}, "HOST:PORT"),
        ({"HUBBLE_SERVER": "http://relay:80"}, "HOST:PORT"),
        ({"HUBBLE_SERVER": "::1:4245"}, "brackets"),
        ({"HUBBLE_TLS": "maybe"}, "HUBBLE_TLS"),
        ({"HUBBLE_TLS_CLIENT_CERT_FILE": "/tls.crt"}, "--tls-client-cert-file"),
    ],
)
def test_settings_that_make_no_sense_are_named(environ, word):
    with pytest.raises(BadRelayConfig, match=word) as refused:
        relay_config(environ)

    assert "\n" not in str(refused.value)
