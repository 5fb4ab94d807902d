"""`python -m lab.workspace --port 7070`: a workspace to click in, until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal

import click

from lab.workspace.workspace import Workspace


@click.command()
@click.option("--port", default=7070, show_default=True, help="0 takes any free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="It guards nothing; think before you open it.")
@click.option("--rate-limits", is_flag=True, help="Answer 429 where Slack would.")
def main(port: int, host: str, rate_limits: bool) -> None:
    """A Slack-compatible workspace on this machine."""
    asyncio.run(_serve(port, host, rate_limits))


async def _serve(port: int, host: str, rate_limits: bool) -> None:
    async with Workspace.start(port, host, rate_limits=rate_limits) as workspace:
        app = workspace.app
        click.echo(f"The workspace: {workspace.url}\n")
        click.echo("An app connects with:")
        click.echo(f"  export SLACK_API_URL={workspace.api_url}")
        click.echo(f"  export SLACK_BOT_TOKEN={app.bot_token} SLACK_APP_TOKEN={app.app_token}")
        click.echo(f"  export SLACK_SIGNING_SECRET={app.signing_secret}")
        click.echo(f"Alertmanager's slack_api_url: {workspace.webhook_url}")
        await _told_to_stop()


async def _told_to_stop() -> None:
    """Ctrl-C, also where the shell has it ignored for what it runs in the background; or SIGTERM."""
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    await stop.wait()


main()
