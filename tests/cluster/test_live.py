from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sensors.access.kube import ExecResult, Kube, connect
from sensors.access.kube.failure import resource_of
from sensors.access.kube.lists import Lists
from sensors.access.kube.wire import ApiConnection, HttpResponse
from sensors.kit.kinds import CILIUM_CIDR_GROUP, CILIUM_NODE, CONFIG_MAP, KINDS, NODE, POD, Kind
from sensors.kit.model import Absent, Blind
from tests.cluster.apiserver import CORE, ApiServer
from tests.cluster.kubelet import kubelet
from tests.cluster.processes import wait_for

pytestmark = pytest.mark.cluster

NOBODY = "system:serviceaccount:nobody:nobody"


@pytest.fixture(scope="module")
def nobody(server: ApiServer) -> str:
    """The token of a ServiceAccount without any right of its own."""
    return server.service_account("nobody", "nobody")


def pod(namespace: str, name: str, node: str = "") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [{"name": "app", "image": "app"}], **({"nodeName": node} if node else {})},
    }


# -- who are we talking to ---------------------------------------------------------------------------------------------


async def test_the_server_tells_its_version_and_its_time(server: ApiServer) -> None:
    async with connect(server.kubeconfig(namespace="shop")) as kube:
        version, skew = await kube.version(), await kube.clock_skew()

    assert version == server.version.removeprefix("Kubernetes ")
    assert abs(skew) < 2
    assert (kube.place.name, kube.place.server, kube.namespace) == ("context test", server.url, "shop")


async def test_a_token_that_the_server_does_not_know_is_told_at_once(server: ApiServer) -> None:
    with pytest.raises(Blind, match=r"^the API server does not accept the credentials of context test \(401\)"):
        async with connect(server.kubeconfig("made-up")):
            pass


async def test_a_certificate_that_nobody_vouches_for_is_told_at_once(server: ApiServer) -> None:
    path = server.kubeconfig()
    path.write_text(path.read_text().replace(f"certificate-authority: {server.ca_file}", "{}"[:0]))

    with pytest.raises(
        Blind, match=r"cannot be reached: its certificate is not trusted \(x509: self.signed certificate"
    ):
        async with connect(path):
            pass


# -- lists -------------------------------------------------------------------------------------------------------------


async def test_a_list_of_many_pages_is_complete(server: ApiServer) -> None:
    names = {f"pod-{number}" for number in range(1203)}
    server.store(POD, (pod("many", each) for each in names))
    wait_for(lambda: len(server.ask("GET", "/api/v1/namespaces/many/pods").body["items"]) == 1203, "1203 pods")

    async with connect(server.kubeconfig()) as kube:
        found = await kube.list(POD, "many")

    assert len(found) == 1203
    assert {each["metadata"]["name"] for each in found} == names
    assert {(each["apiVersion"], each["kind"]) for each in found} == {("v1", "Pod")}


@dataclass(frozen=True, slots=True)
class ForgetfulWire(ApiConnection):
    """Compacts the store after the first page, so that the list cannot go on; `seen` collects the answers' statuses."""

    server: ApiServer | None = None
    seen: list[int] | None = None

    async def ask(self, path: str, query: Any = (), **settings: Any) -> HttpResponse:
        answer = await super(ForgetfulWire, self).ask(path, query, **settings)
        assert self.server is not None
        assert self.seen is not None
        self.seen.append(answer.status)
        if len(self.seen) == 1:
            self.server.create("/api/v1/namespaces/default/configmaps", {"metadata": {"name": f"later-{id(self)}"}})
            self.server.compact()
        return answer


async def test_a_list_whose_past_was_compacted_away_starts_again_and_is_complete(server: ApiServer) -> None:
    server.create_namespace("forgotten")
    for number in range(5):
        path = "/api/v1/namespaces/forgotten/configmaps"
        server.create(path, {"metadata": {"name": f"settings-{number}"}})
    seen: list[int] = []

    async with connect(server.kubeconfig()) as kube:
        wire = ForgetfulWire(kube.wire.api, kube.wire.place, server=server, seen=seen)
        found = await Lists(wire, page=2).of(CONFIG_MAP, "forgotten")

    assert [each["metadata"]["name"] for each in found] == [f"settings-{number}" for number in range(5)]
    assert seen == [200, 410, 200, 200, 200]


async def test_a_namespace_that_does_not_exist_holds_nothing(server: ApiServer) -> None:
    async with connect(server.kubeconfig()) as kube:
        assert await kube.list(POD, "no-such-namespace") == ()


# -- rights ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [each for each in KINDS if each.api in CORE], ids=resource_of)
async def test_a_list_without_the_right_names_the_right_and_who_lacks_it(
    kind: Kind, server: ApiServer, nobody: str
) -> None:
    async with connect(server.kubeconfig(nobody)) as kube:
        with pytest.raises(Blind) as caught:
            await kube.list(kind)

    assert str(caught.value) == (
        f"no right to list {resource_of(kind)} in all namespaces: {NOBODY} needs a ClusterRole "
        f"with the verb list on {resource_of(kind)}"
    )


async def test_a_list_in_one_namespace_asks_for_a_role_there(server: ApiServer, nobody: str) -> None:
    async with connect(server.kubeconfig(nobody)) as kube:
        with pytest.raises(Blind, match=r"^no right to list pods in namespace default: .* needs a Role there with"):
            await kube.list(POD, "default")


async def test_a_right_is_asked_for_and_answered(server: ApiServer, nobody: str) -> None:
    async with connect(server.kubeconfig()) as admin, connect(server.kubeconfig(nobody)) as kube:
        assert await admin.self_subject_access_review("patch", "networkpolicies", "networking.k8s.io", namespace="x")
        assert not await kube.self_subject_access_review("list", "pods")
        assert not await kube.self_subject_access_review("get", "pods", subresource="log", namespace="x", name="y")


# -- kinds that are not there ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [each for each in KINDS if each.api not in CORE], ids=resource_of)
async def test_a_kind_that_is_not_installed_is_absent_with_and_without_rights(
    kind: Kind, server: ApiServer, nobody: str
) -> None:
    if kind in (CILIUM_CIDR_GROUP, CILIUM_NODE):  # installed below, in the same cluster
        kind = replace(kind, plural=f"{kind.plural}x")
    for token in ({}, {"token": nobody}):
        async with connect(server.kubeconfig(**token)) as kube:
            with pytest.raises(Absent, match="are not installed in this cluster"):
                await kube.list(kind)


async def test_a_kind_that_an_older_release_serves_in_another_version_is_read(server: ApiServer) -> None:
    server.install(CILIUM_CIDR_GROUP, versions=("v2alpha1",))
    path = "/apis/cilium.io/v2alpha1/ciliumcidrgroups"
    server.create(path, {"apiVersion": "cilium.io/v2alpha1", "kind": "CiliumCIDRGroup", "metadata": {"name": "office"}})

    async with connect(server.kubeconfig()) as kube:
        (found,) = await kube.list(CILIUM_CIDR_GROUP)

    assert (found["apiVersion"], found["metadata"]["name"]) == ("cilium.io/v2alpha1", "office")


async def test_a_kind_that_is_installed_and_forbidden_is_not_absent(server: ApiServer, nobody: str) -> None:
    server.install(CILIUM_NODE)

    async with connect(server.kubeconfig(nobody)) as kube:
        with pytest.raises(Blind, match=r"^no right to list ciliumnodes\.cilium\.io in all namespaces"):
            await kube.list(CILIUM_NODE)


# -- logs and programs -------------------------------------------------------------------------------------------------


async def test_a_log_comes_from_the_nodes_kubelet_through_the_server(server: ApiServer) -> None:
    place_pod(server)
    logs = {"logged/web/app": (200, "".join(f"line {number}\n" for number in range(9)))}

    async with kubelet(server, "node-of-logs", logs) as node, connect(server.kubeconfig()) as kube:
        last = await kube.log("logged", "web", "app", lines=3)
        await kube.log("logged", "web", "app", previous=True, lines=50)

    assert last == "line 6\nline 7\nline 8"
    assert node.asked == [{"tailLines": "3"}, {"previous": "true", "tailLines": "50"}]


@pytest.mark.parametrize(
    ("container", "sight", "said"),
    [
        ("app", Absent, r'logged/web \(app\) has no such log: previous terminated container "app" in pod'),
        (
            "gone",
            Blind,
            r"the log of logged/web \(gone\) could not be read: the API server answered 400 \(container gone",
        ),
    ],
)
async def test_a_log_that_is_not_there_says_why(
    container: str, sight: type[Exception], said: str, server: ApiServer
) -> None:
    place_pod(server)
    logs = {"logged/web/app": (400, 'previous terminated container "app" in pod "web" not found')}

    async with kubelet(server, "node-of-logs", logs), connect(server.kubeconfig()) as kube:
        with pytest.raises(sight, match=said):
            await kube.log("logged", "web", container, previous=True)


async def test_a_log_of_no_pod_is_absent_and_one_without_the_right_blind(server: ApiServer, nobody: str) -> None:
    async with connect(server.kubeconfig()) as admin, connect(server.kubeconfig(nobody)) as kube:
        with pytest.raises(Absent, match=r"^default/none \(app\) has no such log: pods \"none\" not found$"):
            await admin.log("default", "none", "app")
        with pytest.raises(
            Blind, match=r"^no right to get pods/log in namespace default: .* the verb get on pods/log$"
        ):
            await kube.log("default", "none", "app")


def place_pod(server: ApiServer) -> None:
    """A pod that is said to run on the stand-in's node."""
    server.create_namespace("logged")
    server.store(POD, [pod("logged", "web", "node-of-logs")])
    wait_for(lambda: server.ask("GET", "/api/v1/namespaces/logged/pods/web").status == 200, "the pod")


async def test_a_program_runs_on_a_kubelet_that_the_server_hands_our_own_request_to(server: ApiServer) -> None:
    place_pod(server)

    async with kubelet(server, "node-of-logs", {}), connect(server.kubeconfig()) as kube:
        ended = await kube.exec("logged", "web", "app", ["kai-probe", "x y"])

    assert ended == ExecResult(b"kai-probe x y", b"", 1)


@pytest.mark.parametrize(
    ("verbs", "may"), [(["get"], False), (["create"], False), (["get", "create"], True)], ids=["get", "create", "both"]
)
async def test_running_a_program_needs_both_get_and_create(verbs: list[str], may: bool, server: ApiServer) -> None:
    name = "exec-" + "-".join(verbs)
    place_pod(server)
    rules = [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": verbs}]
    role = {"kind": "Role", "metadata": {"name": name, "namespace": "logged"}, "rules": rules}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": name}
    binding = {
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": "logged"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [subject],
    }
    token = server.service_account(name, name, [role, binding])

    async with connect(server.kubeconfig(token)) as kube:
        said = await _why_no_exec(kube)

    assert said.startswith("no right to run a program") is not may


async def _why_no_exec(kube: Kube) -> str:
    """No kubelet can be reached behind this pod, so that a program never runs; the question is who says so."""
    with pytest.raises((Blind, Absent)) as caught:
        await kube.exec("logged", "web", "app", ["true"])
    return str(caught.value)


async def test_nodes_are_read_whatever_namespace_is_asked_for(server: ApiServer, tmp_path: Path) -> None:
    async with connect(server.kubeconfig()) as kube:
        assert await kube.list(NODE, "default") == await kube.list(NODE)
