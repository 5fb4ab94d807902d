"""What store tests speak of: a request, a moment, a result."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bot.store import Admitted, Ceiling, EvidenceRow, Investigation, OriginKind, Request
from bot.store.store import Store
from sensors.kit import Target

NOW = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)

RESULT: dict[str, Any] = {
    "investigation_id": "i1",
    "root_cause": "The policy strict-egress denies it.",
    "cause_class": "policy.egress_denied",
    "affected_component": {"kind": "NetworkPolicy", "namespace": "prod", "name": "strict-egress"},
    "confidence": 0.94,
    "fix": {"patch": [{"op": "add", "path": "/spec/egress/-", "value": {"ports": [{"port": 6443}]}}]},
}

ROWS = (
    EvidenceRow("E1", "hubble.capture_flows", "seen", "847 drops", {"drops": 847}),
    EvidenceRow("E2", "net.tcp_stats", "blind", "no such file", {}),
)


def request(pod: str = "api", **more: Any) -> Request:
    words = {
        "namespace": "prod",
        "asked_by": "U1",
        "flow": "flow.k8s_network_debug",
        "origin": OriginKind.SLASH,
        **more,
    }
    return Request(Target(pod, words.pop("namespace"), "10.96.0.1", 443), **words)


async def admitted(store: Store, new_id: str = "i1", asked: Request | None = None, once: str = "") -> Investigation:
    said = await store.investigations.admit(asked or request(), new_id, NOW, Ceiling(), once)
    assert isinstance(said, Admitted)
    return said.investigation


async def concluded(store: Store, new_id: str = "i1", asked: Request | None = None) -> str:
    """The key of the message about it."""
    await admitted(store, new_id, asked)
    await store.investigations.begin(new_id, NOW)
    key = await store.investigations.conclude(new_id, RESULT, ROWS, "verdict", NOW)
    assert key is not None
    return key
