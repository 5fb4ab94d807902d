"""What an offered fix is worth: proved, no wider than needed, and judged by an evaluator that did not make it.

The pairs of a truth (`fix.must_allow`, `fix.must_not_allow`) are asked of `lab.oracle`, which shares no code with the
simulator that proved the fix: once before the patch, once after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.report.json_result import decode
from flows.fixes.change import applied
from flows.fixes.jsonpatch import CannotPatch
from lab.oracle import CannotTell, End, OracleNetwork
from tests.kit.spoil import real_objects

Json = Mapping[str, Any]
ELSEWHERE = "203.0.113.77"


@dataclass(frozen=True, slots=True)
class Offer:
    """The fix of one answer. `right` is None where the truth does not say whether a button may be offered.

    `newly` counts the connections that the fix opens, `needed` those the truth asks for. `harm` says what the fix
    would break or open that must stay as it is; empty where it does nothing of that.
    """

    button: bool
    proved: bool
    right: bool | None
    newly: int
    needed: int
    harm: str


NO_ANSWER = Offer(False, False, None, 0, 0, "")


def offer_of(folder: Path, truth: Json, said: Json) -> Offer:
    """Judges the fix of a JSON result against the truth beside the case."""
    fix = said.get("fix") or {}
    wanted = (truth.get("fix") or {}).get("automatic")
    needed = (truth.get("fix") or {}).get("must_allow") or ()
    button = bool(fix.get("automatic")) and not fix.get("refused")
    right_class = said["cause_class"] in (truth["cause_class"], *(truth.get("accept_classes") or ()))
    return Offer(
        button,
        button and is_proved(fix.get("proof") or {}),
        None if wanted is None or not right_class else button is wanted,
        len(fix.get("newly_allowed") or ()) if button else 0,
        len(needed),
        _harm(folder, truth, said, wanted) if button else "",
    )


def is_proved(proof: Json) -> bool:
    """Every dropped connection would pass; what no policy can replay is proved by its patch alone."""
    return not proof.get("replayable") or 0 < proof["replayed"] == proof["allowed_after"]


def _harm(folder: Path, truth: Json, said: Json, wanted: bool | None) -> str:
    if wanted is False:
        return "a button where there must be none"
    objects = tuple(real_objects(folder))
    try:
        after = applied(objects, decode(said).fix)
    except CannotPatch as why:
        return f"the patch does not fit: {why}"
    return "; ".join(wrong_pairs(truth.get("fix") or {}, OracleNetwork(objects), OracleNetwork(after)))


def wrong_pairs(fix: Json, before: OracleNetwork, after: OracleNetwork) -> Iterator[str]:
    """What stays shut although it must open, and what opens although it must not."""
    for pair in fix.get("must_allow") or ():
        if _allows(after, pair) is False:
            yield f"still denied: {_words(pair)}"
    for pair in fix.get("must_not_allow") or ():
        if _allows(after, pair) and _allows(before, pair) is False:
            yield f"newly allowed: {_words(pair)}"


def _allows(network: OracleNetwork, said: Json | str) -> bool | None:
    pair = pair_of(said)
    try:
        ends = end_of(network, pair["from"]), end_of(network, pair["to"])
        return network.allows(*ends, pair["protocol"], pair["port"])
    except CannotTell:
        return None


def pair_of(said: Json | str) -> Json:
    """A pair as it is written, also as `namespace/workload -> namespace/workload TCP 8080`."""
    if not isinstance(said, str):
        return said
    ends, protocol, port = said.rsplit(" ", 2)
    source, _, there = ends.partition(" -> ")
    return {"from": _workload(source), "to": _workload(there), "protocol": protocol, "port": int(port)}


def _workload(said: str) -> Json:
    namespace, _, name = said.partition("/")
    return {"namespace": namespace, "workload": name}


def end_of(network: OracleNetwork, said: Json) -> End:
    """One side of a pair: a pod of the recording, any pod of a namespace, an entity, or an address outside."""
    space = str(said.get("namespace", ""))
    if said.get("pod") == "any":
        return End(space, "any", {}, {"kubernetes.io/metadata.name": space})
    if "workload" in said:
        return _pod_of(network, space, str(said["workload"]))
    if "pod" in said:
        return network.pods.get((space, said["pod"])) or End(space, said["pod"], said.get("labels") or {})
    words = frozenset({str(said.get("entity", "world"))})
    return End(ip=said.get("ip", ELSEWHERE), words=words, names=(said["fqdn"],) if "fqdn" in said else ())


def _pod_of(network: OracleNetwork, namespace: str, workload: str) -> End:
    pods = (each for each in network.pods.values() if each.namespace == namespace)
    found = next((each for each in pods if each.workload.rpartition(" ")[2] == workload), None)
    if found is None:
        raise CannotTell(f"no pod of {namespace}/{workload}")
    return found


def _words(said: Json | str) -> str:
    if isinstance(said, str):
        return said
    pair = said
    ends = (next((str(side[key]) for key in ("fqdn", "pod", "ip", "entity") if key in side), "?") for side in
            (pair["from"], pair["to"]))  # fmt: skip
    return f"{' -> '.join(ends)} {pair['protocol']} {pair['port']}"
