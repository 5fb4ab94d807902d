"""Reads flow files: YAML that only names things. An unknown word is an error with file, line and the nearest right one.

The shape is that of the original KAI recipes (`apiVersion: kai.v1`, `kind: Flow`, `spec.steps`); a bare `steps:` list
is a flow too. There is no expression anywhere: conditions are rules, in Python, with tests.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from sensors.kit.catalog import sensors as all_sensors
from sensors.kit.durations import seconds_in
from sensors.kit.model import Sensor
from sensors.kit.nearest import did_you_mean

FOLDER = Path(__file__).parent
DEFAULT_WITHIN = 30.0
AGENTS = ("correlation",)
TYPES = ("sensor", "agent")
STEP_WORDS = ("id", "type", "ref", "with", "needs", "within", "agentType", "title")


FLOW_SENSOR = "hubble.capture_flows"
"""The sensor whose reach into the past, and whose amount, a person may set."""


class BadFlow(ValueError):
    """The flow file cannot be used. The message is one line: file, line, what is wrong, what was likely meant."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a sensor to ask (`ref`, with `settings`) or the agent that judges. `within` in seconds, if said."""

    id: str
    type: str
    ref: str
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    needs: tuple[str, ...] = ()
    within: float | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """A recipe: which sensors to ask, which wait for which, and how many seconds the whole may take."""

    id: str
    title: str
    within: float
    steps: tuple[Step, ...]

    def asking(self, sensor: str, **settings: Any) -> Flow:
        """The same flow in which a sensor is asked with these settings, too; what is None stays as it was."""
        said = {word: value for word, value in settings.items() if value is not None}

        def asked(step: Step) -> Step:
            return replace(step, settings={**step.settings, **said}) if step.ref == sensor else step

        return replace(self, steps=tuple(map(asked, self.steps)))

    @property
    def looks(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.type == "sensor")

    @property
    def agent(self) -> Step | None:
        """The step in which Claude explains what the rules found; None: this flow does without."""
        return next((step for step in self.steps if step.type == "agent"), None)


@dataclass(frozen=True, slots=True)
class _Spot:
    """A YAML node with its place, so that every complaint can say where."""

    file: Path
    node: yaml.Node

    def wrong(self, what: str) -> BadFlow:
        return BadFlow(f"{self.file}, line {self.node.start_mark.line + 1}: {what}")

    def words(self, known: Iterable[str], where: str) -> dict[str, _Spot]:
        """The keys of a mapping, each a known word and said once."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.wrong(f"{where} should hold keys, found {_sort(self.node)}")
        known = tuple(known)
        found: dict[str, _Spot] = {}
        for key, value in self.node.value:
            spot = _Spot(self.file, key)
            word = spot.text("a key")
            if known and word not in known:
                raise spot.wrong(f"unknown word {word!r} in {where}{did_you_mean(word, known)}")
            if word in found:
                raise spot.wrong(f"{word!r} is said twice in {where}")
            found[word] = _Spot(self.file, value)
        return found

    def items(self, where: str) -> list[_Spot]:
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.wrong(f"{where} should be a list, found {_sort(self.node)}")
        return [_Spot(self.file, each) for each in self.node.value]

    def text(self, where: str) -> str:
        if not isinstance(self.node, yaml.ScalarNode) or not self.node.value:
            raise self.wrong(f"{where} should be a word, found {_sort(self.node)}")
        return str(self.node.value)

    def value(self) -> Any:
        """The plain value (`with:` settings), by YAML's own rules."""
        text = yaml.serialize(self.node)
        return yaml.safe_load(text)


def load_flows(folder: Path = FOLDER, sensors: Mapping[str, Sensor] | None = None) -> dict[str, Flow]:
    """Every flow of a folder by id, sorted. Raises `BadFlow`, also when two files claim one id."""
    flows: dict[str, Flow] = {}
    for path in sorted(folder.glob("*.yaml")):
        flow = load_file(path, sensors)
        if flow.id in flows:
            raise BadFlow(f"{path}: the id {flow.id!r} is taken by another flow of {folder}")
        flows[flow.id] = flow
    return dict(sorted(flows.items()))


def load_file(path: Path, sensors: Mapping[str, Sensor] | None = None) -> Flow:
    """Read and check one flow file against the sensors there are. Raises `BadFlow`."""
    root = _Spot(path, _compose(path))
    top = root.words(("apiVersion", "kind", "metadata", "spec", "steps", "within", "id", "title"), "the flow")
    _expect(top.get("apiVersion"), "kai.v1", "apiVersion")
    _expect(top.get("kind"), "Flow", "kind")
    meta = top["metadata"].words(("id", "title", "description"), "metadata") if "metadata" in top else top
    spec = top["spec"].words(("within", "steps"), "spec") if "spec" in top else top
    if "steps" not in spec:
        raise root.wrong("a flow needs steps")
    known = all_sensors() if sensors is None else sensors
    steps = tuple(_step(each, known) for each in spec["steps"].items("steps"))
    _check_ids(steps, spec["steps"])
    flow_id = meta["id"].text("id") if "id" in meta else f"flow.{path.stem}"
    title = meta["title"].text("title") if "title" in meta else flow_id
    return Flow(flow_id, title, _seconds(spec.get("within"), DEFAULT_WITHIN) or DEFAULT_WITHIN, steps)


def _compose(path: Path) -> yaml.Node:
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    except OSError as why:
        raise BadFlow(f"{path}: {why.strerror or why}") from None
    except yaml.MarkedYAMLError as why:
        line = why.problem_mark.line + 1 if why.problem_mark else 1
        raise BadFlow(f"{path}, line {line}: not YAML ({why.problem or why.context})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as why:
        raise BadFlow(f"{path}: not YAML ({str(why).splitlines()[0]})") from None
    if node is None:
        raise BadFlow(f"{path}: the file is empty; a flow needs steps")
    return node


def _step(spot: _Spot, sensors: Mapping[str, Sensor]) -> Step:
    said = spot.words(STEP_WORDS, "a step")
    kind = said["type"].text("type") if "type" in said else "sensor"
    if kind not in TYPES:
        raise said["type"].wrong(f"unknown type {kind!r}{did_you_mean(kind, TYPES)}")
    ref = _agent(spot, said) if kind == "agent" else _sensor(spot, said, sensors)
    step_id = said["id"].text("id") if "id" in said else ref.replace(".", "_")
    settings = _settings(said["with"], sensors[ref]) if "with" in said and kind == "sensor" else {}
    needs = tuple(each.text("needs") for each in said["needs"].items("needs")) if "needs" in said else ()
    return Step(step_id, kind, ref, MappingProxyType(settings), needs, _seconds(said.get("within"), None))


def _agent(spot: _Spot, said: Mapping[str, _Spot]) -> str:
    if "agentType" not in said:
        raise spot.wrong("an agent step needs agentType: correlation")
    agent = said["agentType"].text("agentType")
    if agent not in AGENTS:
        raise said["agentType"].wrong(f"unknown agentType {agent!r}{did_you_mean(agent, AGENTS)}")
    return agent


def _sensor(spot: _Spot, said: Mapping[str, _Spot], sensors: Mapping[str, Sensor]) -> str:
    if "ref" not in said:
        raise spot.wrong("a sensor step needs ref: the id of a sensor (`kai list-sensors`)")
    ref = said["ref"].text("ref")
    if ref not in sensors:
        raise said["ref"].wrong(f"no sensor {ref!r}{did_you_mean(ref, sensors)}")
    return ref


def _settings(spot: _Spot, sensor: Sensor) -> dict[str, Any]:
    """`with:` checked against the keyword-only parameters of the sensor's `look`: names and plain types."""
    allowed = {
        name: parameter.default
        for name, parameter in inspect.signature(sensor.look).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    said = spot.words((), "with")
    for word, value in said.items():
        if word not in allowed:
            raise value.wrong(f"{sensor.id} has no setting {word!r}{did_you_mean(word, allowed)}")
        _check_type(value, word, allowed[word])
    return {word: value.value() for word, value in said.items()}


def _check_type(spot: _Spot, word: str, default: object) -> None:
    value = spot.value()
    numbers = (int, float) if isinstance(default, float) else type(default)
    fits = isinstance(value, numbers) and isinstance(value, bool) == isinstance(default, bool)
    if default is not None and not fits:
        raise spot.wrong(f"{word} should be {type(default).__name__} (such as {default!r}), found {value!r}")


def _check_ids(steps: tuple[Step, ...], spot: _Spot) -> None:
    places = dict(zip((step.id for step in steps), spot.items("steps"), strict=False))
    if len(places) != len(steps):
        twice = next(step.id for at, step in enumerate(steps) if step.id in {each.id for each in steps[:at]})
        raise spot.wrong(f"two steps are called {twice!r}")
    for step in steps:
        for need in step.needs:
            if need not in places:
                raise places[step.id].wrong(f"{step.id} needs {need!r}, which is no step{did_you_mean(need, places)}")
    try:
        TopologicalSorter({step.id: step.needs for step in steps}).prepare()
    except CycleError as circle:
        raise spot.wrong(f"steps wait for each other in a circle: {' → '.join(circle.args[1])}") from None


def _expect(spot: _Spot | None, word: str, where: str) -> None:
    if spot is not None and spot.text(where) != word:
        raise spot.wrong(f"{where} should be {word}, found {spot.text(where)!r}")


def _seconds(spot: _Spot | None, default: float | None) -> float | None:
    if spot is None:
        return default
    text = spot.text("within")
    try:
        return seconds_in(f"{text}s" if text[-1:].isdigit() else text)
    except ValueError:
        raise spot.wrong(f"within should be a time such as 30s, found {text!r}") from None


def _sort(node: yaml.Node) -> str:
    if isinstance(node, yaml.CollectionNode):
        return "keys" if isinstance(node, yaml.MappingNode) else "a list"
    return repr(node.value) if node.value else "nothing"
