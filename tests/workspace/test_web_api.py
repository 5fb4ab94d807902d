from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from lab.workspace import HandClock, Workspace

Json = dict[str, Any]
CHANNEL = "C0INCIDENTS"


async def error(call: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_a_bot_asks_who_it_is(client: AsyncWebClient) -> None:
    answer = await client.auth_test()

    assert (answer["user_id"], answer["bot_id"], answer["team_id"]) == ("U0KAI", "B0KAI", "T0LAB")


@pytest.mark.parametrize(
    ("token", "method", "expected"),
    [
        (None, "auth.test", "not_authed"),
        ("xoxb-unknown", "auth.test", "invalid_auth"),
        ("xapp-kai", "auth.test", "not_allowed_token_type"),
        ("xoxb-kai", "apps.connections.open", "not_allowed_token_type"),
        ("xoxb-kai", "chat.shout", "unknown_method"),
    ],
)
async def test_a_wrong_token_or_method_is_refused(
    workspace: Workspace, token: str | None, method: str, expected: str
) -> None:
    client = AsyncWebClient(token=token, base_url=workspace.api_url)

    assert await error(client.api_call(method)) == expected


@pytest.mark.parametrize(
    ("channel", "kind"), [("C0INCIDENTS", "channels"), ("G0SECRET", "groups"), ("U0ALICE", "im")], ids=str
)
@pytest.mark.parametrize("verb", ["read", "history"])
async def test_each_kind_of_channel_has_a_scope_of_its_own(workspace, client, channel, kind, verb) -> None:
    method = client.conversations_info if verb == "read" else client.conversations_history
    await method(channel=channel)
    workspace.app.scopes = workspace.app.scopes - {f"{kind}:{verb}"}

    with pytest.raises(SlackApiError) as caught:
        await method(channel=channel)

    assert (caught.value.response["error"], caught.value.response["needed"]) == ("missing_scope", f"{kind}:{verb}")


async def test_a_list_needs_the_scope_of_each_kind_in_it(workspace: Workspace, client: AsyncWebClient) -> None:
    workspace.app.scopes = workspace.app.scopes - {"groups:read"}

    await client.conversations_list(types="public_channel")
    with pytest.raises(SlackApiError) as caught:
        await client.conversations_list(types="public_channel,private_channel")

    assert caught.value.response["needed"] == "groups:read"


async def test_a_missing_scope_is_named(workspace: Workspace, client: AsyncWebClient) -> None:
    workspace.app.scopes = workspace.app.scopes - {"chat:write"}

    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=CHANNEL, text="x")

    assert (caught.value.response["error"], caught.value.response["needed"]) == ("missing_scope", "chat:write")


async def test_blocks_arrive_the_same_in_a_form_and_as_json(workspace: Workspace) -> None:
    blocks = [{"type": "divider", "block_id": "b"}]
    headers = {"Authorization": f"Bearer {workspace.app.bot_token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        url = workspace.api_url + "chat.postMessage"
        form = {"channel": CHANNEL, "text": "form", "blocks": json.dumps(blocks)}
        await session.post(url, data=form)
        await session.post(url, json={"channel": CHANNEL, "text": "json", "blocks": blocks})

    assert [(one["text"], one["blocks"]) for one in workspace.messages()] == [("form", blocks), ("json", blocks)]


async def test_messages_are_posted_changed_and_taken_back(workspace: Workspace, client: AsyncWebClient) -> None:
    ts = (await client.chat_postMessage(channel=CHANNEL, text="looking"))["ts"]
    await client.chat_update(channel=CHANNEL, ts=ts, text="found")
    changed = workspace.message(ts)
    await client.chat_delete(channel=CHANNEL, ts=ts)

    assert (changed["text"], changed["edited"]["user"]) == ("found", "U0KAI")
    assert workspace.messages() == []


async def test_an_update_without_blocks_keeps_them(workspace: Workspace, client: AsyncWebClient) -> None:
    blocks = [{"type": "divider", "block_id": "b"}]
    ts = (await client.chat_postMessage(channel=CHANNEL, text="x", blocks=blocks))["ts"]

    await client.chat_update(channel=CHANNEL, ts=ts, text="y")

    assert workspace.message(ts)["blocks"] == blocks


@pytest.mark.filterwarnings("ignore:The top-level `text` argument is missing")  # that is what is tried here
async def test_slacks_own_words_for_what_cannot_be(workspace: Workspace, client: AsyncWebClient) -> None:
    alices = (await workspace.user("alice").say("mine"))["ts"]
    calls = {
        "channel_not_found": client.chat_postMessage(channel="C0NOWHERE", text="x"),
        "not_in_channel": client.chat_postMessage(channel="C0RANDOM", text="x"),
        "no_text": client.chat_postMessage(channel=CHANNEL, text=""),
        "message_not_found": client.chat_update(channel=CHANNEL, ts="1.000000", text="x"),
        "cant_update_message": client.chat_update(channel=CHANNEL, ts=alices, text="x"),
        "cant_delete_message": client.chat_delete(channel=CHANNEL, ts=alices),
        "user_not_in_channel": client.chat_postEphemeral(channel=CHANNEL, user="U0MALLORY", text="x"),
        "user_not_found": client.users_info(user="U0NOBODY"),
        "users_not_found": client.users_lookupByEmail(email="nobody@example.com"),
        "thread_not_found": client.conversations_replies(channel=CHANNEL, ts="1.000000"),
        "no_such_subteam": client.usergroups_users_list(usergroup="S0NONE"),
    }

    assert {await error(call) for call in calls.values()} == set(calls)


SIZES = {
    "invalid_blocks": {"blocks": [{"type": "divider"}] * 51},
    "msg_blocks_too_long": {
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2700}} for _ in range(5)]
    },
    "invalid_attachments": {"blocks": [{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]]}] * 2},
    "metadata_too_large": {"metadata": {"event_type": "kai", "event_payload": {"patch": "x" * 5000}}},
}


@pytest.mark.parametrize(("expected", "parts"), SIZES.items(), ids=SIZES)
async def test_a_message_too_large_is_refused(client: AsyncWebClient, expected: str, parts: Json) -> None:
    assert await error(client.chat_postMessage(channel=CHANNEL, text="x", **parts)) == expected


async def test_a_long_text_is_cut_when_posted_and_refused_in_an_update(
    workspace: Workspace, client: AsyncWebClient
) -> None:
    answer = await client.chat_postMessage(channel=CHANNEL, text="x" * 40_001)

    assert answer["response_metadata"]["warnings"] == ["message_truncated"]
    assert len(workspace.message(answer["ts"])["text"]) == 40_000
    assert await error(client.chat_update(channel=CHANNEL, ts=answer["ts"], text="x" * 4001)) == "msg_too_long"


async def test_timestamps_are_unique_and_rise(workspace: Workspace, client: AsyncWebClient, clock: HandClock) -> None:
    stamps = [(await client.chat_postMessage(channel=CHANNEL, text=str(n)))["ts"] for n in range(20)]

    assert stamps == sorted(set(stamps))
    assert all(abs(float(ts) - clock.now()) < 1 for ts in stamps)


async def test_a_thread_counts_its_replies_and_stays_out_of_the_channel(
    workspace: Workspace, client: AsyncWebClient
) -> None:
    root = (await client.chat_postMessage(channel=CHANNEL, text="root"))["ts"]
    await client.chat_postMessage(channel=CHANNEL, text="DNS", thread_ts=root)
    await workspace.user("bob").say("thanks", thread_ts=root)
    await client.chat_postMessage(channel=CHANNEL, text="fixed", thread_ts=root, reply_broadcast=True)

    parent, broadcast = workspace.messages()
    assert (parent["reply_count"], parent["reply_users"]) == (3, ["U0KAI", "U0BOB"])
    assert (broadcast["text"], broadcast["subtype"]) == ("fixed", "thread_broadcast")
    assert [one["text"] for one in workspace.thread(root)] == ["DNS", "thanks", "fixed"]


async def test_a_reply_to_a_reply_lands_in_the_same_thread(workspace: Workspace, client: AsyncWebClient) -> None:
    root = (await client.chat_postMessage(channel=CHANNEL, text="root"))["ts"]
    reply = (await client.chat_postMessage(channel=CHANNEL, text="one", thread_ts=root))["ts"]

    await client.chat_postMessage(channel=CHANNEL, text="two", thread_ts=reply)

    assert [one["text"] for one in workspace.thread(root)] == ["one", "two"]


async def test_message_metadata_is_kept(workspace: Workspace, client: AsyncWebClient) -> None:
    metadata = {"event_type": "kai_incident", "event_payload": {"id": "i-1"}}

    ts = (await client.chat_postMessage(channel=CHANNEL, text="x", metadata=metadata))["ts"]

    assert workspace.message(ts)["metadata"] == metadata


async def test_history_is_newest_first_and_comes_in_pages(client: AsyncWebClient) -> None:
    for number in range(5):
        await client.chat_postMessage(channel=CHANNEL, text=str(number))

    first = await client.conversations_history(channel=CHANNEL, limit=3)
    cursor = first["response_metadata"]["next_cursor"]
    second = await client.conversations_history(channel=CHANNEL, limit=3, cursor=cursor)

    assert [one["text"] for one in first["messages"]] == ["4", "3", "2"]
    assert [one["text"] for one in second["messages"]] == ["1", "0"]
    assert (first["has_more"], second["has_more"]) == (True, False)


async def test_a_permalink_names_channel_and_message(workspace: Workspace, client: AsyncWebClient) -> None:
    ts = (await client.chat_postMessage(channel=CHANNEL, text="x"))["ts"]

    answer = await client.chat_getPermalink(channel=CHANNEL, message_ts=ts)

    assert answer["permalink"] == f"{workspace.url}/archives/{CHANNEL}/p{ts.replace('.', '')}"


async def test_channels_say_whether_strangers_are_in_them(client: AsyncWebClient) -> None:
    own = (await client.conversations_info(channel=CHANNEL))["channel"]
    shared = (await client.conversations_info(channel="C0PARTNER"))["channel"]

    assert (own["is_ext_shared"], shared["is_ext_shared"]) == (False, True)


async def test_a_private_channel_without_the_bot_does_not_exist_for_it(
    workspace: Workspace, client: AsyncWebClient
) -> None:
    workspace.world.channel("war-room").members.discard("U0KAI")

    assert await error(client.conversations_info(channel="G0SECRET")) == "channel_not_found"
    names = [
        one["name"] for one in (await client.conversations_list(types="public_channel,private_channel"))["channels"]
    ]
    assert "war-room" not in names


async def test_a_bot_joins_a_channel_and_opens_direct_messages(workspace: Workspace, client: AsyncWebClient) -> None:
    await client.conversations_join(channel="C0RANDOM")
    await client.chat_postMessage(channel="C0RANDOM", text="hello")
    direct = (await client.conversations_open(users="U0BOB"))["channel"]["id"]
    await client.chat_postMessage(channel=direct, text="psst")

    members = (await client.conversations_members(channel="C0RANDOM"))["members"]
    assert "U0KAI" in members
    assert [one["text"] for one in workspace.direct_messages("bob")] == ["psst"]
    assert workspace.direct_messages("alice") == []


async def test_users_list_tells_guests_strangers_and_bots_apart(client: AsyncWebClient) -> None:
    users = {one["name"]: one for one in (await client.users_list())["members"]}

    assert users["alice"]["profile"]["email"] == "alice@example.com"
    assert users["grace"]["is_restricted"]
    assert users["mallory"]["is_stranger"]
    assert users["mallory"]["team_id"] == "T0PARTNER"
    assert "email" not in users["mallory"]["profile"]
    assert users["kai"]["is_bot"]
    assert (await client.users_lookupByEmail(email="bob@example.com"))["user"]["id"] == "U0BOB"


async def test_emails_need_their_own_scope(workspace: Workspace, client: AsyncWebClient) -> None:
    workspace.app.scopes = workspace.app.scopes - {"users:read.email"}

    assert "email" not in (await client.users_info(user="U0ALICE"))["user"]["profile"]


async def test_groups_name_their_members(client: AsyncWebClient) -> None:
    groups = (await client.usergroups_list())["usergroups"]
    members = (await client.usergroups_users_list(usergroup="S0ONCALL"))["users"]

    assert [one["handle"] for one in groups] == ["oncall"]
    assert members == ["U0ALICE", "U0CAROL"]


async def test_reactions_come_and_go_once(workspace: Workspace, client: AsyncWebClient) -> None:
    ts = (await workspace.user("bob").say("broken"))["ts"]
    await client.reactions_add(channel=CHANNEL, timestamp=ts, name="eyes")
    there = workspace.message(ts)["reactions"]
    twice = await error(client.reactions_add(channel=CHANNEL, timestamp=ts, name="eyes"))
    await client.reactions_remove(channel=CHANNEL, timestamp=ts, name="eyes")
    gone = await error(client.reactions_remove(channel=CHANNEL, timestamp=ts, name="eyes"))

    assert there == [{"name": "eyes", "users": ["U0KAI"], "count": 1}]
    assert (twice, gone) == ("already_reacted", "no_reaction")
    assert workspace.message(ts)["reactions"] == []


async def test_a_file_is_uploaded_into_a_thread(workspace: Workspace, client: AsyncWebClient) -> None:
    root = (await client.chat_postMessage(channel=CHANNEL, text="root"))["ts"]

    await client.files_upload_v2(
        channel=CHANNEL, thread_ts=root, filename="flows.txt", title="Flows", content="DROPPED <script>"
    )

    (reply,) = workspace.thread(root)
    (file,) = reply["files"]
    assert (file["name"], file["title"], file["size"]) == ("flows.txt", "Flows", 16)
    async with aiohttp.ClientSession() as session, session.get(file["url_private"]) as response:
        assert (response.content_type, await response.text()) == ("text/plain", "DROPPED <script>")


async def test_a_picture_is_told_by_its_bytes_and_not_by_its_name(workspace: Workspace, client: AsyncWebClient) -> None:
    png = b"\x89PNG\r\n\x1a\n"
    await client.files_upload_v2(channel=CHANNEL, filename="path.png", content=png, alt_txt="where it ends")
    await client.files_upload_v2(channel=CHANNEL, filename="page.png", content=b"<html>")

    pictures = [one["files"][0] for one in workspace.messages()]
    assert [(one["mimetype"], one.get("alt_txt")) for one in pictures] == [
        ("image/png", "where it ends"),
        ("text/plain", None),
    ]


async def test_a_file_that_was_never_sent_cannot_be_shared(client: AsyncWebClient) -> None:
    asked = await client.files_getUploadURLExternal(filename="x", length=1)

    assert await error(client.files_completeUploadExternal(files=[{"id": asked["file_id"]}])) == "file_not_found"


async def test_a_stream_grows_and_ends(workspace: Workspace, client: AsyncWebClient) -> None:
    root = (await client.chat_postMessage(channel=CHANNEL, text="root"))["ts"]
    who = {"recipient_user_id": "U0ALICE", "recipient_team_id": "T0LAB"}
    ts = (await client.chat_startStream(channel=CHANNEL, thread_ts=root, markdown_text="DNS ", **who))["ts"]
    await client.chat_appendStream(channel=CHANNEL, ts=ts, markdown_text="works")
    task = {"type": "task_update", "id": "1", "title": "Policy", "status": "in_progress"}
    await client.chat_appendStream(channel=CHANNEL, ts=ts, markdown_text="", chunks=[task])
    await client.chat_stopStream(channel=CHANNEL, ts=ts)
    late = await error(client.chat_appendStream(channel=CHANNEL, ts=ts, markdown_text="more"))

    message = workspace.message(ts)
    assert message["text"] == "DNS works"
    assert [block["type"] for block in message["blocks"]] == ["markdown", "plan"]
    assert late == "message_not_in_streaming_state"


async def test_a_stream_dies_after_five_minutes(client: AsyncWebClient, clock: HandClock) -> None:
    root = (await client.chat_postMessage(channel=CHANNEL, text="root"))["ts"]
    who = {"recipient_user_id": "U0ALICE", "recipient_team_id": "T0LAB"}
    ts = (await client.chat_startStream(channel=CHANNEL, thread_ts=root, **who))["ts"]

    await clock.advance(301)

    assert await error(client.chat_stopStream(channel=CHANNEL, ts=ts)) == "message_not_in_streaming_state"


async def test_a_stream_in_a_channel_has_a_recipient(client: AsyncWebClient) -> None:
    root = (await client.chat_postMessage(channel=CHANNEL, text="root"))["ts"]

    assert await error(client.chat_startStream(channel=CHANNEL, thread_ts=root)) == "missing_recipient_user_id"


async def test_blocks_are_validated_without_a_token(workspace: Workspace) -> None:
    client = AsyncWebClient(base_url=workspace.api_url)
    good = json.dumps([{"type": "divider"}])

    assert (await client.api_call("blocks.validate", params={"blocks": good}))["ok"]
    assert await error(client.api_call("blocks.validate", params={"blocks": '[{"type": "x"}]'})) == "invalid_blocks"


async def test_a_storm_of_429_is_waited_out(workspace: Workspace, patient: AsyncWebClient) -> None:
    workspace.faults.storm_429(2, seconds=0)

    await patient.chat_postMessage(channel=CHANNEL, text="at last")

    assert [one.answer["ok"] for one in workspace.calls("chat.postMessage")] == [False, False, True]


async def test_a_429_says_how_long_to_wait(workspace: Workspace, client: AsyncWebClient) -> None:
    workspace.faults.storm_429(1, seconds=7)

    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=CHANNEL, text="x")

    assert (caught.value.response.status_code, caught.value.response["error"]) == (429, "ratelimited")
    assert caught.value.response.headers["Retry-After"] == "7"


async def test_limits_allow_a_burst_then_one_message_per_second_and_channel(
    workspace: Workspace, client: AsyncWebClient, clock: HandClock
) -> None:
    workspace.rates.on = True

    for number in range(4):
        await client.chat_postMessage(channel=CHANNEL, text=str(number))
    over = await error(client.chat_postMessage(channel=CHANNEL, text="over"))
    await client.chat_postMessage(channel="C0ALERTS", text="elsewhere")
    await clock.advance(1)
    await client.chat_postMessage(channel=CHANNEL, text="later")

    assert over == "ratelimited"
    assert [one["text"] for one in workspace.messages()] == ["0", "1", "2", "3", "later"]


async def test_a_webhook_answers_in_plain_words(workspace: Workspace) -> None:
    async with workspace.post_webhook({"text": ""}) as nothing:
        assert (nothing.status, await nothing.text()) == (400, "no_text")
    async with workspace.post_webhook({"text": "x", "channel": "#nowhere"}) as nowhere:
        assert (nowhere.status, await nowhere.text()) == (404, "channel_not_found")
    async with workspace.post_webhook({"text": "x", "channel": "#incidents"}) as good:
        assert (good.status, await good.text()) == (200, "ok")
    assert workspace.messages("incidents")[0]["username"] == "Alertmanager"
