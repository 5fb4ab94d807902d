"""The command line `kai`: what may be asked, which exit code answers, and every error in one line.

Exit codes: 0 no fault found, 1 fault found, 2 usage or input error, 3 could not look. Nothing heavy is imported
here: each command imports its work when it runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from bot import __version__
from bot.clusters.options import live_of, live_options
from bot.commands.history import history
from bot.commands.serve import serve
from bot.commands.simulate import simulate

NETDEBUG = "flow.k8s_network_debug"
INTERRUPTED = 130
F = TypeVar("F", bound=Callable[..., Any])

EPILOG = "Exit codes: 0 no fault found, 1 fault found, 2 usage or input error, 3 could not look."


_DEBUG = click.option("--debug", is_flag=True, expose_value=False, help="Show a trace with errors (or KAI_DEBUG=1).")


def _answering(*formats: str) -> Callable[[F], F]:
    """-o, and --debug wherever a person may type it."""
    output = click.option("-o", "--output", type=click.Choice(formats), default=formats[0], help="How to say it.")
    return lambda command: output(_DEBUG(command))


def _asking(command: F) -> F:
    """The options of every question about a pod, in the order `--help` shows them."""
    for option in reversed(
        (
            click.option("-n", "--namespace", metavar="NS", help="The pod's namespace."),
            click.option("--to", metavar="HOST:PORT", help="The peer that cannot be reached."),
            click.option("--case", type=click.Path(path_type=Path), metavar="DIR", help="A recorded case to look at."),
            click.option("--since", metavar="TIME", help="Only hubble flows of this time before, such as 10m."),
            click.option("--last", type=click.IntRange(min=1), metavar="N", help="Undropped hubble flows per node."),
        )
    ):
        command = option(command)
    return command


_FLOW = click.option("--flow", default=NETDEBUG, show_default=True, metavar="FLOW", help="A flow's id, or a YAML file.")
_VERBOSE = click.option("-v", "--verbose", is_flag=True, help="Leave nothing out.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EPILOG)
@click.version_option(__version__, prog_name="kai")
@_DEBUG
@click.pass_obj
def kai(debug: bool) -> None:
    """Why can this pod not talk? The root cause, the evidence, and a fix that is proved."""
    from bot.logs import quiet

    quiet(debug)


@kai.command(epilog=EPILOG)
@click.argument("pod", required=False, default="")
@_asking
@_FLOW
@live_options
@_VERBOSE
@_answering("text", "json", "markdown")
def netdebug(**asked: Any) -> int:
    """Find out why POD cannot talk.

    POD is a pod's name or its beginning, a workload (api, deploy/api), or NAMESPACE/POD. It is looked for in the
    cluster that kubectl talks to, or with --case in a recording; there it may be left out.
    """
    return _investigate(**asked)


@kai.command("run-flow", epilog=EPILOG)
@click.argument("flow")
@click.option("-p", "--pod", default="", metavar="POD", help="The pod that cannot talk.")
@_asking
@live_options
@_VERBOSE
@_answering("text", "json", "markdown")
def run_flow(**asked: Any) -> int:
    """Walk one flow for a pod. FLOW is an id (kai list-flows) or a YAML file."""
    return _investigate(**asked)


def _investigate(**asked: Any) -> int:
    from bot.commands.investigate import Question, investigate

    live = live_of(asked)
    return investigate(Question(**asked, live=live))


@kai.command("list-flows")
@_answering("text", "json")
def list_flows(output: str) -> int:
    """The flows there are."""
    from bot.commands import lists

    return lists.list_flows(output)


@kai.command("list-sensors")
@_answering("text", "json")
def list_sensors(output: str) -> int:
    """The sensors there are, and what each one looks at."""
    from bot.commands import lists

    return lists.list_sensors(output)


@kai.command()
@click.argument("name", required=False, default="")
@click.option("--list", "listing", is_flag=True, help="Name the incidents that come with KAI.")
@click.option("--page/--once", "page", default=None, help="Go on with the page, or not; yes on a terminal.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="PORT", help="The page's; any free one.")
@click.option("--no-browser", is_flag=True, help="Say where the page is, and open no browser.")
@_FLOW
@_VERBOSE
@_answering("text", "json", "markdown")
def demo(name: str, listing: bool, page: bool | None, port: int, no_browser: bool, **asked: Any) -> int:
    """Diagnose a real incident that was recorded, without any cluster; then try KAI out in a chat, in a browser.

    The page is a Slack-like workspace with KAI in it, on a simulated cluster that replays the same incident. It ends
    with Ctrl-C. Without a terminal, with CI=true and with -o json or markdown, the diagnosis is all there is.

    Exits with 0 when it could be shown, whatever the incident was.
    """
    from bot.commands import demo

    if listing:
        return demo.list_cases()
    demo.show(name or demo.USUAL, **asked)
    if demo.wants_page(page, asked["output"]):
        from lab.demo import serve as show_page

        demo.to_the_page(show_page, name or demo.USUAL, port, browser=not no_browser)
    return 0


@kai.command()
@click.argument("pod")
@click.option("-n", "--namespace", metavar="NS", help="The pod's namespace.")
@click.option("--to", metavar="HOST:PORT", help="The peer that cannot be reached.")
@click.option("-o", "--output-dir", "folder", type=click.Path(path_type=Path), metavar="DIR", required=True)
@click.option("--redact", is_flag=True, help="Leave out logs, environment values, arguments, annotations, URL paths.")
@click.option("--since", metavar="TIME", help="Only hubble flows of this time before, such as 10m.")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Undropped hubble flows per node.")
@_FLOW
@live_options
@_DEBUG
def capture(folder: Path, redact: bool, **asked: Any) -> int:
    """Record what can be seen of POD now as a case in DIR, a new folder; kai netdebug --case DIR looks at it again.

    Secrets are never read. Names and addresses stay, also with --redact: read docs/case-folder.md before you send it.
    """
    from bot.commands.capture import capture as record
    from bot.commands.investigate import Question

    live = live_of(asked)
    return record(Question(**asked, live=live), folder, redact=redact)


@kai.command()
@click.argument("pod", required=False, default="")
@click.option("-n", "--namespace", metavar="NS", help="The pod's namespace.")
@live_options
@_answering("text", "json")
def doctor(pod: str, namespace: str | None, output: str, **asked: Any) -> int:
    """Check everything an investigation needs, and say what mends it. With POD, only its own node needs a probe.

    Exit codes: 0 all there, 1 something is missing, 2 usage or input error, 3 could not look.
    """
    from bot.commands.doctor import doctor as examine

    return examine(live_of(asked), pod, namespace, output)


kai.add_command(simulate)
kai.add_command(history)
kai.add_command(serve)


def main() -> None:
    """The `kai` script."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without UTF-8 is no reason to fail
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """One call of `kai` in this process: its exit code. Never raises for what a person or a cluster can cause."""
    debug = "--debug" in arguments or bool(os.environ.get("KAI_DEBUG"))
    try:
        code = kai.main(list(arguments), prog_name="kai", standalone_mode=False, obj=debug)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as why:
        click.echo(why.format_message())
        return 2
    except Exception as why:  # noqa: BLE001 - the last net: whatever happens, a person gets one line
        return _complain(why, debug)
    return code if isinstance(code, int) else 0


def _complain(why: Exception, debug: bool) -> int:
    from bot.errors import code_of, line_of

    if debug:
        import traceback

        traceback.print_exception(why, file=sys.stderr)
    click.echo(f"kai: {line_of(why)}", err=True)
    return code_of(why)


__all__ = ["kai", "main", "run"]
