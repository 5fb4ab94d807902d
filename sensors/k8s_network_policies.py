"""Which policies exist, which of them select the pod, who keeps them in sync, and which the CNI itself calls invalid.

Reads    NetworkPolicies, Cilium, admin and Calico policies; and, for the simulator behind it, Pods, Namespaces,
         Services, EndpointSlices, Nodes, CiliumEndpoints, CiliumNodes, CIDR groups and the ConfigMap cilium-config.
Touches  nothing. It does not judge: what a policy means is the simulator's to say.
Blind    when NetworkPolicies cannot be read. Kinds that should be there and are not readable stand in `unreadable`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sensors.kit.objects import Owner, Ref


@dataclass(frozen=True, slots=True)
class PolicyRef:
    """One policy. `selects` is None where its selector is not ours to understand (Calico's language, odd operators).

    `directions` holds ingress and/or egress as far as the policy speaks of them; `invalid` is the CNI's own complaint;
    `owner` whoever will undo a change made in the cluster.
    """

    kind: str
    namespace: str
    name: str
    selects: bool | None
    directions: tuple[str, ...]
    created: datetime | None = None
    owner: Owner | None = None
    invalid: str = ""

    @property
    def ref(self) -> Ref:
        return Ref(self.kind, self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class Policies:
    """All policies of the cluster as references; `objects` holds everything raw, for the simulator.

    `counts` by kind, 0 = read and there are none; a kind that is neither in `counts` nor in `unreadable` is not
    installed. `unreadable` maps a kind to the reason: with one of those, no allow or deny is certain.
    """

    policies: tuple[PolicyRef, ...]
    counts: Mapping[str, int]
    unreadable: Mapping[str, str]
    objects: tuple[Mapping[str, Any], ...] = field(repr=False, metadata={"report": False})

    @property
    def selecting(self) -> tuple[PolicyRef, ...]:
        """Those that select the pod for certain."""
        return tuple(each for each in self.policies if each.selects)

    def summary(self) -> str:
        names = ", ".join(str(each.ref) for each in self.selecting[:4]) or "none"
        parts = [f"{len(self.policies)} policies, {len(self.selecting)} select the pod: {names}"]
        parts += [f"{each.ref} is invalid: {each.invalid}" for each in self.policies if each.invalid]
        parts += [f"not readable: {', '.join(self.unreadable)}"] if self.unreadable else []
        return "; ".join(parts)
