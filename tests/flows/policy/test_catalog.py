"""Services and their endpoints, read without trust."""

from __future__ import annotations

from flows.policy.catalog import CatalogPort, parse_service, slice_addresses


def test_a_service_keeps_every_address_and_port() -> None:
    service = parse_service(
        {
            "metadata": {"name": "s", "namespace": "x"},
            "spec": {
                "clusterIP": "10.96.0.1",
                "clusterIPs": ["10.96.0.1", "fd00::1"],
                "externalIPs": ["203.0.113.1"],
                "selector": {"app": "a"},
                "ports": [
                    {"port": 80, "targetPort": "http", "name": "web"},
                    {"port": 53, "protocol": "UDP"},
                    {"port": "x"},
                ],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.1"}]}},
        }
    )

    assert service.addresses == ("10.96.0.1", "fd00::1", "203.0.113.1", "198.51.100.1")
    assert service.ports == (CatalogPort(80, "http", "TCP", "web"), CatalogPort(53, 53, "UDP"))


def test_a_headless_service_without_selector_has_neither() -> None:
    service = parse_service({"metadata": {"name": "s"}, "spec": {"clusterIP": "None", "selector": {}}})

    assert (service.namespace, service.addresses, service.selector) == ("default", (), None)


def test_endpoint_slices_and_old_endpoints_belong_to_their_service() -> None:
    labels = {"kubernetes.io/service-name": "s"}
    new = {"kind": "EndpointSlice", "metadata": {"name": "s-1", "namespace": "x", "labels": labels}}
    new["endpoints"] = [{"addresses": ["10.0.0.1"]}, {"addresses": None}]  # type: ignore[assignment]
    old = {
        "kind": "Endpoints",
        "metadata": {"name": "s", "namespace": "x"},
        "subsets": [{"addresses": [{"ip": "10.0.0.2"}]}],
    }

    assert slice_addresses(new) == (("x", "s"), ("10.0.0.1",))
    assert slice_addresses(old) == (("x", "s"), ("10.0.0.2",))
