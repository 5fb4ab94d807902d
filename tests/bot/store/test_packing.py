from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bot.store import InvestigationState, packing
from bot.store.packing import HIDDEN, MAX_JSON_BYTES, MAX_TEXT_CHARS, TooLarge, pack, plain, unpack
from bot.store.store import open_store
from tests.bot.store.words import NOW, RESULT, ROWS, admitted

TOKEN = "xoxb-" + "123456789012-abcdefghijkl"  # in two parts: no scanner should take it for a real one
WEB_TOKEN = "eyJhbGciOiJSUzI1NiJ9." + "eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (f"invalid_auth for {TOKEN}!", f"invalid_auth for {HIDDEN}!"),
        (f"Authorization: Bearer {WEB_TOKEN}", f"Authorization: Bearer {HIDDEN}"),
        ("Authorization: Basic a2FpOmh1bnRlcjI=", f"Authorization: Basic {HIDDEN}"),
        ("postgresql://kai:hunter2@db/kai refused", f"postgresql://{HIDDEN}@db/kai refused"),
        ("GET /?token=hunter2&page=2", f"GET /?token={HIDDEN}&page=2"),
        ("-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----", HIDDEN),
        ("10.96.0.1:443 refused by prod/strict-egress", "10.96.0.1:443 refused by prod/strict-egress"),
        ("http://10.0.0.1:8080/a@b", "http://10.0.0.1:8080/a@b"),
    ],
)
def test_what_looks_like_a_credential_is_hidden_and_the_rest_is_not(told: str, kept: str) -> None:
    assert plain(told) == kept
    assert unpack(pack({"words": [told]})) == {"words": [kept]}


def test_a_field_named_key_neither_hides_a_credential_nor_washes_what_holds_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert unpack(pack({"key": "token=abc"})) == {"key": f"token={HIDDEN}"}
    assert unpack(pack({"api": '"key":"abc"', "x": 'api_key":"abc'})) == {
        "api": '"key":"abc"',
        "x": f'api_key":"{HIDDEN}',
    }

    monkeypatch.setattr(packing, "_washed", lambda value: pytest.fail("washed for nothing"))
    assert unpack(pack({"key": "f000009", "name": "CannotReach"})) == {"key": "f000009", "name": "CannotReach"}


def test_a_patch_is_kept_to_the_letter() -> None:
    patch = [{"op": "add", "path": "/metadata/annotations/x", "value": "token=abc"}]

    assert unpack(pack({"fix": {"patch": patch, "why": "token=abc"}})) == {
        "fix": {"patch": patch, "why": f"token={HIDDEN}"}
    }


def test_text_that_a_database_refuses_or_that_never_ends_is_made_to_fit() -> None:
    assert plain("a\0b\ud800c") == "ab?c"
    assert len(plain("x" * 10_000_000)) == MAX_TEXT_CHARS


def test_a_value_beyond_all_measure_is_refused() -> None:
    with pytest.raises(TooLarge):
        pack({"words": "x" * MAX_JSON_BYTES})


def contents(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in folder.iterdir())


async def test_no_secret_reaches_the_file_nor_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_store(f"sqlite:///{tmp_path}/kai.db") as store:
        await admitted(store, "i1")
        await store.investigations.begin("i1", NOW)
        await store.investigations.conclude("i1", {**RESULT, "root_cause": f"got {TOKEN}"}, ROWS, "verdict", NOW)
        await admitted(store, "i2")
        await store.investigations.finish("i2", InvestigationState.FAILED, f"401 for {WEB_TOKEN}", "failed", NOW)
        verdict = await store.investigations.verdict("i1")

        written = contents(tmp_path)  # while it is open, with all that stands in the write-ahead log

    assert verdict is not None
    assert verdict.result["root_cause"] == f"got {HIDDEN}"
    for secret in (TOKEN, WEB_TOKEN):
        assert secret.encode() not in written
        assert secret not in caplog.text
