"""The command line `kai`: what may be asked, which exit code answers, and every error in one line.

Exit codes: 0 no fault found, 1 fault found, 2 usage or input error, 3 could not look. Nothing heavy is imported
here: what does a command is imported when it runs (`bot.lazy`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from bot import __version__
from bot.clusters.flags import live_options
from bot.commands.examples import EXIT_CODES, epilog
from bot.commands.options import CONFIG, DATABASE, DEBUG, FLOW, KEEP, LLM, QUIET, VERBOSE, YES, answering, asking
from bot.errors import code_of, line_of
from bot.lazy import PATH, LazyGroup, argument, option

INTERRUPTED = 130
WIDEST, NARROWEST = 100, 50  # columns of a help page


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST},
    epilog=EXIT_CODES,
)
@click.version_option(__version__, prog_name="kai")
@click.option("--debug", is_flag=True, expose_value=False, help="Show a trace with errors (or KAI_DEBUG=1).")
@click.pass_obj
def kai(debug: bool) -> None:
    """Tells why a pod cannot talk: the root cause, the evidence, and a fix that is proved."""
    from bot.quiet import quiet

    quiet(debug)


@kai.lazy("bot.commands.investigate:typed")
@argument("pod", required=False, default="")
@asking
@FLOW
@option("-w", "--watch", is_flag=True, help="Look again and again; say each change in a line, until it talks.")
@option("--every", type=click.IntRange(1, 3600), default=10, metavar="SECONDS", help="With --watch; 10.")
@live_options
@option("--show-brief", is_flag=True, help="Print what Claude would be told, and send nothing.")
@option("--anonymize", is_flag=True, help="Pseudonyms instead of names and addresses in what Claude is told.")
@option("--from", "sender", metavar="POD", help="The same as POD, for a pair: --from deploy/api --to svc/db.")
@LLM
@KEEP
@DATABASE
@QUIET
@VERBOSE
@answering("text", "json", "yaml", "markdown")
def netdebug() -> None:
    """Find out why POD cannot talk.

    POD is a pod's name or its beginning, a workload or Service (api, deploy/api, svc/api), or NAMESPACE/POD. It is
    looked for in the cluster that kubectl talks to, or with --case in a recording; there it may be left out.

    With --watch it ends with 0 when the peer opens (or, where nothing was wrong, with 1 when something is); Ctrl-C
    ends it with the exit code of the last verdict.
    """


@kai.lazy("bot.commands.investigate:typed", "run-flow")
@argument("flow")
@option("-p", "--pod", default="", metavar="POD", help="The pod that cannot talk.")
@asking
@live_options
@LLM
@KEEP
@DATABASE
@QUIET
@VERBOSE
@answering("text", "json", "yaml", "markdown")
def run_flow() -> None:
    """Walk one flow for a pod. FLOW is an id (kai list-flows) or a YAML file."""


@kai.lazy("bot.commands.drops:drops")
@argument("space", metavar="[NAMESPACE]", required=False, default="")
@option("-n", "--namespace", metavar="NS", help="The same as NAMESPACE.")
@option("--case", type=PATH, metavar="DIR", help="A recorded case to look at.")
@option("--since", metavar="TIME", help="Only hubble flows of this time before, such as 10m.")
@live_options
@VERBOSE
@answering("text", "json", "yaml")
def drops() -> None:
    """Show every denied pair of workloads of NAMESPACE, by the rule that is missing, the newest change first.

    It replays what Hubble saw dropped from and to the namespace through all policies. Without Hubble nothing is
    measured, and nothing is said to be clear.
    """


@kai.lazy("bot.commands.lists:list_flows", "list-flows")
@answering("text", "json", "yaml")
def list_flows() -> None:
    """The flows there are."""


@kai.lazy("bot.commands.lists:list_sensors", "list-sensors")
@answering("text", "json", "yaml")
def list_sensors() -> None:
    """The sensors there are, and what each one looks at."""


@kai.lazy("bot.commands.demo:demo")
@argument("name", required=False, default="")
@option("--list", "listing", is_flag=True, help="Name the incidents that come with KAI.")
@option("--page/--once", "page", default=None, help="Go on with the page, or not; yes on a terminal.")
@option("--port", type=click.IntRange(0, 65535), default=0, metavar="PORT", help="The page's; any free one.")
@option("--no-browser", is_flag=True, help="Say where the page is, and open no browser.")
@FLOW
@QUIET
@VERBOSE
@answering("text", "json", "yaml", "markdown")
def demo() -> None:
    """Diagnose a real incident that was recorded, without any cluster; then try KAI out in a chat, in a browser.

    The page is a Slack-like workspace with KAI in it, on a simulated cluster that replays the same incident. It ends
    with Ctrl-C. Without a terminal, with CI=true and with -o json or markdown, the diagnosis is all there is.

    Exits with 0 when it could be shown, whatever the incident was.
    """


@kai.lazy("bot.commands.capture:typed")
@argument("pod")
@option("-n", "--namespace", metavar="NS", help="The pod's namespace.")
@option("--to", metavar="HOST:PORT", help="The peer that cannot be reached.")
@option("--to-dir", "folder", type=PATH, metavar="DIR", required=True, help="A new folder.")
@option("--redact", is_flag=True, help="Leave out logs, environment values, arguments, annotations, URL paths.")
@option("--since", metavar="TIME", help="Only hubble flows of this time before, such as 10m.")
@option("--last", type=click.IntRange(min=1), metavar="N", help="Undropped hubble flows per node.")
@FLOW
@live_options
@answering("text", "json")
def capture() -> None:
    """Record what can be seen of POD now as a case; kai netdebug --case DIR looks at it again.

    Secrets are never read. Names and addresses stay, also with --redact: read docs/case-folder.md before you send it.
    """


@kai.lazy("bot.commands.doctor:typed")
@argument("pod", required=False, default="")
@option("-n", "--namespace", metavar="NS", help="The pod's namespace.")
@live_options
@answering("text", "json")
def doctor() -> None:
    """Check everything an investigation needs, and say what mends it. With POD, only its own node needs a probe.

    Exit codes: 0 all there, 1 something is missing, 2 usage or input error, 3 could not look.
    """


@kai.lazy("bot.commands.simulate:simulate")
@option("-f", "--filename", "file", metavar="FILE", help="Manifests, a JSON patch or a merge patch; - is stdin.")
@option("--patch", metavar="PATCH", help="The patch itself, as kubectl patch takes it.")
@option("--type", "kind", type=click.Choice(("json", "merge")), help="What kind of patch it is.")
@option("--target", metavar="KIND/NAME", help="The object a patch is for, such as networkpolicy/strict-egress.")
@option("--delete", metavar="KIND/NAME", help="Instead of a change: what if this policy were gone?")
@option("--can", "question", metavar="POD->HOST:PORT[/udp]", help="May this pod talk to that, and who says so?")
@option("-n", "--namespace", metavar="NS", help="The namespace of the object, or of the pod.")
@option("--pod", metavar="[NS/]POD", help="Whose dropped traffic is replayed; with --case the recorded pod.")
@option("--case", type=PATH, metavar="DIR", help="A recorded case instead of a cluster.")
@live_options
@option("--since", metavar="TIME", help="Only what was dropped in this time before, such as 10m or 1h.")
@option("--max-newly-allowed", "most", type=click.IntRange(min=0), help="Refuse what opens more ways than this.")
@answering("text", "json")
def simulate() -> None:
    """Try a change on the traffic that was really seen: would it help, and what else would it open?

    Nothing is applied anywhere. FILE holds whole policies (new ones, or new versions of old ones), or a patch for
    --target.
    """


@kai.lazy("bot.commands.history:history")
@option("--limit", "most", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="N")
@option("-n", "--namespace", metavar="NS", help="Only of pods of this namespace.")
@option("--cost", is_flag=True, help="What Claude was asked, and what it cost.")
@option("--feedback", "opinions", is_flag=True, help="What people think of the verdicts, and what was wrong.")
@DATABASE
@answering("text", "json", "yaml", "markdown")
def history() -> None:
    """The last investigations, newest first."""


@kai.lazy("bot.commands.history:show")
@argument("investigation", metavar="ID")
@option("--fix", "part", flag_value="fix", help="Only the commands of the fix, for a shell.")
@option("--undo", "part", flag_value="undo", help="Only the commands that take the fix back, for a shell.")
@option("--brief", "part", flag_value="brief", help="What Claude was told of it, exactly as it was sent.")
@DATABASE
@QUIET
@VERBOSE
@answering("text", "json", "yaml", "markdown")
def show() -> None:
    """The report of an investigation again; ID is its id or the beginning of it (kai history)."""


@kai.lazy("bot.commands.completion:completion")
@argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@DEBUG
def completion() -> None:
    """Print the script that completes kai's words in a shell."""


@kai.lazy("bot.commands.ask:ask")
@argument("investigation", metavar="ID")
@argument("question", nargs=-1, metavar="QUESTION")
@DATABASE
@DEBUG
def ask() -> None:
    """Ask about a past investigation: why? how sure? is it DNS? what did you not measure? show evidence E3.

    These are answered without Claude; with a key, Claude answers others and names its evidence. Nothing is started.
    """


@kai.lazy("bot.mcp.typed:mcp")
@option("--case", type=PATH, metavar="DIR", help="A recorded case instead of a cluster.")
@option("--anonymize", is_flag=True, help="Pseudonyms instead of names and addresses in what is told.")
@live_options
@DEBUG
def mcp() -> None:
    """Answer other agents (Model Context Protocol) on stdin and stdout: diagnose, may talk, simulate, show evidence.

    Every tool only reads. It needs the extra: pip install 'kai-netdebug[mcp]'. docs/mcp.md says how to set it up.
    """


@kai.lazy("bot.commands.alert:typed")
@argument("action", type=click.Choice(("test",)))
@option("-f", "--filename", "file", required=True, metavar="FILE", help="A webhook's body, or a Slack message.")
@option("--case", type=PATH, metavar="DIR", help="A recorded case instead of a cluster.")
@option("--gate", type=PATH, metavar="FILE", help="A team's own rules; else those of KAI_ALERT_GATE.")
@option("--offline", is_flag=True, help="Ask no cluster whether what the alert names is there.")
@live_options
@DEBUG
def alert() -> None:
    """Show what an alert would start, and why; nothing is started.

    FILE is JSON as Alertmanager, Grafana, Datadog or PagerDuty send it, or a message from an alert channel; - is stdin.
    """


@kai.lazy("bot.commands.serve:serve")
@option("--config", type=PATH, metavar="FILE", help="The settings file (KAI_CONFIG).")
@option("--case", type=PATH, metavar="DIR", help="A recorded case, for trials (KAI_CASE).")
@option("--mode", type=click.Choice(("socket", "http")), help="How Slack reaches us (KAI_SLACK_MODE).")
@option("--database", metavar="URL", help="Where KAI remembers (KAI_DATABASE_URL, DATABASE_URL).")
@option("--host", metavar="HOST", help="Where to listen (KAI_HOST); everywhere, if nothing is said.")
@option("--port", metavar="PORT", help="Port of /healthz, /readyz and of Slack's requests (KAI_PORT); 8080.")
@option("--context", metavar="NAME", help="The kubeconfig's context to use.")
@option("--kubeconfig", metavar="FILE", help="The kubeconfig to use; default as kubectl.")
@option("--server", "hubble_server", metavar="HOST:PORT", help="hubble-relay (HUBBLE_SERVER).")
@DEBUG
def serve() -> None:
    """Answer in Slack: /kai, @kai, the message shortcut and the home tab."""


@kai.lazy("bot.commands.approve:approve")
@argument("proposal", metavar="ID")
@YES
@DATABASE
@CONFIG
@live_options
@answering("text", "json", "yaml")
def approve() -> None:
    """Apply a proposed change with your own kubeconfig: proved anew, tried, written once, verified, else taken back.

    Exit codes: 0 applied and verified (or your approval is counted), 1 refused or not verified, 2 usage error,
    3 could not look.
    """


@kai.lazy("bot.commands.approve:reject")
@argument("proposal", metavar="ID")
@option("--reason", default="", metavar="TEXT", help="Why not.")
@DATABASE
@CONFIG
@live_options
@answering("text", "json", "yaml")
def reject() -> None:
    """Say no to a proposed change."""


@kai.lazy("bot.commands.approve:undo")
@argument("proposal", metavar="ID")
@YES
@DATABASE
@CONFIG
@live_options
@answering("text", "json", "yaml")
def undo() -> None:
    """Take an applied change back with your own kubeconfig; nobody's later change is overwritten."""


@kai.lazy("bot.commands.extend:extend")
@argument("proposal", metavar="ID")
@option("--for-good", is_flag=True, help="Take its end off: it stays until somebody removes it.")
@YES
@DATABASE
@CONFIG
@live_options
@answering("text", "json", "yaml")
def extend() -> None:
    """Keep an added policy 30 days longer, or for good, with your own kubeconfig; nothing else of it changes."""


@kai.lazy("bot.commands.audit:audit")
@argument("action", required=False, default="", type=click.Choice(("", "verify")), metavar="[verify]")
@option("--proposal", default="", metavar="ID", help="Only the entries of this proposal.")
@option("--head", default="", metavar="HASH", help="A head noted earlier: it must still be in the trail.")
@DATABASE
@answering("text", "json", "yaml")
def audit() -> None:
    """Every entry of the audit trail, one JSON line each; kai audit verify: is it all as it was written?

    Exit codes of verify: 0 whole, 1 an entry was changed, removed or moved.
    """


@kai.lazy("bot.commands.store:store")
@argument("action", type=click.Choice(("backup", "restore")))
@argument("file", metavar="FILE")
@DATABASE
@DEBUG
def store() -> None:
    """Copy what KAI remembers into FILE, also while it runs, or bring it back to where nothing is; - is a stream."""


for _name, _command in kai.commands.items():
    _command.epilog = epilog(_name)


def run(arguments: Sequence[str]) -> int:
    """One call of `kai` in this process: its exit code. Never raises for what a person or a cluster can cause."""
    debug = "--debug" in arguments or bool(os.environ.get("KAI_DEBUG"))
    try:
        code = kai.main(list(arguments), prog_name=program(), standalone_mode=False, obj=debug, terminal_width=_width())
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as why:
        click.echo(why.format_message())
        return 2
    except Exception as why:  # noqa: BLE001 - the last net: whatever happens, a person gets one line
        return _complain(why, debug)
    return code if isinstance(code, int) else 0


def program() -> str:
    """Name by which it was called: `kai`, or `kubectl kai` as kubectl's plug-in."""
    return "kubectl kai" if os.path.basename(sys.argv[0]) == "kubectl-kai" else "kai"


def _width() -> int:
    """Columns of a help page, as click finds them; its way (`shutil`) imports three archivers."""
    try:
        columns = int(os.environ.get("COLUMNS", 0)) or os.get_terminal_size(1).columns
    except (ValueError, OSError):
        columns = 80
    return max(min(columns or 80, WIDEST) - 2, NARROWEST)


def _complain(why: Exception, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exception(why, file=sys.stderr)
    click.echo(f"kai: {line_of(why)}", err=True)
    return code_of(why)


__all__ = ["kai", "run"]
