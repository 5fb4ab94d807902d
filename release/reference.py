"""Writes the reference pages of the docs from the code itself: causes, rules, sensors, flows, commands.

Each page is a function from the catalogue to Markdown; `pages()` names them. Nothing here is kept in the repository.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click
import yaml

from bot.cli import kai
from flows.catalog import rules
from flows.causes import CAUSES, EXPLAINS, Cause, Layer
from flows.load import load_flows
from flows.model import Rule
from sensors.kit.catalog import sensors
from sensors.kit.model import Sensor

TOP = Path(__file__).resolve().parents[1]
TITLES: Mapping[Layer | None, str] = {
    Layer.POD_NETWORK: "Pod network",
    Layer.SERVICE: "Service",
    Layer.POLICY: "Policy",
    Layer.DNS: "DNS",
    Layer.CONNTRACK: "Connection tracking",
    Layer.NAT: "NAT",
    Layer.PHYSICAL: "Nodes and paths",
    Layer.APPLICATION: "Application",
    None: "No cause",
}
WITHOUT_A_RULE = {
    "inconclusive": "What is blind or contradicts itself prevents a verdict. The report says what to measure next.",
}
"""Classes that the verdict itself gives, where no rule does."""

_HEADER = re.compile(r"^(Reads|Touches|Blind) +(.*(?:\n {9}.*)*)", re.MULTILINE)


def pages() -> dict[str, str]:
    """Markdown by the page's name."""
    written: Mapping[str, Callable[[], str]] = {
        "reference/causes.md": causes_page,
        "reference/rules.md": rules_page,
        "reference/sensors.md": sensors_page,
        "reference/flows.md": flows_page,
        "reference/commands.md": commands_page,
    }
    return {name: write() for name, write in written.items()}


def anchor(word: str) -> str:
    """Where a class, rule or sensor stands on its page."""
    return re.sub(r"[^a-z0-9_]+", "-", word.lower())


def document(plugin: Callable[..., Any]) -> tuple[str, str]:
    """The first line of the module that holds a plug-in's function, and the rest in paragraphs."""
    text = inspect.cleandoc(sys.modules[plugin.__module__].__doc__ or "")
    first, _, rest = text.partition("\n")
    return first.strip(), rest.strip()


def heading(level: int, word: str) -> str:
    return f"{'#' * level} `{word}` {{ #{anchor(word)} }}"


# -- causes ----------------------------------------------------------------------------------------------------------


def causes_page() -> str:
    lines = [
        "# Causes",
        "",
        "A verdict names exactly one of these classes, and nothing else. The earliest stage on the path explains the "
        "later ones. Each class can be proved by a rule; what is written here is what that rule's own file says.",
        "",
        f"{len(CAUSES)} classes, {len(rules())} rules.",
    ]
    for layer, title in TITLES.items():
        lines += ["", f"## {title}"]
        for cause in sorted((each for each in CAUSES.values() if each.layer is layer), key=lambda each: each.stage):
            lines += ["", heading(3, cause.id), "", *_cause(cause)]
    return "\n".join(lines) + "\n"


def _cause(cause: Cause) -> Iterator[str]:
    naming = [rule for rule in rules().values() if cause.id in rule.causes]
    if not naming:
        yield WITHOUT_A_RULE[cause.id]
        return
    for rule in naming:
        first, rest = document(rule.judge)
        yield from (first, "", *([rest, ""] if rest else []))
    yield from _facts_of(cause, naming)


def _facts_of(cause: Cause, naming: list[Rule]) -> Iterator[str]:
    words = ", ".join(f"[`{each.id}`](rules.md#{anchor(each.id)})" for each in naming)
    yield f"- Rule: {words}. Stage on the path: {cause.stage.name.lower().replace('_', ' ')}."
    if behind := sorted(EXPLAINS.get(cause.id, ())):
        yield f"- Explains, where both are found: {', '.join(_link(each) for each in behind)}."
    if incidents := recorded().get(cause.id):
        yield f"- A recorded incident to try: {', '.join(f'`kai demo {each}`' for each in incidents)}."


def _link(cause: str) -> str:
    return f"[`{cause}`](#{anchor(cause)})"


@cache
def recorded() -> Mapping[str, list[str]]:
    """The incidents that come with KAI, by the class that really was at fault."""
    found: dict[str, list[str]] = {}
    for truth in sorted((TOP / "lab/cases").glob("*.expected.yaml")):
        cause = yaml.safe_load(truth.read_text("utf-8"))["cause_class"]
        found.setdefault(cause, []).append(truth.name.removesuffix(".expected.yaml"))
    return found


# -- rules -----------------------------------------------------------------------------------------------------------


def rules_page() -> str:
    lines = [
        "# Rules",
        "",
        "A rule reads facts and names a cause of the [closed list](causes.md), or stays silent, or cannot tell for "
        "want of its facts. One file each in `flows/rules/`; each has a test in which it speaks, one with a look-alike "
        "at which it stays silent, and one without its facts.",
    ]
    for rule in rules().values():
        lines += ["", heading(2, rule.id), "", document(rule.judge)[0], ""]
        lines += [f"- May name: {', '.join(f'[`{each}`](causes.md#{anchor(each)})' for each in rule.causes)}"]
        lines += [f"- Cannot tell without: {_sensors_for(rule) or 'nothing in particular'}"]
    return "\n".join(lines) + "\n"


def _sensors_for(rule: Rule) -> str:
    giving = [each.id for each in sensors().values() if each.gives in rule.needs]
    return ", ".join(f"[`{each}`](sensors.md#{anchor(each)})" for each in giving)


# -- sensors, flows --------------------------------------------------------------------------------------------------


def sensors_page() -> str:
    lines = [
        "# Sensors",
        "",
        "A sensor looks and never judges. Each look ends as *seen* (with facts), *absent* (looked; it does not exist) "
        "or *blind* (could not look; why). Only what stands under *Touches* leaves a trace in the cluster.",
    ]
    for sensor in sensors().values():
        lines += ["", heading(2, sensor.id), "", *_sensor(sensor)]
    return "\n".join(lines) + "\n"


def _sensor(sensor: Sensor) -> Iterator[str]:
    first, rest = document(sensor.look)
    said = {word: " ".join(text.split()) for word, text in _HEADER.findall(rest)}
    yield from (first, "")
    for word in ("Reads", "Touches", "Blind"):
        yield f"- **{word}** {said[word]}"
    layers = ", ".join(each.replace("_", " ") for each in sensor.layers) or "none: what it sees dates a cause"
    yield f"- **Layers** {layers}. **Time limit** {sensor.within:g} s."
    if settings := list(_settings(sensor)):
        yield f"- **Settings** in a flow's `with:`: {', '.join(settings)}"
    yield f"- **Asked by** {', '.join(f'[`{each}`](flows.md#{anchor(each)})' for each in _flows_with(sensor.id))}"


def _settings(sensor: Sensor) -> Iterator[str]:
    for each in inspect.signature(sensor.look).parameters.values():
        if each.kind is inspect.Parameter.KEYWORD_ONLY:
            yield f"`{each.name}` (usually `{each.default}`)"


def _flows_with(sensor: str) -> list[str]:
    return [flow.id for flow in load_flows().values() if any(step.ref == sensor for step in flow.steps)]


def flows_page() -> str:
    lines = [
        "# Flows",
        "",
        "A flow names the sensors that are asked together and the seconds that all of them have. `kai run-flow FLOW` "
        "takes one of these by its id, or a YAML file of your own.",
    ]
    for flow in load_flows().values():
        asked = [step for step in flow.steps if step.ref in sensors()]
        lines += ["", heading(2, flow.id), "", f"{flow.title} Within {flow.within:g} s.", ""]
        lines += ["| step | sensor | settings |", "| --- | --- | --- |"]
        for step in asked:
            settings = ", ".join(f"`{name}: {value}`" for name, value in step.settings.items())
            lines += [f"| {step.id} | [`{step.ref}`](sensors.md#{anchor(step.ref)}) | {settings} |"]
    return "\n".join(lines) + "\n"


# -- commands --------------------------------------------------------------------------------------------------------


def commands_page() -> str:
    lines = [
        "# Commands",
        "",
        "What `--help` prints. Exit codes: 0 no fault found, 1 fault found, 2 usage or input error, 3 could not look.",
    ]
    for words, text in _helps(kai, ("kai",)):
        lines += ["", f"## {' '.join(words)} {{ #{anchor('-'.join(words))} }}", "", "```text", text, "```"]
    return "\n".join(lines) + "\n"


def _helps(command: click.Command, words: tuple[str, ...], parent: click.Context | None = None) -> Iterator[Any]:
    """Each command's words with what its --help prints, groups before what is in them."""
    settings = {"max_content_width": 84, "terminal_width": 84}  # what a block of the site shows without scrolling
    context = click.Context(command, info_name=words[-1], parent=parent, **settings)  # type: ignore[arg-type]
    yield words, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from _helps(below, (*words, name), context)
