"""The page in a real browser, with a small app behind it: typed, clicked, looked at."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from lab.workspace import Workspace
from tests.workspace.browser import Browser, browser

pytestmark = pytest.mark.browser

Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


APPROVE = {
    "type": "button",
    "action_id": "approve",
    "text": plain("Approve & apply"),
    "style": "primary",
    "confirm": {
        "title": plain("Apply to prod?"),
        "text": plain("NetworkPolicy shop/deny-egress"),
        "confirm": plain("Apply"),
        "deny": plain("Not now"),
    },
}
EDIT = {"type": "button", "action_id": "edit", "text": plain("Edit patch")}
MORE = {
    "type": "overflow",
    "action_id": "more",
    "options": [{"text": plain("Run again"), "value": "again"}, {"text": plain("Copy kubectl"), "value": "copy"}],
}
VERDICT = [
    {"type": "header", "text": plain("web-1 cannot reach postgres:5432")},
    {
        "type": "section",
        "text": {"type": "mrkdwn", "text": "*NetworkPolicy* `shop/deny-egress` admits no egress."},
        "accessory": MORE,
    },
    {"type": "actions", "elements": [APPROVE, EDIT]},
]
FORM = {
    "type": "modal",
    "callback_id": "form",
    "title": plain("Edit patch"),
    "submit": plain("Save"),
    "blocks": [
        {
            "type": "input",
            "block_id": "patch",
            "label": plain("Patch"),
            "element": {"type": "plain_text_input", "action_id": "patch", "multiline": True},
        },
        {
            "type": "input",
            "block_id": "pod",
            "label": plain("Pod"),
            "element": {"type": "external_select", "action_id": "pod", "min_query_length": 1},
        },
    ],
}
UNTRUSTED = (
    "<img src=x onerror=window.owned=1> <script>window.owned=1</script> &lt;b&gt; <javascript:window.owned=1|go>"
)


class Small:
    """An app that answers, and remembers what it was told."""

    def __init__(self, app: AsyncApp) -> None:
        self.heard: list[Any] = []
        app.command("/kai")(self.command)
        app.event("app_mention")(self.mentioned)
        app.event("message")(self.said)
        app.event("app_home_opened")(self.home)
        app.action("approve")(self.pressed)
        app.action("more")(self.pressed)
        app.action("edit")(self.edit)
        app.options("pod")(self.pods)
        app.view("form")(self.form)
        app.shortcut("kai_investigate")(self.pressed)

    async def command(self, ack: Any, command: Json, client: AsyncWebClient) -> None:
        await ack("Started, results in the thread")
        channel, text = command["channel_id"], command["text"]
        root = await client.chat_postMessage(channel=channel, text="verdict", blocks=VERDICT)
        await client.chat_postMessage(channel=channel, text=f"asked: {text}", thread_ts=root["ts"])

    async def mentioned(self, event: Json, say: Any) -> None:
        await say(text="I hear you", thread_ts=event.get("thread_ts", event["ts"]))

    async def said(self) -> None: ...

    async def home(self, event: Json, client: AsyncWebClient) -> None:
        view = {"type": "home", "blocks": [{"type": "header", "text": plain("Nothing waits for you")}]}
        await client.views_publish(user_id=event["user"], view=view)

    async def pressed(self, ack: Any, body: Json) -> None:
        await ack()
        actions = body.get("actions") or [{"action_id": body["callback_id"]}]
        chosen = actions[0].get("selected_option") or {}
        self.heard.append((body["user"]["name"], actions[0]["action_id"], chosen.get("value")))

    async def edit(self, ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)

    async def pods(self, ack: Any, payload: Json) -> None:
        names = [name for name in ("web-1", "web-2", "db-0") if name.startswith(payload["value"])]
        await ack(options=[{"text": plain(name), "value": name} for name in names])

    async def form(self, ack: Any, view: Json) -> None:
        values = view["state"]["values"]
        if values["patch"]["patch"]["value"] != "port: 5432":
            await ack(response_action="errors", errors={"patch": "line 1: no such port"})
            return
        await ack()
        self.heard.append(values["pod"]["pod"]["selected_option"]["value"])


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    async with Workspace.start() as workspace:
        yield workspace


@pytest.fixture
async def small(dial: Callable[[], Awaitable[AsyncApp]]) -> Small:
    return Small(await dial())


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Browser]:
    async with browser(tmp_path / "profile") as tab:
        yield tab
        assert tab.complaints == []


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures go: the folder in the variable PICTURES, for people who want to look at them."""
    folder = Path(os.environ.get("PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def ask(tab: Browser) -> None:
    await tab.click("main textarea")
    await tab.type("/kai netdebug web-1 shop")
    await tab.key("Enter")
    await tab.sees("web-1 cannot reach postgres:5432")


async def test_a_command_is_typed_and_its_answer_seen(
    small: Small, workspace: Workspace, tab: Browser, pictures: Path
) -> None:
    await tab.open(workspace.url)

    await ask(tab)
    await tab.sees("Only visible to you")
    await tab.sees("1 reply")
    await tab.click("button", "1 reply")
    await tab.sees("asked: netdebug web-1 shop")
    await tab.picture(pictures / "command.png")

    assert (pictures / "command.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390], ids=["desk", "phone"])
async def test_nothing_sticks_out_and_everything_has_a_name(
    small: Small, workspace: Workspace, tab: Browser, pictures: Path, width: int, dark: bool
) -> None:
    await tab.open(workspace.url, width=width, dark=dark)
    await ask(tab)
    await tab.picture(pictures / f"channel-{width}-{'dark' if dark else 'light'}.png")

    assert await tab.js("document.documentElement.scrollWidth") <= width
    assert await tab.js("document.documentElement.dataset.theme") == ("dark" if dark else "light")
    tree = (await tab.call("Accessibility.getFullAXTree"))["nodes"]
    nameless = [
        node["role"]["value"]
        for node in tree
        if not node.get("ignored")
        and node["role"]["value"] in ("button", "textbox", "combobox", "link", "article", "dialog")
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []


async def test_a_mention_in_a_thread_is_answered_there(small: Small, workspace: Workspace, tab: Browser) -> None:
    await tab.open(workspace.url)
    await ask(tab)
    await tab.click("button", "1 reply")

    await tab.click("aside textarea")
    await tab.type("@kai why?")
    await tab.key("Enter")
    await tab.sees("I hear you")

    root = workspace.messages()[0]
    assert [one["text"] for one in workspace.thread(root["ts"])][1:] == ["<@U0KAI> why?", "I hear you"]


async def test_a_command_in_a_thread_is_refused_as_slack_does(small: Small, workspace: Workspace, tab: Browser) -> None:
    await tab.open(workspace.url)
    await ask(tab)
    await tab.click("button", "1 reply")

    await tab.click("aside textarea")
    await tab.type("/kai status")
    await tab.key("Enter")

    await tab.sees("Commands do not work in threads")
    assert len(workspace.deliveries("slash_commands")) == 1


async def test_a_button_asks_before_it_acts(small: Small, workspace: Workspace, tab: Browser) -> None:
    await tab.open(workspace.url)
    await ask(tab)

    await tab.click("button", "Approve & apply")
    await tab.sees("Apply to prod?")
    await tab.click("dialog button", "Not now")
    await tab.until("!document.querySelector('dialog')")
    assert small.heard == []
    await tab.click("button", "Approve & apply")
    await tab.click("dialog button", "Apply")
    await workspace.wait_for(lambda: small.heard)

    assert small.heard == [("alice", "approve", None)]


async def test_menus_are_worked_by_keyboard(small: Small, workspace: Workspace, tab: Browser) -> None:
    await tab.open(workspace.url)
    await ask(tab)

    await tab.click(".section button", "More")
    await tab.until("document.activeElement.innerText === 'Run again'")
    await tab.key("ArrowDown")
    await tab.key("Enter")
    await workspace.wait_for(lambda: small.heard)

    assert small.heard == [("alice", "more", "copy")]


async def test_a_message_shortcut_is_in_the_menu_of_each_message(
    small: Small, workspace: Workspace, tab: Browser
) -> None:
    await workspace.user("bob").say("web-1 is down")
    await tab.open(workspace.url)
    await tab.sees("web-1 is down")

    await tab.js("document.querySelector('.tools button[aria-haspopup]').click()")
    await tab.click("[role=menuitem]", "Investigate with KAI")
    await workspace.wait_for(lambda: small.heard)

    assert small.heard == [("alice", "kai_investigate", None)]


async def test_a_form_shows_its_errors_and_then_closes(
    small: Small, workspace: Workspace, tab: Browser, pictures: Path
) -> None:
    await tab.open(workspace.url)
    await ask(tab)

    await tab.click("button", "Edit patch")
    await tab.click("dialog textarea")
    await tab.type("port: 1")
    await tab.click("dialog input")
    await tab.type("web")
    await tab.until("document.querySelectorAll('dialog [role=option]').length === 2")
    await tab.key("ArrowDown")
    await tab.key("Enter")
    await tab.click("dialog button", "Save")
    await tab.sees("line 1: no such port")
    await tab.picture(pictures / "form.png")
    await tab.js("document.querySelector('dialog textarea').select()")
    await tab.type("port: 5432")
    await tab.click("dialog button", "Save")
    await tab.until("!document.querySelector('dialog')")

    assert small.heard == ["web-2"]


async def test_escape_closes_a_form(small: Small, workspace: Workspace, tab: Browser) -> None:
    await tab.open(workspace.url)
    await ask(tab)
    await tab.click("button", "Edit patch")
    await tab.sees("Save")

    await tab.key("Escape")
    await tab.until("!document.querySelector('dialog')")

    assert workspace.user("alice").views == []


async def test_another_person_does_not_see_what_was_only_for_one(
    small: Small, workspace: Workspace, tab: Browser
) -> None:
    await tab.open(workspace.url)
    await ask(tab)
    await tab.sees("Started, results in the thread")

    await tab.js(
        "(() => { const it = document.querySelector('.who select'); it.value = 'bob';"
        " it.dispatchEvent(new Event('change', {bubbles: true})) })()"
    )
    await tab.until("!document.body.innerText.includes('Only visible to you')")

    await tab.sees("web-1 cannot reach postgres:5432")


async def test_the_home_tab_is_published_when_it_is_opened(
    small: Small, workspace: Workspace, tab: Browser, pictures: Path
) -> None:
    await tab.open(workspace.url)

    await tab.click(".sidebar button", "KAI: home")
    await tab.sees("Nothing waits for you")

    await tab.picture(pictures / "home.png")


async def test_untrusted_text_stays_text(workspace: Workspace, client: AsyncWebClient, tab: Browser) -> None:
    await workspace.user("bob").say("<img src=x onerror=window.owned=1>")
    section = {"type": "section", "text": {"type": "mrkdwn", "text": UNTRUSTED}}
    markdown = {"type": "markdown", "text": UNTRUSTED + "\n\n[go](javascript:window.owned=1)"}
    button = {"type": "button", "action_id": "b", "text": plain("Open"), "url": "javascript:window.owned=1"}
    blocks = [section, markdown, {"type": "actions", "elements": [button]}]
    await client.chat_postMessage(channel="C0INCIDENTS", text=UNTRUSTED)
    await client.chat_postMessage(channel="C0INCIDENTS", text=UNTRUSTED, blocks=blocks)
    attachment = {"title": UNTRUSTED, "title_link": "javascript:window.owned=1", "text": UNTRUSTED}
    await client.chat_postMessage(channel="C0INCIDENTS", text="x", attachments=[attachment])
    await tab.open(workspace.url)
    await tab.sees("onerror")

    await tab.js("document.querySelectorAll('.message a').forEach((one) => one.click())")
    await tab.click("button", "Open")

    assert await tab.js("window.owned ?? null") is None
    assert await tab.js("document.querySelectorAll('.message :is(script, iframe), .message img[src=x]').length") == 0
    assert await tab.js("document.querySelectorAll('.message [href^=javascript]').length") == 0


async def test_text_is_drawn_as_slack_draws_it(workspace: Workspace, client: AsyncWebClient, tab: Browser) -> None:
    text = "*bold* since 21:09:53 :tada: a &lt; b -&gt; c, asked by <@U0ALICE> in <#C0ALERTS|alerts>"
    section = {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
    await client.chat_postMessage(channel="C0INCIDENTS", text="x", blocks=[section])
    await tab.open(workspace.url)

    await tab.sees("bold since 21:09:53 🎉 a < b -> c, asked by @Alice Adler in #alerts")
    assert await tab.js("document.querySelector('.message .blocks :is(b, strong)').innerText") == "bold"


async def test_a_permalink_leads_to_its_message(workspace: Workspace, client: AsyncWebClient, tab: Browser) -> None:
    root = await client.chat_postMessage(channel="C0ALERTS", text="[FIRING:1] PodDown")
    reply = await client.chat_postMessage(channel="C0ALERTS", text="it is the policy", thread_ts=root["ts"])
    link = await client.chat_getPermalink(channel="C0ALERTS", message_ts=reply["ts"])

    await tab.open(link["permalink"])

    await tab.sees("#alerts")
    await tab.sees("it is the policy")


LIST = "document.querySelector('main .messages')"
AT_END = f"{LIST}.scrollHeight - {LIST}.scrollTop - {LIST}.clientHeight < 60"


async def many(client: AsyncWebClient, count: int = 30) -> None:
    for number in range(count):
        await client.chat_postMessage(channel="C0INCIDENTS", text=f"line {number}\nand another")


async def test_the_newest_message_is_in_view_until_one_scrolls_up(
    workspace: Workspace, client: AsyncWebClient, tab: Browser
) -> None:
    await many(client)
    await tab.open(workspace.url)
    await tab.sees("line 29")
    await tab.until(AT_END)
    root = await client.chat_postMessage(channel="C0INCIDENTS", text="looking", blocks=VERDICT)
    await client.chat_update(channel="C0INCIDENTS", ts=root["ts"], text="done", blocks=[*VERDICT[:2]] * 5)
    await tab.until(f"document.body.innerText.split('cannot reach').length === 6 && {AT_END}")

    await tab.js(f"{LIST}.scrollTop = 0")
    await client.chat_postMessage(channel="C0INCIDENTS", text="the last word")
    await tab.until("document.querySelector('button.below')")
    assert not await tab.js(AT_END)

    await tab.click("button", "↓ New messages")
    await tab.until(f"{AT_END} && !document.querySelector('button.below')")


async def test_ones_own_words_and_what_only_he_is_told_come_into_view(
    small: Small, workspace: Workspace, client: AsyncWebClient, tab: Browser
) -> None:
    await many(client)
    await tab.open(workspace.url)
    await tab.sees("line 29")
    await tab.js(f"{LIST}.scrollTop = 0")

    await tab.click("main textarea")
    await tab.type("my own words")
    await tab.key("Enter")
    await tab.until(f"document.body.innerText.includes('my own words') && {AT_END}")

    await tab.js(f"{LIST}.scrollTop = 0")
    await client.chat_postEphemeral(channel="C0INCIDENTS", user="U0ALICE", text="for alice")
    await tab.until(f"document.body.innerText.includes('for alice') && {AT_END}")


async def test_a_thread_with_something_new_says_so_until_it_is_opened(
    workspace: Workspace, client: AsyncWebClient, tab: Browser
) -> None:
    root = await client.chat_postMessage(channel="C0INCIDENTS", text="verdict")
    known = await client.chat_postMessage(channel="C0INCIDENTS", text="evidence", thread_ts=root["ts"])
    await tab.open(workspace.url)
    await tab.sees("1 reply")
    assert not await tab.js("!!document.querySelector('.replies.unread')")

    await client.chat_postMessage(channel="C0INCIDENTS", text="more evidence", thread_ts=root["ts"])
    await tab.until("document.querySelector('.replies.unread')?.innerText.includes('new')")
    await tab.click("button", "2 replies")
    await tab.sees("more evidence")
    await tab.until("!document.querySelector('.replies.unread')")

    assert known["ok"]


PICTURE = b"\x89PNG\r\n\x1a\n" + bytes.fromhex(
    "0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8cfc000000301010018dd8db0"
    "0000000049454e44ae426082"
)
"""One red point."""


async def test_a_picture_is_shown_large_and_escape_closes_it_alone(
    workspace: Workspace, client: AsyncWebClient, tab: Browser
) -> None:
    root = await client.chat_postMessage(channel="C0INCIDENTS", text="verdict")
    words = "The path breaks at policy"
    shown = {"filename": "path.png", "content": PICTURE, "title": words, "alt_txt": words, "initial_comment": words}
    await client.files_upload_v2(channel="C0INCIDENTS", thread_ts=root["ts"], **shown)
    await tab.open(workspace.url)
    await tab.click("button", "1 reply")
    await tab.until("document.querySelector('aside.thread figure img')?.complete")
    assert await tab.js("document.querySelector('aside.thread').innerText.split('The path breaks').length") == 2

    await tab.click("aside.thread button", "Enlarge the picture")
    await tab.until("document.querySelector('dialog.lightbox[open] img')")
    await tab.key("Escape")

    await tab.until("!document.querySelector('dialog.lightbox')")
    assert await tab.js("!!document.querySelector('aside.thread')")


async def test_a_name_that_nobody_has_is_said_and_left_with_a_press(workspace: Workspace, tab: Browser) -> None:
    await tab.call("Page.enable")
    await tab.call("Page.navigate", url=f"{workspace.url}/?as=nobody")
    await tab.sees("Nobody here is called nobody.")

    await tab.click("button", "Go on as Alice")

    await tab.sees("Alice Adler")
    await tab.until("document.querySelector('main textarea')")


async def test_what_could_not_be_sent_stays_in_the_field(workspace: Workspace, tab: Browser) -> None:
    await tab.open(workspace.url)
    await tab.js("window.fetch = () => Promise.reject(new Error('cut'))")

    await tab.click("main textarea")
    await tab.type("/kai netdebug web-1 shop")
    await tab.key("Enter")

    await tab.sees("the workspace does not answer")
    await tab.until("document.querySelector('main textarea').value === '/kai netdebug web-1 shop'")
