"""Every way in which the API can fail, over real sockets: each is one sentence, and nobody waits too long."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from flows.agent.asking import Before, ClaudeClient, Over, PlannedCall, Purse
from flows.agent.brief import brief_of
from flows.agent.clients import RequestSender, opened
from flows.agent.money import LIST_PRICES, Ceilings, Price, Prices, SpentTokens, at_most, cost_of
from flows.agent.prompt import explain, tokens_of
from flows.agent.reply import ModelReply, NoAnswer
from flows.agent.settings import ClaudeSettings
from tests.bot.report.examples import DENIED
from tests.flows.agent.answers import FAIR, settings_for
from tests.kit.messages_api import KEY, Answer, MessagesApi, asks, error, says, serving

REQUEST = explain(brief_of(DENIED, "0123abcd"), "claude-sonnet-5-5")


@pytest.fixture
async def api() -> AsyncIterator[MessagesApi]:
    async with serving(MessagesApi([says(FAIR)])) as api:
        yield api


@pytest.fixture
async def line(api: MessagesApi) -> AsyncIterator[RequestSender]:
    line = await opened(settings_for(api))
    yield line
    await line.close()


async def why_not(line: RequestSender, within: float = 5.0) -> NoAnswer:
    with pytest.raises(NoAnswer) as failed:
        await line.send(REQUEST, within)
    return failed.value


async def test_an_answer_comes_with_its_usage_and_the_second_is_read_from_the_cache(
    line: RequestSender, api: MessagesApi
):
    first, second = await line.send(REQUEST, 5), await line.send(REQUEST, 5)

    assert api.refused == []
    assert '"statements"' in first.text
    assert (first.spent.cache_write > 1024, first.spent.cache_read) == (True, 0)
    assert (second.spent.cache_read, second.spent.cache_write) == (first.spent.cache_write, 0)
    assert first.spent.input == second.spent.input > 0
    assert first.spent.output > 10


async def test_a_request_for_a_look_comes_back_as_it_must_be_sent_again(line: RequestSender, api: MessagesApi):
    api.answers = [asks("ask_sensor", sensor="net.mtu")]

    reply = await line.send(REQUEST, 5)

    assert [(each.tool, each.said) for each in reply.asked] == [("ask_sensor", {"sensor": "net.mtu"})]
    assert reply.blocks[0]["type"] == "tool_use"
    assert ModelReply.of_json(reply.as_json()) == reply


FAILURES = {
    "400": (error(400, message="max_tokens is too large"), "refused the request (400: max_tokens is too large)"),
    "401": (error(401), "the API does not accept the key (401)"),
    "402": (error(402), "the account has no credit (402)"),
    "403": (error(403), "the key may not do this (403)"),
    "404": (error(404), "the API knows no model claude-sonnet-5-5 (404)"),
    "413": (error(413), "the request is too large (413)"),
    "429 for long": (error(429, headers={"retry-after": "60"}), "too many requests were sent with this key (429)"),
    "529": (error(529, headers={"retry-after-ms": "20"}), "the API is overloaded (529)"),
    "500": (error(500, headers={"retry-after-ms": "20"}), "the API failed (500)"),
    "refusal": (Answer(stop="refusal", details={"type": "refusal", "category": "cyber"}), "declined to answer (cyber)"),
    "max_tokens": (says('{"statements": [', stop="max_tokens", output_tokens=1600), "was cut off (1600 tokens)"),
    "cut at once": (says(FAIR, cut=0), "broke off"),
    "cut in the midst": (says(FAIR, cut=4), "broke off"),
    "cut before its end": (says(FAIR, cut=8), "broke off"),
    "error in the stream": (Answer(late_error="overloaded_error"), "the API is overloaded (529)"),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failure_is_one_sentence_and_the_verdict_is_that_of_the_rules(
    name: str, line: RequestSender, api: MessagesApi
):
    answer, why = FAILURES[name]
    api.answers = [answer]

    failed = await why_not(line)

    assert why in failed.why
    assert str(failed) == f"Claude adds nothing: {failed.why}; the verdict is that of the rules."
    assert KEY not in str(failed)


@pytest.mark.parametrize("answer", [says(FAIR, delay=60), says(FAIR, each=0.5)], ids=("silent", "slow stream"))
async def test_nobody_waits_longer_than_allowed(answer: Answer, line: RequestSender, api: MessagesApi):
    api.answers = [answer]

    failed = await why_not(line, within=0.7)

    assert "did not answer within 0.7 s" in failed.why


async def test_what_a_cut_stream_has_counted_is_known_and_of_a_silent_one_nothing_is(
    line: RequestSender, api: MessagesApi
):
    api.answers = [says(FAIR, each=0.8)]
    slow = await why_not(line, within=2.0)
    api.answers = [says(FAIR, delay=60)]
    silent = await why_not(line, within=0.3)

    assert (slow.spent.input > 0, slow.unknown_cost) == (True, False)
    assert (silent.spent, silent.unknown_cost) == (SpentTokens(), True)


async def test_an_overloaded_api_is_asked_again_and_a_wrong_key_is_not(line: RequestSender, api: MessagesApi):
    api.answers = [
        error(529, headers={"retry-after-ms": "10"}),
        error(529, headers={"retry-after-ms": "10"}),
        says(FAIR),
    ]
    assert (await line.send(REQUEST, 10)).stop == "end_turn"
    assert api.calls == 3

    api.answers = [error(401)]
    await why_not(line)
    assert api.calls == 4


async def test_an_address_where_nobody_listens_is_said_so():
    line = await opened(ClaudeSettings(key=KEY, base_url="http://127.0.0.1:9"))

    assert "could not be reached" in (await why_not(line)).why
    await line.close()


async def test_a_cloud_without_its_sdk_is_said_so_and_what_to_install():
    async def ask() -> None:
        line = await opened(ClaudeSettings(provider="vertex", region="europe-west1", project="p"))
        await line.send(REQUEST, 5)

    with pytest.raises(NoAnswer, match=r"install kai-netdebug\[vertex\]"):
        await ask()


async def test_bedrock_without_a_key_says_where_to_put_it():
    with pytest.raises(NoAnswer, match=r"api_key_env"):
        await opened(ClaudeSettings(provider="bedrock", region="eu-central-1"))


# -- the server itself -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"temperature": 0.1}, "Extra inputs are not permitted"),
        ({"model": "claude-made-up"}, "model: claude-made-up"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "first message must use the user role"),
        ({"output_config": {"effort": "little"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, "additionalProperties"),
    ],
)
async def test_the_server_refuses_what_the_real_api_refuses(
    wrong: dict, message: str, line: RequestSender, api: MessagesApi
):
    with pytest.raises((NoAnswer, TypeError)):
        await line.send({**REQUEST, "extra_body": wrong}, 5)

    assert any(message in each for each in api.refused)


# -- money -----------------------------------------------------------------------------------------------------------


class Memory:
    """A ledger in memory."""

    def __init__(self, said: Over | Before | None = None) -> None:
        self.said, self.begun, self.ended = said, list[PlannedCall](), dict[str, tuple[SpentTokens, float, bool]]()

    async def begin(self, call: PlannedCall) -> Over | Before | None:
        self.begun.append(call)
        return self.said

    async def end(self, key: str, spent: SpentTokens, cost_usd: float, reply: object) -> None:
        self.ended[key] = (spent, cost_usd, reply is not None)


async def test_a_call_is_estimated_before_and_measured_afterwards_and_costs_less_than_five_cents(api: MessagesApi):
    ledger = Memory()
    client = ClaudeClient(settings_for(api), ledger)

    await client.ask("explain", REQUEST, Purse("i1", "U1"), 5)
    await client.close()

    call, (spent, cost, answered) = ledger.begun[0], ledger.ended["i1.explain"]
    counted = spent.input + spent.cache_write + spent.cache_read
    assert (call.key, answered) == ("i1.explain", True)
    assert call.estimated_tokens == tokens_of(REQUEST) >= counted
    assert 0 < cost < call.most_usd <= 0.05
    assert cost == pytest.approx(cost_of(spent, LIST_PRICES["claude-sonnet-5-5"]))


def test_the_largest_brief_that_may_be_sent_costs_less_than_five_cents_at_the_list_price():
    fixed = tokens_of(explain(brief_of(DENIED, "0123abcd"), "m")) - brief_of(DENIED, "0123abcd").tokens

    assert at_most(fixed + 6000, REQUEST["max_tokens"], LIST_PRICES["claude-sonnet-5-5"]) <= 0.05


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Over("day", 20.0, 19.99), "the ceiling of $20.00 in 24 hours would be passed ($19.99 are spent)"),
        (Over("person", 5.0, 4.99), "in 24 hours for one person"),
        (Over("investigation", 0.01, 0.0), "this call might cost more"),
        (Before(None), "no call is paid for twice"),
    ],
)
async def test_a_call_that_may_not_be_paid_for_is_not_sent(said: Over | Before, why: str, api: MessagesApi):
    client = ClaudeClient(settings_for(api), Memory(said))

    with pytest.raises(NoAnswer) as failed:
        await client.ask("explain", REQUEST, Purse("i1", "U1"), 5)

    assert why in failed.value.why
    assert api.calls == 0


async def test_an_answer_that_was_written_down_is_read_and_not_asked_for_again(api: MessagesApi):
    kept = ModelReply("{}", (), (), SpentTokens(1, 2))
    client = ClaudeClient(settings_for(api), Memory(Before(kept.as_json())))

    assert await client.ask("explain", REQUEST, Purse("i1", "U1"), 5) == kept
    assert api.calls == 0


async def test_a_model_without_a_price_is_not_asked_since_no_ceiling_could_be_kept(api: MessagesApi):
    client = ClaudeClient(settings_for(api, model="claude-of-tomorrow"), Memory())

    with pytest.raises(NoAnswer, match=r"claude\.prices sets one"):
        await client.ask("explain", REQUEST, Purse("i1", "U1"), 5)


async def test_a_silent_call_counts_as_the_most_that_it_may_have_cost(api: MessagesApi):
    api.answers = [says(FAIR, delay=60)]
    ledger = Memory()
    client = ClaudeClient(settings_for(api, timeout=0.3), ledger)

    with pytest.raises(NoAnswer):
        await client.ask("explain", REQUEST, Purse("i1", "U1"), 5)
    await client.close()

    assert ledger.ended["i1.explain"] == (SpentTokens(), ledger.begun[0].most_usd, False)


def test_prices_are_of_exactly_that_model_whatever_a_cloud_writes_around_its_name():
    prices = Prices({"claude-mine": Price(1, 2, 3, 4)})

    known = {
        name: prices.of(name) == LIST_PRICES["claude-sonnet-5-5"]
        for name in ("claude-sonnet-5-5", "eu.anthropic.claude-sonnet-5-5-v1:0", "claude-sonnet-5-5@20261001")
    }
    assert all(known.values()), known
    assert prices.of("claude-sonnet-5") == LIST_PRICES["claude-sonnet-5"]
    assert prices.of("claude-mine") == Price(1, 2, 3, 4)
    assert [prices.of(name) for name in ("claude-sonnet-5-6", "claude-sonnet-5-5-5", "my-claude-mine")] == [None] * 3
    assert Ceilings() == Ceilings(0.25, 20.0, 5.0)
