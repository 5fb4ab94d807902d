"""What a terminal shows unless somebody asks for all: short, the cause first, and nothing said twice."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bot.report.short_answer import short_answer
from bot.report.short_report import headline, short_report, verdict_line
from bot.report.text import lay_out, render
from flows.model import AlsoAffected, Diagnosis
from tests.bot.report.examples import DENIED, FIX, HEALTHY
from tests.kit.cases import names
from tests.kit.diagnoses import diagnosis_of

MOST_LINES, COLUMNS, NARROW = 26, 100, 50


def on_a_terminal(it: Diagnosis, width: int = COLUMNS) -> str:
    """The report as a terminal shows it: the headline once more at its end."""
    return render((*short_report(it, remembered=True), headline(it)), width)


@pytest.mark.parametrize("name", names())
def test_a_report_fits_half_a_screen_and_says_no_sentence_twice(name: str):
    said = on_a_terminal(diagnosis_of(name))
    report = render(short_report(diagnosis_of(name)))
    sentences = [each for each in re.split(r"(?<=[.;]) |\n|: ", report) if len(each) > 25 and "kubectl" not in each]

    assert said.count("\n") <= MOST_LINES
    assert len(sentences) == len(set(sentences))


@pytest.mark.parametrize("name", names())
def test_the_first_line_is_the_last_on_a_terminal_and_holds_the_verdict(name: str):
    lines = on_a_terminal(diagnosis_of(name), 200).splitlines()

    assert lines[0] == lines[-1]
    assert re.match(r"[✖!?✔] \S+/\S+", lines[0])


def test_layers_that_pass_are_counted_and_only_the_others_are_listed():
    said = render(short_report(DENIED))

    assert "  4 layers pass (pod network, service, dns, nat); details with -v\n" in said
    assert "  policy       fail          strict-egress denies the connection\n" in said
    assert "  Not measured by: net.mtu\n" in said
    assert "hubble.capture_flows" not in said


def test_a_long_command_is_shown_on_request_where_its_id_leads_to_it():
    it = replace(DENIED, fix=replace(FIX, kubectl="kubectl apply -f - <<'EOF'\n" + "a: b\n" * 20 + "EOF"))

    assert f"kai show {it.investigation_id} --fix prints it." in render(short_report(it, remembered=True))
    assert "-v prints it." in render(short_report(it))
    assert "<<'EOF'" not in render(short_report(it))


def test_an_id_that_leads_nowhere_is_not_printed():
    assert DENIED.investigation_id in render(short_report(DENIED, remembered=True))
    assert DENIED.investigation_id not in render(short_report(DENIED))


def test_in_a_narrow_terminal_the_table_stacks():
    said = render(short_report(DENIED), NARROW)
    prose = [line for line in said.splitlines() if "kubectl" not in line and "-p=" not in line]

    assert "  policy: fail\n    strict-egress denies the connection\n" in said
    assert max(map(len, prose)) <= NARROW


def test_a_healthy_pod_needs_few_lines():
    assert render(short_report(HEALTHY)).splitlines()[:2] == [
        "✔ shop/web: no fault found (90% sure)",
        "Root Cause: No fault is visible now: everything that was measured passes.",
    ]


def test_the_verdict_line_is_one_line_whatever_a_cluster_says():
    assert verdict_line(DENIED).startswith(
        "✖ production/api-server → 10.96.0.1:443: blocked (94% sure): NetworkPolicy "
    )
    assert "\n" not in verdict_line(DENIED)


def test_the_headline_has_the_tone_of_the_verdict():
    first = next(lay_out(short_report(DENIED), COLUMNS))

    assert [span.style for span in first] == ["bad"]


def test_other_pods_that_the_same_policy_cuts_off_are_one_line_in_a_terminal_and_one_sentence_in_slack():
    also = AlsoAffected(("shop/cart-1", "shop/cart-2", "shop/web-1"), ("shop/cart", "shop/web"), 142)
    it = replace(DENIED, also_affected=also)

    assert "Also affected: 3 pods of 2 workloads by the same policy (142 packets dropped)\n" in render(short_report(it))
    assert "Also affected: 3 pods of 2 workloads by the same policy (142 packets dropped)." in short_answer(it).began


def test_where_no_other_pod_is_affected_or_nobody_measured_it_nothing_is_said():
    for also in (None, AlsoAffected()):
        assert "Also affected" not in render(short_report(replace(DENIED, also_affected=also)))
        assert "Also affected" not in short_answer(replace(DENIED, also_affected=also)).began


def test_the_last_line_names_the_cluster_where_somebody_named_it():
    named = replace(DENIED, provenance=replace(DENIED.provenance, name="prod-eu"))

    assert " · cluster prod-eu" in render(short_report(named)).splitlines()[-1]
    assert "cluster" not in render(short_report(DENIED)).splitlines()[-1]
