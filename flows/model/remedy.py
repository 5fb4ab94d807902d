"""Requests of a rule to the fix builders (`flows.fixes`): typed requests, never text. They turn them into patches.

A patch never comes from a model, from Slack or from a string: only from one of these values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from flows.model.component import Component
from flows.policy import Judgement, Miss, PolicyRef


@dataclass(frozen=True, slots=True)
class AdmitTraffic:
    """Let these denied connections through, and nothing else.

    `denied` are judgements of connections that were dropped (or computed to be); `guilty` the policies that stand in
    the way, nearest first; `correction` the one word that is wrong in a rule, where one is.
    """

    denied: tuple[Judgement, ...]
    guilty: tuple[PolicyRef, ...]
    correction: tuple[PolicyRef, Miss] | None = None


@dataclass(frozen=True, slots=True)
class LiftDeny:
    """Tell what would be if the deny rules that match these connections were gone; `deniers` are their policies."""

    denied: tuple[Judgement, ...]
    deniers: tuple[PolicyRef, ...]


@dataclass(frozen=True, slots=True)
class SetTargetPort:
    """Point a Service port at the port its pods listen on. `index` is the port's place in `spec.ports`."""

    service: Component
    index: int
    current: int | str | None
    wanted: int | str


@dataclass(frozen=True, slots=True)
class SetSelector:
    """Make a Service select the pods that are meant. Both sides are whole selectors."""

    service: Component
    current: Mapping[str, str]
    wanted: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RaiseMemory:
    """Give a container more memory. Quantities as Kubernetes writes them (`170Mi`); None where nothing is set.

    `strategy` is how the workload replaces its pods, empty where nobody knows.
    """

    workload: Component
    container: str
    index: int
    current_limit: str | None
    current_request: str | None
    wanted_limit: str
    strategy: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The request of a diagnosis that was kept: its kind, for a reader. No fix can be built from it."""

    kind: str


Remedy: TypeAlias = AdmitTraffic | LiftDeny | SetTargetPort | SetSelector | RaiseMemory | Recorded
