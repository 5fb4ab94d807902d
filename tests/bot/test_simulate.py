"""`kai simulate` as it is typed: what it prints, and the exit code a script can rely on."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from bot.cli import simulate
from bot.errors import UsageMistake
from tests.kit.cases import CASES

API = str(CASES / "api-server-cannot-watch")
STRICT = ["-n", "production", "--target", "networkpolicy/strict-egress"]
ARTICLE = '[{"op":"add","path":"/spec/egress/-","value":{"to":[{"ipBlock":{"cidr":"10.96.0.0/12"}}]}}]'
OURS = """
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api-server-to-kube-apiserver, namespace: production}
spec:
  endpointSelector: {matchLabels: {app: api-server}}
  egress:
  - toEntities: [kube-apiserver]
    toPorts: [{ports: [{port: "6443", protocol: TCP}]}]
"""


def typed(*words: str) -> int:
    code: int = simulate.main(list(words), standalone_mode=False)
    return code


def test_a_change_that_helps_exits_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policy.yaml").write_text(OURS)

    code = typed("-f", str(tmp_path / "policy.yaml"), "--case", API)

    assert code == 0
    assert capsys.readouterr().out.splitlines() == [
        "847 of 847 dropped packets would be allowed.",
        "  admitted by CiliumNetworkPolicy production/api-server-to-kube-apiserver /spec/egress/0",
        "Newly allowed (1):",
        "  production/Deployment api-server -> kube-apiserver TCP 6443",
    ]


def test_a_change_that_does_not_help_exits_with_1_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    code = typed("--patch", ARTICLE, *STRICT, "--case", API)

    said = capsys.readouterr().out
    assert code == 1
    assert said.startswith("0 of 847 dropped packets would be allowed.\nWhy not:\n")
    assert "10.96.0.0/12 covers 10.96.0.1" in said


def test_a_change_that_opens_everything_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code = typed("--patch", '{"spec":{"egress":[{}]}}', "--type", "merge", *STRICT, "--case", API)

    assert code == 1
    assert "Refused: it opens the world outside the cluster" in capsys.readouterr().out


def test_what_speaks_against_a_change_is_said_before_the_long_list_of_what_it_opens(
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed("--patch", '{"spec":{"egress":[{}]}}', *STRICT, "--case", API)

    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith("Refused: it opens the world outside the cluster")
    assert "  production/Deployment api-server -> host ICMP, ICMPv6, SCTP, TCP, UDP all" in said


def test_a_policy_can_be_tried_as_gone(capsys: pytest.CaptureFixture[str]) -> None:
    code = typed("--delete", "netpol/strict-egress", "--case", API)

    said = capsys.readouterr().out
    assert code == 1
    assert said.startswith("847 of 847 dropped packets would be allowed.\nRefused: it opens the world")


def test_a_policy_that_does_nothing_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "astray.yaml").write_text(OURS.replace("namespace: production", "namespace: produktion"))
    (tmp_path / "idle.yaml").write_text(OURS.replace("{app: api-server}", "{app: api-servr}"))

    typed("-f", str(tmp_path / "astray.yaml"), "--case", API)
    typed("-f", str(tmp_path / "idle.yaml"), "--case", API)

    said = capsys.readouterr().out
    assert "Note: there is no namespace produktion; did you mean 'production'?" in said
    assert "api-server-to-kube-apiserver selects no pod that is there now, so it does nothing yet" in said


def test_json_is_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    code = typed("--patch", ARTICLE, *STRICT, "--case", API, "-o", "json")

    assert code == 1
    assert json.loads(capsys.readouterr().out)["proof"]["allowed_after"] == 0


def test_may_this_talk_to_that(capsys: pytest.CaptureFixture[str]) -> None:
    yes = typed("--can", "production/api-server->postgres:5432", "--case", API)
    told_yes = capsys.readouterr().out
    no = typed("--can", "api-server → 10.96.0.1:443", "-n", "production", "--case", API)
    told_no = capsys.readouterr().out

    assert (yes, no) == (0, 1)
    assert told_yes.startswith("Yes.\n")
    assert told_no.startswith("No.\n")
    assert "NetworkPolicy production/strict-egress" in told_no


def test_the_limit_can_be_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policy.yaml").write_text(OURS)

    code = typed("-f", str(tmp_path / "policy.yaml"), "--case", API, "--max-newly-allowed", "0")

    assert code == 1
    assert "Refused: it opens 1 way, more than the 0 allowed." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "give one change"),
        (["--patch", "[]", "-f", "x"], "give one change"),
        (["--patch", "[]"], "say whose traffic to try it on: --pod [NS/]POD in a cluster, or --case DIR, a recording"),
        (["--patch", "[]", "--case", API], "a patch needs its object"),
        (["--patch", "[]", "--case", "/nowhere"], "no such folder"),
        (["--patch", "[]", "--since", "soon", "--case", API], "--since wants a time"),
        (["--can", "api-server", "--case", API], "--can wants POD->HOST:PORT"),
        (["--can", "production/nobody->x:1", "--case", API], "nobody"),
        (["--can", "production/api-server->x:y", "--case", API], "HOST:PORT"),
        (["--can", "a->b:1", "--patch", "[]", "--case", API], "leave out -f and --patch"),
        (["--can", "a->b:1", "--delete", "netpol/x", "--case", API], "leave out -f and --patch and --delete"),
        (["--delete", "netpol/x", "--patch", "[]", "--case", API], "give one change"),
        (["--delete", "netpol/strict", "--case", API], "did you mean 'netpol/strict-egress'?"),
        (["--delete", "svc/postgres", "--case", API], "only policies can be simulated as deleted"),
        (["--delete", "netpol/strict-egress", "-n", "shop", "--case", API], "there is one in production"),
        (["--can", "production/api-server->postgres:5433", "--case", API], "postgres has no port 5433; it has 5432"),
        (["--can", "production/api-server->postgres:5432/udp", "--case", API], "port 5432 over TCP only, not over UDP"),
        (["--can", "production/api-server->8.8.8.8", "--case", API], "say the port, too: 8.8.8.8:PORT"),
    ],
)
def test_bad_input_is_one_clear_line(words: list[str], complaint: str) -> None:
    with pytest.raises(UsageMistake) as refused:
        typed(*words)

    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_said_by_its_name() -> None:
    with pytest.raises((OSError, click.ClickException), match=r"nowhere\.yaml"):
        typed("-f", "/nowhere.yaml", "--case", API)
