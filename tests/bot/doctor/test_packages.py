"""KAI's import names are common words: another distribution that installs the same ones is noticed."""

from __future__ import annotations

import logging
from importlib.metadata import Distribution, packages_distributions
from pathlib import Path

import pytest

from bot.doctor.check import CheckState
from bot.doctor.packages import IMPORT_NAMES, installed_names, installed_owners, packages, warn_of_strangers


def test_alone_in_its_environment_all_is_well() -> None:
    assert packages({"bot": ["kai-netdebug"], "flows": ["kai-netdebug"], "click": ["click"]}).state is CheckState.OK


def test_an_editable_install_without_a_list_of_files_is_accepted() -> None:
    assert packages({}).state is CheckState.OK


def test_another_owner_of_a_name_is_named_with_what_to_do() -> None:
    check = packages({"bot": ["kai-netdebug", "discord-helper"], "sensors": ["pysensors"]})

    assert check.state is CheckState.MISSING
    assert check.found == "bot is also installed by discord-helper; sensors is also installed by pysensors"
    assert check.mend == "pipx install kai-netdebug"


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ({"RECORD": "bot/__init__.py,,\nbot/app.py,,\nlab_kit-1.dist-info/METADATA,,\n"}, {"bot"}),
        ({"RECORD": "flows.py,,\nlab.cpython-311-x86_64-linux-gnu.so,,\n"}, {"flows", "lab"}),
        ({"RECORD": "bots/__init__.py,,\nlab_kit/bot/__init__.py,,\n../../bin/bot,,\n"}, set()),
        ({"top_level.txt": "sensors\nyaml\n", "RECORD": "bot/__init__.py,,\n"}, {"sensors"}),
        ({}, set()),
    ],
)
def test_names_are_those_a_distribution_declares_or_else_those_of_its_files(tmp_path: Path, files, names) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    assert installed_names(Distribution.at(tmp_path)) == names


def test_owners_are_those_that_python_itself_finds() -> None:
    everything = packages_distributions()

    assert installed_owners() == {each: everything[each] for each in IMPORT_NAMES if each in everything}


def test_this_environment_is_ours_alone() -> None:
    assert packages().state is CheckState.OK


async def test_a_start_warns_once_of_a_foreign_package_and_not_without_one(caplog) -> None:
    log = logging.getLogger("kai.start")

    await warn_of_strangers(log, lambda: packages({"bot": ["kai-netdebug"]}))
    assert caplog.messages == []

    await warn_of_strangers(log, lambda: packages({"bot": ["discord-helper"], "lab": ["lab-kit"]}))
    assert caplog.messages == [
        "bot is also installed by discord-helper; lab is also installed by lab-kit: KAI may run modules of another "
        "project; give it an environment of its own (pipx install kai-netdebug)"
    ]
