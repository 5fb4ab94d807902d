"""Verdicts and differences in words for people: short lines, the answer first."""

from __future__ import annotations

from flows.policy.model import Decision, Diff, Judgement, Opening, PolicyParty, PolicyVerdict, PolicyWalk
from flows.policy.portset import SPACE

_ANSWER = {True: "allowed", False: "denied", None: "undecidable"}


def judgement_in_words(judgement: Judgement) -> str:
    """The walk, one line a step, for people."""
    lines = [f"{judgement.traffic.words()}: {_ANSWER[judgement.allowed]}"]
    for verdict in (judgement.egress, judgement.ingress):
        lines += verdict_in_words(verdict)
    return "\n".join(lines)


def verdict_in_words(verdict: PolicyVerdict) -> list[str]:
    lines = [f"  {verdict.direction.value}: {_ANSWER[verdict.allowed]}: {verdict.why}"]
    lines += [f"    {line}" for walk in verdict.walk for line in _walk_in_words(walk)]
    if verdict.allowed is False and verdict.closest:
        ref, rule = verdict.closest[0]
        lines.append(f"    closest: {ref} {rule.path}: {', '.join(miss.why for miss in rule.misses)}")
    return lines


def _walk_in_words(walk: PolicyWalk) -> list[str]:
    lines = [f"{walk.ref} {walk.why}"]
    if walk.decision is Decision.DOES_NOT_ADMIT:
        lines += [f"  {rule.why}" for rule in walk.rules[1:]]  # the first is in the line above
    return lines


def diff_in_words(diff: Diff, limit: int = 10) -> str:
    """For the person who approves: numbers first, then the first few openings, then what is too broad."""
    lines = [_count(diff)]
    lines += _some("opens", diff.opened, limit) + _some("closes", diff.closed, limit)
    lines += _some("undecidable:", diff.undecidable, limit)
    lines += [f"  because {reason}" for reason in diff.because[:limit]]
    lines += [f"  warning: {warning}" for warning in _warnings(diff)]
    return "\n".join(lines)


def _count(diff: Diff) -> str:
    if not (diff.opened or diff.closed or diff.undecidable):
        return "nothing changes"
    ports = {(o.protocol, o.ports) for o in diff.opened}
    opened = (
        f"newly allowed: {_n(diff.sources, 'source')}, {_n(diff.destinations, 'destination')}, {_n(len(ports), 'port')}"
    )
    rest = [f"{len(diff.closed)} closed"] if diff.closed else []
    rest += [f"{len(diff.undecidable)} undecidable"] if diff.undecidable else []
    return "; ".join([opened if diff.opened else "newly allowed: nothing", *rest])


def _n(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _some(verb: str, openings: tuple[Opening, ...], limit: int) -> list[str]:
    """One line for each pair of parties, however many protocols."""
    pairs: dict[tuple[PolicyParty, PolicyParty], list[Opening]] = {}
    for opening in openings:
        pairs.setdefault((opening.source, opening.destination), []).append(opening)
    lines = [f"  {verb} {source} -> {target}: {_ports(found)}" for (source, target), found in pairs.items()]
    more = len(lines) - limit
    return [*lines[:limit], f"  … and {more} more"] if more > 0 else lines


def _ports(openings: list[Opening]) -> str:
    everything = len(openings) == len(SPACE) and all(o.ports == (SPACE[o.protocol],) for o in openings)
    return "every port" if everything else ", ".join(f"{o.protocol} {o.ports_in_words}" for o in openings)


def _warnings(diff: Diff) -> list[str]:
    flags = (
        (diff.opens_world, "opens the world outside the cluster"),
        (diff.opens_all_namespaces, "opens every namespace, also those yet to come"),
        (diff.opens_all_ports, "opens every port"),
    )
    more = [] if diff.complete else ["opens or closes more than can be listed"]
    return [words for flag, words in flags if flag] + more
