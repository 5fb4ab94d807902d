"""The report for a ticket or a thread, as one block."""

from __future__ import annotations

from textwrap import dedent

from bot.report.markdown import fence, render
from bot.report.outline import outline
from tests.bot.report.examples import DENIED, HEALTHY, with_root


def test_a_ticket_holds_the_same_words_with_commands_in_fences() -> None:
    said = render(outline(DENIED))

    assert said == dedent(
        """\
        **Root Cause:** NetworkPolicy production/strict-egress does not let production/api-server reach kube-apiserver on 6443/TCP

        **Affected Component:** NetworkPolicy production/strict-egress

        **Confidence:** 94% (capped by coverage: net.mtu: pods/production/api-server/pmtu.json is not in the recording)

        **Because:** its egress rules admit DNS and postgres only, and it is the only policy that isolates the pod's egress

        **Evidence:**

        - **E2 hubble.capture_flows**: 847 connections to kube-apiserver:6443 dropped in 2541 packets (POLICY_DENIED)
        - **E1 k8s.pod**: production/api-server is Running, ready, on lab2
        - **E3 kube_proxy.health**: no kube-proxy: Cilium replaces it
        - **E4 net.mtu**: not measured: pods/production/api-server/pmtu.json is not in the recording

        **Recommendation:** Let production/api-server reach kube-apiserver on 6443/TCP.

        **Fix:** Add an egress rule to NetworkPolicy production/strict-egress

        ```sh
        kubectl patch networkpolicy strict-egress -n production --type=json -p='[{"op":"add","path":"/spec/egress/-","value":{"to":[{"podSelector":{}}],"ports":[{"port":6443,"protocol":"TCP"}]}}]'
        ```

        - Proof: 847 of 847 denied packets would be allowed
        - egress\\[2\\] admits them
        - Newly allowed: production/api-server → kube-apiserver on 6443/TCP
        - Owned by Argo CD application prod, which would undo a change made here: mend it at its source.

        **Undo:**

        ```sh
        kubectl patch networkpolicy strict-egress -n production --type=json -p='[{"op":"remove","path":"/spec/egress/2"}]'
        ```

        **Also found:**

        - Service shop/tax has no ready endpoint (service.no_ready_endpoints, 80%; hidden behind the root cause)
        - Connections race for one conntrack entry on lab1 (conntrack.insert_race, 20%)

        **Layers:**

        | layer | state | why |
        | --- | --- | --- |
        | pod network | pass | the pod runs and has an address |
        | service | pass | default/kubernetes has an endpoint |
        | policy | fail | strict-egress denies the connection |
        | dns | pass | names resolve |
        | conntrack | inconclusive | 3 failed inserts since boot |
        | nat | pass | Cilium translates |
        | physical | not measured | net.mtu was blind |
        | application | not measured | no sensor of this flow looks at it |

        **Could not tell:**

        - no Mtu: pmtu.json is not in the recording (mtu_mismatch, path_loss)

        **Look for yourself:**

        ```sh
        hubble observe --pod production/api-server --last 1000 --port 443
        ```

        _coverage 94% · 0.4 s · flow.k8s_network_debug · decided by rules · recorded at 2026-11-23 21:11:11 UTC (api-server-cannot-watch) · id 1f00baa5e77e_
        """  # noqa: E501 - a paragraph of Markdown is one line
    )


def test_a_name_from_the_cluster_is_no_markup_and_calls_nobody() -> None:
    evil = with_root(HEALTHY, cause="![x](https://evil.test/x.png) @here <b>")

    said = render(outline(evil))

    assert said.startswith("**Root Cause:** !\\[x\\](https:\\//evil.test/x.png) @\u200bhere \\<b\\>\n")


def test_a_command_cannot_close_its_own_fence() -> None:
    assert fence("echo '```'\n# out") == "````sh\necho '```'\n# out\n````"
