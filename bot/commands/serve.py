"""`kai serve`: KAI in Slack, until it is told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

EPILOG = (
    "Secrets come from the environment: SLACK_BOT_TOKEN, and SLACK_APP_TOKEN (socket mode) or SLACK_SIGNING_SECRET "
    "(http mode), each also as …_FILE. docs/slack.md says what else there is."
)


@click.command(epilog=EPILOG)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="The settings file (KAI_CONFIG).")
@click.option("--case", type=click.Path(path_type=Path), metavar="DIR", help="A recorded case, for trials (KAI_CASE).")
@click.option("--mode", type=click.Choice(("socket", "http")), help="How Slack reaches us (KAI_SLACK_MODE).")
@click.option("--database", metavar="URL", help="Where KAI remembers (KAI_DATABASE_URL, DATABASE_URL).")
@click.option("--host", metavar="HOST", help="Where to listen (KAI_HOST); everywhere, if nothing is said.")
@click.option("--port", metavar="PORT", help="Port of /healthz, /readyz and of Slack's requests (KAI_PORT); 8080.")
@click.option("--context", metavar="NAME", help="The kubeconfig's context to use.")
@click.option("--kubeconfig", metavar="FILE", help="The kubeconfig to use; default as kubectl.")
@click.option("--server", "hubble_server", metavar="HOST:PORT", help="hubble-relay (HUBBLE_SERVER).")
@click.option("--debug", is_flag=True, expose_value=False, help="Show a trace with errors (or KAI_DEBUG=1).")
def serve(config: Path | None, database: str | None, **said: Any) -> int:
    """Answer in Slack: /kai, @kai, the message shortcut and the home tab."""
    import asyncio

    from bot.app import serve as run
    from bot.desk.opening import Occupied
    from bot.errors import CouldNotLook, UsageMistake
    from bot.logs import set_up_logging
    from bot.settings import Secret, load, secrets_of
    from bot.slack.connection import BadToken
    from bot.store.database import BadDatabase

    settings = load(file=config, database_url=Secret(database) if database else None, **said)
    set_up_logging(settings.log_level, secrets_of(settings))
    try:
        return asyncio.run(run(settings, lambda line: click.echo(line, err=True)))
    except (BadToken, BadDatabase, Occupied) as why:
        raise UsageMistake(str(why)) from why
    except OSError as why:
        raise CouldNotLook(f"no way to Slack or to the database: {why}") from why
