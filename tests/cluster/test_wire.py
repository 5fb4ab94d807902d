from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sensors.access.kube import connect
from sensors.access.kube.lists import Lists
from sensors.kit.kinds import CALICO_NETWORK_POLICY, CILIUM_CIDR_GROUP, CILIUM_NETWORK_POLICY, NODE, POD, Kind
from sensors.kit.model import Absent, Blind, TooMany
from tests.cluster.processes import free_port
from tests.cluster.standin import SECRET, Pauses, Reply, hang_up, kube_at, kubeconfig, page, says, stand_in, status

PODS = "/api/v1/pods"
A, B, C = ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": each}} for each in "abc")


async def listed(
    folder: Path, *replies: Reply, kind: Kind = POD, pauses: Pauses | None = None, **other: list[Reply]
) -> Any:
    """What a list brings from a server that answers with `replies`, and the requests that it took."""
    async with stand_in({PODS: list(replies), **other}) as server, kube_at(server, folder, pauses) as kube:
        return await kube.list(kind), server.asked


async def blindness(folder: Path, *replies: Reply, kind: Kind = POD, pauses: Pauses | None = None, **other: Any) -> str:
    with pytest.raises(Blind) as caught:
        await listed(folder, *replies, kind=kind, pauses=pauses, **other)
    return str(caught.value)


# -- pages -------------------------------------------------------------------------------------------------------------


async def test_all_pages_make_one_list_with_kind_and_api_version_filled_in(tmp_path: Path) -> None:
    found, asked = await listed(tmp_path, page("a", "b", more="x/+=y"), page("c"))

    assert found == (A, B, C)
    assert asked == [f"{PODS}?limit=500", f"{PODS}?limit=500&continue=x/%2B%3Dy"]


async def test_a_list_that_the_server_has_forgotten_starts_again_from_the_beginning(tmp_path: Path) -> None:
    found, asked = await listed(tmp_path, page("a", more="t"), status(410, "too old"), page("b", more="u"), page("c"))

    assert found == (B, C)
    assert [each.partition("continue=")[2] for each in asked] == ["", "t", "", "u"]


async def test_a_list_forgotten_twice_is_blindness_and_never_half_a_list(tmp_path: Path) -> None:
    said = await blindness(tmp_path, page("a", more="t"), status(410), page("a", more="t"), status(410, "too old"))

    assert said == "pods in all namespaces could not be listed: the API server answered 410 (too old)"


@pytest.mark.parametrize("junk", ["<html>proxy error</html>", "[]", '{"items": 7}', "", '"pods"'])
async def test_what_is_not_a_list_is_not_an_empty_list(junk: str, tmp_path: Path) -> None:
    assert (await blindness(tmp_path, says(junk))).startswith("the list of pods is not a list")


async def test_items_that_are_no_objects_are_passed_over(tmp_path: Path) -> None:
    found, _ = await listed(tmp_path, says({"items": [None, 3, {"metadata": {"name": "a"}}]}))

    assert found == (A,)


async def test_a_null_list_of_items_is_an_empty_one_as_go_writes_it(tmp_path: Path) -> None:
    found, _ = await listed(tmp_path, says({"items": None}))

    assert found == ()


# -- one retry ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "waited"),
    [
        (status(429, Retry_After="1"), 1.0),
        (status(429, Retry_After="600"), 2.0),
        (status(429, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"), 0.2),
        (status(500), 0.2),
        (status(503), 0.2),
    ],
)
async def test_a_passing_trouble_is_asked_once_more(refusal: Reply, waited: float, tmp_path: Path) -> None:
    pauses = Pauses()

    found, asked = await listed(tmp_path, refusal, page("a"), pauses=pauses)

    assert (found, len(asked), pauses.seconds) == ((A,), 2, [waited])


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (
            status(429, "slow down"),
            "pods in all namespaces could not be listed: the API server answered 429 (slow down)",
        ),
        (status(503), "pods in all namespaces could not be listed: the API server answered 503"),
        (says("<h1>bad", 502), "pods in all namespaces could not be listed: the API server answered 502 (<h1>bad)"),
    ],
)
async def test_a_lasting_trouble_is_blindness_after_two_requests(trouble: Reply, said: str, tmp_path: Path) -> None:
    pauses = Pauses()

    assert await blindness(tmp_path, trouble, pauses=pauses) == said
    assert pauses.seconds == [0.2]


async def test_a_broken_connection_is_asked_once_more(tmp_path: Path) -> None:
    pauses = Pauses()

    # the first break is healed by the HTTP client itself: an old connection may have been closed meanwhile
    found, asked = await listed(tmp_path, hang_up, hang_up, page("a"), pauses=pauses)

    assert (found, len(asked), pauses.seconds) == ((A,), 3, [0.2])


async def test_a_server_that_breaks_off_for_good_is_named(tmp_path: Path) -> None:
    said = await blindness(tmp_path, hang_up)

    assert said.startswith("the API server http://127.0.0.1:")
    assert said.endswith(" cannot be reached: it broke the connection off")


async def test_a_refusal_of_rights_is_not_asked_again(tmp_path: Path) -> None:
    pauses = Pauses()

    await blindness(tmp_path, status(403), pauses=pauses)

    assert pauses.seconds == []


# -- bounds ------------------------------------------------------------------------------------------------------------


async def never(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_silent_server_costs_its_time_and_no_more(tmp_path: Path) -> None:
    async with stand_in({PODS: [never]}) as server, kube_at(server, tmp_path) as kube:
        with pytest.raises(Blind, match=r"gave no answer within 0\.1 s"):
            await kube.wire.ask(PODS, within=0.1)


async def test_a_list_without_an_end_costs_its_time_and_no_more(tmp_path: Path) -> None:
    async with stand_in({PODS: [page("a", more="t")]}) as server, kube_at(server, tmp_path) as kube:
        with pytest.raises(Blind, match=r"^pods were not listed within 0\.3 s$"):
            await Lists(kube.wire, within=0.3).of(POD)


async def test_a_list_with_too_many_objects_is_refused_and_not_cut(tmp_path: Path) -> None:
    async with stand_in({PODS: [page("a", "b", more="t")]}) as server, kube_at(server, tmp_path) as kube:
        with pytest.raises(Blind, match=r"^pods in all namespaces: more than 4, too many to read$"):
            await Lists(kube.wire, most=3).of(POD)


def first_of(*names: str, rest: int) -> Reply:
    """The first page of pods, with the number of those behind it, as an API server writes it."""
    items = [{"metadata": {"name": each}} for each in names]
    return says({"metadata": {"continue": "t", "remainingItemCount": rest}, "items": items})


async def test_a_list_that_will_be_too_long_costs_one_page(tmp_path: Path) -> None:
    async with stand_in({PODS: [first_of("a", "b", rest=149_998)]}) as server, kube_at(server, tmp_path) as kube:
        with pytest.raises(TooMany, match=r"^pods in all namespaces: 150,000, too many to read$"):
            await Lists(kube.wire).of(POD)

    assert server.asked == [f"{PODS}?limit=500"]


async def test_a_long_list_that_can_be_read_is_read_to_its_end(tmp_path: Path) -> None:
    replies = {PODS: [first_of("a", "b", rest=1), page("c")]}
    async with stand_in(replies) as server, kube_at(server, tmp_path) as kube:
        found = await Lists(kube.wire, most=3).of(POD)

    assert [each["metadata"]["name"] for each in found] == ["a", "b", "c"]


async def test_an_answer_that_is_too_large_is_refused_and_not_cut(tmp_path: Path) -> None:
    async with stand_in({PODS: [says("x" * 2_000_000)]}) as server, kube_at(server, tmp_path) as kube:
        with pytest.raises(Blind, match="larger than 1 MiB"):
            await kube.wire.ask(PODS, limit=1024 * 1024)


async def test_a_read_can_be_cancelled(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def begin(request: web.Request) -> web.StreamResponse:
        begun.set()
        return await never(request)

    async with stand_in({PODS: [begin]}) as server, kube_at(server, tmp_path) as kube:
        reading = asyncio.create_task(kube.list(POD))
        await begun.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading


# -- not installed, not for us, served elsewhere -----------------------------------------------------------------------

CILIUM_V2 = "/apis/cilium.io/v2"
ONLY_ALPHA = {
    "/apis/cilium.io": [says({"versions": [{"groupVersion": "cilium.io/v2alpha1"}, {"groupVersion": "cilium.io/v2"}]})],
    CILIUM_V2: [says({"resources": [{"name": "ciliumnetworkpolicies"}]})],
    "/apis/cilium.io/v2alpha1": [says({"resources": [{"name": "ciliumcidrgroups"}]})],
}


@pytest.mark.parametrize("code", [403, 404])
async def test_a_kind_whose_group_nobody_serves_is_absent_whatever_the_rights(code: int, tmp_path: Path) -> None:
    path = f"{CILIUM_V2}/ciliumnetworkpolicies"

    with pytest.raises(Absent, match=r"^ciliumnetworkpolicies\.cilium\.io are not installed in this cluster$"):
        await listed(tmp_path, kind=CILIUM_NETWORK_POLICY, **{path: [status(code)]}, **{PODS: []})


async def test_a_kind_that_is_served_in_another_version_is_read_there(tmp_path: Path) -> None:
    group = {"apiVersion": "cilium.io/v2alpha1", "items": [{"metadata": {"name": "office"}}]}

    found, _ = await listed(
        tmp_path, kind=CILIUM_CIDR_GROUP, **ONLY_ALPHA, **{"/apis/cilium.io/v2alpha1/ciliumcidrgroups": [says(group)]}
    )

    assert found == ({"apiVersion": "cilium.io/v2alpha1", "kind": "CiliumCIDRGroup", "metadata": {"name": "office"}},)


async def test_a_kind_that_is_served_and_refused_is_blindness(tmp_path: Path) -> None:
    refusal = status(403, 'x is forbidden: User "system:serviceaccount:kai:kai" cannot list resource')

    said = await blindness(
        tmp_path, kind=CILIUM_NETWORK_POLICY, **ONLY_ALPHA, **{f"{CILIUM_V2}/ciliumnetworkpolicies": [refusal]}
    )

    assert said == (
        "no right to list ciliumnetworkpolicies.cilium.io in all namespaces: system:serviceaccount:kai:kai needs "
        "a ClusterRole with the verb list on ciliumnetworkpolicies.cilium.io"
    )


async def test_calico_policies_without_calicos_own_api_server_are_read_where_they_are_stored(tmp_path: Path) -> None:
    policy = {"apiVersion": "crd.projectcalico.org/v1", "items": [{"metadata": {"name": "default.web"}}]}
    store = {
        "/apis/crd.projectcalico.org": [says({"versions": [{"groupVersion": "crd.projectcalico.org/v1"}]})],
        "/apis/crd.projectcalico.org/v1": [says({"resources": [{"name": "networkpolicies"}]})],
    }

    found, _ = await listed(
        tmp_path,
        kind=CALICO_NETWORK_POLICY,
        **store,
        **{"/apis/crd.projectcalico.org/v1/networkpolicies": [says(policy)]},
    )
    refused = await blindness(
        tmp_path,
        kind=CALICO_NETWORK_POLICY,
        **store,
        **{"/apis/crd.projectcalico.org/v1/networkpolicies": [status(403)]},
    )

    assert [each["apiVersion"] for each in found] == ["crd.projectcalico.org/v1"]
    assert "no right to list networkpolicies.crd.projectcalico.org" in refused


async def test_an_answer_without_items_is_not_an_empty_list(tmp_path: Path) -> None:
    assert "is not a list" in await blindness(tmp_path, kind=NODE, **{"/api/v1/nodes": [says({"kind": "NodeList"})]})


async def test_a_server_that_does_not_say_what_it_serves_is_blindness(tmp_path: Path) -> None:
    said = await blindness(tmp_path, kind=CILIUM_NETWORK_POLICY, **{"/apis/cilium.io": [status(403)]})

    assert said == "cannot tell whether cilium.io is installed: the API server answered 403"


async def test_a_built_in_kind_is_never_absent(tmp_path: Path) -> None:
    assert "could not be listed: the API server answered 404" in await blindness(tmp_path, kind=NODE)


# -- the way there -----------------------------------------------------------------------------------------------------


async def unreachable(folder: Path, server: str, **cluster: Any) -> str:
    with pytest.raises(Blind) as caught:
        async with connect(kubeconfig(folder, server, **cluster), environ={}):
            pass
    return str(caught.value)


async def test_a_port_without_a_listener_is_named(tmp_path: Path) -> None:
    server = f"https://127.0.0.1:{free_port()}"

    said = await unreachable(tmp_path, server)

    assert said == f"the API server {server} cannot be reached: it refuses the connection; is it running?"


async def test_a_name_that_does_not_resolve_is_named(tmp_path: Path) -> None:
    said = await unreachable(tmp_path, "https://api.cluster.invalid:6443")

    assert said == (
        "the API server https://api.cluster.invalid:6443 cannot be reached: "
        "its name api.cluster.invalid cannot be resolved"
    )


async def test_a_server_without_tls_is_told_from_one_with_a_bad_certificate(tmp_path: Path) -> None:
    async with stand_in({}) as server:
        said = await unreachable(tmp_path, server.url.replace("http", "https"))

    assert "cannot be reached: no TLS connection (" in said


async def test_a_server_url_that_is_none_is_one_line(tmp_path: Path) -> None:
    said = await unreachable(tmp_path, "nonsense")

    assert "cannot be reached" in said
    assert "\n" not in said


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_told_and_never_followed(code: int, tmp_path: Path) -> None:
    async with stand_in({}) as elsewhere:
        said = await blindness(tmp_path, says("", code, Location=f"{elsewhere.url}/latest/meta-data"))

    assert f"sends us on to {elsewhere.url}/latest/meta-data, which is not followed; does the kubeconfig name" in said
    assert (elsewhere.asked, elsewhere.tokens) == ([], set())


async def test_credentials_that_are_not_accepted_are_named_with_their_context(tmp_path: Path) -> None:
    async with stand_in({PODS: [status(401)]}) as server, kube_at(server, tmp_path) as kube:
        with pytest.raises(Blind) as caught:
            await kube.list(POD)

    assert str(caught.value) == (
        "the API server does not accept the credentials of context test (401): expired or wrong; log in again"
    )


@pytest.mark.parametrize("trouble", [status(401), status(403), status(500), says("<html>"), hang_up])
async def test_no_trouble_puts_the_token_into_a_message_or_a_log(
    trouble: Reply, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async with stand_in({PODS: [trouble]}) as server, kube_at(server, tmp_path) as kube:
        with pytest.raises(Blind) as caught:
            await kube.list(POD)

    assert server.tokens == {f"Bearer {SECRET}"}
    assert SECRET not in str(caught.getrepr(style="long", showlocals=False)) + caplog.text + repr(kube)
