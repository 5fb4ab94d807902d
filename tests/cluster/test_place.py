from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sensors.access.kube import BadKubeconfig, connect, find_place
from sensors.kit.model import Blind
from tests.cluster.standin import SECRET, kubeconfig, stand_in

NOWHERE = "http://127.0.0.1:1"


def several(folder: Path, *names: str, current: str = "") -> Path:
    """A kubeconfig with these contexts."""
    content = {
        "current-context": current,
        "clusters": [{"name": each, "cluster": {"server": f"http://{each}"}} for each in names],
        "users": [{"name": "u", "user": {"token": SECRET}}],
        "contexts": [{"name": each, "context": {"cluster": each, "user": "u", "namespace": each}} for each in names],
    }
    path = folder / "-".join(names or ("empty",))
    path.write_text(yaml.safe_dump(content))
    return path


async def refusal(*args: Any, environ: dict[str, str] | None = None, **settings: Any) -> str:
    with pytest.raises(BadKubeconfig) as caught:
        await find_place(*args, environ=environ or {}, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- which kubeconfig --------------------------------------------------------------------------------------------------


async def test_the_named_kubeconfig_wins_over_the_environment_and_the_home_directory(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    several(tmp_path, "home", current="home").rename(tmp_path / ".kube" / "config")
    environ = {"HOME": str(tmp_path)}
    by_variable = {**environ, "KUBECONFIG": str(several(tmp_path, "env", current="env"))}
    named = several(tmp_path, "named", current="named")

    places = [
        await find_place(environ=environ),
        await find_place(environ=by_variable),
        await find_place(named, environ=by_variable),
    ]

    assert [(each.name, each.server, each.namespace) for each in places] == [
        ("context home", "http://home", "home"),
        ("context env", "http://env", "env"),
        ("context named", "http://named", "named"),
    ]


async def test_several_kubeconfigs_in_the_environment_are_merged(tmp_path: Path) -> None:
    first, second = several(tmp_path, "one", current="one"), several(tmp_path, "two")
    environ = {"KUBECONFIG": os.pathsep.join(map(str, (first, tmp_path / "missing", second)))}

    place = await find_place(context="two", environ=environ)

    assert place.server == "http://two"


async def test_no_kubeconfig_and_no_pod_says_what_to_do() -> None:
    assert await refusal(environ={"HOME": "/nonexistent"}) == (
        "no way to a cluster: /nonexistent/.kube/config does not exist, and this is no pod; name one with --kubeconfig"
    )


async def test_a_home_directory_of_another_user_holds_no_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", forbidden)  # root, who runs the tests in CI, may read every directory

    assert "no way to a cluster" in await refusal(environ={"HOME": "/var/lib/kai"})


async def test_a_kubeconfig_that_a_person_named_must_exist() -> None:
    assert await refusal("/nonexistent/k") == "/nonexistent/k: no such kubeconfig"


# -- which context -----------------------------------------------------------------------------------------------------


async def test_an_unknown_context_is_answered_with_the_nearest(tmp_path: Path) -> None:
    path = several(tmp_path, "prod-eu", "prod-us", "kind")

    assert await refusal(path, "prod-ue") == f"{path} has no context 'prod-ue'; did you mean 'prod-us' or 'prod-eu'?"


async def test_an_unknown_context_that_is_like_none_is_answered_with_all(tmp_path: Path) -> None:
    path = several(tmp_path, "kind", "prod")

    assert await refusal(path, "zzz") == f"{path} has no context 'zzz'; it has kind, prod"


async def test_without_a_current_context_one_must_be_named(tmp_path: Path) -> None:
    path = several(tmp_path, "kind", "prod")

    assert await refusal(path) == f"{path} has no current context; name one with --context: kind, prod"


async def test_a_file_of_other_words_is_said_to_be_no_kubeconfig(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_text("garbage\n")

    assert await refusal(path) == f"{path} cannot be used: it is not a kubeconfig, or a part of it is missing"


@pytest.mark.parametrize("content", ["", "[]", "a: [", "\x00", "contexts: 7\ncurrent-context: x", "contexts: [{}]"])
async def test_a_file_that_is_no_kubeconfig_is_one_line_and_no_crash(content: str, tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_text(content)

    assert (await refusal(path)).startswith(str(path))


@pytest.mark.parametrize(
    "broken",
    [
        {"clusters": []},
        {"users": []},
        {"clusters": [{"name": "c", "cluster": {"server": "https://x", "certificate-authority": "/nonexistent"}}]},
        {"users": [{"name": "u", "user": {"client-certificate": "/nonexistent"}}]},
        {"contexts": [{"name": "test", "context": None}]},
    ],
)
async def test_a_kubeconfig_with_a_missing_part_is_one_line_and_no_crash(broken: Any, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "https://x")
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **broken}))

    assert (await refusal(path)).startswith(f"{path} cannot be used: ")


async def test_certificates_that_are_none_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("not a certificate")

    with pytest.raises(BadKubeconfig, match=r"^context test: its certificates cannot be used: "):
        async with connect(kubeconfig(tmp_path, "https://x", **{"certificate-authority": str(tmp_path / "ca")})):
            pass


# -- credentials -------------------------------------------------------------------------------------------------------


def plugin(folder: Path, script: str) -> dict[str, Any]:
    """A user whose credentials come from a program."""
    program = folder / "plugin"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "env": [], "args": []}}


GIVES = 'echo \'{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}\''


async def test_a_credential_plugin_is_run(tmp_path: Path) -> None:
    user = plugin(tmp_path, GIVES % "from-plugin")

    async with stand_in({}) as server, connect(kubeconfig(tmp_path, server.url, user=user), environ={}):
        pass

    assert server.tokens == {"Bearer from-plugin"}


async def test_a_credential_plugin_that_fails_is_told_once_and_in_its_own_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = kubeconfig(tmp_path, NOWHERE, user=plugin(tmp_path, "echo 'session expired: run aws sso login' >&2; exit 1"))

    with pytest.raises(Blind, match=r"the credential plugin gave no credentials: .*session expired: run aws sso login"):
        await find_place(path)
    assert caplog.records == []


async def test_a_credential_plugin_that_does_not_exist_is_told(tmp_path: Path) -> None:
    user = plugin(tmp_path, "")
    user["exec"]["command"] = "/nonexistent/aws"

    with pytest.raises(Blind, match="the credential plugin gave no credentials"):
        await find_place(kubeconfig(tmp_path, NOWHERE, user=user))


async def test_a_place_does_not_show_its_credentials(tmp_path: Path) -> None:
    assert SECRET not in repr(await find_place(kubeconfig(tmp_path, NOWHERE)))


# -- in a pod ----------------------------------------------------------------------------------------------------------


def service_account(folder: Path) -> Path:
    (folder / "token").write_text(SECRET)
    (folder / "namespace").write_text("kai\n")
    (folder / "ca.crt").write_text("later")
    return folder


IN_POD = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}


async def test_a_pod_uses_its_service_account_where_there_is_no_kubeconfig(tmp_path: Path) -> None:
    place = await find_place(environ=IN_POD, service_account=service_account(tmp_path))

    assert (place.name, place.server, place.namespace) == ("the pod's ServiceAccount", "https://[fd00::1]:443", "kai")


async def test_a_kubeconfig_in_a_pod_wins_unless_the_pods_own_account_is_asked_for(tmp_path: Path) -> None:
    environ = {**IN_POD, "KUBECONFIG": str(several(tmp_path, "kind", current="kind"))}
    account = service_account(tmp_path)

    found = await find_place(environ=environ, service_account=account)
    insisted = await find_place(environ=environ, service_account=account, in_cluster=True)

    assert (found.name, insisted.name) == ("context kind", "the pod's ServiceAccount")


async def test_a_pod_without_a_token_says_where_it_looked(tmp_path: Path) -> None:
    said = await refusal(environ=IN_POD, service_account=tmp_path)

    assert said == f"the pod's ServiceAccount cannot be used ({tmp_path}): Service token file does not exist."


async def test_a_token_that_the_kubelet_replaces_is_read_again(tmp_path: Path) -> None:
    place = await find_place(environ=IN_POD, service_account=service_account(tmp_path))

    before = await place.configuration.get_api_key_with_prefix("BearerToken")
    (tmp_path / "token").write_text("the-next-one")
    _a_minute_later(place)
    after = await place.configuration.get_api_key_with_prefix("BearerToken")

    assert (before, after) == (f"bearer {SECRET}", "bearer the-next-one")


def _a_minute_later(place: Any) -> None:
    """The client rereads the file when its own note of the time says so; the note is moved instead of the clock."""
    (loader,) = (
        cell.cell_contents
        for cell in place.configuration.refresh_api_key_hook.__closure__
        if hasattr(cell.cell_contents, "token_expires_at")
    )
    loader.token_expires_at = loader.token_expires_at.replace(year=2000)


# -- cost --------------------------------------------------------------------------------------------------------------


def test_importing_the_package_does_not_load_the_client() -> None:
    code = "import sys, sensors.access.kube; print([each for each in ('kubernetes', 'aiohttp') if each in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
