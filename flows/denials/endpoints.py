"""The two ends of a hubble flow as endpoints of the policy world."""

from __future__ import annotations

from dataclasses import replace

from flows.policy import Endpoint, PolicyWorld
from sensors.hubble.outcomes import Party


def endpoint_of(party: Party, world: PolicyWorld) -> Endpoint:
    """One side as the datapath saw it: the object we know, with the entities and names Hubble adds."""
    known = world.endpoint_of_pod(party.namespace, party.pod) if party.pod else None
    if known is not None and _cluster_of(party) in ("", world.profile.cluster_name):
        return known if known.host_network else replace(known, ip=party.ip or known.ip)
    if party.pod or party.namespace:
        return _from_labels(party)
    there = world.endpoint_at(party.ip)
    if there.is_pod or not party.entities:
        return replace(there, fqdns=party.names or there.fqdns)
    said = frozenset(party.entities)  # the datapath's own words go before what the address looks like
    return replace(
        there,
        entities=said | (there.entities & {"kube-apiserver"}),
        host_network=there.host_network or bool(said & {"host", "remote-node"}),
        fqdns=party.names or there.fqdns,
    )


def _from_labels(party: Party) -> Endpoint:
    """A pod that is gone by now, from the labels of its identity. Label forms: Cilium `pkg/k8s/apis/cilium.io`."""
    pairs = dict(label.partition("=")[::2] for label in party.labels)
    pod_labels = {key[4:]: value for key, value in pairs.items() if key.startswith("k8s:")}
    prefix = "io.cilium.k8s.namespace.labels."
    spaces = {key.removeprefix(prefix): value for key, value in pod_labels.items() if key.startswith(prefix)}
    foreign = ("io.cilium.k8s.", "io.kubernetes.pod.")
    own = {key: value for key, value in pod_labels.items() if not key.startswith(foreign)}
    account = pod_labels.get("io.cilium.k8s.policy.serviceaccount", "")
    kind, _, name = party.workload.rpartition("/")
    workload = f"{kind or 'Deployment'} {name}" if name else ""
    end = Endpoint(party.namespace, party.pod, own, spaces, party.ip, workload=workload, service_account=account)
    return replace(end, cluster=_cluster_of(party))


def _cluster_of(party: Party) -> str:
    """The cluster of a mesh that an identity is of; "" where its labels do not say."""
    labels = (each.removeprefix("k8s:").partition("=") for each in party.labels)
    return next((value for key, _, value in labels if key == "io.cilium.k8s.policy.cluster"), "")
