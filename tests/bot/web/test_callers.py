"""Who may call a webhook, and by what it is told."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.web.callers import may_call, signed_by_grafana, signed_by_pagerduty

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

    def why(body: bytes, header: str, secret: str = "a") -> str:
        return signed_by_pagerduty(body, {"X-PagerDuty-Signature": header}, secret, 0.0)

    assert why(body, signed(body, "a")) == ""
    assert why(body, f"v1=00, {signed(body, 'a')}") == ""
    assert why(body + b" ", signed(body, "a")) == "the signature is wrong"
    assert why(body, "") == why(body, signed(body, "b")) == "the signature is wrong"
    assert why(body, signed(body, ""), "") == "the signature is wrong"


@given(body=st.binary(max_size=60), header=st.text(max_size=80), stamp=st.none() | st.text(max_size=20))
def test_whatever_is_said_is_no_signature_and_nothing_crashes(body: bytes, header: str, stamp: str | None):
    times = {} if stamp is None else {"X-Grafana-Alerting-Timestamp": stamp}

    assert signed_by_grafana(body, {"X-Grafana-Alerting-Signature": header, **times}, "a-secret", 0.0)
    assert signed_by_pagerduty(body, {"X-PagerDuty-Signature": header}, "a-secret", 0.0)
