from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.kit.secrets import SECRETS, redact


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer [redacted]"),
        ("password=hunter2 user=bob", "password=[redacted] user=bob"),
        ('"api_key": "k-123"', '"api_key": "[redacted]"'),
        ("GET http://bob:hunter2@db:5432/x", "GET http://[redacted]@db:5432/x"),
        ("GET http://db:5432/x", "GET http://db:5432/x"),
        ("jwt eyJhbGciOiJI.eyJzdWIi.sig_-x end", "jwt [redacted] end"),
        ("xoxb-123-abc", "[redacted]"),
        ("authorization: Digest username=x", "authorization: Digest [redacted]"),
        ('{"Authorization":"ApiKey abc","n":1}', '{"Authorization":"ApiKey [redacted]","n":1}'),
        ("Cookie: session=abc; theme=dark", "Cookie: [redacted]"),
        ("set-cookie: sid=1; Path=/", "set-cookie: [redacted]"),
        ("aws_secret_access_key = abc/def+1", "aws_secret_access_key = [redacted]"),
        ("-----BEGIN RSA PRIVATE KEY-----\\nMIIE\\nabc", "[redacted]"),
        ("token " + "ghp_" + "a" * 36, "token [redacted]"),
        ("key " + "sk-ant-" + "api03-abcdefghijkl", "key [redacted]"),
        ("the authorization failed: no rule", "the authorization failed: no rule"),
        ("5 tokens were read", "5 tokens were read"),
        ("curl: (28) Connection timed out", "curl: (28) Connection timed out"),
    ],
)
def test_what_looks_like_a_credential_is_cut_out_and_the_rest_stays(line: str, left: str) -> None:
    assert redact(line) == left


PIECES = st.sampled_from(
    [
        *(
            "password",
            "Token: ",
            "Bearer ",
            "basic",
            "AKIA",
            "eyJ",
            "xoxb-",
            "sk-",
            "://",
            "@",
            ":",
            "=",
            "-----BEGIN ",
        ),
        *("PRIVATE KEY-----", "secret_key", "Cookie", "npm_", "hvs.", "abcdefghijklmnopqrst", "ABCD0123", " ", "pod-1"),
    ]
)


@given(pieces=st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=8))
def test_a_text_that_is_passed_by_quickly_has_nothing_that_a_pattern_would_find(pieces: list[str]) -> None:
    text = "".join(pieces)
    slowly = text
    for pattern in SECRETS:
        slowly = pattern.sub(lambda found: found[1] + "#", slowly)

    assert redact(text, "#") == slowly


@pytest.mark.parametrize(
    "piece",
    [
        *("a-", "token", "bearer ", "://a", "-eyJ", "xoxa-", " ", "api_key", "passwd ", "'token'", "=", "a:", "@"),
        *(
            "-----BEGIN PRIVATE KEY-----",
            "authorization: ",
            "cookie=",
            "-----",
            "secret_access_",
            "sk-",
            "https://hooks.",
        ),
    ],
)
def test_redacting_a_long_line_takes_no_longer_than_reading_it(piece: str) -> None:
    """Processor time: a pattern that begins a long run at every character takes minutes, a linear one 0.2 s."""
    line = piece * (200_000 // len(piece))
    began = process_time()
    redact(line)

    assert process_time() - began < 5.0
