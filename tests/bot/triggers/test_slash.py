"""The words behind /kai, and what is made of them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.triggers.commands import Cancel, Fill, Help, History, Investigate, Misread, ShowCommand, StatusCommand
from bot.triggers.slash import is_command, parse


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("netdebug web-7f9 shop", Investigate("web-7f9", "shop")),
        ("netdebug shop/web-7f9", Investigate("web-7f9", "shop")),
        ("netdebug web-7f9 -n shop", Investigate("web-7f9", "shop")),
        ("netdebug deploy/web --namespace=shop", Investigate("deploy/web", "shop")),
        ("netdebug web shop --to db.prod:5432 --since 15m", Investigate("web", "shop", "db.prod", 5432, 900)),
        ("netdebug web shop --to [fd00::1]:443", Investigate("web", "shop", "fd00::1", 443)),
        ("NETDEBUG web shop", Investigate("web", "shop")),
        ("", Fill()),
        ("netdebug", Fill()),
        ("netdebug web", Fill("web")),
        ("netdebug -n shop --to db:5432 --since 2h", Fill("", "shop", "db:5432", "2h")),
        ("help", Help()),
        ("status", StatusCommand()),
        ("history", History()),
        ("show 1F00baa5", ShowCommand("1f00baa5")),
        ("cancel 1f00baa5", Cancel("1f00baa5")),
        ("stop", Cancel()),
    ],
)
def test_words_are_read_as_meant(typed: str, meant: object):
    assert parse(typed) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("netdebug web shop \u2014to <http://db.shop:5432|db.shop:5432>", Investigate("web", "shop", "db.shop", 5432)),
        ("netdebug `web` \u201cshop\u201d", Investigate("web", "shop")),
        ("netdebug web shop <@U0ALICE|alice>", Investigate("web", "shop")),
        ("netdebug <http://web.shop> shop", Investigate("web.shop", "shop")),
    ],
)
def test_what_slack_and_telephones_make_of_the_words_is_undone(typed: str, meant: object):
    assert parse(typed) == meant


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("netdbug web shop", "did you mean 'netdebug'?"),
        ("web shop", "write netdebug web shop"),
        ("netdebug a b c", "too many words"),
        ("netdebug shop/web other", "two namespaces"),
        ("netdebug web shop --to", "--to wants a value"),
        ("netdebug web shop --to db:port", "--to wants HOST:PORT"),
        ("netdebug web shop --since soon", "--since wants a time"),
        ("netdebug web shop --since 25h", "24h at most"),
        ("netdebug web shop --since 0m", "--since wants a time"),
        ("netdebug web shop --sinc 5m", "did you mean '--since'"),
        ("netdebug web$(id) shop", "cannot be the name of a pod"),
        ("netdebug web ../etc", "cannot be the name of a namespace"),
        ("show", "show wants the id"),
        ("show ../../etc", "show wants the id"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_write_instead(typed: str, why: str):
    with pytest.raises(Misread) as refused:
        parse(typed)

    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.text(max_size=300))
def test_any_text_is_a_command_or_misread(typed: str):
    with suppress(Misread):
        assert parse(typed) is not None


def test_a_verb_makes_a_command():
    assert [is_command(each) for each in ("netdebug x", "cancel", "why?", "", "<@U1> help")] == [
        True,
        True,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("said", "door"),
    [
        ("http://payments.prod:8080/", ("payments.prod", 8080)),
        ("<http://payments.prod:8080/health|payments.prod:8080/health>", ("payments.prod", 8080)),
        ("postgres://db.prod:5432/orders", ("db.prod", 5432)),
    ],
)
def test_a_pasted_address_of_the_web_is_read_as_its_host_and_port(said: str, door: tuple[str, int]):
    asked = parse(f"netdebug web shop --to {said}")

    assert (asked.to_host, asked.to_port) == door


def test_a_range_of_addresses_is_no_place_to_connect_to():
    with pytest.raises(Misread, match="--to wants HOST:PORT"):
        parse("netdebug web shop --to 10.0.0.0/8")
