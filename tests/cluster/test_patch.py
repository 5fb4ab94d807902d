"""A change in a person's name on a real API server: made as them, told in its audit log, and nothing beyond it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.patch import (
    AlreadyExists,
    Announcement,
    Applied,
    Approver,
    Conflict,
    Creation,
    Deletion,
    Edit,
    Forbidden,
    Gone,
    NotApplied,
    ObjectName,
    Order,
    PatchWriter,
    Rehearsed,
    Rejected,
    open_writer,
    rights_for,
    undo,
)
from bot.patch.operations import guarded_patch
from flows.fixes.change import manifest_text
from sensors.access.kube import connect
from sensors.kit.kinds import CILIUM_NETWORK_POLICY, DEPLOYMENT, NAMESPACE, NETWORK_POLICY, SERVICE, Kind
from tests.bot.patch.cutting import Cut, cutting
from tests.cluster import chart
from tests.cluster.apiserver import ApiServer, api_server
from tests.cluster.binaries import Binaries
from tests.cluster.processes import wait_for
from tests.cluster.somebody import ask_as, bind
from tests.cluster.standin import Pauses, kubeconfig

pytestmark = pytest.mark.cluster

ALICE, BOB, MALLORY = Approver("alice"), Approver("bob"), Approver("mallory")
APPROVALS = {
    "users": ["alice", "bob"],
    "namespaces": ["shop"],
    "namespaceLabels": ["shop"],
    "deployments": [{"namespace": "kube-system", "name": "coredns"}],
}
POLICIES = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
OPEN = {"op": "add", "path": "/spec/egress", "value": [{"ports": [{"port": 53, "protocol": "UDP"}]}]}


def policy(name: str, namespace: str = "shop") -> dict[str, Any]:
    spec = {"podSelector": {}, "policyTypes": ["Egress"]}
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}


def furnish(server: ApiServer) -> None:
    """Two namespaces, things that may be changed and things that must not be; alice may do anything herself."""
    server.install(CILIUM_NETWORK_POLICY)
    for each in ("shop", "vault"):
        server.create_namespace(each)
        server.create(POLICIES.format(each), policy("strict", each))
        server.create(f"/api/v1/namespaces/{each}/secrets", {"metadata": {"name": "s"}, "data": {"k": "c2VjcmV0"}})
        ports = {"ports": [{"port": 80}], "clusterIP": "None"}
        server.create(f"/api/v1/namespaces/{each}/services", {"metadata": {"name": "web"}, "spec": ports})
    for namespace, name in (("kube-system", "coredns"), ("shop", "web")):
        server.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment(name))
    bind(server, "alice", "cluster-admin")
    reading = [{"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["get"]}]
    server.create("/apis/rbac.authorization.k8s.io/v1/clusterroles", {"metadata": {"name": "reads"}, "rules": reading})
    bind(server, "bob", "reads")


def deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    containers = [{"name": "a", "image": "a"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": labels}, "template": template}}


@pytest.fixture(scope="module")
def server(programs: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(programs, tmp_path_factory.mktemp("patch")) as running:
        furnish(running)
        yield running


@pytest.fixture(scope="module")
def token(server: ApiServer) -> str:
    """KAI's own, with all that the chart gives it where alice and bob may approve."""
    server.create_namespace("kai-probe")
    manifests = chart.roles_in(chart.rendered(approvals=APPROVALS))
    found = server.service_account(chart.NAMESPACE, chart.ACCOUNT, manifests)
    wait_for(lambda: ask_as(server, found, "GET", f"{POLICIES.format('shop')}/strict", headers=AS_ALICE).status == 200,
             "alice's rights")  # fmt: skip
    return found


AS_ALICE = {"Impersonate-User": "alice"}


@asynccontextmanager
async def writer_at(server: ApiServer, token: str, folder: Path, *cuts: Cut) -> AsyncIterator[PatchWriter]:
    """A writer with KAI's token; with `cuts` through a proxy that breaks the connection."""
    async with cutting(server.url, server.ca_file) as proxy:
        proxy.cuts = list(cuts)
        config = kubeconfig(folder, proxy.url, user={"token": token}) if cuts else server.kubeconfig(token)
        async with connect(config, environ={}) as kube, open_writer(kube.place, pause=Pauses()) as writer:
            yield writer


def fresh(server: ApiServer, name: str) -> ObjectName:
    server.ask("DELETE", f"{POLICIES.format('shop')}/{name}")
    server.create(POLICIES.format("shop"), policy(name))
    return ObjectName(NETWORK_POLICY, name, "shop")


def stored(server: ApiServer, target: ObjectName) -> dict[str, Any]:
    root = f"/apis/{target.kind.api}" if target.kind.group else f"/api/{target.kind.api}"
    space = f"/namespaces/{target.namespace}" if target.namespace else ""
    found: dict[str, Any] = server.ask("GET", f"{root}{space}/{target.kind.plural}/{target.name}").body
    return found


def edit_of(server: ApiServer, target: ObjectName, *operations: dict[str, Any]) -> Edit:
    meta = stored(server, target)["metadata"]
    return Edit(target, operations or (OPEN,), meta["uid"], meta["resourceVersion"])


# -- as alice ----------------------------------------------------------------------------------------------------------


async def test_alices_change_is_made_as_alice_and_the_audit_log_says_for_which_proposal(
    server: ApiServer, token: str, tmp_path: Path
) -> None:
    target = fresh(server, "audited")
    async with writer_at(server, token, tmp_path) as writer:
        outcome = await writer.apply(Order("p-audited", ALICE, edit_of(server, target)))

    assert isinstance(outcome, Applied)
    after = stored(server, target)
    assert after["metadata"]["resourceVersion"] == outcome.resource_version
    assert after["spec"]["egress"] == OPEN["value"]
    assert "kai" in [each["manager"] for each in after["metadata"]["managedFields"]]
    wait_for(lambda: any(_is_write_of(each, "audited", "patch") for each in server.audited()), "the audit log")
    (written,) = [each for each in server.audited() if _is_write_of(each, "audited", "patch")]
    assert written["user"]["username"] == "system:serviceaccount:kai:kai"
    assert written["impersonatedUser"]["username"] == "alice"
    assert written["impersonatedUser"]["extra"]["kai.dev/proposal"] == ["p-audited"]
    assert written["userAgent"] == "kai-netdebug/0.1.0 proposal/p-audited"
    assert written["responseStatus"]["code"] == 200


def _is_write_of(event: dict[str, Any], name: str, verb: str) -> bool:
    about = (event["objectRef"].get("name"), event["verb"], event["user"]["username"])
    return about == (name, verb, "system:serviceaccount:kai:kai") and "dryRun" not in event["requestURI"]


async def test_a_rehearsal_leaves_the_stored_object_and_a_wrong_one_is_rejected_in_the_servers_words(
    server: ApiServer, token: str, tmp_path: Path
) -> None:
    target = fresh(server, "rehearsed")
    before = stored(server, target)
    wrong = {**OPEN, "value": [{"to": [{"ipBlock": {"cidr": "203.0.113.10"}}]}]}
    unknown = {"op": "add", "path": "/spec/egres", "value": []}
    async with writer_at(server, token, tmp_path) as writer:
        seen = await writer.rehearse(Order("p", ALICE, edit_of(server, target)))
        again = await writer.rehearse(Order("p", ALICE, edit_of(server, target)))
        refused = await writer.apply(Order("p", ALICE, edit_of(server, target, wrong)))
        strict = await writer.apply(Order("p", ALICE, edit_of(server, target, unknown)))

    assert isinstance(seen, Rehearsed)
    assert isinstance(again, Rehearsed)
    assert (seen.digest, [each.path for each in seen.differences]) == (again.digest, ["/spec/egress"])
    assert stored(server, target) == before
    assert isinstance(refused, Rejected)
    assert "must be in CIDR notation" in refused.words or "ipBlock.cidr" in refused.words
    assert isinstance(strict, Rejected)
    assert 'unknown field "spec.egres"' in strict.words


async def test_making_and_undoing_leave_nothing_behind_and_a_taken_name_is_left_alone(
    server: ApiServer, token: str, tmp_path: Path
) -> None:
    change = Creation(policy("made"))
    async with writer_at(server, token, tmp_path) as writer:
        rehearsed = await writer.rehearse(Order("p-1", ALICE, change))
        assert isinstance(rehearsed, Rehearsed)
        made = await writer.apply(Order("p-1", ALICE, change, rehearsed.digest))
        taken = await writer.apply(Order("p-2", ALICE, change))
        assert isinstance(made, Applied), made
        back = undo(change, made)
        server.ask("PATCH", f"{POLICIES.format('shop')}/made", {"metadata": {"labels": {"a": "b"}}}, MERGE)
        stopped = await writer.apply(Order("p-3", ALICE, back))
        assert isinstance(back, Deletion)
        version = stored(server, change.target)["metadata"]["resourceVersion"]
        gone = await writer.apply(Order("p-4", ALICE, replace(back, resource_version=version)))
        again = await writer.apply(Order("p-5", ALICE, replace(back, resource_version=version)))

    assert [type(each) for each in (taken, stopped, gone, again)] == [AlreadyExists, Conflict, Applied, Gone]
    assert server.ask("GET", f"{POLICIES.format('shop')}/made").status == 404


MERGE = "application/merge-patch+json"


async def test_a_change_since_the_proof_and_a_new_object_of_the_same_name_stop_it(
    server: ApiServer, token: str, tmp_path: Path
) -> None:
    target = fresh(server, "moved")
    order = Order("p", ALICE, edit_of(server, target))
    server.ask("PATCH", f"{POLICIES.format('shop')}/moved", {"metadata": {"labels": {"a": "b"}}}, MERGE)
    async with writer_at(server, token, tmp_path) as writer:
        changed = await writer.apply(order)
        fresh(server, "moved")
        anew = await writer.apply(order)

    assert [type(each) for each in (changed, anew)] == [Conflict, Gone]
    assert "egress" not in stored(server, target)["spec"]


async def test_the_servers_own_test_of_the_revision_stops_what_ours_did_not_see(
    server: ApiServer, token: str, tmp_path: Path
) -> None:
    target = fresh(server, "guarded")
    stale = edit_of(server, target)
    server.ask("PATCH", f"{POLICIES.format('shop')}/guarded", {"metadata": {"labels": {"a": "b"}}}, MERGE)
    path, body = f"{POLICIES.format('shop')}/guarded", guarded_patch(stale, "p", stored(server, target))
    reply = ask_as(server, token, "PATCH", path, body, AS_ALICE)

    assert reply.status == 422
    assert "egress" not in stored(server, target)["spec"]


@pytest.mark.parametrize("cut", ["answer", 504])
@pytest.mark.parametrize("kind", ["edit", "creation", "deletion"])
async def test_lost_answers_are_recognised_and_nothing_is_sent_twice(
    kind: str, cut: Cut, server: ApiServer, token: str, tmp_path: Path
) -> None:
    name = f"lost-{kind}-{cut}"
    change: Any = Creation(policy(name))
    server.ask("DELETE", f"{POLICIES.format('shop')}/{name}")
    if kind != "creation":
        change = edit_of(server, fresh(server, name))
    if kind == "deletion":
        change = Deletion(change.target, change.uid, change.resource_version)
    async with writer_at(server, token, tmp_path, cut) as writer:
        outcome = await writer.apply(Order("p-lost", ALICE, change))

    verb = {"edit": "patch", "creation": "create", "deletion": "delete"}[kind]
    assert isinstance(outcome, Applied), outcome
    assert outcome.from_mark
    if kind != "creation":  # its name is not in the audit log's reference where the answer was not read
        writes = lambda: len([each for each in server.audited() if _is_write_of(each, name, verb)])  # noqa: E731
        expected = 2 if verb == "delete" else 1
        wait_for(lambda: writes() >= expected, "the audit log")
        assert writes() == expected


async def test_a_request_that_never_arrived_left_nothing(server: ApiServer, token: str, tmp_path: Path) -> None:
    target = fresh(server, "unsent")
    async with writer_at(server, token, tmp_path, "request") as writer:
        outcome = await writer.apply(Order("p", ALICE, edit_of(server, target)))

    assert isinstance(outcome, NotApplied)
    assert "egress" not in stored(server, target)["spec"]


ANNOTATED = {"op": "add", "path": "/spec/x", "value": 1}
OTHERS: list[tuple[Kind, str, str, dict[str, Any]]] = [
    (NAMESPACE, "", "shop", {"op": "add", "path": "/metadata/labels/team", "value": "a"}),
    (SERVICE, "shop", "web", {"op": "replace", "path": "/spec/ports/0/port", "value": 8080}),
    (DEPLOYMENT, "kube-system", "coredns", {"op": "add", "path": "/spec/template/spec/dnsPolicy", "value": "Default"}),
    (CILIUM_NETWORK_POLICY, "shop", "cnp", {"op": "add", "path": "/spec/egress", "value": [{}]}),
]


@pytest.mark.parametrize(("kind", "namespace", "name", "operation"), OTHERS, ids=[str(each[0]) for each in OTHERS])
async def test_every_kind_that_the_chart_names_can_be_changed(
    kind: Kind, namespace: str, name: str, operation: dict[str, Any], server: ApiServer, token: str, tmp_path: Path
) -> None:
    target = ObjectName(kind, name, namespace)
    async with writer_at(server, token, tmp_path) as writer:
        if kind is CILIUM_NETWORK_POLICY:
            manifest = {"apiVersion": kind.api, "kind": kind.name, "metadata": {"name": name, "namespace": "shop"}}
            made = await writer.apply(Order("p-0", ALICE, Creation({**manifest, "spec": {"endpointSelector": {}}})))
            assert isinstance(made, Applied), made
        outcome = await writer.apply(Order("p-1", ALICE, edit_of(server, target, operation)))

    assert isinstance(outcome, Applied), outcome
    assert stored(server, target)["metadata"]["annotations"]["kai.dev/proposal"] == "p-1"


def told(server: ApiServer, name: str) -> list[dict[str, Any]]:
    """The Events on an object of the shop, as `kubectl describe` finds them."""
    query = f"?fieldSelector=involvedObject.name%3D{name}"
    found: list[dict[str, Any]] = server.ask("GET", f"/api/v1/namespaces/shop/events{query}").body["items"]
    return found


def announcement(server: ApiServer, target: ObjectName, who: Approver = ALICE) -> Announcement:
    uid = stored(server, target)["metadata"]["uid"] if target.namespace == "shop" else "u1"
    return Announcement("p-told", who, target, uid, "KaiChanged", "Opened DNS", datetime.now(UTC))


async def test_a_change_is_told_on_the_object_once_and_in_the_approvers_name(
    server: ApiServer, token: str, tmp_path: Path
) -> None:
    target = fresh(server, "told")
    it = announcement(server, target)
    async with writer_at(server, token, tmp_path) as writer:
        first, again = await writer.announce(it), await writer.announce(it)

    (event,) = told(server, "told")
    assert (first, again) == ("", "")
    assert (event["reason"], event["message"], event["type"]) == ("KaiChanged", "Opened DNS", "Normal")
    assert event["involvedObject"]["uid"] == stored(server, target)["metadata"]["uid"]
    name = event["metadata"]["name"]
    wait_for(lambda: any(_is_write_of(each, name, "create") for each in server.audited()), "the audit log")
    written = next(each for each in server.audited() if _is_write_of(each, name, "create"))
    assert written["impersonatedUser"]["username"] == "alice"
    assert written["impersonatedUser"]["extra"]["kai.dev/proposal"] == ["p-told"]


async def test_it_is_told_of_every_kind_that_the_chart_names(server: ApiServer, token: str, tmp_path: Path) -> None:
    targets = [
        ObjectName(SERVICE, "web", "shop"),
        ObjectName(NAMESPACE, "shop"),
        ObjectName(DEPLOYMENT, "coredns", "kube-system"),
    ]
    async with writer_at(server, token, tmp_path) as writer:
        said = [await writer.announce(announcement(server, each)) for each in targets]

    assert said == ["", "", ""]


async def test_where_the_approver_or_kai_may_not_nothing_is_told_and_the_server_says_why(
    server: ApiServer, token: str, tmp_path: Path
) -> None:
    target = fresh(server, "untold")
    async with writer_at(server, token, tmp_path) as writer:
        bob = await writer.announce(announcement(server, target, BOB))
        elsewhere = await writer.announce(announcement(server, ObjectName(NETWORK_POLICY, "strict", "vault")))

    assert 'User "bob" cannot create resource "events"' in bob
    assert "impersonate-on:user-info:create" in elsewhere
    assert told(server, "untold") == []
    assert server.ask("GET", "/api/v1/namespaces/vault/events").body["items"] == []


# -- as anybody else ---------------------------------------------------------------------------------------------------


async def test_bob_is_refused_by_his_own_rights_and_mallory_by_kais(
    server: ApiServer, token: str, tmp_path: Path
) -> None:
    target = fresh(server, "refused")
    change = edit_of(server, target)
    async with writer_at(server, token, tmp_path) as writer:
        bob = await writer.apply(Order("p", BOB, change))
        mallory = await writer.apply(Order("p", MALLORY, change))
        masters = await writer.apply(Order("p", replace(ALICE, groups=("ops",)), change))
        may = [[(await writer.may(who, each)).allowed for each in rights_for(change)] for who in (ALICE, BOB, MALLORY)]

    assert isinstance(bob, Forbidden)
    assert bob.words == (
        'networkpolicies.networking.k8s.io "refused" is forbidden: User "bob" cannot patch resource "networkpolicies" '
        'in API group "networking.k8s.io" in the namespace "shop"'
    )
    assert not bob.as_kai
    for each in (mallory, masters):
        assert isinstance(each, Forbidden)
        assert each.as_kai
        assert "impersonate:user-info" in each.words
    assert may == [[True, True], [True, False], [False, False]]
    assert "egress" not in stored(server, target)["spec"]


def forbidden_requests() -> list[tuple[str, str, Any]]:
    """Everything a stolen token would be tried on: reading secrets, running programs, more rights, other places."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    admin = {"metadata": {"name": "x"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}, "subjects": []}  # fmt: skip # noqa: E501
    pod = {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    found: list[tuple[str, str, Any]] = []
    for space in ("shop", "vault", "kube-system", "kai", "kai-probe"):
        core, apps = f"/api/v1/namespaces/{space}", f"/apis/apps/v1/namespaces/{space}"
        found += [
            ("GET", f"{core}/secrets", None),
            ("GET", f"{core}/secrets/s", None),
            ("DELETE", f"{core}/secrets/s", None),
        ]
        found += [("POST", f"{core}/secrets", {"metadata": {"name": "x"}}), ("POST", f"{core}/pods", pod)]
        found += [("POST", f"{core}/pods/x/exec?command=id", None), ("POST", f"{core}/pods/x/ephemeralcontainers", {})]
        found += [("GET", f"{core}/pods/x/proxy/", None), ("POST", f"{core}/pods/x/portforward", None)]
        found += [("POST", f"{core}/serviceaccounts/default/token", {"spec": {}})]
        found += [("POST", f"{rbac}/namespaces/{space}/rolebindings", {**admin, "kind": "RoleBinding"})]
        found += [("POST", f"{rbac}/namespaces/{space}/roles", {"metadata": {"name": "x"}, "rules": []})]
        found += [("POST", f"{apps}/deployments", deployment("x")), ("PATCH", f"{apps}/deployments/other", [])]
        found += [("PATCH", f"{apps}/daemonsets/kai-probe", []), ("DELETE", f"{POLICIES.format(space)}", None)]
        found += [("PUT", f"{POLICIES.format(space)}/strict", policy("strict", space))]
        found += [("PATCH", f"{core}/configmaps/coredns", []), ("GET", f"{core}/configmaps/coredns", None)]
        if space not in ("shop", "kube-system"):
            found += [("POST", f"{core}/events", {"metadata": {"name": "x"}})]
        if space != "shop":
            found += [
                ("PATCH", f"{POLICIES.format(space)}/strict", [OPEN]),
                ("POST", POLICIES.format(space), policy("x", space)),
            ]
            found += [("DELETE", f"{POLICIES.format(space)}/strict", None), ("PATCH", f"{core}/services/web", [])]
            found += [("PATCH", f"/api/v1/namespaces/{space}", [])]
    found += [("GET", "/api/v1/secrets", None), ("POST", "/api/v1/namespaces", {"metadata": {"name": "x"}})]
    found += [
        ("DELETE", "/api/v1/namespaces/shop", None),
        ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web", []),
    ]
    found += [("POST", f"{rbac}/clusterrolebindings", {**admin, "kind": "ClusterRoleBinding"}), ("PATCH", f"{rbac}/clusterroles/kai-reader", [])]  # fmt: skip # noqa: E501
    found += [("PATCH", "/api/v1/nodes/x", []), ("GET", "/api/v1/nodes/x/proxy/pods", None)]
    found += [
        ("DELETE", "/api/v1/namespaces/shop/services/web", None),
        ("POST", "/api/v1/namespaces/shop/services", {}),
    ]
    return found


IMPERSONATIONS = {
    "itself": {},
    "alice": AS_ALICE,
    "masters": {**AS_ALICE, "Impersonate-Group": "system:masters"},
    "admin": {"Impersonate-User": "admin"},
    "account": {"Impersonate-User": "system:serviceaccount:kube-system:default"},
    "node": {"Impersonate-User": "system:node:lab1", "Impersonate-Group": "system:nodes"},
    "uid": {**AS_ALICE, "Impersonate-Uid": "1"},
    "extra": {**AS_ALICE, "Impersonate-Extra-Scopes": "all"},
}


@pytest.mark.parametrize("whom", IMPERSONATIONS)
def test_a_stolen_token_does_nothing_else_whoever_it_acts_as(whom: str, server: ApiServer, token: str) -> None:
    """alice is a cluster administrator."""
    passed = [
        (method, path, reply.status, reply.body.get("message"))
        for method, path, body in forbidden_requests()
        if (reply := ask_as(server, token, method, path, body, IMPERSONATIONS[whom])).status != 403
    ]

    assert passed == []


@pytest.mark.parametrize("whom", ["masters", "admin", "account", "node", "uid", "extra", "itself"])
def test_what_alice_may_approve_is_not_done_as_anybody_else(whom: str, server: ApiServer, token: str) -> None:
    target = fresh(server, "nobodys")
    reply = ask_as(server, token, "PATCH", f"{POLICIES.format('shop')}/nobodys", [OPEN], IMPERSONATIONS[whom])

    assert reply.status == 403
    assert "egress" not in stored(server, target)["spec"]


# -- before Kubernetes 1.36 --------------------------------------------------------------------------------------------


async def test_without_constrained_impersonation_the_old_right_works_for_the_named_users_only(
    programs: Binaries, tmp_path: Path
) -> None:
    legacy = {**APPROVALS, "legacyImpersonation": True}
    with api_server(programs, tmp_path / "old", feature_gates="ConstrainedImpersonation=false") as old:
        furnish(old)
        old.create_namespace("kai-probe")
        new_rights = old.service_account("kai", "kai", chart.roles_in(chart.rendered(approvals=APPROVALS)))
        refused = ask_as(old, new_rights, "PATCH", f"{POLICIES.format('shop')}/strict", [OPEN], AS_ALICE)
        token = old.service_account("kai", "kai", chart.roles_in(chart.rendered(approvals=legacy)))
        change = edit_of(old, ObjectName(NETWORK_POLICY, "strict", "shop"))
        async with writer_at(old, token, tmp_path) as writer:
            mallory = await writer.apply(Order("p", MALLORY, change))
            alice = await writer.apply(Order("p", ALICE, change))
        as_itself = ask_as(old, token, "GET", "/api/v1/namespaces/vault/secrets")
        as_alice = ask_as(old, token, "GET", "/api/v1/namespaces/vault/secrets", headers=AS_ALICE)

    assert refused.status == 403
    assert isinstance(mallory, Forbidden)
    assert mallory.as_kai
    assert isinstance(alice, Applied), alice
    assert as_itself.status == 403
    assert as_alice.status == 200, "this is what the warning in values.yaml is about"


@pytest.mark.parametrize("word", ["123e45", "08", "1.2e3", "0o17", "y", "N", "on", "1e3", "0X1F", "0_8", "1_0e5"])
def test_the_api_server_reads_our_yaml_as_it_was_meant(server: ApiServer, word: str) -> None:
    wanted = policy("labelled", "default")
    wanted["spec"] |= {"podSelector": {"matchLabels": {"commit": word}}}
    path = f"{POLICIES.format('default')}?dryRun=All"

    said = server.ask("POST", path, manifest_text(wanted), "application/yaml")

    assert said.status == 201, said.body
    assert said.body["spec"]["podSelector"]["matchLabels"] == {"commit": word}
