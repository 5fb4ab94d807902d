"""What holds of every plug-in: one file, one test of the same name, and in it the promises of its kind.

A rule without its silent twin, or a sensor without a blind test, makes this fail.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml

from flows.catalog import rules
from flows.causes import CAUSES
from flows.load import load_flows
from sensors.kit.catalog import sensors

ROOT = Path(__file__).parent.parent
SENSOR_TESTS = {"blind": "a test that it is blind when it cannot look"}
RULE_TESTS = {
    "test_speaks": "a test that it speaks",
    "test_stays_silent": "a silent twin: a look-alike that it must not be taken in by",
    "test_cannot_tell": "a test that it cannot tell without its facts",
}
HEADER = ("Reads ", "Touches ", "Blind ")


def plugin_files(folder: str, value: str) -> list[Path]:
    """The modules of a folder that have the plug-in's value at their foot."""
    return [path for path in sorted((ROOT / folder).glob("*.py")) if f"\n{value} = " in path.read_text("utf-8")]


def broken(path: Path, tests: Path, asks: dict[str, str]) -> Iterator[str]:
    """What a plug-in's test file lacks of the promises of its kind."""
    if not tests.exists():
        yield f"{path.name} has no {tests.name}"
        return
    names = {node.name for node in ast.walk(ast.parse(tests.read_text("utf-8"))) if isinstance(node, FUNCTIONS)}
    for part, promise in asks.items():
        if not any(name.startswith("test_") and part in name for name in names):
            yield f"{tests.name} lacks {promise} (a name with {part!r})"


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SENSOR_FILES = plugin_files("sensors", "SENSOR")
RULE_FILES = plugin_files("flows/rules", "RULE")


def ids(paths: Iterable[Path]) -> list[str]:
    return [path.stem for path in paths]


@pytest.mark.parametrize("path", SENSOR_FILES, ids=ids(SENSOR_FILES))
def test_every_sensor_has_a_header_and_a_blind_test(path):
    header = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""

    missing = [word.strip() for word in HEADER if not any(line.startswith(word) for line in header.splitlines())]

    assert missing == []
    assert list(broken(path, ROOT / "tests/sensors" / f"test_{path.stem}.py", SENSOR_TESTS)) == []


@pytest.mark.parametrize("path", RULE_FILES, ids=ids(RULE_FILES))
def test_every_rule_speaks_stays_silent_and_cannot_tell(path):
    assert list(broken(path, ROOT / "tests/flows/rules" / f"test_{path.stem}.py", RULE_TESTS)) == []


def test_the_check_itself_notices_a_missing_twin(tmp_path):
    rule, tests = tmp_path / "moody.py", tmp_path / "test_moody.py"
    tests.write_text("def test_speaks_always(): ...\ndef test_cannot_tell_without_facts(): ...\n", "utf-8")

    assert list(broken(rule, tests, RULE_TESTS)) == [
        "test_moody.py lacks a silent twin: a look-alike that it must not be taken in by (a name with "
        "'test_stays_silent')"
    ]
    assert list(broken(rule, tmp_path / "test_gone.py", RULE_TESTS)) == ["moody.py has no test_gone.py"]


def test_a_sensor_s_file_is_named_after_its_id():
    assert sorted(each.replace(".", "_") for each in sensors()) == ids(SENSOR_FILES)


def test_the_sensors_of_the_design_are_all_there():
    assert set(sensors()) == {
        "cni.health",
        "dns.coredns_health",
        "dns.lookup",
        "hubble.capture_flows",
        "k8s.network_policies",
        "k8s.nodes",
        "k8s.pod",
        "k8s.recent_changes",
        "k8s.services",
        "kube_proxy.health",
        "net.connect",
        "net.conntrack_usage",
        "net.mtu",
        "net.tcp_stats",
    }


def test_every_rule_of_the_folder_is_found_and_names_only_known_causes():
    assert len(rules()) == len(RULE_FILES)
    assert {cause for rule in rules().values() for cause in rule.causes} <= set(CAUSES)


def test_every_cause_that_a_recorded_incident_proves_can_be_named_by_a_rule():
    recorded = {
        yaml.safe_load(path.read_text("utf-8"))["cause_class"] for path in (ROOT / "lab/cases").glob("*.expected.yaml")
    }

    assert recorded <= {cause for rule in rules().values() for cause in rule.causes}


@pytest.mark.parametrize("flow", sorted(load_flows()))
def test_every_flow_has_a_test_of_the_same_name(flow):
    assert (ROOT / "tests/flows" / f"test_{flow.removeprefix('flow.')}.py").exists()
