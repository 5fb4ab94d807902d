"""What can be done with a verdict: its buttons, its thread, the lists, the home tab, an early end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.desk import Limits
from tests.bot.desk.actors import Hands
from tests.bot.slack.conftest import POD, Kai, Start, is_over, text_of


@pytest.fixture
async def root(kai: Kai):
    await kai.workspace.user("alice").command("/kai netdebug api-server production")
    await kai.told()
    await kai.written()
    return kai.root()


async def ask(kai: Kai, root: dict, question: str) -> str:
    before = len(kai.workspace.thread(root["ts"]))
    await kai.workspace.user("bob").mention(question, thread_ts=root["ts"])
    thread = await kai.workspace.wait_for(lambda: len(seen := kai.workspace.thread(root["ts"])) == before + 2 and seen)
    return text_of(thread[-1])


async def test_show_fix_opens_a_window_with_command_undo_proof_and_what_it_opens(kai: Kai, root):
    bob = kai.workspace.user("bob")
    await bob.press(root, "kai_fix")
    view = await kai.workspace.wait_for(lambda: bob.view)
    said = text_of(view)

    typed = [block["elements"][0]["elements"][0]["text"] for block in view["blocks"] if block["type"] == "rich_text"]
    assert typed[0].startswith("kubectl apply -f - <<'EOF'\napiVersion: cilium.io/v2\n")
    assert typed[1] == "kubectl -n production delete ciliumnetworkpolicy kai-allow-db7bd6b7"
    assert "847 of 847 denied packets would be allowed" in said
    assert "Newly allowed: production/Deployment api-server" in said
    assert kai.workspace.ephemerals("bob") == []


async def test_the_buttons_of_older_messages_open_the_same_window(kai: Kai, root):
    bob = kai.workspace.user("bob")
    old = {"type": "button", "action_id": "kai_copy_kubectl", "text": {"type": "plain_text", "text": "Copy kubectl"}}
    value = root["blocks"][3]["elements"][0]["value"]
    blocks = [{"type": "actions", "elements": [{**old, "value": value}]}]
    app = kai.workspace.app
    slack = AsyncWebClient(token=app.bot_token, base_url=kai.workspace.api_url)
    posted = await slack.chat_postMessage(channel="C0INCIDENTS", text="old", blocks=blocks)
    await bob.press(str(posted["ts"]), "kai_copy_kubectl")

    assert "kubectl apply" in text_of(await kai.workspace.wait_for(lambda: bob.view))


async def test_why_opens_a_window_with_the_reasons_and_what_was_not_decided(kai: Kai, root):
    bob = kai.workspace.user("bob")
    await bob.press(root, "kai_why")
    said = text_of(await kai.workspace.wait_for(lambda: bob.view))

    assert "no rule admits this" in said
    assert "Not decided: physical, application" in said


async def test_a_window_that_slack_opens_no_more_becomes_a_message_to_the_person_alone(kai: Kai, root):
    kai.workspace.faults.expire_triggers()
    await kai.workspace.user("bob").press(root, "kai_fix")
    (said,) = await kai.whispers("bob")

    assert "kubectl apply" in said


async def test_run_again_looks_once_more_in_the_same_message_and_says_what_changed(kai: Kai, root):
    before = len(kai.workspace.thread(root["ts"]))
    await kai.workspace.user("bob").press(root, "kai_rerun")
    again = await kai.workspace.wait_for(lambda: "Same as " in text_of(kai.root()) and kai.root())
    await kai.workspace.wait_for(lambda: is_over(kai.root()))

    assert again["ts"] == root["ts"]
    assert len(await kai.served.store.investigations.recent()) == 2
    assert len(kai.workspace.thread(root["ts"])) == before
    assert again["blocks"][3]["elements"][0]["value"] != root["blocks"][3]["elements"][0]["value"]


def thumbs(root: dict[str, Any]) -> list[str]:
    (row,) = (block for block in root["blocks"] if block["type"] == "actions")
    return [each["text"]["text"] for each in row["elements"] if each["action_id"] in ("kai_right", "kai_wrong")]


async def test_a_thumb_shows_that_it_is_taken_and_a_second_press_takes_it_back(kai: Kai, root):
    bob = kai.workspace.user("bob")
    await bob.press(root, "kai_right")
    await kai.workspace.wait_for(lambda: thumbs(kai.root()) == ["👍 1", "👎"])
    await kai.workspace.user("carol").press(kai.root(), "kai_right")
    await kai.workspace.wait_for(lambda: thumbs(kai.root()) == ["👍 2", "👎"])
    await bob.press(kai.root(), "kai_right")
    await kai.workspace.wait_for(lambda: thumbs(kai.root()) == ["👍 1", "👎"])
    ((it, _),) = await kai.served.store.investigations.recent()

    assert [(each.by, each.opinion) for each in await kai.served.store.opinions.of(it.id)] == [("U0CAROL", "right")]
    assert kai.workspace.ephemerals("bob") == []


async def test_a_thumb_down_asks_what_was_wrong_and_keeps_it(kai: Kai, root):
    bob = kai.workspace.user("bob")
    await bob.press(root, "kai_wrong")
    view = await kai.workspace.wait_for(lambda: bob.view)
    await bob.submit(view, {"kai_real_cause": "the firewall of lab2", "kai_wrong_words": "nftables"})
    ((it, _),) = await kai.served.store.investigations.recent()

    async def words() -> list[str]:
        return [each.words for each in await kai.served.store.opinions.of(it.id)]

    await kai.workspace.wait_for(lambda: thumbs(kai.root()) == ["👍", "👎 1"])
    async with asyncio.timeout(60):
        while (await words()) == [""]:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    assert await words() == ["cause: the firewall of lab2\nnftables"]


async def test_a_thumb_down_counts_also_where_the_window_is_closed(kai: Kai, root):
    bob = kai.workspace.user("bob")
    await bob.press(root, "kai_wrong")
    await bob.close(await kai.workspace.wait_for(lambda: bob.view))

    await kai.workspace.wait_for(lambda: thumbs(kai.root()) == ["👍", "👎 1"])


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("why?", "847 packets dropped in 820 connection attempts"),
        ("what did you not measure?", "• *physical* ? inconclusive"),
        ("show fix", "kubectl apply -f -"),
        ("show evidence E4", "Service default/kubernetes (443→6443/TCP): 1 of 1 endpoints ready"),
        ("show evidence E99", "There is no E99 here"),
        ("how sure are you?", "*96% sure.* Nothing that was not measured holds it down. Coverage 100%."),
        ("is it DNS?", "*dns* ✔ passed: names resolve from inside the pod"),
        ("is it a policy?", "*policy* ✖ FAILED: policy.egress_denied"),
        ("explain", " Shown by E1, "),
    ],
)
async def test_a_question_in_the_thread_is_answered_from_the_verdict(kai: Kai, root, question: str, answer: str):
    assert answer in await ask(kai, root, question)


async def test_history_and_show_tell_of_what_was(kai: Kai, root):
    carol = kai.workspace.user("carol")
    ((it, _),) = await kai.served.store.investigations.recent()

    await carol.command("/kai history")
    await kai.whispers("carol")
    await carol.command(f"/kai show {it.id}")
    history, shown = await kai.whispers("carol", 2)

    assert f"id {it.id}" in history
    assert "NetworkPolicy production/strict-egress blocks" in shown


async def test_one_s_own_is_found_by_the_beginning_of_its_id_and_nobody_else_s(kai: Kai, root):
    ((it, _),) = await kai.served.store.investigations.recent()
    for who in ("alice", "carol"):
        await kai.workspace.user(who).command(f"/kai show {it.id[:6]}")

    (own,), (other,) = await kai.whispers("alice"), await kai.whispers("carol")

    assert "NetworkPolicy production/strict-egress blocks" in own
    assert set(other.splitlines()) == {f"No investigation {it.id[:6]} is remembered (history lists them)."}


def _has_verdict(messages: list[dict[str, Any]]) -> bool:
    return any(text_of(each).startswith("🔴") for each in messages)


async def test_what_was_asked_in_private_is_shown_to_nobody_else(kai: Kai):
    alice, bob = kai.workspace.user("alice"), kai.workspace.user("bob")
    await alice.message_bot(f"netdebug {POD} production")
    await kai.workspace.wait_for(lambda: _has_verdict(kai.workspace.direct_messages("alice")))
    ((it, _),) = await kai.served.store.investigations.recent()

    await bob.command("/kai history")
    (history,) = await kai.whispers("bob")
    await bob.command(f"/kai show {it.id}")
    await bob.open_home()
    _, shown = await kai.whispers("bob", 2)
    home = await kai.workspace.wait_for(lambda: bob.home)

    assert set(history.splitlines()) == {"Nothing has been investigated yet."}
    assert set(shown.splitlines()) == {f"No investigation {it.id} is remembered (history lists them)."}
    assert POD not in text_of(home)


async def test_who_asks_the_same_as_somebody_in_private_gets_no_link_and_no_id(start: Start):
    hands = Hands()
    async with start(look=hands.look) as kai:
        await kai.workspace.user("alice").message_bot(f"netdebug {POD} production")
        await hands.began[POD].wait()
        ((it, _),) = await kai.served.store.investigations.recent()
        await kai.workspace.user("bob").command(f"/kai netdebug {POD} production")
        await kai.workspace.user("alice").command(f"/kai netdebug {POD} production")
        (bob,), (alice,) = await kai.whispers("bob"), await kai.whispers("alice")
        hands.go[POD].set()

    assert "in a conversation that you are not in" in bob
    assert it.id not in bob
    assert "its thread" not in bob
    assert f"This is being looked into already (id {it.id}): " in alice


async def test_somebody_else_s_investigation_cannot_be_cancelled(start: Start):
    hands = Hands()
    async with start(look=hands.look) as kai:
        await kai.workspace.user("alice").command(f"/kai netdebug {POD} production")
        await hands.began[POD].wait()
        await kai.workspace.wait_for(kai.root)
        await kai.workspace.user("bob").press(kai.root(), "kai_cancel")
        (said,) = await kai.whispers("bob")
        hands.go[POD].set()
        await kai.verdict()

    assert set(said.splitlines()) == {"Only who asked for it, or may approve changes, can cancel it."}
    assert hands.interrupted == []


async def test_the_home_tab_lists_what_was_found_and_opens_the_form(kai: Kai, root):
    alice = kai.workspace.user("alice")
    await alice.open_home()
    home = await kai.workspace.wait_for(lambda: alice.home)

    await alice.press(home, "kai_show")
    shown = await kai.workspace.wait_for(lambda: alice.view)
    await alice.close()
    await alice.press(home, "kai_open_form")
    form = await kai.workspace.wait_for(lambda: alice.view)

    assert "blocks production/api-server" in text_of(home)
    assert shown["title"]["text"] == "Verdict"
    assert form["callback_id"] == "kai_form"


async def test_a_cancelled_investigation_says_so_in_its_root(start: Start):
    hands = Hands()
    async with start(look=hands.look) as kai:
        alice = kai.workspace.user("alice")
        await alice.command(f"/kai netdebug {POD} production")
        await hands.began[POD].wait()
        await kai.workspace.wait_for(kai.root)
        await alice.press(kai.root(), "kai_cancel")
        root = await kai.verdict()

    assert root["text"] == f"⚪ production/{POD} → 10.96.0.1:443: cancelled. cancelled by <@U0ALICE>"
    assert hands.interrupted == [POD]
    assert kai.workspace.thread(root["ts"]) == []


async def test_cancel_at_the_top_level_of_a_channel_ends_nothing_and_asks_which(start: Start):
    hands = Hands()
    async with start(look=hands.look) as kai:
        await kai.workspace.user("alice").command(f"/kai netdebug {POD} production")
        await hands.began[POD].wait()
        await kai.workspace.user("bob").command("/kai cancel")
        (said,) = await kai.whispers("bob")
        ((it, _),) = await kai.served.store.investigations.recent()
        hands.go[POD].set()
        await kai.verdict()

    assert "Say which: `cancel ID`" in said
    assert f"id {it.id}" in said
    assert hands.interrupted == []


async def test_cancel_in_the_thread_ends_the_investigation_of_that_thread(start: Start):
    hands = Hands()
    async with start(look=hands.look) as kai:
        await kai.workspace.user("alice").command(f"/kai netdebug {POD} production")
        await hands.began[POD].wait()
        await kai.workspace.wait_for(kai.root)
        await kai.workspace.user("alice").mention("stop", thread_ts=kai.root()["ts"])
        root = await kai.verdict()

    assert root["text"].endswith("cancelled by <@U0ALICE>")
    assert hands.interrupted == [POD]


async def test_what_cannot_be_looked_at_is_said_in_the_root(start: Start):
    from bot.desk import CannotLook

    hands = Hands()
    hands.raises[POD] = CannotLook("no right to list pods in production")
    hands.go[POD].set()
    async with start(look=hands.look) as kai:
        await kai.workspace.user("alice").command(f"/kai netdebug {POD} production")
        root = await kai.verdict()

    assert root["text"].startswith(f"⚪ production/{POD} → 10.96.0.1:443: could not look. no right to list pods")


async def test_what_waits_for_its_turn_says_so_and_how_many_come_first(start: Start):
    hands = Hands()
    peers = ("10.0.0.1:80", "10.0.0.2:80")
    async with start(look=hands.look, limits=Limits(each_namespace=1)) as kai:
        await kai.workspace.user("alice").command(f"/kai netdebug {POD} production --to {peers[0]}")
        await hands.began[POD].wait()
        await kai.workspace.user("alice").command(f"/kai netdebug {POD} production --to {peers[1]}")
        waiting = await kai.workspace.wait_for(lambda: (seen := kai.workspace.messages())[1:] and seen[1])
        hands.go[POD].set()
        ended = await kai.workspace.wait_for(lambda: _ended(kai.workspace.messages()))

    assert waiting["text"].endswith(f"{POD} → {peers[1]}: looking. Waiting for its turn, 1 before it.")
    assert ended


def _ended(roots: list[dict]) -> bool:
    return len(roots) == 2 and all(each["text"].startswith("🔴") for each in roots)


async def test_while_it_is_looked_into_the_root_counts_the_looks(start: Start):
    hands = Hands()
    async with start(look=hands.look) as kai:
        await kai.workspace.user("alice").command(f"/kai netdebug {POD} production")
        root = await kai.workspace.wait_for(lambda: (it := kai.root()) and "0 of 14" in it["text"] and it)
        await kai.workspace.user("alice").command("/kai status")
        (status,) = await kai.whispers("alice")
        await kai.workspace.user("alice").command(
            f"/kai show {root['blocks'][-1]['elements'][0]['text'].rpartition(' ')[2]}"
        )
        _, shown = await kai.whispers("alice", 2)
        hands.go[POD].set()
        await kai.verdict()

    assert root["text"].startswith(f"⚪ production/{POD} → 10.96.0.1:443: looking. 0 of 14 checks done.")
    assert [block["type"] for block in root["blocks"]] == ["header", "section", "actions", "context"]
    assert "1 under way" in status
    assert shown == status  # there is nothing else to show yet
