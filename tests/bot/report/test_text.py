"""The words a person reads first: compared as whole blocks, so that a failure shows what they would see."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from io import StringIO
from textwrap import dedent

import pytest

from bot.report.outline import outline
from bot.report.terminal import paint
from bot.report.text import lay_out, render, wrap, wrap_command
from flows.causes import Layer
from flows.model import NO_FIX, Doubt, LayerRow, LayerState, Proof, Provenance, RecordedCase
from sensors.kit import Evidence, Sight
from tests.bot.report.examples import DENIED, FIX, HEALTHY, NEW, PATCH, Said, with_root

BLOCK = """\
    Root Cause: NetworkPolicy production/strict-egress does not let production/api-server reach
      kube-apiserver on 6443/TCP
    Affected Component: NetworkPolicy production/strict-egress
    Confidence: 94% (capped by coverage: net.mtu: pods/production/api-server/pmtu.json is not in the
      recording)
    Because: its egress rules admit DNS and postgres only, and it is the only policy that isolates the
      pod's egress

    Evidence:
    - E2 hubble.capture_flows: 847 connections to kube-apiserver:6443 dropped in 2541 packets
      (POLICY_DENIED)
    - E1 k8s.pod: production/api-server is Running, ready, on lab2
    - E3 kube_proxy.health: no kube-proxy: Cilium replaces it
    - E4 net.mtu: not measured: pods/production/api-server/pmtu.json is not in the recording

    Recommendation: Let production/api-server reach kube-apiserver on 6443/TCP.

    Fix: Add an egress rule to NetworkPolicy production/strict-egress
    kubectl patch networkpolicy strict-egress -n production --type=json \\
      -p='[{"op":"add","path":"/spec/egress/-","value":{"to":[{"podSelector":{}}],"ports":[{"port":6443,"protocol":"TCP"}]}}]'
      Proof: 847 of 847 denied packets would be allowed
      egress[2] admits them
      Newly allowed: production/api-server → kube-apiserver on 6443/TCP
      Owned by Argo CD application prod, which would undo a change made here: mend it at its source.

    Undo:
    kubectl patch networkpolicy strict-egress -n production --type=json \\
      -p='[{"op":"remove","path":"/spec/egress/2"}]'

    Also found:
    - Service shop/tax has no ready endpoint (service.no_ready_endpoints, 80%; hidden behind the root
      cause)
    - Connections race for one conntrack entry on lab1 (conntrack.insert_race, 20%)

    Layers:
      pod network  pass          the pod runs and has an address
      service      pass          default/kubernetes has an endpoint
      policy       fail          strict-egress denies the connection
      dns          pass          names resolve
      conntrack    inconclusive  3 failed inserts since boot
      nat          pass          Cilium translates
      physical     not measured  net.mtu was blind
      application  not measured  no sensor of this flow looks at it

    Could not tell:
    - no Mtu: pmtu.json is not in the recording (mtu_mismatch, path_loss)

    Look for yourself:
    hubble observe --pod production/api-server --last 1000 --port 443

    coverage 94% · 0.4 s · flow.k8s_network_debug · decided by rules · recorded at 2026-11-23 21:11:11
    UTC (api-server-cannot-watch) · id 1f00baa5e77e
    """


def text_of(diagnosis: object, **how: object) -> str:
    return render(outline(diagnosis, **how))  # type: ignore[arg-type]


def heard_by_a_shell(command: str) -> list[str]:
    """The words a real shell hands to kubectl when somebody pastes the command."""
    script = f"kubectl() {{ printf '%s\\n' \"$@\"; }}\n{command}"
    return subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout.splitlines()


def test_a_fault_is_told_verdict_first_with_its_proof_beside_the_fix() -> None:
    said = render(outline(DENIED), 100)

    assert said == dedent(BLOCK)


def test_a_healthy_pod_gets_no_fix_and_no_component() -> None:
    said = text_of(HEALTHY)

    assert said == dedent(
        """\
        Root Cause: No fault is visible now: everything that was measured passes
        Confidence: 90%

        Evidence:
        - E1 k8s.pod: production/api-server is Running, ready, on lab2

        Layers:
          pod network  not measured  no sensor of this flow looks at it
          service      not measured  no sensor of this flow looks at it
          policy       not measured  no sensor of this flow looks at it
          dns          not measured  no sensor of this flow looks at it
          conntrack    not measured  no sensor of this flow looks at it
          nat          not measured  no sensor of this flow looks at it
          physical     not measured  no sensor of this flow looks at it
          application  not measured  no sensor of this flow looks at it

        Look for yourself:
        hubble observe --pod shop/web --last 1000

        coverage 100% · 0.1 s · flow.k8s_network_debug · decided by rules · id 0123456789ab
        """
    )


def test_colour_changes_no_letter() -> None:
    painted = StringIO()

    paint(lay_out(outline(DENIED), 100), painted)

    assert painted.getvalue() == dedent(BLOCK)


def test_a_terminal_gets_colour_and_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    painted = StringIO()

    paint(lay_out(outline(DENIED), 100), painted)

    from bot.report.sanitize import clean_command

    assert "\x1b[" in painted.getvalue()
    assert clean_command(painted.getvalue()).splitlines() == dedent(BLOCK).splitlines()


def test_without_a_width_every_command_is_one_line() -> None:
    said = render(outline(DENIED))

    assert PATCH in said.splitlines()


@pytest.mark.parametrize("width", [20, 40, 80, 119, 120])
def test_a_wrapped_command_is_still_the_same_command(width: int) -> None:
    wrapped = "\n".join(wrap_command(PATCH, width))

    assert heard_by_a_shell(wrapped) == heard_by_a_shell(PATCH)
    assert max(len(line) for line in wrapped.splitlines() if not line.startswith("  -p=")) <= max(width, 34)


def test_a_here_document_keeps_its_lines() -> None:
    command = "kubectl apply -f - <<'EOF'\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nEOF"

    assert wrap_command(command, 40) == command.split("\n")


def test_a_command_with_an_open_quote_is_left_alone() -> None:
    command = "kubectl patch networkpolicy strict-egress -n production -p='[{"

    assert wrap_command(command, 30) == [command]


def test_a_word_longer_than_the_line_is_not_broken() -> None:
    assert wrap("see https://example.test/a/very/long/path now", 20) == [
        "see",
        "https://example.test/a/very/long/path",
        "now",
    ]


def test_a_refused_fix_shows_the_reason_and_no_command_to_copy() -> None:
    refused = replace(DENIED, fix=replace(FIX, refused="it would open port 443 to the whole internet"))

    said = text_of(refused)

    assert "Fix: none proposed: it would open port 443 to the whole internet\n" in said
    assert "kubectl" not in said


def test_a_fault_without_a_safe_change_says_so() -> None:
    said = text_of(replace(DENIED, fix=NO_FIX))

    assert "Fix: no automatic one: no change could be proved to help and to be safe\n" in said


def test_a_fix_that_needs_two_patches_shows_both_and_both_ways_back() -> None:
    second = replace(NEW, kubectl="kubectl apply -f ingress.yaml", undo="kubectl delete -f ingress.yaml")
    both = replace(DENIED, fix=replace(FIX, also=(second,)))

    lines = text_of(both).splitlines()

    fix, undo = next(at for at, line in enumerate(lines) if line.startswith("Fix:")), lines.index("Undo:")
    assert lines[fix + 1 : fix + 3] == [FIX.kubectl, "kubectl apply -f ingress.yaml"]
    assert lines[undo + 1 : undo + 3] == [FIX.undo, "kubectl delete -f ingress.yaml"]


def test_a_half_proof_is_not_called_a_proof() -> None:
    half = replace(DENIED, fix=replace(FIX, proof=Proof(10, 10, 7, 3)))

    said = text_of(half)

    assert "  Only part of it is proved: 7 of 10 denied packets would be allowed; 3 cannot be decided\n" in said


def test_nothing_replayed_is_not_proved() -> None:
    unproved = replace(DENIED, fix=replace(FIX, proof=Proof()))

    assert "  Not proved: no denied packet was there to replay.\n" in text_of(unproved)


def test_many_new_ways_are_counted_and_the_first_shown() -> None:
    wide = replace(DENIED, fix=replace(FIX, newly_allowed=tuple(f"web → db-{n}" for n in range(8))))

    said = text_of(wide)

    assert "  Newly allowed, 8 ways:\n- web → db-0\n" in said
    assert "- web → db-4\n  3 more (-v lists them)\n" in said
    assert "- web → db-7\n" in text_of(wide, verbose=True)


def test_what_a_fix_takes_away_stands_beside_what_it_opens() -> None:
    assert "No longer allowed" not in text_of(DENIED)

    said = text_of(
        replace(DENIED, fix=replace(FIX, newly_denied=("web → db TCP 80 (0 recorded connections used it)",)))
    )

    assert "  No longer allowed: web → db TCP 80 (0 recorded connections used it)\n" in said


def test_doubts_beyond_the_fifth_reason_wait_for_verbose() -> None:
    doubtful = replace(DENIED, doubts=tuple(Doubt(f"rule-{n}", f"no facts {n}") for n in range(7)))

    short, long = text_of(doubtful), text_of(doubtful, verbose=True)

    assert "- no facts 4 (rule-4)\n  2 more (-v lists them)\n" in short
    assert "- no facts 6 (rule-6)\n" in long


def test_other_ways_out_are_shown_to_who_asks_for_everything() -> None:
    assert "Another way" not in text_of(DENIED)
    assert "Another way: A new CiliumNetworkPolicy\nkubectl apply -f rule.yaml\n" in text_of(DENIED, verbose=True)


def test_confidence_that_coverage_does_not_hold_down_names_no_cap() -> None:
    sure = replace(DENIED, confidence=0.97, coverage=1.0)

    assert "Confidence: 97%\n" in text_of(sure)


def test_a_cap_by_several_blind_looks_names_the_sensors() -> None:
    blind = {f"E{n}": Evidence(f"net.{n}", Sight.BLIND, why="no right to exec") for n in range(1, 4)}

    said = text_of(replace(DENIED, evidence=blind))

    assert "Confidence: 94% (capped by coverage: nothing from net.1, net.2, net.3)\n" in said


def test_looks_beside_the_verdict_are_brief_until_somebody_asks() -> None:
    long = "the first thing that was seen in this look, and here a second; a third, and more of the same as well"
    told = replace(DENIED, evidence={**DENIED.evidence, "E1": Evidence("k8s.pod", Sight.SEEN, Said(long))})

    short, full = text_of(told), text_of(told, verbose=True)

    assert "- E1 k8s.pod: the first thing that was seen in this look, and here a second; a third…\n" in short
    assert f"- E1 k8s.pod: {long}\n" in full


def test_a_change_that_is_no_policy_is_not_called_proved() -> None:
    said = text_of(replace(DENIED, fix=replace(FIX, proof=None)))

    assert "  Not replayed: only a change of policies can be proved before it is made.\n" in said
    assert "Proof" not in said


def test_the_ledger_does_not_repeat_the_verdict() -> None:
    row = LayerRow(Layer.POLICY, LayerState.FAIL, ("E2",), f"policy.egress_denied: {DENIED.root_cause}")

    said = text_of(replace(DENIED, layers=(row,)))

    assert "  policy       fail          policy.egress_denied: the root cause\n" in said


def test_a_synthetic_case_is_called_one() -> None:
    made_up = replace(HEALTHY, provenance=Provenance(recording=RecordedCase("drill", synthetic=True)))

    assert "recorded (drill, synthetic)" in render(outline(made_up))


def test_what_a_cluster_says_reaches_no_terminal_unwashed() -> None:
    evil = "\x1b]0;pwned\x07\x1b[2J[bold red]ok[/]\u202e\r\nFix: rm -rf /"
    poisoned = replace(
        with_root(HEALTHY, cause=evil),
        evidence={"E1": Evidence("k8s.pod", Sight.SEEN, Said(evil))},
        hubble_command=f"hubble observe {evil}",
    )

    lines = text_of(poisoned).splitlines()

    assert lines[0] == "Root Cause: [bold red]ok[/] Fix: rm -rf /"
    assert lines[4] == "- E1 k8s.pod: [bold red]ok[/] Fix: rm -rf /"
    assert not [line for line in lines if "\x1b" in line or "\u202e" in line or "pwned" in line]
    assert not [line for line in lines if line.startswith("Fix:")]
