"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy of cilium.io/v2.

Where it differs from NetworkPolicy, each from ``Documentation/security/policy`` and ``pkg/policy/api``:
a direction is isolated as soon as its section has a rule, unless ``enableDefaultDeny`` says no; deny rules beat every
allow; an object with one invalid rule is not applied at all. What a rule means is in ``cilium_rules``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flows.policy.catalog import ServiceCatalog
from flows.policy.cilium_peers import CLUSTER, NAMESPACE_LABELS, POD_NAMESPACE, SERVICE_ACCOUNT, terms_of
from flows.policy.cilium_rules import RuleReading, hides, read_rule
from flows.policy.kubernetes import ref_of
from flows.policy.model import Direction, PolicyRef
from flows.policy.profile import Profile
from flows.policy.reading import (
    Invalid,
    Json,
    NotUnderstood,
    items,
    loose_items,
    loose_labels,
    loose_mapping,
    mapping,
    only,
)
from flows.policy.rules import Clause, DirectionRules, Effect, Policy, PolicySubject, SubjectCondition
from flows.policy.selectors import EVERYTHING, Requirement, Selector, parse_selector

SECTIONS = {
    Direction.EGRESS: (("egress", Effect.ALLOW), ("egressDeny", Effect.DENY)),
    Direction.INGRESS: (("ingress", Effect.ALLOW), ("ingressDeny", Effect.DENY)),
}
_SPEC = ("endpointSelector", "nodeSelector", "enableDefaultDeny", "description", "labels", "log")
_SECTIONS = tuple(name for pairs in SECTIONS.values() for name, _ in pairs)


def parse_cilium(policy: Json, profile: Profile, catalog: ServiceCatalog) -> tuple[Policy, ...]:
    """Every spec of the object as one policy; one inert policy where Cilium refuses the object. Never raises."""
    kind = str(policy.get("kind"))
    clusterwide = kind == "CiliumClusterwideNetworkPolicy"
    ref = ref_of(policy, kind, default_namespace="" if clusterwide else "default")
    inert, reading = _inert(policy, profile), RuleReading(ref.namespace, profile, catalog, _valid(policy) is not None)
    try:
        found = [_policy(spec, path, ref, reading) for path, spec in _specs(policy)]
    except Invalid as fault:
        why = f"Cilium would refuse this object: {fault}"
        return (Policy(ref, PolicySubject(EVERYTHING, ref.namespace), inert=inert or why, refused=str(fault)),)
    return tuple(_doubted(replace(each, inert=each.inert or inert), profile) for each in found)


def _specs(policy: Json) -> Iterator[tuple[str, object]]:
    if policy.get("spec") is not None:
        yield "/spec", policy["spec"]
    specs = policy.get("specs")
    if isinstance(specs, list | tuple):
        yield from ((f"/specs/{index}", spec) for index, spec in enumerate(specs))
    elif specs is not None or policy.get("spec") is None:
        yield "/specs", specs


def _policy(value: object, path: str, ref: PolicyRef, reading: RuleReading) -> Policy:
    """One spec. Raises ``Invalid`` where Cilium refuses the object and has not said that it did not."""
    try:
        spec = mapping(value, path)
        only(spec, (*_SPEC, *_SECTIONS), path)
        subject, inert = _subject(spec, path, reading)
        sides = {direction: _side(spec, path, direction, reading) for direction in Direction}
    except NotUnderstood as fault:
        if isinstance(fault, Invalid) and not reading.judged:
            raise
        return Policy(ref, PolicySubject(EVERYTHING, ref.namespace, doubt=str(fault)), fault=str(fault))
    return Policy(ref, subject, sides, inert=inert)


def _doubted(policy: Policy, profile: Profile) -> Policy:
    if profile.cilium_policies is None and not policy.inert:
        return replace(policy, fault="whether this datapath implements Cilium's policies is not known")
    return policy


def _valid(policy: Json) -> Json | None:
    """Cilium's own word on the object, in its status."""
    conditions = loose_items(loose_mapping(policy.get("status")).get("conditions"))
    found = [each for each in conditions if each.get("type") == "Valid" and each.get("status") in ("True", "False")]
    return found[0] if found else None


def _inert(policy: Json, profile: Profile) -> str:
    if profile.cilium_policies is False:
        return "this datapath does not implement Cilium's policies"
    said = _valid(policy)
    if said is not None and said["status"] == "False":
        return f"Cilium calls it invalid and does not apply it: {said.get('message', '')}"
    return ""


def _subject(spec: Json, path: str, reading: RuleReading) -> tuple[PolicySubject, str]:
    namespace = reading.namespace
    if spec.get("nodeSelector") is not None and spec.get("endpointSelector") is None and not namespace:
        return PolicySubject(EVERYTHING), "a host policy: it selects nodes, not pods"
    if spec.get("nodeSelector") is not None or spec.get("endpointSelector") is None:
        kinds = "an endpointSelector" if namespace else "exactly one of endpointSelector and nodeSelector"
        raise Invalid(path, f"{kinds} is needed")
    selector = parse_selector(spec["endpointSelector"], f"{path}/endpointSelector", hides(reading.profile))
    return _split(selector, namespace), _without_rules(spec, path, reading.profile)


def _without_rules(spec: Json, path: str, profile: Profile) -> str:
    if any(spec.get(name) for name in _SECTIONS):
        return ""
    if profile.refuses_no_rules:
        raise Invalid(path, f"a rule is needed in at least one of {', '.join(_SECTIONS)}")
    return "it has no rules, so it isolates nothing (Cilium from 1.17 on refuses it)"


def _split(selector: Selector, namespace: str) -> PolicySubject:
    """An endpointSelector as pod labels, namespace labels and the rest, so that it can be indexed like any other."""
    pods: list[Requirement] = []
    namespaces: list[Requirement] = []
    conditions: list[SubjectCondition] = []
    for term in terms_of(selector):
        if term.source == "reserved":
            return PolicySubject(EVERYTHING, namespace, None, f"{term.wanted.path}: {term.wanted.key} is not modelled")
        if term.key == POD_NAMESPACE:
            if not (namespace and _is_overwritten(term.wanted)):
                namespaces.append(replace(term.wanted, key="kubernetes.io/metadata.name"))
        elif term.key.startswith(NAMESPACE_LABELS):
            namespaces.append(replace(term.wanted, key=term.key.removeprefix(NAMESPACE_LABELS)))
        elif term.key in (SERVICE_ACCOUNT, CLUSTER):
            conditions.append(term)
        else:
            pods.append(replace(term.wanted, key=term.key))
    reach = Selector(tuple(namespaces)) if namespaces else None
    return PolicySubject(Selector(tuple(pods)), namespace, reach, "", tuple(conditions))


def _is_overwritten(wanted: Requirement) -> bool:
    """``ParseToCiliumRule`` writes the policy's own namespace over this key of matchLabels, and beside any other."""
    return wanted.key == f"k8s:{POD_NAMESPACE}" and "/matchLabels/" in wanted.path


def _side(spec: Json, path: str, direction: Direction, reading: RuleReading) -> DirectionRules:
    present = [(name, effect) for name, effect in SECTIONS[direction] if spec.get(name) is not None]
    clauses = [
        _clause(index, rule, f"{path}/{name}/{index}", effect, direction, reading)
        for name, effect in present
        for index, rule in enumerate(items(spec[name], f"{path}/{name}"))
    ]
    wanted = _default_deny(spec, path, direction)
    denies = wanted is not False or not reading.profile.default_deny_options
    return DirectionRules(bool(clauses) and denies, tuple(clauses))


def _default_deny(spec: Json, path: str, direction: Direction) -> bool | None:
    """``enableDefaultDeny``: whether the rules of a direction isolate. Without a rule nothing does, whatever stands
    here (``RulesToPolicyEntries`` in ``pkg/policy/utils``; before 1.19 ``pkg/policy/repository.go``)."""
    place = f"{path}/enableDefaultDeny"
    options = mapping(spec.get("enableDefaultDeny"), place)
    only(options, tuple(Direction), place)
    wanted = options.get(direction.value)
    if wanted is not None and not isinstance(wanted, bool):
        raise NotUnderstood(f"{place}/{direction.value}", "expected a truth value")
    return wanted


def _clause(index: int, rule: object, path: str, effect: Effect, direction: Direction, reading: RuleReading) -> Clause:
    try:
        return read_rule(index, mapping(rule, path), path, effect, direction, reading)
    except NotUnderstood as fault:
        if isinstance(fault, Invalid) and not reading.judged:
            raise
        return Clause(index, effect, (), None, path, fault=str(fault))


def group_cidrs(item: Json) -> tuple[str, ...]:
    """The blocks of a CiliumCIDRGroup."""
    cidrs = loose_mapping(item.get("spec")).get("externalCIDRs")
    return tuple(each for each in cidrs if isinstance(each, str)) if isinstance(cidrs, list | tuple) else ()


def group_labels(item: Json) -> dict[str, str]:
    return loose_labels(loose_mapping(item.get("metadata")).get("labels"))
