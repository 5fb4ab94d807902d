"""Options that several commands share, under one name and with one meaning each. Light, for --help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from bot.lazy import PATH, option

NETDEBUG = "flow.k8s_network_debug"
F = TypeVar("F", bound=Callable[..., Any])

DEBUG = option("--debug", is_flag=True, expose_value=False, help="Show a trace with errors (or KAI_DEBUG=1).")


def answering(*formats: str) -> Callable[[F], F]:
    """-o, and --debug wherever a person may type it."""
    output = option("-o", "--output", type=click.Choice(formats), default=formats[0], help="How to say it.")
    return lambda command: output(DEBUG(command))


def asking(command: F) -> F:
    """The options of every question about a pod, in the order `--help` shows them."""
    for each in reversed(
        (
            option("-n", "--namespace", metavar="NS", help="The pod's namespace."),
            option("--to", metavar="PEER", help="What it cannot reach: HOST:PORT, svc/NAME[:PORT], deploy/NAME."),
            option("--case", type=PATH, metavar="DIR", help="A recorded case to look at."),
            option("--since", metavar="TIME", help="Only hubble flows of this time before, such as 10m."),
            option("--last", type=click.IntRange(min=1), metavar="N", help="Undropped hubble flows per node."),
        )
    ):
        command = each(command)
    return command


FLOW = option("--flow", default=NETDEBUG, show_default=True, metavar="FLOW", help="A flow's id, or a YAML file.")
LLM = option(
    "--llm/--no-llm", default=None, help="Ask Claude, or rules only. Asked by default with a key, but for recordings."
)
VERBOSE = option("-v", "--verbose", is_flag=True, help="Leave nothing out.")
QUIET = option("-q", "--quiet", is_flag=True, help="The verdict in one line.")
DATABASE = option(
    "--database",
    metavar="URL",
    envvar=["KAI_DATABASE_URL", "DATABASE_URL"],
    help="Where KAI remembers: sqlite:////path/kai.db or postgresql://… (KAI_DATABASE_URL, DATABASE_URL).",
)
KEEP = option(
    "--history/--no-history",
    "keep",
    default=True,
    envvar="KAI_HISTORY",
    help="Keep it for kai history and kai show, or not (KAI_HISTORY=0).",
)

CONFIG = option("--config", type=PATH, metavar="FILE", help="The settings file.")
YES = option("-y", "--yes", is_flag=True, help="Do not ask once more.")
