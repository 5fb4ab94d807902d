from __future__ import annotations

from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from lab.workspace import HandClock, Workspace

Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


APPROVE = {
    "type": "button",
    "action_id": "approve",
    "text": plain("Approve"),
    "value": "proposal-1",
    "style": "primary",
}
LAYER = {
    "type": "static_select",
    "action_id": "layer",
    "options": [{"text": plain("DNS"), "value": "dns"}, {"text": plain("Policy"), "value": "policy"}],
}
CARD = [{"type": "actions", "block_id": "card", "elements": [APPROVE, LAYER]}]
PATCH = {"type": "plain_text_input", "action_id": "patch", "initial_value": "port: 5432"}
FORM = {
    "type": "modal",
    "callback_id": "edit",
    "private_metadata": "proposal-1",
    "title": plain("Edit patch"),
    "submit": plain("Save"),
    "notify_on_close": True,
    "blocks": [{"type": "input", "block_id": "patch_block", "label": plain("Patch"), "element": PATCH}],
}


async def card(client: AsyncWebClient, channel: str = "C0INCIDENTS") -> str:
    return str((await client.chat_postMessage(channel=channel, text="a fix", blocks=CARD))["ts"])


async def test_a_press_tells_who_where_and_what(kai: AsyncApp, workspace: Workspace, client: AsyncWebClient) -> None:
    bodies: list[Json] = []

    @kai.action("approve")
    async def listener(ack: Any, body: Json) -> None:
        await ack()
        bodies.append(body)

    ts = await card(client)
    reply = await workspace.user("bob").press(ts, "approve", state={"layer": "dns"})

    (body,) = bodies
    assert reply.acked
    assert body["user"] == {"id": "U0BOB", "username": "bob", "name": "bob", "team_id": "T0LAB"}
    assert body["team"] == {"id": "T0LAB", "domain": "kai-lab"}
    assert body["channel"] == {"id": "C0INCIDENTS", "name": "incidents"}
    assert body["container"] == {
        "type": "message",
        "message_ts": ts,
        "channel_id": "C0INCIDENTS",
        "is_ephemeral": False,
    }
    assert body["message"]["blocks"] == workspace.message(ts)["blocks"]
    (action,) = body["actions"]
    assert {name: action[name] for name in action.keys() - {"action_ts"}} == {
        **APPROVE,
        "block_id": "card",
    }
    assert body["state"]["values"] == {
        "card": {"layer": {"type": "static_select", "selected_option": LAYER["options"][0]}}
    }


async def test_a_choice_tells_what_was_chosen(kai: AsyncApp, workspace: Workspace, client: AsyncWebClient) -> None:
    chosen: list[Json] = []

    @kai.action("layer")
    async def listener(ack: Any, action: Json) -> None:
        await ack()
        chosen.append(action["selected_option"])

    await workspace.user("bob").press(await card(client), "layer", "policy")

    assert chosen == [{"text": plain("Policy"), "value": "policy"}]


async def test_a_stranger_presses_under_his_own_team(
    kai: AsyncApp, workspace: Workspace, client: AsyncWebClient
) -> None:
    bodies: list[Json] = []

    @kai.action("approve")
    async def listener(ack: Any, body: Json) -> None:
        await ack()
        bodies.append(body)

    await workspace.user("mallory").press(await card(client, "C0PARTNER"), "approve")

    assert (bodies[0]["user"]["team_id"], bodies[0]["team"]["id"]) == ("T0PARTNER", "T0LAB")


async def test_nobody_presses_what_he_cannot_see(workspace: Workspace, client: AsyncWebClient) -> None:
    ts = await card(client)

    with pytest.raises(LookupError, match="mallory sees no message"):
        await workspace.user("mallory").press(ts, "approve")


async def test_a_press_names_the_elements_that_there_are(workspace: Workspace, client: AsyncWebClient) -> None:
    ts = await card(client)

    with pytest.raises(LookupError, match=r"no element 'reject'.*there are: approve, layer"):
        await workspace.user("bob").press(ts, "reject")


async def test_the_buttons_of_an_ephemeral_message_work(
    kai: AsyncApp, workspace: Workspace, client: AsyncWebClient
) -> None:
    @kai.action("approve")
    async def listener(ack: Any, body: Json, respond: Any) -> None:
        await ack()
        assert body["container"]["is_ephemeral"]
        assert "message" not in body
        await respond(replace_original=True, text="chosen", blocks=[])

    await client.chat_postEphemeral(channel="C0INCIDENTS", user="U0BOB", text="which one?", blocks=CARD)
    await workspace.user("bob").press(workspace.ephemerals("bob")[0], "approve")
    await workspace.wait_for(lambda: workspace.ephemerals("bob")[0]["text"] == "chosen")

    assert workspace.ephemerals("bob")[0]["blocks"] == []


async def test_a_response_url_replaces_and_deletes_the_message(
    kai: AsyncApp, workspace: Workspace, client: AsyncWebClient
) -> None:
    @kai.action("approve")
    async def listener(ack: Any, respond: Any) -> None:
        await ack()
        await respond(replace_original=True, text="approved", blocks=[])
        await respond(delete_original=True)

    @kai.event("message")
    async def heard() -> None: ...

    ts = await card(client)
    await workspace.user("bob").press(ts, "approve")
    await workspace.wait_for(lambda: len(workspace.deliveries("events_api")) == 3)

    assert workspace.messages("incidents") == []
    told = [one.parcel.payload["event"] for one in workspace.deliveries("events_api")]
    assert [one.get("subtype") for one in sorted(told, key=lambda one: one["event_ts"])] == [
        None,
        "message_changed",
        "message_deleted",
    ]


async def test_a_form_is_opened_filled_in_and_sent(kai: AsyncApp, workspace: Workspace, client: AsyncWebClient) -> None:
    sent: list[Json] = []

    @kai.action("approve")
    async def press(ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)

    @kai.view("edit")
    async def submit(ack: Any, view: Json) -> None:
        await ack()
        sent.append(view)

    bob = workspace.user("bob")
    await bob.press(await card(client), "approve")
    await workspace.wait_for(lambda: bob.view)
    reply = await bob.submit(values={"patch": "port: 5433"})

    assert reply.acked
    assert bob.views == []
    assert sent[0]["private_metadata"] == "proposal-1"
    assert sent[0]["state"]["values"] == {"patch_block": {"patch": {"type": "plain_text_input", "value": "port: 5433"}}}


async def test_a_form_with_errors_stays_open(kai: AsyncApp, workspace: Workspace, client: AsyncWebClient) -> None:
    bob = await _with_form(kai, workspace, client)

    @kai.view("edit")
    async def submit(ack: Any) -> None:
        await ack(response_action="errors", errors={"patch_block": "line 1: not YAML"})

    reply = await bob.submit(values={"patch": "{"})

    assert reply.errors == {"patch_block": "line 1: not YAML"}
    assert len(bob.views) == 1


async def test_an_empty_required_field_is_not_sent(kai: AsyncApp, workspace: Workspace, client: AsyncWebClient) -> None:
    bob = await _with_form(kai, workspace, client)

    reply = await bob.submit(values={"patch": ""})

    assert (reply.acked, reply.errors) == (False, {"patch_block": "Please complete this required field."})


async def test_a_form_may_be_answered_by_another_view(
    kai: AsyncApp, workspace: Workspace, client: AsyncWebClient
) -> None:
    bob = await _with_form(kai, workspace, client)
    answers = iter(
        [
            {"response_action": "update", "view": {**FORM, "title": plain("Sure?")}},
            {"response_action": "push", "view": {**FORM, "title": plain("Really?")}},
            {"response_action": "clear"},
        ]
    )

    @kai.view("edit")
    async def submit(ack: Any) -> None:
        await ack(**next(answers))

    titles = []
    for _ in range(3):
        await bob.submit()
        titles.append([view["title"]["text"] for view in bob.views])

    assert titles == [["Sure?"], ["Sure?", "Really?"], []]


async def test_an_answer_with_an_invalid_view_is_an_error_for_the_person(
    kai: AsyncApp, workspace: Workspace, client: AsyncWebClient
) -> None:
    bob = await _with_form(kai, workspace, client)

    @kai.view("edit")
    async def submit(ack: Any) -> None:
        await ack(response_action="update", view={**FORM, "title": plain("x" * 25)})

    reply = await bob.submit()

    assert reply.error == "invalid_arguments"
    assert bob.view["title"]["text"] == "Edit patch"


async def test_a_cancelled_form_is_told_when_the_view_asks_for_it(
    kai: AsyncApp, workspace: Workspace, client: AsyncWebClient
) -> None:
    closed: list[bool] = []
    bob = await _with_form(kai, workspace, client)

    @kai.view_closed("edit")
    async def listener(ack: Any, body: Json) -> None:
        await ack()
        closed.append(body["is_cleared"])

    await bob.close()

    assert (closed, bob.views) == ([False], [])


async def test_a_trigger_opens_one_modal_within_three_seconds(
    kai: AsyncApp, workspace: Workspace, client: AsyncWebClient, clock: HandClock
) -> None:
    triggers: list[str] = []

    @kai.action("approve")
    async def listener(ack: Any, body: Json) -> None:
        await ack()
        triggers.append(body["trigger_id"])

    ts = await card(client)
    bob = workspace.user("bob")
    await bob.press(ts, "approve")
    await bob.press(ts, "approve")
    await client.views_open(trigger_id=triggers[0], view=FORM)
    again = await _error(client.views_open(trigger_id=triggers[0], view=FORM))
    await clock.advance(3.1)
    late = await _error(client.views_open(trigger_id=triggers[1], view=FORM))
    forged = await _error(client.views_open(trigger_id="1.2.3", view=FORM))

    assert (again, late, forged) == ("exchanged_trigger_id", "expired_trigger_id", "invalid_trigger_id")


async def test_an_update_with_an_old_hash_is_refused(
    kai: AsyncApp, workspace: Workspace, client: AsyncWebClient
) -> None:
    bob = await _with_form(kai, workspace, client)
    old = bob.view

    await client.views_update(view_id=old["id"], hash=old["hash"], view={**FORM, "title": plain("Checked")})
    conflict = await _error(client.views_update(view_id=old["id"], hash=old["hash"], view=FORM))

    assert conflict == "hash_conflict"
    assert bob.view["title"]["text"] == "Checked"


async def test_what_is_typed_outlives_an_update(kai: AsyncApp, workspace: Workspace, client: AsyncWebClient) -> None:
    bob = await _with_form(kai, workspace, client)

    @kai.view("edit")
    async def submit(ack: Any) -> None:
        await ack(response_action="errors", errors={"patch_block": "checking"})

    await bob.submit(values={"patch": "typed"})
    await client.views_update(view_id=bob.view["id"], view=FORM)

    assert bob.view["state"]["values"]["patch_block"]["patch"]["value"] == "typed"


async def test_a_type_ahead_asks_the_app(kai: AsyncApp, workspace: Workspace, client: AsyncWebClient) -> None:
    pods = {"type": "external_select", "action_id": "pod", "min_query_length": 0}

    @kai.options("pod")
    async def listener(ack: Any, payload: Json) -> None:
        names = [name for name in ("web-1", "web-2", "db-0") if payload["value"] in name]
        await ack(options=[{"text": plain(name), "value": name} for name in names])

    answer = await client.chat_postMessage(
        channel="C0INCIDENTS", text="which pod?", blocks=[{"type": "actions", "elements": [pods]}]
    )
    options = await workspace.user("alice").suggest(answer["ts"], "pod", "web")

    assert [one["value"] for one in options] == ["web-1", "web-2"]


async def test_a_type_ahead_with_too_many_options_shows_none(
    kai: AsyncApp, workspace: Workspace, client: AsyncWebClient
) -> None:
    @kai.options("pod")
    async def listener(ack: Any) -> None:
        await ack(options=[{"text": plain(str(number)), "value": str(number)} for number in range(101)])

    element = {"type": "external_select", "action_id": "pod"}
    answer = await client.chat_postMessage(
        channel="C0INCIDENTS", text="which pod?", blocks=[{"type": "actions", "elements": [element]}]
    )

    assert await workspace.user("alice").suggest(answer["ts"], "pod") == []


async def test_a_message_shortcut_carries_the_message(kai: AsyncApp, workspace: Workspace) -> None:
    got: list[Json] = []

    @kai.shortcut({"type": "message_action", "callback_id": "kai_investigate"})
    async def listener(ack: Any, shortcut: Json) -> None:
        await ack()
        got.append(shortcut)

    alert = await workspace.user("bob").say("web-1 cannot reach postgres", channel="alerts")
    await workspace.user("alice").shortcut(alert, "kai_investigate")

    assert (got[0]["message"]["text"], got[0]["channel"]["name"]) == ("web-1 cannot reach postgres", "alerts")


async def test_the_home_tab_is_asked_for_and_published(kai: AsyncApp, workspace: Workspace) -> None:
    @kai.event("app_home_opened")
    async def listener(event: Json, client: AsyncWebClient) -> None:
        home = {"type": "home", "blocks": [{"type": "header", "text": plain("Nothing waits for you")}]}
        await client.views_publish(user_id=event["user"], view=home)

    alice = workspace.user("alice")
    await alice.open_home()
    home = await workspace.wait_for(lambda: alice.home)

    assert home["blocks"][0]["text"] == plain("Nothing waits for you")
    assert workspace.user("bob").home is None


async def _with_form(kai: AsyncApp, workspace: Workspace, client: AsyncWebClient) -> Any:
    @kai.action("approve")
    async def press(ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)

    bob = workspace.user("bob")
    await bob.press(await card(client), "approve")
    await workspace.wait_for(lambda: bob.view)
    return bob


async def _error(call: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])
