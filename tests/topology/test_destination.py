from __future__ import annotations

import pytest

from sensors.kit import Target
from sensors.kit.objects import Ref
from sensors.topology.destination import Backend, Destination, destination_at
from sensors.topology.peer import AddressBook


def resolve(target, services, slices, pods):
    where = AddressBook(tuple(services), tuple(slices), tuple(pods))
    return destination_at(target.to_host, target.to_port, target.namespace, where)


def service(name="db", namespace="shop", port=5432, **spec):
    ports = [{"port": port, "name": "main"}]
    meta = {"name": name, "namespace": namespace}
    return {"kind": "Service", "metadata": meta, "spec": {"clusterIP": "10.96.7.7", "ports": ports, **spec}}


SLICE = {
    "metadata": {"namespace": "shop", "labels": {"kubernetes.io/service-name": "db"}},
    "ports": [{"name": "main", "port": 6000, "protocol": "TCP"}, {"name": "metrics", "port": 9100}],
    "endpoints": [
        {"addresses": ["10.0.0.5"], "nodeName": "n1", "conditions": {"ready": False}},
        {
            "addresses": ["10.0.0.6"],
            "conditions": {},
            "targetRef": {"kind": "Pod", "name": "db-0", "namespace": "shop"},
        },
    ],
}


@pytest.mark.parametrize(
    "host", ["db", "db.shop", "db.shop.svc", "db.shop.svc.cluster.local", "db.shop.svc.cluster.local.", "10.96.7.7"]
)
def test_every_way_to_write_a_service_finds_it(host):
    found = resolve(Target("web", "shop", host, 5432), [service()], [SLICE], [])

    assert found == Destination(
        host=host.rstrip("."),
        port=5432,
        service=Ref("Service", "shop", "db"),
        cluster_ips=("10.96.7.7",),
        service_ports=(5432,),
        backends=(
            Backend("10.0.0.5", (6000,), "", "", "n1", ready=False),
            Backend("10.0.0.6", (6000,), "shop", "db-0", "", ready=True),
        ),
    )


@pytest.mark.parametrize("host", ["db.example.com", "other", "db.elsewhere", "203.0.113.9"])
def test_what_is_no_service_of_this_cluster_has_nothing_behind_it(host):
    assert resolve(Target("web", "shop", host, 5432), [service()], [SLICE], []) == Destination(host, 5432)


def speaking(*protocols: str, asked: str | None = None) -> Destination:
    """A Service that speaks these at one port, one endpoint port for each."""
    ports = [{"port": 5140, "name": each.lower(), "protocol": each} for each in protocols]
    ends = {**SLICE, "ports": [{**each, "port": 6000 + at} for at, each in enumerate(ports)]}
    where = AddressBook((service(ports=ports),), (ends,), ())
    return destination_at("db", 5140, "shop", where, (), asked)


def test_a_service_is_asked_in_the_protocol_it_speaks():
    found = speaking("UDP")

    assert (found.protocol, found.backends[0].ports) == ("UDP", (6000,))


def test_of_two_protocols_tcp_is_meant_unless_the_question_says_otherwise():
    both, udp = speaking("TCP", "UDP"), speaking("TCP", "UDP", asked="UDP")

    assert (both.protocol, both.backends[0].ports) == ("TCP", (6000,))
    assert (udp.protocol, udp.backends[0].ports) == ("UDP", (6001,))
    assert speaking("UDP", asked="TCP").backends[0].ports == ()


def test_a_port_that_the_service_does_not_have_arrives_nowhere():
    found = resolve(Target("web", "shop", "db", 80), [service()], [SLICE], [])

    assert [each.ports for each in found.backends] == [(), ()]


def test_a_pod_address_is_its_own_backend_unless_the_node_owns_it():
    status = {"podIP": "10.0.0.6", "conditions": [{"type": "Ready", "status": "True"}]}
    pod = {"metadata": {"name": "db-0", "namespace": "shop"}, "spec": {"nodeName": "n1"}, "status": status}
    on_node = {**pod, "spec": {"hostNetwork": True}}

    found = [resolve(Target("web", "shop", "10.0.0.6", 9), [], [], [each]).backends for each in (pod, on_node)]

    assert found == [(Backend("10.0.0.6", (9,), "shop", "db-0", "n1", ready=True),), ()]
