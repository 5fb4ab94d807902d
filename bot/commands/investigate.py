"""One investigation from the command line: open the world, find the pod, walk the flow, say what came of it."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from bot.commands.errors import COULD_NOT_LOOK, FAULT, NO_FAULT, CouldNotLook, UsageMistake
from bot.commands.output import say
from bot.commands.progress import progress
from bot.commands.recipe import flow_named
from bot.report import Circumstances
from bot.report.clean import clean
from flows.engine import Tools, run
from flows.load import BadFlow, Flow
from flows.model import Diagnosis
from flows.rules.catalog import rules
from sensors.kit import Blind, Target
from sensors.kit.casefolder import BadCase, CaseFolder, open_case, split_door
from sensors.kit.catalog import sensors
from sensors.kit.resolve import KINDS, NoSuchPod, Resolved, resolve

HOW_TO_RECORD = (
    "this version reads recorded cases, not a live cluster: kai netdebug POD -n NAMESPACE --case DIR "
    "(docs/case-folder.md says how to record one)"
)


@dataclass(frozen=True, slots=True)
class Question:
    """What was typed. `pod` may be empty (the recorded one) or anything that `resolve` understands."""

    flow: str
    pod: str = ""
    namespace: str | None = None
    to: str | None = None
    case: Path | None = None
    output: str = "text"
    verbose: bool = False


def investigate(question: Question) -> int:
    """Ask, answer on stdout, and return the exit code. Raises `UsageMistake` or `CouldNotLook`."""
    if question.case is None:
        raise UsageMistake(HOW_TO_RECORD)
    try:
        case = open_case(question.case)
        diagnosis = asyncio.run(_walk(question, flow_named(question.flow), case))
    except (BadCase, BadFlow, NoSuchPod) as why:
        raise UsageMistake(str(why)) from why
    except Blind as why:
        raise CouldNotLook(f"could not look: {why}") from why
    circumstances = Circumstances(case.header.recorded_at, question.case.resolve().name, case.header.synthetic)
    say(diagnosis, circumstances, question.output, verbose=question.verbose)
    return exit_code(diagnosis)


def exit_code(diagnosis: Diagnosis) -> int:
    """0 no fault, 1 fault found, 3 could not tell."""
    if diagnosis.cause_class == "inconclusive":
        return COULD_NOT_LOOK
    return FAULT if diagnosis.fault_found else NO_FAULT


async def _walk(question: Question, flow: Flow, case: CaseFolder) -> Diagnosis:
    found = await find_target(question, case)
    if found.note:
        print(clean(found.note), file=sys.stderr)  # noqa: T201
    with progress(len(flow.looks)) as watcher:
        return await run(flow, found.target, case, Tools(sensors(), rules()), watcher)


async def find_target(question: Question, case: CaseFolder) -> Resolved:
    """The pod that is meant. The recorded question fills in what was left out, and never overrides what was said."""
    recorded = case.header.target
    host, port = door(question.to) if question.to else (None, None)
    word, namespace = question.pod, question.namespace or (recorded.namespace if recorded else "default")
    if not word and recorded is None:
        raise UsageMistake("this case names no target: say the pod, as in kai netdebug POD -n NAMESPACE --case DIR")
    if not word and recorded is not None:
        word = recorded.pod
    one_namespace(word, question.namespace)
    found = await resolve(case, word, namespace, host, port)
    return replace(found, target=_with_recorded_peer(found.target, recorded))


def _with_recorded_peer(target: Target, recorded: Target | None) -> Target:
    same = recorded is not None and (target.pod, target.namespace) == (recorded.pod, recorded.namespace)
    if recorded is None or not same or target.to_host is not None:
        return target
    return replace(target, to_host=recorded.to_host, to_port=recorded.to_port)


def one_namespace(word: str, said: str | None) -> None:
    """Raises `UsageMistake` when `NAMESPACE/POD` and `-n` name two namespaces."""
    before, slash, _ = word.partition("/")
    if slash and said not in (None, before) and before.lower() not in KINDS:
        raise UsageMistake(f"two namespaces: {before!r} in {word!r} and {said!r} after -n; leave one out")


def door(text: str) -> tuple[str, int | None]:
    """`--to HOST:PORT`. Raises `UsageMistake`."""
    try:
        return split_door(text)
    except ValueError as why:
        raise UsageMistake(f"--to wants HOST:PORT, such as 10.96.0.1:443 or payments.prod:8080 ({why})") from None
