"""The form for those who would rather choose than type: namespace and pod with type-ahead. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from bot.report.blocks import SlackBlock, plain_text, section
from bot.report.mrkdwn import fit, literal, safe
from bot.triggers.commands import Fill
from bot.triggers.form import NAMESPACE, POD, SINCE, TO, value_of

FORM, OPEN_FORM = "kai_form", "kai_open_form"

MOST_OPTIONS = 100
LONGEST_VALUE = 150
FILLED = ("pod", "namespace", "to", "since", "cluster")
"""What a button that opens the form carries."""


def form(fill: Fill, channel: str = "", thread: str = "") -> dict[str, Any]:
    """The modal. `channel` and `thread` are where the answer is awaited; empty: in direct messages.

    The namespace stands in its metadata: while a pod is looked for, Slack does not tell the other fields.
    """
    blocks: list[SlackBlock] = [section(safe(fill.hint, 1000))] if fill.hint else []
    blocks += [
        {
            **_input("Namespace", _select(NAMESPACE, "Type to find a namespace", fill.namespace)),
            "dispatch_action": True,
        },
        _input("Pod", _select(POD, "Type to find a pod, or a workload such as deploy/web", fill.pod)),
        _input("Cannot reach", _typed(TO, "payments.prod:8080", fill.to), optional=True),
        _input("Look back", _typed(SINCE, "15m", fill.since), optional=True),
    ]
    return {
        "type": "modal",
        "callback_id": FORM,
        "title": plain_text("Why can it not talk?"),
        "submit": plain_text("Investigate"),
        "close": plain_text("Cancel"),
        "private_metadata": json.dumps(
            {"channel": channel, "thread": thread, "cluster": fill.cluster[:63], "namespace": fill.namespace[:253]}
        ),
        "blocks": blocks,
    }


def place(view: Mapping[str, Any]) -> tuple[str, str]:
    """Channel and thread of the form; empty when there are none."""
    known = _metadata(view)
    return known.get("channel", ""), known.get("thread", "")


def narrowed(view: Mapping[str, Any]) -> dict[str, Any]:
    """The same form once a namespace is chosen: from now on only its pods are offered."""
    said = {name: value_of(view, name) for name in (NAMESPACE, POD, TO, SINCE)}
    fill = Fill(said[POD], said[NAMESPACE], said[TO], said[SINCE], cluster=cluster_of(view))
    return form(fill, *place(view))


def cluster_of(view: Mapping[str, Any]) -> str:
    """The cluster that was named before the form was opened; empty: the channel's."""
    return _metadata(view).get("cluster", "")


def chosen_namespace(body: Mapping[str, Any]) -> str:
    """The namespace that was chosen in the form before a pod is looked for."""
    return _metadata(body.get("view") or {}).get("namespace", "")


def _metadata(view: Mapping[str, Any]) -> dict[str, str]:
    return _read(view.get("private_metadata") or "")


def _read(text: str) -> dict[str, str]:
    """Values that went through Slack; none when they cannot be read."""
    try:
        said = json.loads(text or "{}")
    except ValueError:
        return {}
    return {str(key): str(value or "") for key, value in said.items()} if isinstance(said, dict) else {}


def options(names: Iterable[str], typed: str) -> list[dict[str, Any]]:
    """Names that hold what is typed, those that begin with it first; what is typed itself only where none does."""
    word = typed.strip().lower()
    fitting = sorted((each for each in names if word in each and len(each) <= LONGEST_VALUE),
                     key=lambda each: (not each.startswith(word), each))  # fmt: skip
    if not fitting and word and len(word) <= LONGEST_VALUE:
        return [{**_option(word), "text": plain_text(literal(f"{word} (as typed)", 75))}]
    return [_option(each) for each in fitting[:MOST_OPTIONS]]


def opener(fill: Fill) -> SlackBlock:
    """A button that opens the form, for where there is no trigger to open it with."""
    value = json.dumps({name: getattr(fill, name) for name in FILLED})
    button = {
        "type": "button",
        "action_id": OPEN_FORM,
        "text": plain_text("Fill in the form"),
        "value": fit(value, 2000),
    }
    return {"type": "actions", "elements": [button]}


def filled(value: str) -> Fill:
    """Values that a button of `opener` carries; nothing when it cannot be read."""
    said = _read(value)
    return Fill(**{name: said.get(name, "")[:253] for name in FILLED})


def _input(label: str, element: SlackBlock, *, optional: bool = False) -> SlackBlock:
    more = {"optional": True} if optional else {}
    return {"type": "input", "block_id": element["action_id"], "label": plain_text(label), "element": element, **more}


def _select(action: str, hint: str, chosen: str) -> SlackBlock:
    first = {"initial_option": _option(chosen)} if 0 < len(chosen) <= LONGEST_VALUE else {}
    select = {"type": "external_select", "action_id": action, "placeholder": plain_text(hint), "min_query_length": 0}
    return {**select, **first}


def _typed(action: str, hint: str, said: str) -> SlackBlock:
    first = {"initial_value": said} if said else {}
    return {"type": "plain_text_input", "action_id": action, "placeholder": plain_text(hint), **first}


def _option(name: str) -> dict[str, Any]:
    return {"text": plain_text(literal(name, 75)), "value": name}
