"""The lab's API server answers as a real one: rights, refusals, patches, lists and watches."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from lab.cluster.shift import stamp_of
from tests.labcluster.desk import JSON_PATCH, MERGE_PATCH, ask, patch, path_of, running

CASE = "checkout-to-bank"
POLICY = path_of("NetworkPolicy", "checkout", "checkout-egress")
RULE = {"to": [{"podSelector": {"matchLabels": {"app": "bank"}}}], "ports": [{"port": 8443}]}
ADD = [{"op": "add", "path": "/spec/egress/-", "value": RULE}]


@pytest.fixture
async def lab():
    async with running(CASE) as found:
        yield found


async def stored(lab, path=POLICY):
    return (await ask(lab, "admin", "GET", path)).body


# -- who may what ------------------------------------------------------------------------------------------------------


async def test_a_patch_without_the_right_is_refused_in_the_servers_own_words(lab):
    reply = await patch(lab, "bob", POLICY, ADD)

    assert (reply.status, reply.body) == (
        403,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": 'networkpolicies.networking.k8s.io "checkout-egress" is forbidden: User "bob" cannot patch '
            'resource "networkpolicies" in API group "networking.k8s.io" in the namespace "checkout"',
            "reason": "Forbidden",
            "details": {"name": "checkout-egress", "group": "networking.k8s.io", "kind": "networkpolicies"},
            "code": 403,
        },
    )


async def test_an_unknown_token_is_not_let_in(lab):
    reply = await ask(lab, "mallory", "GET", "/api/v1/pods")

    assert (reply.status, reply.body["reason"], reply.message) == (401, "Unauthorized", "Unauthorized")


async def test_alice_has_no_rights_outside_the_cases_namespaces(lab):
    path = path_of("NetworkPolicy", "kube-system")
    body = {"metadata": {"name": "x"}, "spec": {"podSelector": {}}}

    reply = await ask(lab, "alice", "POST", path, body)

    assert reply.status == 403
    assert 'User "alice" cannot create resource "networkpolicies"' in reply.message


@pytest.mark.parametrize(("who", "status"), [("alice", 200), ("bob", 403)])
async def test_kai_acts_with_the_rights_of_whom_it_impersonates(lab, who, status):
    reply = await ask(lab, "kai", "PATCH", POLICY, ADD, JSON_PATCH, {"Impersonate-User": who})

    assert reply.status == status
    assert (who in reply.message) is (status == 403)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        (
            {"Impersonate-User": "mallory"},
            'users.authentication.k8s.io "mallory" is forbidden: User "kai" cannot impersonate:user-info resource '
            '"users" in API group "authentication.k8s.io" at the cluster scope',
        ),
        (
            {"Impersonate-User": "alice", "Impersonate-Group": "system:masters"},
            'groups.authentication.k8s.io "system:masters" is forbidden: User "kai" cannot impersonate:user-info '
            'resource "groups" in API group "authentication.k8s.io" at the cluster scope',
        ),
        (
            {"Impersonate-User": "system:serviceaccount:kube-system:root"},
            'serviceaccounts.authentication.k8s.io "root" is forbidden: User "kai" cannot impersonate:serviceaccount '
            'resource "serviceaccounts" in API group "authentication.k8s.io" in the namespace "kube-system"',
        ),
    ],
)
async def test_kai_cannot_impersonate_without_the_right(lab, headers, words):
    reply = await ask(lab, "kai", "GET", "/api/v1/pods", headers=headers)

    assert (reply.status, reply.message) == (403, words)


@pytest.mark.parametrize(
    ("method", "path", "verb"),
    [
        ("GET", "/api/v1/namespaces/checkout/pods", "impersonate-on:user-info:list"),
        ("GET", "/api/v1/namespaces/checkout/configmaps/x", "impersonate-on:user-info:get"),
        ("PATCH", "/apis/apps/v1/namespaces/checkout/deployments/checkout", "impersonate-on:user-info:patch"),
        ("DELETE", "/api/v1/namespaces/checkout/services/x", "impersonate-on:user-info:delete"),
    ],
)
async def test_in_alices_name_kai_does_nothing_but_what_an_approval_needs(lab, method, path, verb):
    """She may do most of it herself: a stolen token of KAI's may not."""
    reply = await ask(lab, "kai", method, path, headers={"Impersonate-User": "alice"})

    assert reply.status == 403
    assert f'User "kai" cannot {verb} ' in reply.message


async def test_kai_says_for_which_proposal_it_acts_and_nothing_else(lab):
    as_alice = {"Impersonate-User": "alice"}
    for_one = {**as_alice, "Impersonate-Extra-kai.dev%2Fproposal": "p-1"}
    other = {**as_alice, "Impersonate-Extra-scopes": "all"}

    said = await ask(lab, "kai", "GET", POLICY, headers=for_one)
    refused = await ask(lab, "kai", "GET", POLICY, headers=other)

    assert said.status == 200
    assert (refused.status, "userextras/scopes" in refused.message) == (403, True)


async def test_kai_itself_can_write_nothing(lab):
    tried = [
        await patch(lab, "kai", POLICY, ADD),
        await ask(lab, "kai", "DELETE", POLICY),
        await ask(lab, "kai", "POST", "/api/v1/namespaces/checkout/events", {"metadata": {"name": "x"}}),
    ]

    assert [each.status for each in tried] == [403, 403, 403]


@pytest.mark.parametrize(
    ("user", "verb", "namespace", "allowed"),
    [("alice", "patch", "payments", True), ("alice", "patch", "kube-system", False), ("bob", "list", "payments", True)],
)
async def test_reviews_say_who_may_what(lab, user, verb, namespace, allowed):
    wish = {"verb": verb, "group": "networking.k8s.io", "resource": "networkpolicies", "namespace": namespace}
    root = "/apis/authorization.k8s.io/v1"

    own = await ask(lab, user, "POST", f"{root}/selfsubjectaccessreviews", {"spec": {"resourceAttributes": wish}})
    told = await ask(
        lab,
        "admin",
        "POST",
        f"{root}/subjectaccessreviews",
        {"spec": {"user": user, "resourceAttributes": wish, "groups": ["system:authenticated"]}},
    )

    assert (own.status, told.status) == (201, 201)
    assert own.body["status"]["allowed"] is told.body["status"]["allowed"] is allowed
    assert ("reason" in own.body["status"]) is allowed


async def test_a_token_tells_its_user(lab):
    root = "/apis/authentication.k8s.io/v1"

    me = await ask(lab, "alice", "POST", f"{root}/selfsubjectreviews", {})
    known = await ask(lab, "admin", "POST", f"{root}/tokenreviews", {"spec": {"token": lab.tokens["bob"]}})
    unknown = await ask(lab, "admin", "POST", f"{root}/tokenreviews", {"spec": {"token": "x"}})

    assert me.body["status"]["userInfo"] == {"username": "alice", "groups": ["system:authenticated"]}
    assert known.body["status"]["user"]["username"] == "bob"
    assert "authenticated" not in unknown.body["status"]


async def test_roles_count_as_soon_as_they_are_written(lab):
    root = "/apis/rbac.authorization.k8s.io/v1/namespaces/checkout"
    rule = {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["patch"]}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "more"}
    subject = {"kind": "User", "name": "bob", "apiGroup": "rbac.authorization.k8s.io"}

    await ask(lab, "admin", "POST", f"{root}/roles", {"metadata": {"name": "more"}, "rules": [rule]})
    await ask(
        lab,
        "admin",
        "POST",
        f"{root}/rolebindings",
        {"metadata": {"name": "more"}, "roleRef": ref, "subjects": [subject]},
    )
    reply = await patch(lab, "bob", POLICY, ADD)

    assert reply.status == 200


# -- writing -----------------------------------------------------------------------------------------------------------


async def test_a_dry_run_answers_with_the_change_and_changes_nothing(lab):
    before = await stored(lab)

    reply = await patch(lab, "alice", POLICY, ADD, "?dryRun=All")
    after = await stored(lab)

    assert reply.status == 200
    assert len(reply.body["spec"]["egress"]) == len(before["spec"]["egress"]) + 1
    assert after == before


async def test_a_dry_run_is_validated_too(lab):
    block = [{"op": "add", "path": "/spec/egress/-", "value": {"to": [{"ipBlock": {"cidr": "203.0.113.10"}}]}}]

    reply = await patch(lab, "alice", POLICY, block, "?dryRun=All")

    assert (reply.status, reply.body["reason"]) == (422, "Invalid")
    assert reply.body["details"]["causes"][0]["field"] == "spec.egress[2].to[0].ipBlock.cidr"


async def test_a_change_is_counted_numbered_and_signed(lab):
    before = (await stored(lab))["metadata"]
    await lab.advance(7)

    reply = await patch(lab, "alice", POLICY, ADD, "?fieldManager=kai-netdebug")

    meta = reply.body["metadata"]
    mine = [each for each in meta["managedFields"] if each["manager"] == "kai-netdebug"]
    assert meta["generation"] == before["generation"] + 1
    assert int(meta["resourceVersion"]) > int(before["resourceVersion"])
    assert [(each["operation"], each["time"]) for each in mine] == [("Update", stamp_of(lab.now))]
    assert mine[0]["fieldsV1"] == {"f:spec": {"f:egress": {}}}


async def test_a_patch_that_changes_nothing_gets_no_new_number(lab):
    before = await stored(lab)
    same = [{"op": "replace", "path": "/spec/policyTypes", "value": before["spec"]["policyTypes"]}]

    reply = await patch(lab, "alice", POLICY, same)

    assert (reply.status, reply.body) == (200, before)


@pytest.mark.parametrize("media", [JSON_PATCH, MERGE_PATCH])
async def test_an_old_number_is_a_conflict(lab, media):
    old = {
        JSON_PATCH: [{"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}, *ADD],
        MERGE_PATCH: {"metadata": {"resourceVersion": "1"}, "spec": {"policyTypes": ["Ingress"]}},
    }

    reply = await ask(lab, "alice", "PATCH", POLICY, old[media], media)

    assert (reply.status, reply.body["reason"]) == (409, "Conflict")
    assert "the object has been modified; please apply your changes to the latest version" in reply.message


async def test_deleting_what_somebody_changed_meanwhile_is_a_conflict(lab):
    options = {"preconditions": {"resourceVersion": "1"}}

    reply = await ask(lab, "alice", "DELETE", POLICY, options)

    assert reply.status == 409
    assert (await stored(lab))["metadata"]["name"] == "checkout-egress"


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "test", "path": "/metadata/generation", "value": 99}, *ADD],
        [{"op": "remove", "path": "/spec/ingress"}],
        [{"op": "add", "path": "/spec/ingress/-", "value": {}}],
    ],
    ids=["a failed test", "nothing to remove", "no list to add to"],
)
async def test_a_patch_that_does_not_fit_is_unprocessable(lab, operations):
    reply = await patch(lab, "alice", POLICY, operations)

    assert (reply.status, reply.body["reason"]) == (422, "Invalid")
    assert reply.message == "the server rejected our request due to an error in our request"


async def test_an_empty_list_of_rules_is_stored_without_its_key(lab):
    """All as a real server does it (Kubernetes 1.36): what fits such an object, and what does not."""
    path = path_of("NetworkPolicy", "checkout")
    body = {"metadata": {"name": "closed"}, "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": []}}

    made = await ask(lab, "alice", "POST", path, body)
    rules = {"path": "/spec/egress", "value": [RULE]}
    tried = {
        "add": [{"op": "add", **rules}],
        "replace": [{"op": "replace", **rules}],
        "append": [{"op": "add", "path": "/spec/egress/-", "value": RULE}],
        "test null": [{"op": "test", "path": "/spec/egress", "value": None}],
        "test []": [{"op": "test", "path": "/spec/egress", "value": []}],
    }
    said = {
        key: (await patch(lab, "alice", f"{path}/closed", each, "?dryRun=All")).status for key, each in tried.items()
    }

    assert "egress" not in made.body["spec"]
    assert said == {"add": 200, "replace": 200, "append": 422, "test null": 200, "test []": 422}


async def test_a_strategic_merge_is_taken_only_where_it_is_a_plain_merge(lab):
    media = "application/strategic-merge-patch+json"
    service = path_of("Service", "payments", "bank")

    plain = await ask(lab, "alice", "PATCH", POLICY, {"metadata": {"labels": {"a": "b"}}}, media)
    lists = await ask(lab, "alice", "PATCH", service, {"spec": {"ports": [{"port": 1}]}}, media)

    assert (plain.status, lists.status) == (200, 415)


async def test_what_exists_cannot_be_created_again(lab):
    body = {"metadata": {"name": "checkout-egress"}, "spec": {"podSelector": {}}}

    reply = await ask(lab, "alice", "POST", path_of("NetworkPolicy", "checkout"), body)

    assert (reply.status, reply.body["reason"]) == (409, "AlreadyExists")


async def test_the_cluster_ip_of_a_service_cannot_be_changed(lab):
    other = [{"op": "replace", "path": "/spec/clusterIP", "value": "10.96.0.99"}]

    reply = await patch(lab, "alice", path_of("Service", "payments", "bank"), other)

    assert (reply.status, reply.body["details"]["causes"][0]["field"]) == (422, "spec.clusterIPs[0]")


async def test_an_event_can_be_written(lab):
    event = {
        "metadata": {"generateName": "kai-", "namespace": "checkout"},
        "involvedObject": {"kind": "Pod", "name": "x", "namespace": "checkout"},
        "reason": "Patched",
    }

    made = await ask(lab, "alice", "POST", "/api/v1/namespaces/checkout/events", event)
    listed = await ask(lab, "bob", "GET", "/api/v1/namespaces/checkout/events?fieldSelector=reason=Patched")

    assert made.status == 201
    assert [each["metadata"]["name"] for each in listed.body["items"]] == [made.body["metadata"]["name"]]


# -- reading -----------------------------------------------------------------------------------------------------------


async def test_pages_together_are_the_whole_list(lab):
    whole = (await ask(lab, "bob", "GET", "/api/v1/pods")).body["items"]

    found, more = [], ""
    while True:
        part = (await ask(lab, "bob", "GET", f"/api/v1/pods?limit=2&continue={more}")).body
        found += part["items"]
        if not (more := part["metadata"].get("continue", "")):
            break

    assert found == whole
    assert len(whole) > 4


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("labelSelector=app=checkout", ["checkout"]),
        ("labelSelector=app in (bank,checkout)", ["bank", "checkout"]),
        ("labelSelector=k8s-app", ["coredns"]),
        ("labelSelector=app,app!=bank", ["checkout"]),
        ("fieldSelector=spec.nodeName=lab2,metadata.namespace=payments", ["bank"]),
    ],
)
async def test_label_selectors_choose_the_objects_of_a_list(lab, query, names):
    found = (await ask(lab, "bob", "GET", f"/api/v1/pods?{query}")).body["items"]

    assert sorted(each["metadata"]["name"].partition("-")[0] for each in found) == names


async def test_a_selector_nobody_can_evaluate_is_refused(lab):
    reply = await ask(lab, "bob", "GET", "/api/v1/pods?fieldSelector=spec.image=x")

    assert (reply.status, reply.message) == (400, "field label not supported: spec.image")


async def test_a_watch_sees_what_happens_to_an_object(lab):
    start = (await ask(lab, "bob", "GET", path_of("NetworkPolicy", "checkout"))).body["metadata"]["resourceVersion"]

    await patch(lab, "alice", POLICY, ADD)
    seeing = asyncio.create_task(
        watched(lab, f"{path_of('NetworkPolicy', 'checkout')}?watch=1&resourceVersion={start}", 3)
    )
    body = {"metadata": {"name": "second"}, "spec": {"podSelector": {}}}
    await asyncio.sleep(0)
    await ask(lab, "alice", "POST", path_of("NetworkPolicy", "checkout"), body)
    await ask(lab, "alice", "DELETE", path_of("NetworkPolicy", "checkout", "second"))
    await ask(lab, "admin", "DELETE", path_of("NetworkPolicy", "payments", "bank-ingress"))  # another namespace
    seen = await seeing

    assert [(each["type"], each["object"]["metadata"]["name"]) for each in seen] == [
        ("MODIFIED", "checkout-egress"),
        ("ADDED", "second"),
        ("DELETED", "second"),
    ]


async def test_a_watch_without_a_start_begins_with_what_is_there(lab):
    seen = await watched(lab, f"{path_of('NetworkPolicy', 'checkout')}?watch=1", 1)

    assert [(each["type"], each["object"]["kind"]) for each in seen] == [("ADDED", "NetworkPolicy")]


async def test_a_watch_from_too_long_ago_is_told_so(lab):
    lab.store._forgotten = 10

    seen = await watched(lab, f"{path_of('NetworkPolicy', 'checkout')}?watch=1&resourceVersion=5", 1)

    assert [(each["type"], each["object"]["code"]) for each in seen] == [("ERROR", 410)]


async def watched(lab, path, count):
    """The first so many events of a watch."""
    headers = {"Authorization": f"Bearer {lab.tokens['bob']}"}
    async with (
        asyncio.timeout(60),
        aiohttp.ClientSession(headers=headers) as session,
        session.get(lab.url + path) as answer,
    ):
        return [json.loads(await answer.content.readline()) for _ in range(count)]


async def test_discovery_leads_to_what_is_served(lab):
    groups = (await ask(lab, "bob", "GET", "/apis")).body["groups"]
    core = (await ask(lab, "bob", "GET", "/api/v1")).body["resources"]
    nothing = await ask(lab, "bob", "GET", "/apis/nothing.example/v1")

    assert {"apps", "networking.k8s.io", "cilium.io"} <= {each["name"] for each in groups}
    assert {"pods", "pods/log", "pods/exec"} <= {each["name"] for each in core}
    assert nothing.status == 404


async def test_a_kind_that_was_not_recorded_is_not_an_empty_list(tmp_path):
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / "pods.yaml").write_text("kind: List\napiVersion: v1\nitems: []\n")
    from lab.cluster import LabCluster

    async with LabCluster.start(tmp_path, by_hand=True) as lab:
        pods = await ask(lab, "admin", "GET", "/api/v1/pods")
        services = await ask(lab, "admin", "GET", "/api/v1/services")

    assert pods.body["items"] == []
    assert (services.status, services.message) == (503, "services are not in this lab's recording")


# -- inside ------------------------------------------------------------------------------------------------------------


async def test_the_probe_runs_nothing_but_its_own_program(lab):
    from sensors.access.kube import connect
    from sensors.kit.model import Blind

    pods = (await ask(lab, "kai", "GET", "/api/v1/namespaces/kai-probe/pods")).body["items"]
    async with connect(lab.kubeconfig("kai"), environ={}) as kube:
        with pytest.raises(Blind, match="could not be run") as refused:
            await kube.exec("kai-probe", pods[0]["metadata"]["name"], "probe", ["sh", "-c", "id"])
        garbled = await kube.exec("kai-probe", pods[0]["metadata"]["name"], "probe", ["kai-probe", "{}"])

    assert 'exec: "sh": executable file not found' in str(refused.value)
    assert (garbled.exit_code, json.loads(garbled.stdout)["version"]) == (2, 2)


async def test_nobody_else_may_run_programs_there(lab):
    reply = await ask(lab, "alice", "POST", "/api/v1/namespaces/kai-probe/pods/kai-probe-bbbbb/exec?command=kai-probe")

    assert reply.status == 403
    assert 'cannot create resource "pods/exec"' in reply.message


async def test_a_log_is_cut_at_its_end_and_one_that_is_not_there_is_said(lab):
    pod = lab.target.pod
    path = f"/api/v1/namespaces/checkout/pods/{pod}/log"

    end = await ask(lab, "bob", "GET", f"{path}?tailLines=3")
    before = await ask(lab, "bob", "GET", f"{path}?previous=true")
    unknown = await ask(lab, "bob", "GET", f"{path}?container=nope")

    assert len(end.body["text"].splitlines()) == 3
    assert (before.status, "previous terminated container" in before.message) == (400, True)
    assert (unknown.status, unknown.message) == (400, f"container nope is not valid for pod {pod}")


async def test_over_tls_the_certificate_is_vouched_for_by_the_labs_own_authority():
    from sensors.access.kube import connect

    async with running(CASE, tls=True) as lab, connect(lab.kubeconfig("bob"), environ={}) as kube:
        assert lab.url.startswith("https://")
        assert await kube.version() == "v1.36.2-lab"
