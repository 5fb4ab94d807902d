"""The docs are a whole: what the code knows is on a page, every page is in the menu, every link leads somewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from bot.cli import kai
from flows.catalog import rules
from flows.causes import CAUSES
from release import reference, site
from sensors.kit.catalog import sensors

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return site.gathered()


def test_every_cause_rule_sensor_and_command_has_its_place(pages: dict[str, str]) -> None:
    heading = "`{}` {{ #".format

    assert [each for each in CAUSES if heading(each) not in pages["reference/causes.md"]] == []
    assert [each for each in rules() if heading(each) not in pages["reference/rules.md"]] == []
    assert [each for each in sensors() if heading(each) not in pages["reference/sensors.md"]] == []
    assert [each for each in kai.commands if f"## kai {each} {{" not in pages["reference/commands.md"]] == []


def test_a_cause_says_what_its_rule_s_file_says(pages: dict[str, str]) -> None:
    first, _ = reference.document(rules()["conntrack-full"].judge)
    part = pages["reference/causes.md"].partition("### `conntrack.full`")[2].partition("###")[0]

    assert first in part
    assert "Proof: entries at 95 % of the limit" in part


def test_every_cause_is_found_by_a_symptom_and_no_symptom_names_another(pages: dict[str, str]) -> None:
    page = (ROOT / "docs/symptoms.md").read_text("utf-8")
    areas = {each.partition(".")[0] for each in CAUSES}
    named = {each for each in re.findall(r"`([a-z]+\.[a-z0-9_]+)`", page) if each.partition(".")[0] in areas}

    assert named - set(CAUSES) == set()
    assert set(CAUSES) - named == {"inconclusive"}


def test_every_page_is_in_the_menu_once(pages: dict[str, str]) -> None:
    menu = tomllib.loads(site.CONFIG.read_text("utf-8"))["project"]["nav"]

    assert list(site.wrong_in_menu(menu, set(pages))) == []


def test_a_menu_that_is_not_the_pages_is_refused() -> None:
    menu = [{"A": "a.md"}, {"More": [{"Gone": "gone.md"}, {"Again": "a.md"}]}]

    assert list(site.wrong_in_menu(menu, {"a.md", "b.md"})) == [
        "the menu names gone.md, which is not there",
        "the menu names a.md twice",
        "no menu names b.md",
    ]


def test_links_lead_to_where_things_are_on_the_site(pages: dict[str, str]) -> None:
    assert "](changelog.md)" not in pages["alerts.md"]
    assert f"]({site.SOURCE}bot/alerts/gate.yaml)" in pages["alerts.md"]
    assert "](probe.md)" in pages["security.md"]
    assert "](decisions/index.md)" in pages["contributing.md"]
    assert "[`policy.wrong_port`](reference/causes.md#policy-wrong_port)" in pages["symptoms.md"]


def test_code_is_left_as_it_is() -> None:
    text = "```sh\nkai show `net.mtu` [a](docs/live.md)\n```\n`net.mtu`\n"

    turned = site._turned("docs/live.md", text, {"net.mtu": "reference/sensors.md#net-mtu"})

    assert turned == text.replace("\n`net.mtu`", "\n[`net.mtu`](reference/sensors.md#net-mtu)")


def test_a_link_to_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(site.NotWhole, match=r"links to bot/gone\.py"):
        site._turned("docs/live.md", "[x](../bot/gone.py)", {})


def test_what_leads_nowhere_on_the_built_site_is_found(tmp_path: Path) -> None:
    good = '<a href="b.html#there">b</a><a href="https://example.com">x</a><img src="p.png">'
    bad = '<p id="there"></p><a href="gone.html">1</a><a href="a.html#no">2</a><script src="https://cdn.example/x.js">'
    (tmp_path / "p.png").write_bytes(b"")
    (tmp_path / "a.html").write_text(good, "utf-8")
    (tmp_path / "b.html").write_text(bad, "utf-8")

    assert list(site.wrong_in_site(tmp_path)) == [
        "b.html leads to gone.html, which is not there",
        "b.html leads to a.html#no, which is not there",
        "b.html loads https://cdn.example/x.js",
    ]
