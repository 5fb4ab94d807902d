"""The Web API: one module per family of methods, each with a table `METHODS` at its foot."""

from __future__ import annotations

from lab.workspace.call import MethodSpec
from lab.workspace.methods import chat, conversations, files, misc, people, reactions, streams, views

METHODS: dict[str, MethodSpec] = {
    **chat.METHODS,
    **conversations.METHODS,
    **files.METHODS,
    **misc.METHODS,
    **people.METHODS,
    **reactions.METHODS,
    **streams.METHODS,
    **views.METHODS,
}
