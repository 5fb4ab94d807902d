"""The demo as its visitor sees it, in a real browser: typed, read, pressed, asked. Pictures are in .cache/pictures."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lab.demo import Demo, demonstrate
from tests.demo.conftest import USUAL
from tests.demo.test_approving import ends_soon
from tests.demo.visitor import alert_verdict
from tests.kit.sampling import share_of
from tests.workspace.browser import Browser, browser

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parents[2] / ".cache" / "pictures"
LOOKS = {"light": {}, "dark": {"dark": True}, "phone": {"width": 390, "height": 844}}
EVERY_LOOK = {**LOOKS, "phone-dark": {"width": 390, "height": 844, "dark": True}}
APPROVING = {"phone": {"width": 390, "height": 844, "dark": True}, "light": {}, "dark": {"dark": True}}
"""On a phone in the dark: that is where a change is approved at 3 a.m., and the one that CI tries."""

HEADLINE = "production/api-server-79fd8d4cc-jzc5m → 10.96.0.1:443: blocked"
"""With its sign: the alert says the same words."""
CAUSE = "NetworkPolicy production/strict-egress blocks production/api-server → the API server"


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Browser]:
    async with browser(tmp_path / "profile") as tab:
        yield tab


@pytest.mark.parametrize("look", share_of(EVERY_LOOK))
async def test_a_visitor_types_the_command_reads_the_verdict_presses_and_asks_why(
    look: str, tab: Browser, temporary: Path
) -> None:
    async with demonstrate(USUAL) as demo:
        await tab.open(demo.url, **EVERY_LOOK[look])  # type: ignore[arg-type]
        await see_what_it_is(tab, demo)
        await alert_verdict(demo)
        await keep(tab, f"demo-1-alert-{look}")

        await ask(tab, demo)
        await keep(tab, f"demo-2-verdict-{look}")

        await open_thread(tab)
        await keep(tab, f"demo-3-thread-{look}")
        await proposed(tab)
        await window(tab, "Show fix", "kubectl apply", f"demo-10-fix-{look}")
        await window(tab, "Why?", "no rule admits this", f"demo-11-reasons-{look}")
        await why(tab)
        await keep(tab, f"demo-4-why-{look}")
        await home(tab)
        await keep(tab, f"demo-12-home-{look}")

    assert tab.complaints == []


async def see_what_it_is(tab: Browser, demo: Demo) -> None:
    await tab.sees("[FIRING:1] PodCannotReachPeer production")
    await tab.sees("This is a recording")
    await tab.sees("It is not your cluster.")
    await tab.sees(demo.command)


async def ask(tab: Browser, demo: Demo) -> None:
    """Types the command, until the verdict can be read. How soon that is, tests/demo/test_demo.py prints."""
    await tab.click("main textarea")
    await tab.type(demo.command)
    await tab.key("Enter")
    await tab.until(f"document.querySelector('main').innerText.includes({json.dumps(HEADLINE)})")


async def open_thread(tab: Browser) -> None:
    """The alert's, once the last reply, the picture, is in it."""
    await tab.until("document.querySelector('main button.replies')")
    await tab.click("main button.replies")
    drawn = "(document.querySelector('aside.thread figure img')?.naturalWidth ?? 0) > 500"
    await tab.until(drawn)


async def window(tab: Browser, button: str, words: str, picture: str) -> None:
    """The window that a button opens over the conversation."""
    await tab.click("aside.thread button", button)
    await tab.until(f"document.querySelector('dialog')?.innerText.includes({json.dumps(words)})")
    await keep(tab, picture)
    await tab.click("dialog button", "Close")
    await tab.until("!document.querySelector('dialog')")


async def home(tab: Browser) -> None:
    await tab.js("[...document.querySelectorAll('.sidebar button')].find((e) => e.innerText.includes('home')).click()")
    await tab.until("document.querySelector('.messages.home')?.innerText.includes('Latest investigations')")


async def proposed(tab: Browser) -> None:
    """The card of the fix is in the thread and its state on top of it: the last that comes unasked, and what came
    before it changes no more. A message that is drawn anew under the mouse takes no press."""
    waiting = "document.querySelector('aside.thread').innerText.split('Waiting for an approval').length > 2"
    await tab.until(waiting)


async def why(tab: Browser) -> None:
    await tab.click("aside.thread textarea")
    await tab.type("why?")
    await tab.key("Enter")
    said = "[...document.querySelectorAll('aside.thread article')].at(-1).innerText"
    await tab.until(f"{said}.includes({json.dumps(CAUSE)})")


async def keep(tab: Browser, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    await tab.picture(PICTURES / f"{name}.png")


@pytest.mark.parametrize("look", share_of(APPROVING))
async def test_a_visitor_approves_watches_the_drops_stop_and_undoes_it(
    look: str, tab: Browser, temporary: Path
) -> None:
    async with demonstrate(USUAL) as demo:
        await tab.open(demo.url, **APPROVING[look])  # type: ignore[arg-type]
        await alert_verdict(demo)  # else the command only joins what the alert has begun
        await ask(tab, demo)
        await open_own_thread(tab)
        await proposed(tab)
        await keep(tab, f"demo-5-proposal-{look}")

        await tab.click("aside.thread button", "Edit")
        await tab.sees("Edit the change")
        await keep(tab, f"demo-5-edit-{look}")
        await tab.click("dialog button", "Close")
        await tab.until("!document.querySelector('dialog')")

        await tab.click("aside.thread button", "Approve & apply")
        await tab.click("dialog button", "Approve & apply")  # in the question that Slack asks once more
        await in_thread(tab, "forwarded, 0 dropped")
        await tab.until("document.querySelector('main').innerText.includes('talks again')")
        await keep(tab, f"demo-6-verified-{look}")

        await ends_soon(demo)
        await in_thread(tab, "unless a person decides otherwise")
        await keep(tab, f"demo-8-ending-{look}")
        await tab.click("aside.thread button", "Make permanent")
        await tab.click("dialog button", "Approve & apply")
        await in_thread(tab, "stays for good")
        await keep(tab, f"demo-9-kept-{look}")

        await tab.click("aside.thread button", "Undo")
        await in_thread(tab, "Rolled back")
        await keep(tab, f"demo-7-undone-{look}")

    assert tab.complaints == []


async def open_own_thread(tab: Browser) -> None:
    """That of the command, below the alert's."""
    threads = "[...document.querySelectorAll('main button.replies')]"
    await tab.until(f"{threads}.length === 2")
    await tab.js(f"{threads}.at(-1).click()")


async def in_thread(tab: Browser, words: str) -> None:
    await tab.until(f"document.querySelector('aside.thread')?.innerText.includes({json.dumps(words)})")
