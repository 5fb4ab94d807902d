"""The chart is applied to a real API server; then KAI runs as its Deployment says, with its account's token alone."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lab.workspace import Workspace
from sensors.access.casefolder import open_case
from sensors.kit.kinds import POD
from tests.cluster import chart
from tests.cluster.apiserver import ApiServer, api_server
from tests.cluster.applying import apply
from tests.cluster.binaries import Binaries
from tests.cluster.definitions import install_definitions
from tests.cluster.kubelet_of import Started, as_the_kubelet
from tests.cluster.processes import free_port
from tests.cluster.standin import kubeconfig
from tests.live.front import standing_in
from tests.live.world import CASES, World, world_of

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

INCIDENT, POD_NAME = "checkout-to-bank", "checkout-5df9dc997b-qb72b"
QUESTION = f"{POD_NAME} checkout --to bank.payments:8443"


@pytest.fixture(scope="module")
def server(programs: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A cluster with an incident in it, and the probes' pods on its nodes."""
    with api_server(programs, tmp_path_factory.mktemp("installed")) as running:
        running.load_case(CASES / INCIDENT)
        running.store(POD, standing_in(CASES / INCIDENT, open_case(CASES / INCIDENT), agents=False))
        running.create_namespace(chart.NAMESPACE)
        install_definitions(running)
        yield running


@dataclass(frozen=True)
class Installed:
    """KAI's pods as they would be started, and the world around them."""

    world: World
    bot: Started
    doctor: Started
    folder: Path

    def environ(self, started: Started, **more: str) -> dict[str, str]:
        """The container's own environment: nothing of this machine's comes along but where its programs are."""
        path = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "KUBECONFIG": str(self.world.kubeconfig)}
        return {**path, **started.environ, **more}

    async def run(self, started: Started, *words: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", *(words or started.arguments)),
            env=self.environ(started),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()


@asynccontextmanager
async def installed(server: ApiServer, folder: Path, slack: Workspace | None = None) -> AsyncIterator[Installed]:
    """The chart for a small cluster; what its network would give are addresses of this machine."""
    behind = {"upstream": server.url, "ca_file": server.ca_file, "servers": True}
    async with world_of(INCIDENT, folder, **behind) as world:
        assert world.probes is not None
        said = {"SLACK_API_URL": slack.api_url if slack else "https://slack.com/api/", "KAI_SLACK_PACE": "0.01"}
        said |= {"KAI_HOST": "127.0.0.1", "KAI_PORT": str(free_port())}
        objects = chart.rendered(
            hubble={"server": world.relay.address},
            probe={"port": world.probes.port, "tls": {"certManager": {"issuer": {"name": "ours"}}}},
            bot={"extraEnv": [{"name": name, "value": each} for name, each in said.items()]},
        )
        apply(server, objects)
        _secrets(server, world, slack)
        token = server.token(chart.NAMESPACE, chart.ACCOUNT)
        yield Installed(_as(world, token), *_pods(server, objects, folder), folder)


def _as(world: World, token: str) -> World:

    world.kubeconfig = kubeconfig(world.kubeconfig.parent, world.front.url, user={"token": token})
    return world


def _secrets(server: ApiServer, world: World, slack: Workspace | None) -> None:
    """What a person, or cert-manager, puts beside the chart: Slack's tokens, and the certificate for the probes."""
    assert world.probes is not None
    tls = {each.name: each.read_text() for each in (world.probes.folder / "kai").iterdir()}
    of_slack = (slack.app.bot_token, slack.app.app_token) if slack else ("xoxb-of-the-tests", "xapp-of-the-tests")
    tokens = dict(zip(("bot-token", "app-token"), of_slack, strict=True))
    for name, data in (("kai-probe-client", tls), ("kai-slack", tokens)):
        coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        body = {"metadata": {"name": name}, "type": "Opaque", "data": coded}
        server.ask("DELETE", f"/api/v1/namespaces/{chart.NAMESPACE}/secrets/{name}")
        server.create(f"/api/v1/namespaces/{chart.NAMESPACE}/secrets", body)


def _pods(server: ApiServer, objects: list[dict[str, Any]], folder: Path) -> tuple[Started, Started]:
    bot = next(each for each in objects if each["kind"] == "Deployment")["spec"]["template"]
    doctor = next(each for each in objects if each["kind"] == "Pod")
    started = [
        as_the_kubelet(server, pod, chart.NAMESPACE, folder / f"pod-{number}")
        for number, pod in enumerate((bot, doctor))
    ]
    return started[0], started[1]


async def test_helm_test_finds_everything_there(server: ApiServer, tmp_path: Path) -> None:
    async with installed(server, tmp_path) as kai:
        code, said = await kai.run(kai.doctor)

    assert (code, said.splitlines()[-1]) == (0, "All there."), said
    assert "2 of 2 nodes answer, namespace kai-probe" in said


async def test_helm_test_names_what_is_missing(server: ApiServer, tmp_path: Path) -> None:
    async with installed(server, tmp_path) as kai:
        await kai.world.relay.stop()
        code, said = await kai.run(kai.doctor)

    assert (code, said.splitlines()[-1]) == (1, "1 missing: hubble relay"), said


async def test_helm_test_says_that_slacks_tokens_are_missing_instead_of_waiting_for_them(
    server: ApiServer, tmp_path: Path
) -> None:
    async with installed(server, tmp_path) as kai:
        for file in (kai.folder / "pod-1/slack").iterdir():
            file.unlink()
        code, said = await kai.run(kai.doctor)

    assert code == 1, said
    assert "SLACK_BOT_TOKEN_FILE" in said


async def test_netdebug_with_the_charts_rights_finds_the_fault(server: ApiServer, tmp_path: Path) -> None:
    async with installed(server, tmp_path) as kai:
        words = ["netdebug", POD_NAME, "-n", "checkout", "--to", "bank.payments:8443", "-o", "json"]
        code, said = await kai.run(kai.bot, *words)
    result = json.loads(said)

    assert (code, result["cause_class"]) == (1, "policy.both_sides_denied")
    blind = {each["sensor"]: each["summary"] for each in result["evidence"] if each["sight"] == "blind"}
    assert set(blind) <= {"cni.health"}, blind
    assert not any("/exec" in each for each in kai.world.front.asked)


async def test_the_bot_of_the_chart_becomes_ready_answers_in_slack_and_stops(server: ApiServer, tmp_path: Path) -> None:
    async with Workspace.start() as slack, installed(server, tmp_path, slack) as kai:
        environ = kai.environ(kai.bot)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", *kai.bot.arguments), env=environ, stderr=asyncio.subprocess.PIPE
        )
        await slack.wait_for(lambda: slack.sockets.lines(), 90)
        ready = await _status(f"http://127.0.0.1:{environ['KAI_PORT']}/readyz")
        await slack.user("alice").command(f"/kai netdebug {QUESTION}")
        await slack.wait_for(lambda: "checkout-egress" in slack.messages()[0]["text"], 90)
        process.terminate()
        _, log = await asyncio.wait_for(process.communicate(), 60)

    lines = [json.loads(line) for line in log.decode().splitlines() if line.startswith("{")]
    assert (ready, process.returncode) == (200, 0), log.decode()
    assert "checkout-egress" in json.dumps(slack.messages()[0], ensure_ascii=False)
    assert (tmp_path / "pod-0/data/kai.db").is_file()
    assert not any(each["level"] == "ERROR" for each in lines), lines
    assert slack.app.bot_token not in log.decode()


async def _status(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status
