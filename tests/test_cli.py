"""`kai` as people and scripts meet it: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path
from shutil import which
from textwrap import dedent

import pytest
import yaml
from jsonschema import Draft202012Validator

from bot import __version__
from bot.cli import kai, run
from bot.report.sanitize import clean_command

ROOT = Path(__file__).parents[1]
CASES = ROOT / "lab" / "cases"
USUAL = CASES / "api-server-cannot-watch"
SCHEMA = json.loads((ROOT / "docs" / "schema" / "diagnosis.v1.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "KAI_DEBUG"):
        monkeypatch.delenv(name, raising=False)


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that went to stderr; nothing may have gone to stdout."""
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err.rstrip("\n")


# What is asked


@pytest.mark.parametrize("case", sorted(each.name for each in CASES.iterdir() if each.is_dir()))
def test_every_recorded_case_gives_a_result_of_the_published_shape(
    case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["netdebug", "--case", str(CASES / case), "-o", "json"])

    said = capsys.readouterr()
    result = json.loads(said.out)
    assert said.err == ""
    assert [each.message for each in Draft202012Validator(SCHEMA).iter_errors(result)] == []
    assert result["confidence"] <= result["coverage"]
    assert result["recorded"]["case"] == case
    assert code == {"none.healthy": 0, "inconclusive": 3}.get(result["cause_class"], 1)


def test_a_recording_knows_its_own_question(capsys: pytest.CaptureFixture[str]) -> None:
    run(["netdebug", "--case", str(USUAL), "-o", "json"])

    target = json.loads(capsys.readouterr().out)["target"]
    assert target == {"pod": "api-server-79fd8d4cc-jzc5m", "namespace": "production", "to": "10.96.0.1:443"}


@pytest.mark.parametrize(
    "words",
    [
        ["api-server-79fd8d4cc-jzc5m"],
        ["api-server-79fd8d4cc-jzc5m", "-n", "production"],
        ["production/api-server-79fd8d4cc-jzc5m"],
        ["production/api-server-79fd8d4cc-jzc5m", "--namespace", "production"],
        ["production/api-server"],
        ["deploy/api-server", "-n", "production"],
    ],
)
def test_a_pod_can_be_named_as_kubectl_and_hubble_name_it(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run(["netdebug", *words, "--case", str(USUAL), "-o", "json"])

    target = json.loads(capsys.readouterr().out)["target"]
    assert target == {"pod": "api-server-79fd8d4cc-jzc5m", "namespace": "production", "to": "10.96.0.1:443"}


def test_the_peer_that_was_typed_wins_over_the_recorded_one(capsys: pytest.CaptureFixture[str]) -> None:
    run(["netdebug", "--case", str(USUAL), "--to", "postgres.production:5432", "-o", "json"])

    assert json.loads(capsys.readouterr().out)["target"]["to"] == "postgres.production:5432"


def test_another_pod_does_not_inherit_the_recorded_peer(capsys: pytest.CaptureFixture[str]) -> None:
    run(["netdebug", "production/postgres", "--case", str(USUAL), "-o", "json"])

    assert json.loads(capsys.readouterr().out)["target"]["to"] is None


def test_run_flow_takes_the_words_of_the_original_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    words = "run-flow flow.k8s_policy_drops --pod api-server-79fd8d4cc-jzc5m --namespace production -o json"

    code = run([*words.split(), "--case", str(USUAL)])

    said = json.loads(capsys.readouterr().out)
    assert (code, said["flow"], said["cause_class"]) == (1, "flow.k8s_policy_drops", "policy.egress_denied")


def test_a_flow_may_be_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flow = tmp_path / "pods.yaml"
    flow.write_text("id: flow.pods\nsteps:\n  - {ref: k8s.pod}\n", encoding="utf-8")

    run(["netdebug", "--case", str(USUAL), "--flow", str(flow), "-o", "json"])

    said = json.loads(capsys.readouterr().out)
    assert said["flow"] == "flow.pods"
    assert [each["sensor"] for each in said["evidence"]] == ["k8s.pod"]


def test_the_demo_says_that_it_is_a_recording_and_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["demo"])

    said = capsys.readouterr()
    assert code == 0
    assert said.err == "A recorded incident (api-server-cannot-watch), not your cluster.\n"
    assert said.out.startswith(
        "✖ production/api-server-79fd8d4cc-jzc5m → 10.96.0.1:443: blocked (96% sure)\nRoot Cause: "
    )
    assert " id " not in said.out
    assert "recorded at 2026-11-23 21:11:11 UTC (api-server-cannot-watch)" in said.out


def test_the_demo_lists_what_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["demo", "--list"])

    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    assert code == 0
    assert {row[0].strip() for row in rows} == {each.name for each in CASES.iterdir() if each.is_dir()}
    assert {row[-1].strip() for row in rows} >= {"connections time out", "look-ups fail", "the name is not found"}


def test_markdown_comes_out_as_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    run(["demo", "-o", "markdown"])

    assert capsys.readouterr().out.startswith("**Root Cause:** ")


def test_flows_and_sensors_are_listed_for_people_and_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    run(["list-flows"])
    flows = capsys.readouterr().out
    run(["list-flows", "-o", "json"])
    flows_json = json.loads(capsys.readouterr().out)
    run(["list-sensors"])
    sensors = capsys.readouterr().out
    run(["list-sensors", "-o", "json"])
    sensors_json = json.loads(capsys.readouterr().out)

    assert [line.split()[0] for line in flows.splitlines()] == [each["id"] for each in flows_json]
    assert [line.split()[0] for line in sensors.splitlines()] == [each["id"] for each in sensors_json]
    assert next(each for each in sensors_json if each["id"] == "hubble.capture_flows")["settings"]["last"] == 1000
    assert all(each["purpose"] for each in sensors_json)


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["--version"])

    assert (code, capsys.readouterr().out) == (0, f"kai, version {__version__}\n")


# What goes wrong


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            "netdebug web -n shop --kubeconfig /no/such",
            "/no/such: no such kubeconfig",
        ),
        ("netdbug", "No such command 'netdbug'. Did you mean 'netdebug'? (kai --help shows how)"),
        (
            "netdebug --namespce x",
            "No such option '--namespce'. (Did you mean one of: '--namespace', '--probe-namespace'?) "
            "(kai netdebug --help shows how)",
        ),
        ("netdebug --case", "Option '--case' requires an argument (kai --help shows how)"),
        ("netdebug --case /no/such", "/no/such: no such folder"),
        (
            "netdebug --case {usual} --to 10.96.0.1:https",
            "--to wants HOST:PORT, such as 10.96.0.1:443 or payments.prod:8080 ('https' is not a port)",
        ),
        ("netdebug production/ --case {usual}", "name a pod: POD, NAMESPACE/POD or deploy/NAME"),
        (
            "netdebug production/api-server -n shop --case {usual}",
            "two namespaces: 'production' in 'production/api-server' and 'shop' after -n; leave one out",
        ),
        (
            "run-flow flow.k8s_network_debgu --case {usual}",
            "no flow 'flow.k8s_network_debgu'; did you mean 'flow.k8s_network_debug' or 'flow.k8s_dns_debug' "
            "or 'flow.k8s_policy_drops'? (kai list-flows shows all)",
        ),
        ("netdebug --case {usual} --flow gone.yaml", "gone.yaml: No such file or directory"),
        (
            "demo api-server",
            "no bundled incident 'api-server'; did you mean 'api-server-cannot-watch'? (kai demo --list shows all)",
        ),
    ],
)
def test_a_mistake_is_answered_in_one_line_that_says_what_to_do(
    words: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run([each.format(usual=USUAL) for each in words.split()])

    assert (code, complaint(capsys)) == (2, f"kai: {line}")


def test_an_unknown_pod_is_answered_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["netdebug", "production/postgras", "--case", str(USUAL)])

    line = 'kai: no pod "postgras" in namespace "production"; nearest: postgres'
    assert (code, complaint(capsys)) == (2, line)


def test_a_broken_file_of_a_case_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "case.yaml").write_text("target: ]", encoding="utf-8")

    code = run(["netdebug", "--case", str(tmp_path)])

    assert (code, complaint(capsys).split(":")[:2]) == (2, ["kai", f" {tmp_path / 'case.yaml'}, line 1"])


def test_without_pods_in_the_recording_nothing_can_be_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "case.yaml").write_text("target: {pod: web, namespace: shop}", encoding="utf-8")

    code = run(["netdebug", "--case", str(tmp_path)])

    assert (code, complaint(capsys)) == (
        3,
        "kai: could not look: pods are not in the recording (objects/pods.yaml)",
    )


def test_a_word_full_of_escapes_is_washed_before_it_is_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    run(["netdebug", "\x1b[31mweb/\x1b]0;title\x07x/y", "--case", str(USUAL)])

    assert "\x1b" not in complaint(capsys)


def test_an_unexpected_error_is_one_line_and_a_trace_only_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(folder: object = None) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("bot.commands.lists.load_flows", broken)

    quiet, line = run(["list-flows"]), complaint(capsys)
    loud, trace = run(["list-flows", "--debug"]), capsys.readouterr().err

    assert (quiet, line) == (3, "kai: internal error: KeyError: 'a bug'; run again with --debug")
    assert loud == 3
    assert trace.startswith("Traceback")


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(folder: object = None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bot.commands.lists.load_flows", interrupted)

    code = run(["list-flows"])

    assert (code, *capsys.readouterr()) == (130, "", "\n")


def test_kai_alone_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    code = run([])

    said = capsys.readouterr()
    assert code == 2
    commands = said.out.partition("Commands:")[2].partition("Exit codes")[0]
    assert re.findall(r"^  ([a-z-]+)  ", commands, re.MULTILINE) == [
        "alert",
        "approve",
        "ask",
        "audit",
        "capture",
        "completion",
        "demo",
        "doctor",
        "drops",
        "extend",
        "history",
        "list-flows",
        "list-sensors",
        "mcp",
        "netdebug",
        "reject",
        "run-flow",
        "serve",
        "show",
        "simulate",
        "store",
        "undo",
    ]


@pytest.mark.parametrize("name", kai.commands)
def test_every_help_ends_with_an_example_that_the_command_line_takes(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([name, "--help"]) == 0

    examples = capsys.readouterr().out.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()
    assert examples
    assert all(re.search(rf"\bkai {name}\b", each) for each in examples)


WITHOUT_A_POD = {"list-flows", "list-sensors", "demo", "show", "audit", "approve", "extend", "reject", "undo"}
WITHOUT_AN_ANSWER = {"completion", "ask", "mcp", "alert", "serve", "store"}
"""Commands whose output is a script, a conversation, a stream or a copy."""


@pytest.mark.parametrize("name", sorted(kai.commands))
def test_namespace_and_format_have_the_same_flags_wherever_they_are(name: str) -> None:
    flags = {flag for parameter in kai.commands[name].params for flag in parameter.opts}
    wanted = set() if name in WITHOUT_AN_ANSWER else {"-o", "--output"}
    wanted |= set() if name in WITHOUT_A_POD | WITHOUT_AN_ANSWER else {"-n", "--namespace"}

    assert flags & {"-n", "--namespace", "-o", "--output"} == wanted


@pytest.mark.parametrize("words", [">&-", ">&- 2>&-", "<&-"])
def test_a_closed_stream_is_no_error_and_the_exit_code_tells(words: str) -> None:
    command = f"{sys.executable} -m bot netdebug --case {CASES}/web-to-catalog --no-history -q {words}"

    assert subprocess.run(["bash", "-c", command], capture_output=True, cwd=ROOT).returncode == 1


def test_a_wrong_word_about_the_relay_is_told_before_any_cluster_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["netdebug", "api", "--kubeconfig", "/no/such", "--server", "nonsense:::"]) == 2

    assert "'nonsense:::' is not HOST:PORT" in complaint(capsys)


def test_drops_shows_who_is_denied_by_the_rule_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["drops", "--case", str(USUAL)])

    said = capsys.readouterr().out
    assert code == 1
    assert said.startswith("✖ production: policies deny 1 pair of workloads (847 packets dropped)")
    assert "NetworkPolicy production/strict-egress has no rule for egress to the API server" in said
    assert "Created 2026-11-23 21:09:51 UTC with kubectl apply" in said
    assert f"kai netdebug api-server-79fd8d4cc-jzc5m -n production --to 172.30.0.11:6443 --case {USUAL}" in said


def test_drops_of_a_namespace_that_is_not_there_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["drops", "prodction", "--case", str(USUAL)]) == 2

    assert complaint(capsys) == "kai: no namespace \"prodction\"; did you mean 'production'?"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_a_script_that_completes_kai(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0

    script = capsys.readouterr().out
    assert "_KAI_COMPLETE" in script
    if shell == "bash":
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_the_verdict_line_alone(capsys: pytest.CaptureFixture[str]) -> None:
    run(["netdebug", "--case", str(CASES / "web-to-catalog"), "-q"])

    said = capsys.readouterr().out
    assert said.startswith(
        "✖ store/web-747d774df4-bk458 → catalog:80: cannot connect (97% sure): Service store/catalog "
    )
    assert said.count("\n") == 1


def test_yaml_holds_what_json_holds(capsys: pytest.CaptureFixture[str]) -> None:
    changing = ("investigation_id", "timings", "evidence", "fix", "alternatives")
    results = []
    for output, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        run(["netdebug", "--case", str(CASES / "web-to-catalog"), "-o", output])
        results.append({key: each for key, each in read(capsys.readouterr().out).items() if key not in changing})

    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("words", "target"),
    [
        (["--from", "deploy/web", "--to", "svc/catalog", "-n", "store"], "catalog.store:80"),
        (["store/web", "--to", "svc/catalog:80"], "catalog.store:80"),
    ],
)
def test_a_pair_may_be_workloads_and_services(
    words: list[str], target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["netdebug", *words, "--case", str(CASES / "web-to-catalog"), "-o", "json"])

    said = json.loads(capsys.readouterr().out)["target"]
    assert said == {"pod": "web-747d774df4-bk458", "namespace": "store", "to": target}


def test_a_service_stands_for_a_pod_behind_it(capsys: pytest.CaptureFixture[str]) -> None:
    run(["netdebug", "svc/index", "-n", "search", "--case", str(CASES / "search-to-index"), "-o", "json"])

    assert json.loads(capsys.readouterr().out)["target"]["pod"].startswith("index-")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["svc/catalg", "-n", "store"], 'no service "catalg" in namespace "store"; nearest: catalog'),
        (["web", "--to", "svc/nothing", "-n", "store"], 'no Service "nothing" in namespace "store"'),
        (["web", "--from", "web", "-n", "store"], "name the pod once: 'web', or --from 'web'"),
    ],
)
def test_an_end_of_a_pair_that_is_not_there_is_a_mistake_in_one_line(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["netdebug", *words, "--case", str(CASES / "web-to-catalog")]) == 2
    assert complaint(capsys).startswith(f"kai: {why}")


# As a process


def process(*words: str, **surroundings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot", *words],
        cwd=ROOT,
        env={**os.environ, **surroundings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_imports_nothing_heavy() -> None:
    code = dedent(
        """
        import sys
        from bot.cli import kai, run
        run(["netdebug", "--help"])
        print(sorted({"yaml", "rich", "msgspec", "asyncio", "flows", "sensors.kit", "lab"} & set(sys.modules)))
        """
    )

    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert said.stdout.splitlines()[-1] == "[]"


def test_help_imports_little_beyond_click() -> None:
    """Time depends on the machine; what is imported does not, and it is what `kai --help` costs beside click alone."""
    ours = imported("from bot.cli import run; run(['--help'])")
    bare = imported("import click")

    beyond = {each for each in ours - bare if each.split(".")[0] not in ("bot", "sensors")}
    own = {each for each in ours - bare if each.split(".")[0] in ("bot", "sensors")}

    assert beyond <= {"_locale", "locale", "signal", "textwrap", "unicodedata", "click._textwrap"}
    assert own <= {f"bot.{each}" for each in HELPERS.split()} | {"bot", "sensors", "sensors.text"}


HELPERS = """cli clusters clusters.flags commands commands.examples commands.options entry errors lazy report
    report.sanitize"""


def test_a_recorded_case_needs_no_client_of_a_cluster(tmp_path: Path) -> None:
    """What reaches a cluster, Slack, Claude or a database takes longer to import than such a case takes to judge."""
    words = ["netdebug", "--case", "lab/cases/web-to-catalog", "--database", f"sqlite:///{tmp_path}/kai.db"]

    found = imported(f"from bot.cli import run; run({words})")

    clients = {"grpc", "google", "kubernetes", "aiohttp", "sqlalchemy", "alembic", "dbos", "anthropic", "slack_sdk"}
    assert not {each.partition(".")[0] for each in found} & clients
    rooms = ("sensors.access.live", "sensors.access.kube", "sensors.access.relay", "flows.agent.brief")
    assert not {each for each in found if each.startswith(rooms)}


def test_serving_loads_no_library_of_what_comes_later_or_never() -> None:
    """Claude's and the cluster's are loaded where one is set up; the others belong to other commands or processes."""
    found = {each.split(".")[0] for each in imported("import bot.app, bot.commands.serve")}

    assert not found & {
        "anthropic",
        "grpc",
        "kubernetes",
        "pydantic",
        "alembic",
        "mcp",
        "opentelemetry",
        "resvg_py",
        "rich",
        "lab",
    }


def imported(code: str) -> set[str]:
    """Every module that a program has imported at its end."""
    code = f"import sys\n{code}\nprint(chr(10) + ' '.join(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(said.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("words", [["demo"], ["demo", "-o", "json"], ["demo", "--list"], ["--help"]])
def test_a_reader_who_closed_the_pipe_hears_no_complaint(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    with os.fdopen(writer, "w") as closed:
        said = subprocess.run(
            [sys.executable, "-m", "bot", *words],
            cwd=ROOT,
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    assert said.stderr in ("", "A recorded incident (api-server-cannot-watch), not your cluster.\n")


def test_a_terminal_without_unicode_gets_the_report_all_the_same() -> None:
    said = process("demo", PYTHONIOENCODING="ascii")

    assert (said.returncode, said.stdout.split()[0]) == (0, "\\u2716")


def on_a_terminal(*words: str, columns: int = 90) -> str:
    """What a person would see: stdout and stderr are one pseudo-terminal."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (50, columns))
    surroundings = {"TERM": "xterm-256color", "PATH": os.environ["PATH"]}
    with subprocess.Popen(
        [sys.executable, "-m", "bot", *words], cwd=ROOT, env=surroundings, stdout=theirs, stderr=theirs
    ):
        os.close(theirs)
        seen = b"".join(iter(lambda: read_or_nothing(ours), b""))
    os.close(ours)
    return seen.decode()


def read_or_nothing(terminal: int) -> bytes:
    with suppress(OSError):  # Linux says EIO when the other side has closed
        return os.read(terminal, 65536)
    return b""


def test_on_a_terminal_the_report_is_painted_and_fits() -> None:
    seen = on_a_terminal("demo", columns=90)

    prose = [
        line for line in clean_command(seen).splitlines() if "kubectl" not in line and not line.startswith("  -p=")
    ]
    assert "\x1b[1;31m" in seen
    assert max(map(len, prose)) <= 90
    assert prose[-1].startswith("✖ production/api-server")


def test_colour_is_for_terminals_and_for_those_who_insist() -> None:
    assert "\x1b[" not in process("demo").stdout
    assert "\x1b[" in process("demo", FORCE_COLOR="1").stdout
    assert "\x1b[" not in process("demo", FORCE_COLOR="1", NO_COLOR="1").stdout


def test_a_run_is_kept_for_history_unless_somebody_says_no(tmp_path: Path) -> None:
    words = ("netdebug", "--case", str(CASES / "web-to-catalog"), "-q")
    process(*words, XDG_STATE_HOME=str(tmp_path), KAI_HISTORY="1")
    process(*words, "--no-history", XDG_STATE_HOME=str(tmp_path), KAI_HISTORY="1")

    listed = process("history", XDG_STATE_HOME=str(tmp_path)).stdout

    assert listed.count("store/web-747d774df4-bk458 → catalog:80") == 1


def test_kubectl_runs_kai_as_its_plug_in() -> None:
    scripts = Path(sys.executable).parent
    if which("kubectl") is None:
        pytest.skip("no kubectl here")
    said = subprocess.run(
        ["kubectl", "kai", "netdebug", "--case", str(CASES / "web-to-catalog"), "-q"],
        env={**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (said.returncode, said.stdout[:8]) == (1, "✖ store/")
