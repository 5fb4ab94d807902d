"""The admission webhook that an API server's refusal names: its Service, and the policy that cuts it off.

The wording is kube-apiserver's (apiserver/pkg/admission/plugin/webhook): `failed calling webhook "NAME": … Post
"https://SERVICE.NAMESPACE.svc:PORT/…": context deadline exceeded`.
"""

from __future__ import annotations

import re

from flows.model import Case, Component
from flows.symptoms.objects import Json, objects
from sensors.k8s_services import ServiceFacts, Services
from sensors.kit.objects import label_selector_matches, labels_of, mapping, name_of, namespace_of, text, texts

ADDRESS = re.compile(r"https://([a-z0-9-]+)\.([a-z0-9-]+)\.svc\b")
SILENCE = ("deadline exceeded", "timeout", "timed out")


def is_webhook(refusal: str) -> bool:
    return "failed calling webhook" in refusal


def culprit_of(case: Case, refusal: str) -> Component | None:
    """The object to change: where the webhook's silence is that of packets which a policy may drop, the one policy that
    isolates its pods (all of its namespace, where it is not known which they are); else its Service. None where the
    refusal names no Service."""
    called = ADDRESS.search(refusal)
    if called is None:
        return None
    name, space = called.groups()
    walls = _isolating(case, space, name) if _is_silence(refusal) else []
    return walls[0] if len(walls) == 1 else Component("Service", space, name)


def _is_silence(refusal: str) -> bool:
    """The last words tell, after the URL, which has a timeout of its own."""
    return any(each in refusal.rpartition('": ')[2] for each in SILENCE)


def _isolating(case: Case, space: str, name: str) -> list[Component]:
    services = case.get(Services)
    service = services.find(space, name) if services else None
    pods = [each for each in objects(case, "Pod") if namespace_of(each) == space and _is_behind(each, service)]
    policies = (each for each in objects(case, "NetworkPolicy") if namespace_of(each) == space)
    found = (each for each in policies if pods and all(_isolates(each, pod) for pod in pods))
    return [Component("NetworkPolicy", space, name_of(each)) for each in found if _is_kubernetes(each)]


def _is_kubernetes(policy: Json) -> bool:
    return text(policy, "apiVersion").startswith("networking.k8s.io/")


def _is_behind(pod: Json, service: ServiceFacts | None) -> bool:
    return service is None or not service.selector or service.selector.items() <= labels_of(pod).items()


def _isolates(policy: Json, pod: Json) -> bool:
    spec = mapping(policy, "spec")
    inward = "Ingress" in (texts(spec, "policyTypes") or ("Ingress",))
    return inward and label_selector_matches(mapping(spec, "podSelector"), labels_of(pod)) is True
