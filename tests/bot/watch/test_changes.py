"""A change of a policy, who wrote it, and the line that takes it back."""

from __future__ import annotations

import json
import shlex

from bot.watch.changes import policy_change
from flows.fixes.jsonpatch import apply
from sensors.access.kube.watching import ObjectChange
from sensors.kit.kinds import NETWORK_POLICY
from tests.bot.watch.watching import BEGAN, changed, policy


def patch_in(line: str) -> list[dict[str, object]]:
    words = shlex.split(line)
    return json.loads(next(each for each in words if each.startswith("-p=")).removeprefix("-p="))


def test_the_way_back_of_a_change_is_a_patch_that_fits_only_what_was_written():
    change = policy_change(changed(), BEGAN)

    assert change is not None
    line = change.kubectl()
    assert line.startswith("kubectl -n shop patch networkpolicy strict --type=json -p=")
    assert patch_in(line)[0] == {"op": "test", "path": "/metadata/generation", "value": 2}
    assert apply(changed().after, patch_in(line))["spec"] == changed().before["spec"]
    assert change.back == ((changed().before,), ())


def test_a_new_policy_is_taken_back_by_deleting_it_and_a_deleted_one_by_making_it_again():
    thing = policy(egress=[])
    thing["metadata"]["managedFields"] = [
        {"manager": "helm", "time": "2026-11-28T21:00:00Z"},
        {"manager": "kubectl-patch", "time": "2026-11-28T22:00:00Z"},
    ]
    made = policy_change(ObjectChange(NETWORK_POLICY, None, thing), BEGAN)
    gone = policy_change(ObjectChange(NETWORK_POLICY, thing, None), BEGAN)

    assert made is not None
    assert gone is not None
    assert (made.what, made.by, made.back) == ("created", "kubectl-patch", ((), (thing,)))
    assert made.kubectl() == "kubectl -n shop delete networkpolicy strict"
    assert (gone.what, gone.by, gone.back) == ("deleted", "", ((thing,), ()))
    assert gone.kubectl().startswith("kubectl apply -f - <<'EOF'\napiVersion: networking.k8s.io/v1\n")
    assert "resourceVersion" not in gone.kubectl()


def test_what_leaves_the_rules_alone_is_no_change():
    same = ObjectChange(NETWORK_POLICY, policy(egress=[]), policy("strict", "2", egress=[]))

    assert policy_change(same, BEGAN) is None
