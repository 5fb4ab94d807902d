"""From a question to the verdict in a channel, over real sockets and on recorded incidents."""

from __future__ import annotations

import pytest

from lab.workspace.limits import check_message
from tests.bot.slack.conftest import POD, Kai, Start, text_of
from tests.kit.cases import CASES, case, target_of


async def test_a_command_becomes_a_root_message_with_the_verdict_and_its_evidence_in_the_thread(either: Kai):
    reply = await either.workspace.user("alice").command("/kai netdebug api-server production")
    root = await either.verdict()
    thread = await either.told()

    assert reply.acked
    assert root["text"].startswith(f"🔴 production/{POD} → 10.96.0.1:443: blocked. NetworkPolicy production/strict-")
    assert [file["name"][-4:] for file in thread[0]["files"]] == [".png"]
    assert thread[0]["text"].startswith("*Failing: policy* (policy.egress_denied)\n847 ")
    assert thread[1]["text"] == (
        "Passed: pod network, service, dns, conntrack, nat. Not decided: physical, application."
    )
    assert len(thread) == 2


async def test_the_root_says_cause_beginning_loss_fix_proof_and_how_sure(kai: Kai):
    await kai.workspace.user("alice").command("/kai netdebug api-server production")
    said = text_of(await kai.verdict())

    assert "NetworkPolicy production/strict-egress blocks production/api-server →" in said
    assert "Since 21:09:53 UTC, 2 s after strict-egress was created with kubectl apply." in said
    assert "847 packets dropped in 820 connection attempts." in said
    assert "Replayed: 847 of 847 dropped packets would pass; opens nothing else." in said
    assert "96% sure · 2 layers undecided · id " in said


@pytest.mark.parametrize("name", ["billing-to-tax", "web-to-catalog", "search-to-index", "worker-to-queue"])
async def test_every_message_about_a_recorded_incident_is_one_that_slack_takes(start: Start, name: str):
    target = target_of(case(name))
    async with start(case=CASES / name) as kai:
        await kai.workspace.user("alice").command(f"/kai netdebug {target.pod} {target.namespace}")
        await kai.verdict()
        thread = await kai.told()

        assert [check_message(each) for each in (kai.root(), *thread)] == [None] * (len(thread) + 1)
        assert all(each["text"].strip() for each in (kai.root(), *thread))
        assert [call.answer["error"] for call in kai.workspace.calls() if not call.answer["ok"]] == []


async def test_a_mention_in_a_thread_is_answered_in_that_thread(either: Kai):
    carol = either.workspace.user("carol")
    alert = await carol.say("checkout is slow, anybody?")

    await carol.mention("netdebug api-server production", thread_ts=alert["ts"])
    thread = await either.workspace.wait_for(
        lambda: (seen := either.workspace.thread(alert["ts"])) and seen[-1]["text"].startswith("Passed") and seen
    )

    assert len(either.workspace.messages()) == 1
    assert thread[1]["text"].startswith("🔴 production/")
    assert len(thread) == 2 + 2


async def test_a_message_shortcut_reads_pod_and_namespace_from_an_alert_and_answers_under_it(kai: Kai):
    alice = kai.workspace.user("alice")
    alert = await alice.say(f"[FIRING:1] WatchFails (namespace=production pod={POD} critical)")

    reply = await alice.shortcut(alert, "kai_investigate")
    thread = await kai.told()

    assert reply.acked
    assert thread[0]["text"].startswith(f"🔴 production/{POD}")


async def test_a_message_that_only_names_a_living_pod_is_enough(kai: Kai):
    alice = kai.workspace.user("alice")
    alert = await alice.say(f"[FIRING:1] KubePodNotReady production (prod api {POD} critical)")

    await alice.shortcut(alert, "kai_investigate")

    assert (await kai.told())[0]["text"].startswith(f"🔴 production/{POD}")


async def test_a_message_without_a_pod_opens_the_form(kai: Kai):
    alice = kai.workspace.user("alice")
    said = await alice.say("is it just me or is everything slow today?")

    await alice.shortcut(said, "kai_investigate")
    view = await kai.workspace.wait_for(lambda: alice.view)

    assert "does not say which pod" in text_of(view)


async def test_the_form_offers_namespaces_and_their_pods_and_starts_the_investigation(either: Kai):
    alice = either.workspace.user("alice")
    await alice.command("/kai netdebug")
    view = await either.workspace.wait_for(lambda: alice.view)

    spaces = await alice.suggest(view, "kai_namespace", "prod")
    pods = await alice.suggest(view, "kai_pod", "api")
    reply = await alice.submit(view, {"kai_namespace": spaces[0], "kai_pod": pods[0], "kai_to": "10.96.0.1:443"})

    assert [each["value"] for each in spaces] == ["production"]
    assert pods[0]["value"] == POD
    assert reply.acked
    assert alice.views == []
    assert (await either.verdict())["text"].startswith(f"🔴 production/{POD}")


async def test_a_form_with_a_door_that_is_none_is_refused_at_that_field(kai: Kai):
    alice = kai.workspace.user("alice")
    await alice.command("/kai netdebug api-server production --to x")
    await kai.verdict()
    await alice.command("/kai")
    view = await kai.workspace.wait_for(lambda: alice.view)
    space, pod = (await alice.suggest(view, "kai_namespace"))[0], (await alice.suggest(view, "kai_pod", "api"))[0]

    reply = await alice.submit(view, {"kai_namespace": space, "kai_pod": pod, "kai_to": "a b", "kai_since": "soon"})

    assert set(reply.errors) == {"kai_to", "kai_since"}
    assert "HOST:PORT" in reply.errors["kai_to"]
    assert len(alice.views) == 1


async def test_a_pod_that_does_not_exist_opens_the_form_with_the_nearest_ones(kai: Kai):
    alice = kai.workspace.user("alice")

    await alice.command("/kai netdebug api-servr production")
    view = await kai.workspace.wait_for(lambda: alice.view)

    assert "nearest: api-server" in text_of(view)
    assert kai.workspace.messages() == []


async def test_a_misread_command_is_answered_to_its_author_alone(either: Kai):
    await either.workspace.user("bob").command("/kai netdbug api-server production")
    (said,) = await either.whispers("bob")

    assert "did you mean 'netdebug'" in said
    assert "`/kai help` lists what can be asked" in said
    assert either.workspace.messages() == []


async def test_a_channel_without_kai_gets_its_answer_directly_and_an_advice(kai: Kai):
    await kai.workspace.user("alice").command("/kai netdebug api-server production", channel="random")
    (advice,) = await kai.whispers("alice")
    said = await kai.workspace.wait_for(
        lambda: [each for each in kai.workspace.direct_messages("alice") if each["text"].startswith("🔴")]
    )

    assert "/invite @kai" in advice
    assert said[0]["text"].startswith(f"🔴 production/{POD}")
    assert kai.workspace.messages("random") == []


async def test_only_the_last_minutes_of_hubble_flows_are_read_where_somebody_says_so(kai: Kai):
    await kai.workspace.user("alice").command("/kai netdebug api-server production --since 2s")
    root = await kai.verdict()

    verdict = await kai.served.store.investigations.recent(1)
    request = verdict[0][0].request
    stored = await kai.served.store.investigations.verdict(verdict[0][0].id)
    packets = next(each for each in stored.result["evidence"] if each["sensor"] == "hubble.capture_flows")

    assert (request.flow, request.since) == ("flow.k8s_network_debug", 2)
    assert root["text"].startswith("🔴")
    assert 0 < packets["facts"]["packets_dropped"] < 100


async def test_people_of_another_company_may_not_ask(kai: Kai):
    await kai.workspace.user("mallory").command("/kai netdebug api-server production", channel="partner-shared")
    (said,) = await kai.whispers("mallory")

    assert "Only members of this workspace" in said
    assert await kai.served.store.investigations.recent(1) == ()


@pytest.mark.parametrize("how", ["command", "mention", "button"])
async def test_a_guest_may_not_ask_whichever_way_he_comes(kai: Kai, how: str):
    channel = kai.workspace.world.channel("incidents")
    channel.members.add("U0GRACE")
    grace = kai.workspace.user("grace")
    if how == "command":
        await grace.command("/kai netdebug api-server production")
    elif how == "mention":
        await grace.mention("netdebug api-server production")
    else:
        await kai.workspace.user("alice").command("/kai netdebug api-server production")
        await kai.told()
        await grace.press(kai.root(), "kai_rerun")
    (said,) = await kai.whispers("grace")

    assert said.startswith("Guests of this workspace may not ask KAI")
    assert len(await kai.served.store.investigations.recent()) == (how == "button")


async def test_a_second_question_about_the_same_is_led_to_the_first(start: Start):
    from tests.bot.desk.actors import Hands

    hands = Hands()
    async with start(look=hands.look) as kai:
        await kai.workspace.user("alice").command(f"/kai netdebug {POD} production")
        await hands.began[POD].wait()
        await kai.workspace.user("bob").command(f"/kai netdebug {POD} production")
        (said,) = await kai.whispers("bob")
        hands.go[POD].set()
        await kai.verdict()

    assert "already" in said
    assert f"p{kai.root()['ts'].replace('.', '')}" in said
    assert hands.looks == [POD]


async def test_a_replica_that_looks_shows_its_progress_in_the_root_that_another_has_opened(start: Start):
    from bot.slack.conversations import Conversations
    from bot.slack.recovery import Seeker
    from flows.engine import Saw
    from flows.load import load_flows
    from sensors.kit import Evidence, Sight
    from sensors.kit.catalog import sensors
    from tests.bot.desk.actors import Hands

    hands, flow = Hands(), load_flows()["flow.k8s_network_debug"]
    async with start(look=hands.look) as kai:
        await kai.workspace.user("alice").command(f"/kai netdebug {POD} production")
        await hands.began[POD].wait()
        await kai.workspace.wait_for(kai.root)
        ((it, _),) = await kai.served.store.investigations.recent()
        seeker = Seeker(kai.served.outbox._client)
        other = Conversations(kai.served.store, kai.served.outbox, seeker, {flow.id: flow}, sensors())
        await other.watching(it)(Saw(flow.looks[0], "E1", Evidence(flow.looks[0].ref, Sight.ABSENT)))
        await kai.workspace.wait_for(lambda: "1 of 14 checks done" in kai.root()["text"])
        hands.go[POD].set()
        root = await kai.verdict()

    assert root["text"].startswith("🔴")
