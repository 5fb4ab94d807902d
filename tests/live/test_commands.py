"""The commands as a person types them, against a living cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.cli import run
from bot.clusters.connecting import HOW_TO_REACH
from bot.clusters.options import Live, live_of
from bot.clusters.window import since_of
from tests.cluster.processes import free_port
from tests.live.conftest import Opens
from tests.live.world import World

POD = "checkout-5df9dc997b-qb72b"


@pytest.fixture
def world(open_world: Opens, monkeypatch: pytest.MonkeyPatch) -> World:
    for each in ("HUBBLE_SERVER", "KAI_HUBBLE_ADDR", "KUBECONFIG", "HUBBLE_TLS"):
        monkeypatch.delenv(each, raising=False)
    return open_world("checkout-to-bank")


def words(world: World, *more: str) -> list[str]:
    return [*more, "--kubeconfig", str(world.kubeconfig), "--server", world.relay.address]


def test_netdebug_finds_the_fault_of_a_living_pod(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(words(world, "netdebug", POD, "-n", "checkout", "--to", "bank.payments:8443", "-o", "json"))
    said = json.loads(capsys.readouterr().out)

    assert (code, said["cause_class"], said["recorded"]) == (1, "policy.both_sides_denied", None)


def test_run_flow_takes_the_relay_from_hubbles_own_variable(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBLE_SERVER", world.relay.address)
    asked = ["run-flow", "k8s_policy_drops", "--pod", POD, "-n", "checkout", "--kubeconfig", str(world.kubeconfig)]

    code = run([*asked, "--last", "7", "-o", "json"])
    said = json.loads(capsys.readouterr().out)

    assert (code, said["flow"]) == (1, "flow.k8s_policy_drops")
    assert 7 in {each.number for each in world.relay.requests}


def test_drops_names_the_denied_pair_of_a_living_namespace(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(words(world, "drops", "checkout"))
    said = " ".join(capsys.readouterr().out.split())

    assert code == 1
    assert "checkout/checkout-egress and NetworkPolicy payments/bank-ingress have no rule for" in said
    assert "checkout/checkout → payments/bank, TCP 8443: " in said


def test_without_a_relay_it_is_said_how_to_reach_one(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = f"localhost:{free_port()}"  # the default port may be somebody's on this machine
    monkeypatch.setattr("sensors.access.relay.config.DEFAULT_SERVER", nobody)
    asked = ["netdebug", POD, "-n", "checkout", "--to", "bank.payments:8443", "-o", "json"]

    code = run([*asked, "--kubeconfig", str(world.kubeconfig)])
    said = json.loads(capsys.readouterr().out)
    flows = next(each for each in said["evidence"] if each["sensor"] == "hubble.capture_flows")

    assert code == 1
    assert flows["summary"].startswith(f"hubble relay {nobody}: connection refused")
    assert flows["summary"].endswith(HOW_TO_REACH)


def test_capture_writes_a_case_that_netdebug_reads(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tmp_path / "case"

    code = run(words(world, "capture", POD, "-n", "checkout", "--to-dir", str(case)))
    told = capsys.readouterr().out
    again = run(["netdebug", "--case", str(case), "-o", "json"])
    said = json.loads(capsys.readouterr().out)
    twice = run(words(world, "capture", POD, "-n", "checkout", "--to-dir", str(case)))

    assert (code, told.splitlines()[-1]) == (0, f"kai netdebug --case {case}")
    assert (again, said["cause_class"], said["recorded"]["case"]) == (1, "policy.both_sides_denied", "case")
    assert (twice, capsys.readouterr().err) == (2, f"kai: {case} is not empty; name a new folder with -o DIR\n")


@pytest.mark.parametrize("was_there", [False, True])
def test_a_capture_that_fails_leaves_nothing_behind(
    was_there: bool, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tmp_path / "case"
    if was_there:
        case.mkdir()

    code = run(words(world, "capture", "gone", "-n", "checkout", "--to-dir", str(case)))

    assert (code, case.exists()) == (2, was_there)
    assert 'no pod "gone"' in capsys.readouterr().err


def test_doctor_answers_with_lines_or_json(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(words(world, "doctor", POD, "-n", "checkout"))
    lines = capsys.readouterr().out.splitlines()
    also = run(words(world, "doctor", "-o", "json"))
    said = json.loads(capsys.readouterr().out)

    assert (code, also, lines[-1]) == (0, 0, "All there.")
    assert {each["state"] for each in said["checks"]} == {"ok", "off"}


@pytest.mark.parametrize(
    ("typed", "code", "line"),
    [
        ("netdebug", 2, "name a pod: kai netdebug POD -n NAMESPACE (or --case DIR for a recording)"),
        ("netdebug gone -n checkout", 2, 'no pod "gone" in namespace "checkout"; it has checkout-5df9dc997b-qb72b'),
        ("netdebug x --context prod", 2, "has no context 'prod'; it has test"),
        ("netdebug x --since yesterday", 2, "--since wants a time such as 90s, 10m or 1h, not 'yesterday'"),
        ("netdebug x --server nowhere", 2, "hubble server 'nowhere' is not HOST:PORT"),
        ("netdebug x --case lab/cases/checkout-to-bank", 2, "--case is a recording; --kubeconfig, --context"),
        ("doctor gone -n checkout", 2, 'no pod "gone" in namespace "checkout"'),
    ],
)
def test_a_mistake_is_one_line(
    typed: str, code: int, line: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    got = run([*typed.split(), "--kubeconfig", str(world.kubeconfig)])
    said = capsys.readouterr().err

    assert (got, said.count("\n")) == (code, 1)
    assert line in said


def test_a_relay_is_not_asked_about_a_recording(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["netdebug", "--case", "lab/cases/checkout-to-bank", "--server", "relay:80"])

    assert (code, capsys.readouterr().err) == (
        2,
        "kai: --case is a recording; --kubeconfig, --context, --server, --cluster name a cluster; leave one out\n",
    )


def test_since_does_not_pretend_to_cut_a_recording(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["netdebug", "--case", "lab/cases/checkout-to-bank", "--since", "5m"])

    assert (code, capsys.readouterr().err) == (
        2,
        "kai: --since asks a living cluster; a recording holds what it holds\n",
    )


def test_an_api_server_that_is_not_there_could_not_be_looked_at(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    path = world.kubeconfig
    path.write_text(path.read_text().replace(world.front.url, "http://127.0.0.1:1"))

    code = run(["netdebug", POD, "-n", "checkout", "--kubeconfig", str(path)])

    assert (code, capsys.readouterr().err) == (
        3,
        "kai: could not look: the API server http://127.0.0.1:1 cannot be reached: "
        "it refuses the connection; is it running?\n",
    )


def test_the_options_of_a_cluster_are_taken_out_of_what_was_asked() -> None:
    asked = {"pod": "web", "context": "prod", "tls_ca_cert_files": ("a", "b"), "since": "10m"}

    live = live_of(asked)

    assert asked == {"pod": "web", "since": "10m"}
    assert (live.context, live.tls_ca_cert_files) == ("prod", ("a", "b"))
    assert since_of(asked["since"]) is not None
    assert Live().names_a_cluster is False
