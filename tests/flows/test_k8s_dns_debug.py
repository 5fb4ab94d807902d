"""The narrow walk for names that do not resolve."""

from __future__ import annotations

import pytest

from flows.model import LayerState
from tests.kit.diagnoses import diagnosis_of

FLOW = "flow.k8s_dns_debug"


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("worker-to-queue", "policy.dns_blocked"),
        ("frontend-to-backend", "dns.coredns_oom"),
        ("notify-to-mailer", "dns.nxdomain"),
        ("planner-to-roster", "node.not_ready"),
        ("edge-to-sessions", "conntrack.full"),
    ],
)
def test_the_short_walk_finds_what_keeps_names_from_resolving(name, cause):
    diagnosis = diagnosis_of(name, flow=FLOW)

    assert diagnosis.cause_class == cause


def test_it_does_not_call_calm_what_it_never_looked_at():
    diagnosis = diagnosis_of("search-to-index", flow=FLOW)

    states = {row.layer.value: row.state for row in diagnosis.layers}
    assert diagnosis.cause_class == "inconclusive"
    assert states["dns"] is LayerState.PASS
    assert states["nat"] is LayerState.NOT_MEASURED
    assert states["physical"] is LayerState.INCONCLUSIVE
