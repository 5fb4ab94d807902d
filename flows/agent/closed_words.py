"""The words of facts that no cluster, log or person can choose: fields, members of enumerations, constants of APIs.

What the sensors define is read from them; what Kubernetes, TCP, DNS and Hubble define stands here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import ModuleType

from sensors.hubble.drop_reasons import DROP_REASONS
from sensors.kit.catalog import sensors

_OF_STANDARDS = """
open refused timeout unreachable reset tcp udp sctp
TCP UDP SCTP ICMP ICMPv4 ICMPv6 A AAAA CNAME SRV PTR TXT NOERROR NXDOMAIN SERVFAIL REFUSED FORMERR NOTIMP
ETIMEDOUT ECONNREFUSED ECONNRESET EHOSTUNREACH ENETUNREACH EADDRNOTAVAIL EMFILE ENOBUFS EPERM EACCES EINPROGRESS
ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING
EGRESS INGRESS egress ingress request response forwarded dropped audit error denied allowed redirected traced
TO_ENDPOINT TO_OVERLAY TO_NETWORK TO_PROXY TO_STACK TO_HOST FROM_ENDPOINT FROM_OVERLAY FROM_NETWORK FROM_PROXY
FROM_STACK
reserved host world remote-node kube-apiserver health unmanaged init ingress cluster all
Running Pending Succeeded Failed Unknown True False ClusterFirst ClusterFirstWithHostNet Default None Warning Normal
Ready Initialized ContainersReady PodScheduled PodReadyToStartContainers NetworkUnavailable MemoryPressure DiskPressure
PIDPressure KubeletReady KubeletNotReady NodeStatusUnknown NodeStatusNeverUpdated running waiting terminated
CrashLoopBackOff ImagePullBackOff ErrImagePull OOMKilled Error Completed ContainerCreating PodInitializing
CreateContainerError CreateContainerConfigError RunContainerError InvalidImageName Evicted
FailedScheduling FailedCreatePodSandBox NetworkNotReady BackOff Unhealthy FailedMount FailedAttachVolume Killing
Pod Service Node Namespace Deployment DaemonSet StatefulSet ReplicaSet Job CronJob ConfigMap Endpoints EndpointSlice
NetworkPolicy CiliumNetworkPolicy CiliumClusterwideNetworkPolicy GlobalNetworkPolicy AdminNetworkPolicy Ingress
BaselineAdminNetworkPolicy PeerAuthentication AuthorizationPolicy External ClusterIP NodePort LoadBalancer ExternalName
Cluster Local ClientIP Ok Disabled Failure cilium calico flannel antrea weave kindnet amazon-vpc-cni azure kube-router
tunnel native vxlan geneve true false always never GET HEAD POST PUT PATCH DELETE OPTIONS HTTP http https grpc
"""

_NO_FACTS = ("sensors.access", "sensors.hubble.pb")
_FIGURE = re.compile(
    r"v?[0-9]+(?:\.[0-9]+){0,3}(?:Ki|Mi|Gi|Ti|[mkMG]|ms|s|%)?|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z"
)


@cache
def closed_words() -> frozenset[str]:
    """Every word that a fact may hold without anybody having chosen it."""
    kinds = (each.gives.__name__ for each in sensors().values())
    own = (word for module in _modules() for word in _defined(module))
    reasons = (each.enum for each in DROP_REASONS.values())
    return frozenset((*_OF_STANDARDS.split(), *kinds, *reasons, *own))


def is_closed(word: str) -> bool:
    """A closed word, or a figure: a number with its unit, a version, a time."""
    return word in closed_words() or _FIGURE.fullmatch(word) is not None


def _modules() -> Iterator[ModuleType]:
    sensors()  # imports them all
    ours = (name for name in sorted(sys.modules) if name.startswith("sensors.") and not name.startswith(_NO_FACTS))
    yield from (sys.modules[name] for name in ours)


def _defined(module: ModuleType) -> Iterator[str]:
    """Fields of facts, and members of enumerations."""
    for each in vars(module).values():
        if not isinstance(each, type):
            continue
        if issubclass(each, Enum):
            yield from (str(member.value) for member in each)
        elif is_dataclass(each):
            yield from (one.name for one in fields(each))
        else:
            yield from getattr(each, "__struct_fields__", ())
