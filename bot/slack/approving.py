"""Buttons and modals of a proposal: who pressed is found out anew for each press, and each press is written down."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC
from typing import Any, TypeAlias

import yaml
from aiohttp import ClientError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.approval.person import ApprovalRefusal, Click, Directory, Installation, click_of, misplaced, stranger
from bot.approval.proposal import Proposal, ProposalLocation, canonical
from bot.change.changes import Changes
from bot.change.deciding import NO_SUCH, Caller, DecisionResult, Identify
from bot.report.mrkdwn import safe
from bot.slack import proposal_blocks
from bot.slack.button import Press
from bot.slack.ephemeral import Asker, Ephemerals
from bot.slack.modals import ModalOpener
from bot.store.proposals import Forged

log = logging.getLogger(__name__)

TERMINAL_ONLY = ApprovalRefusal(
    "not_shown_whole", "This change cannot be shown here exactly as it is: approve it in a terminal (kai approve ID)."
)
PLACED_TRIES = 12
YOU_MAY = "You may approve this change."
MOST_NESTED = 64
"""Levels of an edit: far more than any object has, and few enough to be read, shown and compared by recursion."""


ShowCheck: TypeAlias = Callable[[Proposal, str], Awaitable[None]]
"""Says in the thread of a proposal what came of looking again: an escaped line."""


class Approving:
    """One for each process. `ours` is what a press is compared with; without an app's id nobody may approve here."""

    def __init__(
        self,
        changes: Changes,
        client: AsyncWebClient,
        ephemerals: Ephemerals,
        directory: Directory,
        ours: Installation,
        show_check: ShowCheck,
    ) -> None:
        self._changes, self._client, self._ephemerals = changes, client, ephemerals
        self._modals, self._show_check = ModalOpener(client, ephemerals), show_check
        self._directory, self._ours = directory, ours

    # -- presses -------------------------------------------------------------------------------------------------------

    async def approve(self, press: Press) -> None:
        await self._placed(press.value)
        identify = self._whole(self.identify(click_of(press.body)))
        await self.answer(press.who, await self._changes.deciding.approve(press.value, press.who.user, identify))

    async def undo(self, press: Press) -> None:
        identify = self.identify(click_of(press.body))
        await self.answer(press.who, await self._changes.deciding.undo(press.value, press.who.user, identify))

    async def show_fix(self, press: Press) -> None:
        """The whole change for one person, and whether they may approve it, and why not."""
        it = await self._seen(press)
        if it is not None:
            why = await self._changes.deciding.why_not(it.id, self._whole(self.identify(click_of(press.body))))
            may = YOU_MAY if why is None else f"You cannot approve it: {safe(why.sentence)}"
            await self._modals.show("The change", proposal_blocks.shown(it, may), press.who)

    async def check(self, press: Press) -> None:
        """Look again, without a change: the thread says that it is done, and then what came of it."""
        it = await self._seen(press)
        if it is not None:
            by = f"<@{press.who.user}>"
            await self._show_check(it, f"… Checking again for {by}.")
            said = await self._changes.pipeline.check(it)
            at = self._changes.clock.now().astimezone(UTC)
            await self._show_check(it, f"Checked again at {at:%H:%M:%S} UTC for {by}: {safe(said.words())}.")

    async def open_edit(self, press: Press) -> None:
        it = await self._seen(press)
        if it is not None:
            await self._modals.ask(proposal_blocks.edit_view(it), press.who)

    async def open_reject(self, press: Press) -> None:
        it = await self._seen(press)
        if it is not None:
            await self._modals.ask(proposal_blocks.reject_view(it), press.who)

    # -- modals --------------------------------------------------------------------------------------------------------

    async def edited(self, body: Mapping[str, Any], who: Asker) -> None:
        proposal, texts = proposal_blocks.submitted(body.get("view") or {})
        changes = [read_change(each) for each in texts]
        read = [each for each in changes if not isinstance(each, str)]
        if len(read) < len(changes):
            why = next(each for each in changes if isinstance(each, str))
            return await self._ephemerals.tell(who, safe(f"Nothing was changed: {why}."))
        identify = self.identify(click_of(body), in_modal=True)
        return await self.answer(who, await self._changes.deciding.edit(proposal, who.user, identify, read))

    async def rejected(self, body: Mapping[str, Any], who: Asker) -> None:
        proposal, texts = proposal_blocks.submitted(body.get("view") or {})
        reason = " ".join(texts)
        identify = self.identify(click_of(body), in_modal=True)
        await self.answer(who, await self._changes.deciding.reject(proposal, who.user, identify, reason))

    # -- inside --------------------------------------------------------------------------------------------------------

    def identify(self, click: Click, place: ProposalLocation | None = None, *, in_modal: bool = False) -> Identify:
        """Identifies the person who pressed, in the message of the proposal or at another `place` that is its own."""

        async def identify(it: Proposal) -> Caller | ApprovalRefusal:
            if refused := misplaced(click, self._ours, place or it.place, in_modal=in_modal):
                return refused
            told = await user_of(self._client, click.user)
            if refused := stranger(click, told, self._ours):
                return refused
            who = self._directory.kube_user(click.user, told or {})
            return who if isinstance(who, ApprovalRefusal) else Caller(click.user, who)

        return identify

    def _whole(self, identify: Identify) -> Identify:
        """Refuses here what could not be shown whole, whatever button was pressed."""

        async def checked(it: Proposal) -> Caller | ApprovalRefusal:
            said = await identify(it)
            shown = isinstance(said, ApprovalRefusal) or proposal_blocks.is_shown_whole(it)
            return said if shown else TERMINAL_ONLY

        return checked

    async def _placed(self, proposal: str) -> None:
        """Somebody may press before it is written down where the card stands: that takes a moment, and no more."""
        for _ in range(PLACED_TRIES):
            it = await self.stored(proposal)
            if it is None or it.place.ts:
                return
            await self._changes.clock.sleep(0.25)

    async def stored(self, proposal: str) -> Proposal | None:
        try:
            return await self._changes.store.proposals.get(proposal)
        except Forged:
            return None

    async def _seen(self, press: Press) -> Proposal | None:
        """The proposal, for a member who looks at its own message; a refusal is told and written down."""
        await self._placed(press.value)
        it = await self.stored(press.value)
        click = click_of(press.body)
        refused = NO_SUCH if it is None else misplaced(click, self._ours, it.place)
        refused = refused or stranger(click, await user_of(self._client, click.user), self._ours)
        if refused is None:
            return it
        await self.refuse(press, refused)
        return None

    async def refuse(self, press: Press, refused: ApprovalRefusal) -> None:
        """Tell a no, and write it down."""
        said = await self._changes.deciding.refuse(press.value, press.who.user, refused)
        await self._ephemerals.tell(press.who, safe(said.sentence))

    async def answer(self, who: Asker, said: DecisionResult) -> None:
        await self._ephemerals.tell(who, safe(said.sentence, 1000))
        if said.carry_on:
            await self._changes.push(said.carry_on)


async def user_of(client: AsyncWebClient, user: str) -> Mapping[str, Any] | None:
    """Asked for each press: somebody who left two seconds ago must not be known from before. None: no answer."""
    try:
        said = (await client.users_info(user=user)).get("user")
    except (SlackApiError, ClientError, TimeoutError, OSError) as why:
        log.warning("who %s is cannot be found out: %s", user, why)
        return None
    return said if isinstance(said, Mapping) else None


def read_change(text: str) -> list[Mapping[str, Any]] | str:
    """The operations or the manifest of an edit; or why it is neither, in a few words."""
    try:
        said = yaml.load(text, PlainLoader)  # noqa: S506 - it is a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as why:
        mark = getattr(why, "problem_mark", None)
        return f"it is neither YAML nor JSON{f' (line {mark.line + 1})' if mark else ''}"
    found = said if isinstance(said, list) else [said]
    if not found or not all(isinstance(each, dict) and all(isinstance(key, str) for key in each) for each in found):
        return "a change is a list of JSON patch operations, or one manifest"
    if not _is_within(MOST_NESTED, found):
        return f"it is nested deeper than {MOST_NESTED} levels"
    try:
        canonical(found)
    except (TypeError, ValueError, RecursionError):
        return "it holds something that JSON does not know"
    return found


def _is_within(levels: int, value: Any) -> bool:
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_is_within(levels - 1, each) for each in held)


class PlainLoader(yaml.SafeLoader):
    """YAML as JSON has it: a date is the word that stands there, as it is for Kubernetes, and there are no aliases.

    Aliases of aliases double with each line: thirty lines would take minutes and gigabytes.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "an alias", self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)


PlainLoader.yaml_implicit_resolvers = {
    first: [each for each in known if each[0] != "tag:yaml.org,2002:timestamp"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
