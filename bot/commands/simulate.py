"""`kai simulate`: what a change of yours would do to the traffic that was really seen, before anybody applies it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bot.clusters.options import live_of
from bot.clusters.target import NoSuchPod
from bot.clusters.window import since_of
from bot.commands.investigate import TerminalRequest, find_target, world_of
from bot.commands.output import write
from bot.errors import COULD_NOT_LOOK, FAULT, NO_FAULT, CouldNotLook, UsageMistake
from bot.report.sanitize import clean
from flows.fixes.proof import MAX_NEWLY_ALLOWED
from flows.model import Case, Missing
from flows.policy import judgement_in_words
from flows.policy.model import Opening
from flows.proposed import BadChange, ChangeHints, read_change, read_deletion
from flows.simulate import Simulation, SimulationResult, as_json, can, look, objects_of
from flows.simulate import simulate as try_change
from sensors.access.casefolder import BadCase
from sensors.hubble_capture_flows import HubbleFlows
from sensors.kit import Blind
from sensors.kit.catalog import sensors

MAX_ROWS = 20


def simulate(**asked: Any) -> int:
    """`kai simulate`."""
    if asked["question"] is not None:
        return _can(asked)
    return _try(asked)


def _try(asked: dict[str, Any]) -> int:
    text, since = _text(asked), since_of(asked["since"])
    case = _look(asked, asked["pod"] or "", None)
    most = MAX_NEWLY_ALLOWED if asked["most"] is None else asked["most"]
    try:
        changed, gone = _change(text, asked, case)
        said = try_change(case, changed, most, since, gone)
    except BadChange as why:
        raise UsageMistake(str(why)) from why
    except Missing as why:
        raise CouldNotLook(f"could not look: {why}") from why
    write(_as_json(said) if asked["output"] == "json" else "\n".join(_told(said)) + "\n")
    if said.refused is None and not said.trial.proof.replayed and not _sees_flows(case):
        return COULD_NOT_LOOK
    return NO_FAULT if said.helps else FAULT


def _change(text: str, asked: dict[str, Any], case: Case) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The objects that change or come, and those that go. Raises `BadChange`."""
    if asked["delete"] is not None:
        return (), (read_deletion(ChangeHints(asked["namespace"], asked["delete"]), objects_of(case)),)
    return read_change(text, ChangeHints(asked["namespace"], asked["target"], asked["kind"]), objects_of(case)), ()


def _can(asked: dict[str, Any]) -> int:
    if asked["file"] or asked["patch"] or asked["delete"]:
        raise UsageMistake("--can asks about the policies as they are: leave out -f and --patch and --delete")
    pod, arrow, peer = asked["question"].replace("→", "->").partition("->")
    if not arrow or not pod.strip() or not peer.strip():
        raise UsageMistake("--can wants POD->HOST:PORT, such as 'production/api-server->10.96.0.1:443'")
    case = _look(asked, pod.strip(), peer.strip())
    try:
        answer = can(case)
    except BadChange as why:
        raise UsageMistake(str(why)) from why
    except Missing as why:
        raise CouldNotLook(f"could not look: {why}") from why
    write(_answer_json(answer) if asked["output"] == "json" else "\n".join(_answered(answer)) + "\n")
    return {True: NO_FAULT, False: FAULT, None: COULD_NOT_LOOK}[answer.allowed]


# -- what was asked --------------------------------------------------------------------------------------------------


def _text(asked: dict[str, Any]) -> str:
    file, patch, delete = asked["file"], asked["patch"], asked["delete"]
    if [file, patch, delete].count(None) != 2:
        raise UsageMistake("give one change: -f FILE, --patch with --target KIND/NAME, or --delete KIND/NAME")
    if delete is not None:
        return ""
    if patch is not None:
        return str(patch)
    if file == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageMistake(f"{file} is not text") from None


def _look(asked: dict[str, Any], pod: str, peer: str | None) -> Case:
    """Reads what a simulation needs. Raises `UsageMistake` or `CouldNotLook`."""
    namespace = asked["namespace"] if pod and "/" not in pod else None
    if asked["case"] is None and not pod:
        raise UsageMistake("say whose traffic to try it on: --pod [NS/]POD in a cluster, or --case DIR, a recording")
    question = TerminalRequest("", pod, namespace, peer, asked["case"], live=live_of(dict(asked)))

    async def seen() -> Case:
        async with world_of(question) as (cluster, _):
            found = await find_target(question, cluster)
            return await look(found.target, cluster, sensors())

    try:
        return asyncio.run(seen())
    except (BadCase, NoSuchPod) as why:
        raise UsageMistake(str(why)) from why
    except Blind as why:
        raise CouldNotLook(f"could not look: {why}") from why


def _sees_flows(case: Case) -> bool:
    return case.get(HubbleFlows) is not None


# -- what to say -----------------------------------------------------------------------------------------------------


def _told(said: Simulation) -> Iterator[str]:
    yield _verdict(said)
    yield from (f"Note: {clean(each)}" for each in said.notes)
    yield from _some("Why not:", [_indented(each, clean) for each in said.why_not])
    yield from ([f"Refused: {clean(said.refused)}."] if said.refused else [])
    yield from (f"  admitted by {clean(each)}" for each in said.trial.admitted_by[:MAX_ROWS])
    diff = said.trial.diff
    yield from _some(f"Newly allowed ({len(diff.opened)}):", _ways(diff.opened))
    yield from _some(f"No longer allowed ({len(diff.closed)}):", _ways(diff.closed))
    yield from _some("Cannot be decided:", _ways(diff.undecidable))
    if not (diff.opened or diff.closed or diff.undecidable):
        yield "It opens nothing and closes nothing."
    if said.other_denied:
        many = "connections were" if said.other_denied > 1 else "connection was"
        yield f"{said.other_denied} other {many} dropped, too, and not part of what was replayed."


def _verdict(said: Simulation) -> str:
    proof = said.trial.proof
    if not proof.replayed:
        return "No dropped connection to replay: whether it would help cannot be shown."
    line = f"{proof.allowed_after} of {proof.replayed} dropped packets would be allowed"
    agree = proof.denied_before == proof.replayed
    before = "" if agree else f"; the policies as read deny {proof.denied_before} of them"
    doubt = f"; {proof.undecidable} cannot be decided" if proof.undecidable else ""
    return f"{line}{before}{doubt}."


def _ways(openings: Iterable[Opening]) -> list[str]:
    """One line for each source and destination, with all that changes between the two."""
    found: dict[tuple[str, str], list[Opening]] = {}
    for each in openings:
        found.setdefault((str(each.source), str(each.destination)), []).append(each)
    return [f"  {clean(ends[0])} -> {clean(ends[1])} {_openings_in_words(listed)}" for ends, listed in found.items()]


def _openings_in_words(openings: list[Opening]) -> str:
    whole = [each.protocol for each in openings if each.ports_in_words == "all"]
    parts = [f"{each.protocol} {each.ports_in_words}" for each in openings if each.protocol not in whole]
    return "; ".join([*([f"{', '.join(whole)} all"] if whole else []), *parts])


def _indented(line: str, clean: Any) -> str:
    return f"{'    ' if line.startswith('  ') else '  '}{clean(line)}"


def _some(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield title
        yield from lines[:MAX_ROWS]
    if len(lines) > MAX_ROWS:
        yield f"  … and {len(lines) - MAX_ROWS} more (-o json lists all)"


def _as_json(said: Simulation) -> str:
    return json.dumps(as_json(said), indent=2, ensure_ascii=False) + "\n"


def _answered(answer: SimulationResult) -> Iterator[str]:
    yield {True: "Yes.", False: "No.", None: "Cannot be decided."}[answer.allowed]
    yield from (f"Not read: {clean(each)}" for each in answer.unread)
    yield from (f"Note: {clean(each)}" for each in answer.notes if not answer.unread)
    for each in answer.judgements[:MAX_ROWS]:
        for line in judgement_in_words(each).splitlines():
            yield f"{' ' * (len(line) - len(line.lstrip()))}{clean(line)}"
    yield from _some("What the datapath did:", [f"  {clean(each)}" for each in answer.seen])


def _answer_json(answer: SimulationResult) -> str:
    ways = [
        {
            "connection": each.traffic.words(),
            "allowed": each.allowed,
            "egress": {"allowed": each.egress.allowed, "why": each.egress.why},
            "ingress": {"allowed": each.ingress.allowed, "why": each.ingress.why},
            "walk": judgement_in_words(each).splitlines(),
        }
        for each in answer.judgements
    ]
    told = {"allowed": answer.allowed, "ways": ways, "seen": list(answer.seen), "notes": list(answer.notes)}
    told["unread"] = list(answer.unread)
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"
