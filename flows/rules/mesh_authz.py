"""The service mesh refuses the caller: by an AuthorizationPolicy (Istio), or a Server without authorization (Linkerd).

Proof: the objects refuse this caller on this port for certain, the peer's pods have the mesh's proxy, and connections
open and are reset or answered with 403. Not to be mistaken for a NetworkPolicy (packets pass), nor for the
application's own 403. Somebody decided whom to let in, so no patch.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import ASIDE, EVIDENT
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.mesh import cut_off, ends_of, is_in_mesh, refused_by
from flows.symptoms.peers import Peer, suspects
from sensors.k8s_network_policies import Policies
from sensors.k8s_pod import PodFacts
from sensors.kit.objects import kind_of, name_of, namespace_of
from sensors.net_connect import Connects

UNSEEN = "no refusal was seen"


def judge(case: Case) -> Iterator[Finding]:
    for peer, weight in suspects(case):
        ends = ends_of(case, peer)
        if ends is None or not is_in_mesh(case, ends.destination) or peer.fails is None:
            continue
        refusing = refused_by(case, ends)
        if refusing is not None:
            component = Component(kind_of(refusing), namespace_of(refusing), name_of(refusing))
            yield _finding(case, peer, component, weight)


def _finding(case: Case, peer: Peer, component: Component, weight: float) -> Finding:
    seen = cut_off(peer)
    return Finding(
        cause_class="mesh.authz",
        cause=f"{component} of the service mesh does not let {case.target} talk to {peer}",
        component=component,
        belief=(EVIDENT if seen else ASIDE) * weight,
        because=f"{component} applies to the pods of {peer} and lets this caller in nowhere; {seen or UNSEEN}",
        shown_by=(Policies, Connects, PodFacts),
        recommendation=f"Ask the owner of {component} whether to let {case.target} in; no NetworkPolicy can do it.",
    )


RULE = Rule(id="mesh-authz", judge=judge, causes=("mesh.authz",), needs=(Policies,))
