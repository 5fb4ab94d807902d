"""A Corefile is read by server block, or not at all."""

from __future__ import annotations

import pytest

from sensors.kit import Blind
from sensors.kit.corefile import Forward, parse_corefile

# the Corefile of kubeadm 1.31 with a stub domain and a rewrite
COREFILE = """\
(common) {
    errors
}
corp.example:53 {
    import common
    forward . 10.1.2.3 10.1.2.4:5353   # the office
}
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    rewrite name old.example.com new.shop.svc.cluster.local
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
    }
    loop
    reload
}
"""


def test_a_corefile_is_read_by_server_block():
    found = parse_corefile(COREFILE, "kube-system/coredns")

    assert found.zones == ("corp.example:53", ".:53")
    assert found.cluster_zones == ("cluster.local",)
    assert found.forwards == (Forward(".", ("10.1.2.3", "10.1.2.4:5353")), Forward(".", ("/etc/resolv.conf",)))
    assert (found.cache_seconds, "loop" in found.plugins, "ttl" in found.plugins) == (30, True, False)
    assert found.rewrites == ("rewrite name old.example.com new.shop.svc.cluster.local",)


@pytest.mark.parametrize("text", ["", "# nothing\n", "}}}", "forward . 1.1.1.1\n"])
def test_blind_on_a_corefile_without_a_server_block(text):
    with pytest.raises(Blind, match="no server block"):
        parse_corefile(text)
