"""Who may call a webhook, and by what it is told."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.alerts.incidents import Novelty
from bot.web.hooks import Hooks, is_signed, may_call, payload_of

TOKEN = "s3cret-ü"


def basic(said: str) -> str:
    return "Basic " + base64.b64encode(said.encode()).decode()


def signed(body: bytes, secret: str) -> str:
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("said", [f"Bearer {TOKEN}", f"bearer  {TOKEN}", basic(f"kai:{TOKEN}"), basic(f":{TOKEN}")])
def test_a_bearer_token_or_a_basic_password_may_call(said: str):
    assert may_call(said, TOKEN)


@pytest.mark.parametrize(
    "said",
    ["", "Bearer", "Bearer ", f"Digest {TOKEN}", TOKEN, basic(TOKEN), basic(f"{TOKEN}:"), "Basic !", "Basic /w=="],
)
def test_everybody_else_may_not(said: str):
    assert not may_call(said, TOKEN)


@given(said=st.text(max_size=60))
def test_whatever_is_said_nothing_crashes_and_no_empty_token_fits(said: str):
    assert not may_call(said, "")
    assert may_call(said, TOKEN) is (said in (f"Bearer {TOKEN}", basic(f"kai:{TOKEN}")))


def test_a_body_is_signed_by_one_of_the_signatures():
    body = b'{"event": {}}'

    assert is_signed(body, signed(body, "a"), "a")
    assert is_signed(body, f"v1=00, {signed(body, 'a')}", "a")
    assert not is_signed(body + b" ", signed(body, "a"), "a")
    assert not is_signed(body, "", "a")
    assert not is_signed(body, signed(body, "b"), "a")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 200_000])
def test_what_is_no_object_is_no_payload(body: bytes):
    assert payload_of(body) is None


def test_without_its_secret_an_address_is_not_there():
    def hear(received: object) -> Novelty:
        return Novelty.NEW

    paths = lambda hooks: {each.path.rpartition("/")[2] for each in hooks.routes()}  # noqa: E731

    assert paths(Hooks(hear, "C0A", token="x")) == {"alertmanager", "grafana", "datadog"}
    assert paths(Hooks(hear, "C0A", pagerduty="x")) == {"pagerduty"}
    assert paths(Hooks(hear, "")) == set()
