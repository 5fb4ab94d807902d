"""The short answer: a headline, the cause, since when, the fix, how sure. A root message and a terminal begin with it.

Each fact is said once. Details (the reasons, the evidence, every layer) are in the long report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bot.report import incident
from bot.report.outline import brief, ledger
from bot.report.sanitize import clean
from flows.causes import CAUSES, Layer
from flows.model import Diagnosis, Fix, LayerRow, LayerState, Proof
from sensors.kit import Sight, Target
from sensors.text import capital

LONGEST_CAUSE, LONGEST_FIX, LONGEST_POD = 300, 250, 100
"""Characters of the parts of a short answer; what is cut off stands in the long report."""


class VerdictStatus(StrEnum):
    """Status of the pod by the verdict. The value is its colour sign; a word always stands beside it."""

    FAILING = "🔴"
    DEGRADED = "🟡"
    UNDECIDED = "⚪"
    HEALTHY = "🟢"


DEGRADED = {
    "mtu.mismatch": "opens, but large answers stall",
    "app.error": "opens, but answers with errors",
    "app.slow": "opens, but answers too late",
    "service.mixed_backends": "opens only sometimes",
    "dns.search_amplification": "works, but names resolve slowly",
    "dns.conntrack_race": "works, but some names take 5 s to resolve",
    "dns.overload": "works, but some names do not resolve",
    "conntrack.insert_race": "works, but some packets are dropped",
    "path.loss": "opens, but packets are lost",
    "service.rollout": "some connections fail during a rollout",
}
"""Cause classes in which the peer is reached, and yet something is wrong."""

FAILING = {
    "app.crash": "the pod crashes",
    "app.pending": "the pod does not run",
    "app.not_listening": "nothing listens there",
    "dns.nxdomain": "the name does not exist",
    "policy.dns_blocked": "DNS is blocked",
    "policy.not_enforced": "policies are not enforced",
    "node.host_firewall": "blocked",
    "mesh.authz": "blocked",
    "external.unreachable": "no answer",
}
BY_LAYER = {Layer.POLICY: "blocked", Layer.DNS: "names do not resolve"}
"""How a fault looks from the pod, where its class has no words of its own."""


@dataclass(frozen=True, slots=True)
class ShortAnswer:
    """The short answer in parts. Empty parts have nothing to say; nothing here is escaped for Slack."""

    status: VerdictStatus
    subject: str
    state: str
    cause: str
    wire: str
    since: str
    lost: str
    also: str
    fix: str
    sure: str

    @property
    def headline(self) -> str:
        """`production/api-server → 10.96.0.1:443: blocked`, without the colour."""
        return f"{self.subject}: {self.state}"

    @property
    def began(self) -> str:
        """Since when, after which change, how much was lost, and who else is affected, each a sentence."""
        parts = (
            f"Since {self.since}" if self.since else "",
            self.lost,
            f"Also affected: {self.also}" if self.also else "",
        )
        return " ".join(f"{each}." for each in parts if each)


def short_answer(it: Diagnosis) -> ShortAnswer:
    """The short answer of a diagnosis."""
    cause = cause_of(it)
    failed = incident.failed_connections(it) if it.fault_found else None
    return ShortAnswer(
        status=status_of(it),
        subject=subject(it.target),
        state=state_of(it),
        cause=cause,
        wire=_wire(it, failed, cause),
        since=incident.since(it) if it.fault_found else "",
        lost=failed.lost() if failed else "",
        also=str(it.also_affected or ""),
        fix=fix_line(it),
        sure=" · ".join((f"{it.confidence:.0%} sure", *unmeasured(it))),
    )


def status_of(it: Diagnosis) -> VerdictStatus:
    """The colour of a verdict."""
    return status_of_class(it.cause_class)


def status_of_class(cause_class: str) -> VerdictStatus:
    """The colour of a cause."""
    if cause_class == "inconclusive":
        return VerdictStatus.UNDECIDED
    if cause_class == "none.healthy":
        return VerdictStatus.HEALTHY
    return VerdictStatus.DEGRADED if cause_class in DEGRADED else VerdictStatus.FAILING


def state_of(it: Diagnosis) -> str:
    """State of it, in a few words."""
    if it.cause_class == "inconclusive":
        return "undecided"
    if not it.fault_found:
        return "no fault found"
    layer = CAUSES[it.cause_class].layer
    usual = BY_LAYER.get(layer, "cannot connect") if layer else "cannot connect"
    return DEGRADED.get(it.cause_class) or FAILING.get(it.cause_class) or usual


def subject(target: Target, longest: int = LONGEST_POD) -> str:
    """`namespace/pod → host:port` as it was asked for; what tells two pods apart stands at the end of their names."""
    pod = _middle_cut(clean(target, 600), longest)
    peer = clean(target.to or "", 600).replace(".svc.cluster.local", "")
    return f"{pod} → {_middle_cut(peer, 130 - len(pod) if len(pod) < 90 else 40)}" if peer else pod


def _middle_cut(text: str, longest: int) -> str:
    tail = longest // 2 - 1
    return text if len(text) <= longest else f"{text[: longest - tail - 1]}…{text[-tail:]}"


_ASKED_FOR = re.compile(r" \(asked for as [^()]*\)")


def cause_of(it: Diagnosis, longest: int = LONGEST_CAUSE) -> str:
    """The root cause as a sentence. What was asked for stands in the headline already."""
    return sentence(brief(as_asked(it.root_cause), longest))


def as_asked(cause: str) -> str:
    """A root cause without what was asked for, where the target stands beside it."""
    return _ASKED_FOR.sub("", clean(cause))


def sentence(text: str) -> str:
    """With a capital and a full stop, where letters begin and end it."""
    first = text.partition(" ")[0].rstrip(",:;")
    said = capital(text) if first.isalpha() and first != text else text
    return said if not said or said[-1] in ".…!?" else f"{said}."


def _wire(it: Diagnosis, failed: incident.FailedConnections | None, cause: str) -> str:
    """The address and port that the packets carried, where they are neither as asked nor named by the cause."""
    if failed is None or it.target.to_host is None or failed.port == incident.DNS_PORT:
        return ""
    same = failed.port == it.target.to_port and failed.address == it.target.to_host
    named = failed.port is not None and f"{failed.port}" in re.findall(r"\d+", cause)
    return "" if same or named else failed.wire


# -- the fix -----------------------------------------------------------------------------------------------------------


def fix_line(it: Diagnosis, longest: int = LONGEST_FIX) -> str:
    """The fix in one clause with its proof; else why there is none, and what a person does next."""
    fix = it.fix
    if not it.fault_found and it.cause_class != "inconclusive":
        return ""
    if fix.refused:
        return f"{sentence(f'No automatic fix: {brief(clean(fix.refused), longest // 2)}')} {_next(it, longest // 2)}"
    if fix.kubectl or fix.also:
        review = "" if fix.automatic else " (for a person to review)"
        return f"Fix: {sentence(f'{brief(clean(fix.title), longest)}{review}')} {proof_words(fix)}".strip()
    step = _next(it, longest)
    return f"Next step: {step}" if step else ""


def _next(it: Diagnosis, longest: int) -> str:
    """The first sentence of the recommendation."""
    first = re.split(r"(?<=[.!?;]) ", clean(it.recommended_action))[0]
    return sentence(brief(first.rstrip(";"), longest)) if first else ""


def proof_words(fix: Fix) -> str:
    """Result of the replay, and what the change opens besides."""
    opens = _opens(fix) if fix.proof is not None and fix.proof.replayed else []
    return sentence("; ".join([_replayed(fix.proof), *opens, *_owners(fix)]))


def replay_words(fix: Fix) -> str:
    """Result of the replay, where the ways that the change opens are listed beside it."""
    return sentence("; ".join([_replayed(fix.proof), *_owners(fix)]))


def _replayed(proof: Proof | None) -> str:
    if proof is None:
        return "Nothing to replay: it changes no policy"
    if not proof.replayed:
        return "Not proved: no dropped packet was there to replay"
    return f"Replayed: {_passes(proof)}"


def _passes(proof: Proof) -> str:
    undecided = f", {proof.undecidable} cannot be decided" if proof.undecidable else ""
    return f"{proof.allowed_after:,} of {proof.replayed:,} dropped packets would pass{undecided}"


def _opens(fix: Fix) -> list[str]:
    parts = (fix, *fix.also)
    opened = len({way for each in parts for way in each.newly_allowed})
    closed = len({way for each in parts for way in each.newly_denied})
    said = ["opens nothing else" if opened <= 1 else f"newly allows {opened} ways"]
    return [*said, *([f"closes {closed} {'way' if closed == 1 else 'ways'}"] if closed else [])]


def _owners(fix: Fix) -> list[str]:
    owners = dict.fromkeys(clean(each.owner, 80) for each in (fix, *fix.also) if each.owner)
    return [f"{each} would undo it" for each in owners]


# -- how sure ----------------------------------------------------------------------------------------------------------


def unmeasured(it: Diagnosis) -> tuple[str, ...]:
    """Number of things not measured, and of layers not decided."""
    blind = sum(each.sight is Sight.BLIND for each in it.evidence.values())
    states = [row.state for row in ledger(it)]
    blind = blind or states.count(LayerState.NOT_MEASURED)
    undecided = states.count(LayerState.INCONCLUSIVE)
    said = (_things(blind, "thing", "not measured"), _things(undecided, "layer", "undecided"))
    return tuple(filter(None, said))


def layer_names(rows: Iterable[LayerRow]) -> str:
    """`pod network, service`: layers as people write them."""
    return ", ".join(row.layer.value.replace("_", " ") for row in rows)


def _things(count: int, what: str, state: str) -> str:
    return f"{count} {what if count == 1 else f'{what}s'} {state}" if count else ""
