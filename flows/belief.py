"""The scale of belief: one name for each degree of certainty, by what shows it.

A finding's belief is a number from 0 to 1. No rule writes one down: two rules that know as much of their cause say as
much, and what a number means is read here. A level may be weighed by whose trouble it is (`ASKED`, `OWN_TROUBLE`,
`CONTEXT`): a fault that is proved but stands beside the question is no answer to it.
"""

from __future__ import annotations

from typing import Final

# -- the levels, from the surest down --------------------------------------------------------------------------------

PROVED: Final = 0.97
"""The object, or the answer itself, states the fault: nothing is concluded."""

CONFIRMED: Final = 0.96
"""Two signs that do not depend on each other agree."""

SHOWN: Final = 0.95
"""One measurement shows it directly."""

ATTESTED: Final = 0.93
"""The component concerned says so itself: its log, its exit, its status."""

NAMED: Final = 0.92
"""The datapath names it as the reason for its drops."""

EVIDENT: Final = 0.9
"""Every sign fits, and the look-alikes were looked for."""

PROBABLE: Final = 0.85
"""Every sign fits; one look-alike is left."""

LIKELY: Final = 0.8
"""The effect was measured, and this is its usual cause."""

PLAUSIBLE: Final = 0.75
"""The fault stands, and nobody looked whether it is this pod's."""

CONSISTENT: Final = 0.7
"""What was measured fits; the deciding measurement is lacking."""

INFERRED: Final = 0.65
"""Concluded from a silence: what should have answered does not."""

PARTIAL: Final = 0.6
"""It explains a part, or was told and not measured."""

DISPUTED: Final = 0.55
"""Shown by one look, and another speaks against it."""

ROOT_CAUSE_FROM: Final = 0.5
"""A finding must be believed at least this much to become the root cause."""

ASIDE: Final = 0.45
"""True, and not shown to be what the question is about."""

SUSPECTED: Final = 0.4
"""It could be so; nothing ties it to the failure."""

NOTED: Final = 0.35
"""True, and it explains no failure: said so that nobody looks for the fault there."""

DOUBTED: Final = 0.3
"""It could be so, and what was measured speaks against it."""

REMOTE: Final = 0.2
"""What is known of this cluster hardly lets it be so."""

# -- what weighs a level ---------------------------------------------------------------------------------------------

ASKED: Final = 1.0
"""The weight of the peer that the question names."""

OWN_TROUBLE: Final = 0.95
"""The weight of a peer that fails, or that the pod's log complains of, where the question names none."""

CONFIGURED: Final = 0.75
"""The weight of a peer that only the pod's spec names: it need not call it."""

CONTEXT: Final = 0.45
"""The weight of every other peer beside the one that the question names: too little to become the root cause."""

AMBIGUOUS: Final = 0.5
"""The weight of a sign that another cause leaves just as well."""

TOO_YOUNG: Final = 0.75
"""The weight of a denial in a pod's first seconds: its identity may still be on its way."""

NO_RIVAL: Final = 0.3
"""A finding this much less believed than the strongest is no rival for the root cause, however early its stage."""

SIMULATED: Final = 0.15
"""What the policy simulator's certainty adds to look-ups that fail for an unnamed reason."""
