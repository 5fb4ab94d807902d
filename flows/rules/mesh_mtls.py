"""The peer takes nothing but mutual TLS (service mesh), and the caller is not in the mesh.

Proof: a PeerAuthentication STRICT applies to the peer's pods, which have a proxy, the caller has none, and its
connections open and are reset. Not to be mistaken for an application that resets by itself, nor for a policy: the
network lets every packet through. Who is wrong, the caller or the mode, the mesh's owner decides.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import ASIDE, EVIDENT
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.mesh import cut_off, ends_of, is_in_mesh, strict_by
from flows.symptoms.peers import Peer, suspects
from sensors.k8s_network_policies import Policies
from sensors.k8s_pod import PodFacts
from sensors.kit.objects import name_of, namespace_of
from sensors.net_connect import Connects


def judge(case: Case) -> Iterator[Finding]:
    for peer, weight in suspects(case):
        ends = ends_of(case, peer)
        if ends is None or is_in_mesh(case, ends.source) or not is_in_mesh(case, ends.destination):
            continue
        strict = strict_by(case, ends.destination, ends.port)
        if strict is not None and peer.fails is not None:
            component = Component("PeerAuthentication", namespace_of(strict), name_of(strict))
            yield _finding(case, peer, component, weight)


def _finding(case: Case, peer: Peer, component: Component, weight: float) -> Finding:
    seen = cut_off(peer)
    return Finding(
        cause_class="mesh.mtls",
        cause=f"{peer} takes mutual TLS only ({component} is STRICT), and {case.target} has no proxy of the mesh",
        component=component,
        belief=(EVIDENT if seen else ASIDE) * weight,
        because=f"{component} applies to the pods of {peer}; the caller has no sidecar; {seen or 'no reset was seen'}",
        shown_by=(Policies, Connects, PodFacts),
        recommendation=(
            f"Take {case.target.namespace}/{case.target.pod} into the mesh (inject its namespace and restart it), or "
            f"have the owner of {component} allow PERMISSIVE on that port."
        ),
    )


RULE = Rule(id="mesh-mtls", judge=judge, causes=("mesh.mtls",), needs=(Policies,))
