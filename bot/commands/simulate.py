"""`kai simulate`: what a change of yours would do to the traffic that was really seen, before anybody applies it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.clusters.options import live_of, live_options

if TYPE_CHECKING:
    from flows.model import Case
    from flows.policy.model import Opening
    from flows.simulate import Answer, Simulation

EPILOG = (
    "Exit codes: 0 every replayed connection would pass and nothing speaks against it, 1 otherwise, "
    "2 usage or input error, 3 could not look."
)
LIMIT = 20
SINCE = re.compile(r"(\d+)(s|m|h|d)")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.command(epilog=EPILOG)
@click.option("-f", "--filename", "file", metavar="FILE", help="Manifests, a JSON patch or a merge patch; - is stdin.")
@click.option("--patch", metavar="PATCH", help="The patch itself, as kubectl patch takes it.")
@click.option("--type", "kind", type=click.Choice(("json", "merge")), help="What kind of patch it is.")
@click.option("--target", metavar="KIND/NAME", help="The object a patch is for, such as networkpolicy/strict-egress.")
@click.option("--delete", metavar="KIND/NAME", help="Instead of a change: what if this policy were gone?")
@click.option("--can", "question", metavar="POD->HOST:PORT", help="May this pod talk to that, and who says so?")
@click.option("-n", "--namespace", metavar="NS", help="The namespace of the object, or of the pod.")
@click.option("--pod", metavar="[NS/]POD", help="Whose dropped traffic is replayed; with --case the recorded pod.")
@click.option("--case", type=click.Path(path_type=Path), metavar="DIR", help="A recorded case instead of a cluster.")
@live_options
@click.option("--since", metavar="TIME", help="Only what was dropped in this time before, such as 10m or 1h.")
@click.option("--max-newly-allowed", "most", type=click.IntRange(min=0), help="Refuse what opens more ways than this.")
@click.option("-o", "--output", type=click.Choice(("text", "json")), default="text", help="How to say it.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show a trace with errors (or KAI_DEBUG=1).")
def simulate(**asked: Any) -> int:
    """Try a change on the traffic that was really seen: would it help, and what else would it open?

    Nothing is applied anywhere. FILE holds whole policies (new ones, or new versions of old ones), or a patch for
    --target.

    \b
    kai simulate -f policy.yaml --case DIR
    kai simulate --case DIR -n production --target networkpolicy/strict-egress --patch '[{"op":"add",…}]'
    kai simulate --case DIR -n production --delete networkpolicy/strict-egress
    kai simulate --case DIR --can 'production/api-server->10.96.0.1:443'
    """
    if asked["question"] is not None:
        return _can(asked)
    return _try(asked)


def _try(asked: dict[str, Any]) -> int:
    from bot.commands.output import write
    from bot.errors import COULD_NOT_LOOK, FAULT, NO_FAULT, CouldNotLook, UsageMistake
    from flows.fixes.proof import MAX_NEWLY_ALLOWED
    from flows.model import Missing
    from flows.simulate import BadChange
    from flows.simulate import simulate as try_change

    text, since = _text(asked), _since(asked["since"])
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
    from flows.simulate import Meant, objects_of, read_change, read_deletion

    if asked["delete"] is not None:
        return (), (read_deletion(Meant(asked["namespace"], asked["delete"]), objects_of(case)),)
    return read_change(text, Meant(asked["namespace"], asked["target"], asked["kind"]), objects_of(case)), ()


def _can(asked: dict[str, Any]) -> int:
    from bot.commands.output import write
    from bot.errors import COULD_NOT_LOOK, FAULT, NO_FAULT, CouldNotLook, UsageMistake
    from flows.model import Missing
    from flows.simulate import BadChange, can

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
    from bot.errors import UsageMistake

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


def _since(word: str | None) -> timedelta | None:
    from bot.errors import UsageMistake

    if word is None:
        return None
    found = SINCE.fullmatch(word)
    if found is None or len(word) > 9:
        raise UsageMistake(f"--since wants a time such as 90s, 10m or 1h, not {word!r}")
    return timedelta(seconds=int(found[1]) * SECONDS[found[2]])


def _look(asked: dict[str, Any], pod: str, peer: str | None) -> Case:
    """What a simulation needs to see. Raises `UsageMistake` or `CouldNotLook`."""
    import asyncio

    from bot.clusters.target import NoSuchPod
    from bot.commands.investigate import Question, find_target, world_of
    from bot.errors import CouldNotLook, UsageMistake
    from flows.simulate import look
    from sensors.access.casefolder import BadCase
    from sensors.kit import Blind
    from sensors.kit.catalog import sensors

    namespace = asked["namespace"] if pod and "/" not in pod else None
    if asked["case"] is None and not pod:
        raise UsageMistake("say whose traffic to try it on: --pod [NS/]POD in a cluster, or --case DIR, a recording")
    cluster_said = {name: value for name, value in asked.items() if name != "since"}  # ours is about drops, not flows
    question = Question("", pod, namespace, peer, asked["case"], live=live_of(cluster_said))

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
    from sensors.hubble_capture_flows import HubbleFlows

    return case.get(HubbleFlows) is not None


# -- what to say -----------------------------------------------------------------------------------------------------


def _told(said: Simulation) -> Iterator[str]:
    from bot.report.sanitize import clean

    yield _verdict(said)
    yield from (f"Note: {clean(each)}" for each in said.notes)
    yield from _some("Why not:", [_indented(each, clean) for each in said.why_not])
    yield from ([f"Refused: {clean(said.refused)}."] if said.refused else [])
    yield from (f"  admitted by {clean(each)}" for each in said.trial.admitted_by[:LIMIT])
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
    from bot.report.sanitize import clean

    found: dict[tuple[str, str], list[Opening]] = {}
    for each in openings:
        found.setdefault((str(each.source), str(each.destination)), []).append(each)
    return [f"  {clean(ends[0])} -> {clean(ends[1])} {_doors(listed)}" for ends, listed in found.items()]


def _doors(openings: list[Opening]) -> str:
    whole = [each.protocol for each in openings if each.ports_in_words == "all"]
    parts = [f"{each.protocol} {each.ports_in_words}" for each in openings if each.protocol not in whole]
    return "; ".join([*([f"{', '.join(whole)} all"] if whole else []), *parts])


def _indented(line: str, clean: Any) -> str:
    return f"{'    ' if line.startswith('  ') else '  '}{clean(line)}"


def _some(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield title
        yield from lines[:LIMIT]
    if len(lines) > LIMIT:
        yield f"  … and {len(lines) - LIMIT} more (-o json lists all)"


def _as_json(said: Simulation) -> str:
    import json

    from flows.simulate import as_json

    return json.dumps(as_json(said), indent=2, ensure_ascii=False) + "\n"


def _answered(answer: Answer) -> Iterator[str]:
    from bot.report.sanitize import clean
    from flows.policy import judgement_in_words

    yield {True: "Yes.", False: "No.", None: "Cannot be decided."}[answer.allowed]
    yield from (f"Note: {clean(each)}" for each in answer.notes)
    for each in answer.judgements[:LIMIT]:
        for line in judgement_in_words(each).splitlines():
            yield f"{' ' * (len(line) - len(line.lstrip()))}{clean(line)}"
    yield from _some("What the datapath did:", [f"  {clean(each)}" for each in answer.seen])


def _answer_json(answer: Answer) -> str:
    import json

    from flows.policy import judgement_in_words

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
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"
