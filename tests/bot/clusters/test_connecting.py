"""Which probes are asked, and over which way, follows from options, environment and what the chart mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.clusters import connecting
from bot.clusters.connecting import settings_of
from bot.clusters.options import Live
from bot.errors import UsageMistake


@pytest.mark.parametrize(
    ("said", "environ", "namespace"),
    [
        (None, {}, "kai-probe"),
        (None, {"KAI_PROBE_NAMESPACE": "probes"}, "probes"),
        ("here", {"KAI_PROBE_NAMESPACE": "probes"}, "here"),
        (None, {"KAI_PROBE_NAMESPACE": " "}, "kai-probe"),
    ],
)
def test_the_probes_namespace_is_the_options_else_the_environments_else_the_charts(
    said: str | None, environ: dict[str, str], namespace: str
) -> None:
    assert settings_of(Live(probe_namespace=said, environ=environ)).probe_namespace == namespace


def test_a_certificate_makes_the_probes_server_the_way_and_without_one_the_program_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "PROBE_TLS", tmp_path / "none")
    by_hand = settings_of(Live(environ={}))
    monkeypatch.setattr(connecting, "PROBE_TLS", tmp_path)
    mounted = settings_of(Live(environ={}))
    named = settings_of(Live(environ={"KAI_PROBE_TLS": "/elsewhere"}))

    assert (by_hand.probe_tls, mounted.probe_tls, named.probe_tls) == (None, tmp_path, Path("/elsewhere"))


def test_the_probes_port_is_the_charts_unless_the_environment_names_another() -> None:
    assert [settings_of(Live(environ=each)).probe_port for each in ({}, {"KAI_PROBE_PORT": "9999"})] == [4246, 9999]
    for wrong in ("x", "0", "70000", "4246x"):
        with pytest.raises(UsageMistake, match="KAI_PROBE_PORT should be a port"):
            settings_of(Live(environ={"KAI_PROBE_PORT": wrong}))
