"""Find the few policies that may select an endpoint among many, without asking each of them.

A policy is filed under its namespace and, if its selector demands one, under one label every match must carry.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from flows.policy.model import Endpoint
from flows.policy.rules import Policy

_Shelf = tuple[str, str, str]  # namespace, label key, label value; "" = any


class PolicyIndex:
    def __init__(self, policies: Iterable[Policy]) -> None:
        shelves: dict[_Shelf, list[tuple[int, Policy]]] = defaultdict(list)
        for number, policy in enumerate(policies):
            shelves[_shelf(policy)].append((number, policy))
        self._shelves: Mapping[_Shelf, list[tuple[int, Policy]]] = dict(shelves)

    def candidates(self, endpoint: Endpoint) -> list[Policy]:
        """Every policy that could select the endpoint, in the order they were given."""
        found = [each for shelf in _shelves_of(endpoint) for each in self._shelves.get(shelf, ())]
        return [policy for _, policy in sorted(found, key=lambda pair: pair[0])]


def _shelf(policy: Policy) -> _Shelf:
    required = None if policy.subject.doubt else policy.subject.pods.required
    return (policy.subject.namespace, *(required or ("", "")))


def _shelves_of(endpoint: Endpoint) -> Iterator[_Shelf]:
    for namespace in dict.fromkeys((endpoint.namespace, "")):
        yield namespace, "", ""
        for key, value in endpoint.labels.items():
            yield namespace, key, value
