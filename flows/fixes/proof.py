"""Replays what was seen through the policies as they are and as they would be, and says what else becomes possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any

from flows.denials.connection import JudgedConnection
from flows.denials.judged import judged_connections
from flows.denials.policy_world import world_of
from flows.model import Case, Proof
from flows.policy import Decision, Diff, Judgement, PolicyWorld, Traffic, difference_of
from sensors.k8s_network_policies import Policies
from sensors.kit.cloud_metadata import METADATA_ADDRESSES

MAX_NEWLY_ALLOWED = 25
"""More newly allowed ways (source, destination, protocol) than this are too many for anyone to approve."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """Trial of a change: the proof, what it opens and closes, and which working connections it would break."""

    proof: Proof
    diff: Diff
    after: PolicyWorld
    broken: tuple[str, ...] = ()
    admitted_by: tuple[str, ...] = ()

    def refused(self, most: int = MAX_NEWLY_ALLOWED) -> str | None:
        """The reason why nobody should approve this, None where nothing speaks against it."""
        cut = (f"it would cut {each}, which works now" for each in self.broken)
        reasons = [*_too_broad(self.diff, most), *_to_credentials(self.diff), *cut]
        return "; ".join(reasons) or None


def try_out(
    case: Case, changed: Iterable[Json], removed: Iterable[Json] = (), only: Sequence[JudgedConnection] | None = None
) -> Trial:
    """The trial of a change against every observed connection of the case; `only` says which denials to replay.

    Raises `Missing` when policies could not be looked at.
    """
    before = case.once(world_of)
    after = before.with_objects(changed, removed)
    replays = denied_ones(case) if only is None else tuple(only)
    later = [after.judge(moved(each.traffic, after)) for each in replays]
    diff = difference_of(before, after)
    return Trial(_proof(replays, later), diff, after, tuple(_broken(case, after)), _admitted_by(later))


def denied_ones(case: Case) -> tuple[JudgedConnection, ...]:
    """The dropped connections of the complaint; where none was seen, the computed ones the question names."""
    asked = [each for each in case.once(judged_connections) if each.asked]
    dropped = tuple(each for each in asked if each.drop is not None)
    return dropped or tuple(each for each in asked if each.seen is None and each.judgement.allowed is not True)


def unread_kinds(case: Case) -> str:
    """Policies that could not be read, in words; empty where all were. A proof holds for those that were read."""
    policies = case.get(Policies)
    kinds = sorted(policies.unreadable) if policies is not None else []
    return f"not read: {', '.join(kinds)}" if kinds else ""


def moved(traffic: Traffic, world: PolicyWorld) -> Traffic:
    """The same connection in another world: its pods may carry other labels there, or their namespaces."""
    ends = []
    for end in (traffic.source, traffic.destination):
        known = world.endpoint_of_pod(end.namespace, end.pod) if end.is_pod else None
        ends.append(replace(known, ip=end.ip) if known is not None else end)
    return replace(traffic, source=ends[0], destination=ends[1])


def _proof(replays: Sequence[JudgedConnection], later: Sequence[Judgement]) -> Proof:
    pairs = list(zip(replays, later, strict=True))
    return Proof(
        replayed=sum(each.packets for each, _ in pairs),
        denied_before=sum(each.packets for each, _ in pairs if each.judgement.allowed is False),
        allowed_after=sum(each.packets for each, judged in pairs if judged.allowed is True),
        undecidable=sum(each.packets for each, judged in pairs if None in (each.judgement.allowed, judged.allowed)),
        words=tuple(_words(pairs)),
    )


def _words(pairs: Sequence[tuple[JudgedConnection, Judgement]]) -> Iterable[str]:
    computed = sum(each.seen is None for each, _ in pairs)
    if computed:
        yield f"{computed} of them computed from the question, not seen by Hubble"
    if any(each.drop is not None and each.judgement.allowed is True for each, _ in pairs):
        yield "model and cluster disagree: the policies as read would let some of them through already"
    yield from (f"admitted by {each}" for each in _admitted_by([judged for _, judged in pairs]))


def _admitted_by(judgements: Iterable[Judgement]) -> tuple[str, ...]:
    """The rules that let the connections through, as object and place."""
    said = []
    for each in judgements:
        for walk in (*each.egress.walk, *each.ingress.walk) if each.allowed else ():
            said += [f"{walk.ref} {rule.path}" for rule in walk.rules if rule.decision is Decision.ADMITS]
    return tuple(dict.fromkeys(said))


def _broken(case: Case, after: PolicyWorld) -> Iterable[str]:
    for each in case.once(judged_connections):
        counts = each.works and each.judgement.allowed is not False
        if counts and after.judge(moved(each.traffic, after)).allowed is False:
            yield each.traffic.words()


def _to_credentials(diff: Diff) -> list[str]:
    """Addresses at which a cloud hands out the node's credentials: whoever may ask there may become the node."""
    blocks = {each.destination.name for each in diff.opened if each.destination.kind == "cidr"}
    named = sorted({str(each) for each in METADATA_ADDRESSES for block in blocks if _holds(block, each)})
    return [f"it opens {', '.join(named)}, where a cloud hands out the node's credentials"] if named else []


def _holds(block: str, address: IPv4Address | IPv6Address) -> bool:
    try:
        return address in ip_network(block, strict=False)
    except ValueError:  # a group of blocks by name
        return False


def _too_broad(diff: Diff, most: int) -> list[str]:
    said = [(diff.opens_world, "it opens the world outside the cluster")]
    said.append((diff.opens_all_namespaces, "it opens every namespace, also those yet to come"))
    said.append((diff.opens_all_ports, "it opens every port"))
    said.append((not diff.complete, "it opens more than can be listed"))
    ways = f"{len(diff.opened)} {'way' if len(diff.opened) == 1 else 'ways'}"
    said.append((len(diff.opened) > most, f"it opens {ways}, more than the {most} allowed"))
    return [words for flag, words in said if flag]
