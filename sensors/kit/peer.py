"""Says what an address in a question means in this cluster: a Service, a pod, a node, the API server, or none of them.

Pure. Name forms: the Kubernetes DNS specification 1.1 (`svc`, `svc.ns`, `svc.ns.svc`, `svc.ns.svc.<cluster domain>`,
`<pod name>.svc.ns.svc…`, `<dashed ip>.ns.pod…`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sensors.kit.objects import Ref


class AskedKind(StrEnum):
    """What the asked peer is. The four last are answers, too: the address belongs to nothing that exists."""

    SERVICE = "service"
    POD = "pod"
    NODE = "node"
    API_SERVER = "api_server"
    EXTERNAL = "external"
    UNKNOWN_SERVICE = "unknown_service"
    UNKNOWN_NAMESPACE = "unknown_namespace"
    UNKNOWN_POD = "unknown_pod"
    UNDECIDABLE = "undecidable"


@dataclass(frozen=True, slots=True)
class Asked:
    """How the asked peer resolved.

    `service` is the existing Service, or the one that was meant and does not exist (`unknown_service`,
    `unknown_namespace`); `pod` the pod behind a pod address; `node` the node's name. For what does not exist:
    `nearest` are names like it in the same namespace, `elsewhere` Services of that very name in other namespaces,
    `nearest_namespaces` namespaces like the one that does not exist.
    """

    kind: AskedKind
    host: str
    port: int | None = None
    service: Ref | None = None
    pod: Ref | None = None
    node: str = ""
    nearest: tuple[str, ...] = ()
    elsewhere: tuple[Ref, ...] = ()
    nearest_namespaces: tuple[str, ...] = ()
    why: str = ""
