"""Two policies stand in the way: one does not let the client out, another would not let it in.

The datapath asks the sender's side first, so only that drop is visible. Mending it alone moves the drop.
"""

from __future__ import annotations

from dataclasses import replace

from flows.denials.attribution import Denial, component_of
from flows.denials.findings import admit, belief, finding, groups, named, passage, who
from flows.model import Case, Finding, Rule
from flows.policy import Direction, PolicyRef
from sensors.k8s_network_policies import Policies


def judge(case: Case) -> list[Finding]:
    """The two-sided denial, and the side that no flow shows as a finding of its own."""
    found: list[Finding] = []
    for group in groups(case, "policy.both_sides_denied"):
        hidden = _hidden(group[0])
        found.append(finding(case, group, _cause(group[0], hidden), _advice(hidden), admit(group)))
        found.append(_other_side(case, hidden))
    return found


def _hidden(denial: Denial) -> Denial:
    """The ingress half of the denial."""
    ingress = denial.connection.judgement.ingress
    guilty: tuple[PolicyRef, ...] = tuple(dict.fromkeys((*(ref for ref, _ in ingress.closest), *ingress.isolated_by)))
    first = component_of(next(iter(guilty), None))
    return replace(
        denial,
        cause_class="policy.ingress_denied",
        direction=Direction.INGRESS,
        component=first,
        guilty=guilty,
        connection=replace(denial.connection, drop=None),
    )


def _cause(denial: Denial, hidden: Denial) -> str:
    first, second = named(denial.component, denial), named(hidden.component, hidden)
    return f"{first} blocks {passage(denial)} at the sender, and {second} blocks it at the receiver"


def _advice(hidden: Denial) -> str:
    return f"Both sides need a rule: the sender's, and {named(hidden.component, hidden)} at {who(hidden.subject)}."


def _other_side(case: Case, hidden: Denial) -> Finding:
    told = finding(
        case,
        [hidden],
        f"{named(hidden.component, hidden)} blocks {passage(hidden)}: no ingress rule allows it",
        f"Add an ingress rule at {who(hidden.subject)}; it shows only once the sender is let out.",
        admit([hidden]),
    )
    because = f"computed: {hidden.verdict.why}; hidden behind the drop on the sender's side"
    return replace(told, belief=max(round(belief(case, hidden), 2), told.belief), because=because)


RULE = Rule(
    id="policy-both-sides-denied",
    judge=judge,
    causes=("policy.both_sides_denied", "policy.ingress_denied"),
    needs=(Policies,),
)
