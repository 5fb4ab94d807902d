"""Every made incident with its truth. A module of incidents registers its builders here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.flows.variants.lab import Incident


@dataclass(frozen=True)
class Variant:
    """One made incident: how to build it, the class it must get, the object a person must change.

    `also` are classes that are right, too; `unasked` those that are right where nobody names the peer (None: the
    same); `fix` whether a fix may be offered with one button (None: not judged here). `blind` are classes that cannot be
    told from the right one where a sensor is blind, and are then said instead of a shrug.
    """

    name: str
    build: Callable[[], Incident]
    cause: str
    component: str | None
    also: frozenset[str] = frozenset()
    unasked: frozenset[str] | None = None
    fix: bool | None = None
    components: frozenset[str] = frozenset()
    findings: frozenset[str] = frozenset()
    blind: frozenset[str] = frozenset()


VARIANTS: dict[str, Variant] = {}


def variant(
    cause: str, component: str | None = None, *, also: str = "", unasked: str | None = None, fix: bool | None = None,
    or_component: str = "", findings: str = "", blind: str = "",
) -> Callable[[Callable[[], Incident]], Callable[[], Incident]]:  # fmt: skip
    def register(build: Callable[[], Incident]) -> Callable[[], Incident]:
        VARIANTS[build.__name__] = Variant(
            build.__name__,
            build,
            cause,
            component,
            frozenset(also.split()),
            None if unasked is None else frozenset(unasked.split()),
            fix,
            frozenset(filter(None, or_component.split(";"))),
            frozenset(findings.split()),
            frozenset(blind.split()),
        )
        return build

    return register
