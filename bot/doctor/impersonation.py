"""As whom KAI may act, and whether anything limits what it does as them. Read from our own rules (a rules review).

Before Kubernetes 1.36 the right to impersonate has no limit: whoever has KAI's token has all rights of these people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bot.doctor.check import Check, CheckState
from sensors.access.kube import Kube
from sensors.access.kube.failure import refused, status_of
from sensors.access.kube.wire import MIB
from sensors.kit.model import Blind
from sensors.kit.objects import items, one_line, texts
from sensors.kit.reading import if_readable

RULES_REVIEW_PATH = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
LEGACY, CONSTRAINED = "impersonate", "impersonate:user-info"
PEOPLE = frozenset({"users", "groups", "serviceaccounts", "*"})
NOBODY = "no fix can be approved in the chat; fixes are applied by hand"
MAP = (
    "helm upgrade kai helm/kai -n kai --reuse-values --set 'approvals.users={ALICE}' --set 'approvals.namespaces={NS}'"
)
UNLIMITED = "KAI's token alone can do ALL that these people may, Secrets included"
LIMIT_COMMAND = (
    "helm upgrade kai helm/kai -n kai --reuse-values --set approvals.legacyImpersonation=false  # from Kubernetes 1.36"
)

RbacRule = Mapping[str, Any]


async def impersonation(kube: Kube) -> list[Check]:
    """Checks in whose name KAI may act, and warns where nothing limits it."""
    rules, why = await if_readable(_rules(kube))
    if rules is None:
        return [Check("approvals", CheckState.UNKNOWN, why)]
    return checks_of(rules)


def checks_of(rules: Iterable[RbacRule]) -> list[Check]:
    rules = tuple(rules)
    limited, unlimited = _people(rules, CONSTRAINED), _people(rules, LEGACY)
    if not limited and not unlimited:
        return [Check("approvals", CheckState.OFF, "KAI may act in no person's name", NOBODY, MAP)]
    known = Check("approvals", CheckState.OK, f"in the name of {', '.join(sorted({*limited, *unlimited}))}")
    if not unlimited:
        return [known]
    found = f"WARNING: nothing limits what KAI does as {', '.join(unlimited)}"
    return [known, Check("limits of approvals", CheckState.OFF, found, UNLIMITED, LIMIT_COMMAND)]


def _people(rules: Iterable[RbacRule], verb: str) -> list[str]:
    """Names, or `anybody` for a rule without names."""
    here = [
        rule for rule in rules if {verb, "*"} & set(texts(rule, "verbs")) and PEOPLE & set(texts(rule, "resources"))
    ]
    here = [rule for rule in here if verb == LEGACY or "users" in texts(rule, "resources")]
    names = {one_line(name, 80) for rule in here for name in texts(rule, "resourceNames") or ("anybody",)}
    return sorted(names)


async def _rules(kube: Kube) -> tuple[RbacRule, ...]:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": kube.namespace or "default"},
    }
    answer = await kube.wire.ask(RULES_REVIEW_PATH, method="POST", body=body, limit=4 * MIB)
    if not answer.good:
        raise Blind(refused(answer.status, answer.body, "our rules could not be asked for"))
    return items(status_of(answer.body), "status", "resourceRules")
