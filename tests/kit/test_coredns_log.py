"""The log of a recorded incident (CoreDNS 1.13.1). Further lines keep the wording that CoreDNS wrote in public reports:
1.6.7 (coredns/deployment#215, #225), 1.2.2 (kubeasz#355), 1.13 (coredns#7727), and the errors plugin's manual; names
and addresses are documentation ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensors.kit.coredns_log import CoreDnsTrouble, LogFinding, read_log

CAPTURES = Path(__file__).parents[1] / "captures" / "net"


def test_which_upstream_does_not_answer_for_which_names():
    found = read_log((CAPTURES / "coredns_upstream_down.log").read_text(), "coredns-1")

    told = [(each.trouble, each.upstream, each.count, each.names) for each in found]
    assert told == [
        (CoreDnsTrouble.LOOP_PROBE_UNANSWERED, "172.23.83.11:53", 1, ()),
        (CoreDnsTrouble.LOOP_PROBE_UNANSWERED, "172.23.83.12:53", 1, ()),
        (CoreDnsTrouble.UPSTREAM_TIMEOUT, "172.23.83.11:53", 3, ("api.example.com", "cdn.example.net")),
        (CoreDnsTrouble.UPSTREAM_REFUSED, "172.23.83.12:53", 1, ("cdn.example.net",)),
    ]


@pytest.mark.parametrize(
    ("line", "trouble"),
    [
        (
            '[FATAL] plugin/loop: Loop (127.0.0.1:55953 -> :1053) detected for zone ".", see https://coredns.io/plugins/'
            'loop#troubleshooting. Query: "HINFO 4547991504243258144.3688648895315093531."',
            CoreDnsTrouble.LOOP,
        ),
        (
            '2018/11/05 13:48:22 [FATAL] plugin/loop: Seen "HINFO IN 4849932600568443392.1730530029506169038." '
            "more than twice, loop detected",
            CoreDnsTrouble.LOOP,
        ),
        ("/etc/coredns/Corefile:3 - Error during parsing: Unknown directive '.'", CoreDnsTrouble.CONFIG_ERROR),
        (
            "plugin/forward: /etc/coredns/Corefile:14 - Error during parsing: Wrong argument count or unexpected line "
            "ending after '.'",
            CoreDnsTrouble.CONFIG_ERROR,
        ),
        (
            "loading Caddyfile via flag: open /etc/coredns/Corefile: no such file or directory",
            CoreDnsTrouble.CONFIG_ERROR,
        ),
        ('[INFO] plugin/ready: Still waiting on: "kubernetes"', CoreDnsTrouble.NOT_READY),
        ('[INFO] plugin/ready: Plugins not ready: "kubernetes"', CoreDnsTrouble.NOT_READY),
        ("[INFO] plugin/kubernetes: waiting for Kubernetes API before starting server", CoreDnsTrouble.API_UNREACHABLE),
        ("[WARNING] plugin/kubernetes: starting server with unsynced Kubernetes API", CoreDnsTrouble.API_UNREACHABLE),
        (
            '[ERROR] plugin/kubernetes: Failed to watch: failed to list *v1.Namespace: Get "https://10.96.0.1:443/api/v1/'
            'namespaces?limit=500&resourceVersion=0": dial tcp 10.96.0.1:443: i/o timeout',
            CoreDnsTrouble.API_UNREACHABLE,
        ),
        (
            "[ERROR] plugin/kubernetes: Failed to watch: failed to list *v1.EndpointSlice: "
            'endpointslices.discovery.k8s.io is forbidden: User "system:serviceaccount:kube-system:coredns" '
            "cannot list resource",
            CoreDnsTrouble.API_FORBIDDEN,
        ),
        ("panic: runtime error: invalid memory address or nil pointer dereference", CoreDnsTrouble.PANIC),
        (
            "[ERROR] plugin/errors: 2 www.example.com. A: concurrent queries exceeded maximum 1000",
            CoreDnsTrouble.OVERLOADED,
        ),
        ("[ERROR] plugin/errors: 2 www.example.com. A: no healthy upstreams", CoreDnsTrouble.UPSTREAM_ERROR),
    ],
)
def test_every_kind_of_trouble_is_known_by_coredns_s_own_words(line, trouble):
    (found,) = read_log(f"[INFO] 127.0.0.1:1 - 1 NOERROR\n{line}\n", "coredns-1")

    assert found.trouble is trouble


def test_a_corefile_error_names_its_line():
    line = "/etc/coredns/Corefile:3 - Error during parsing: Unknown directive '.'"

    assert read_log(line, "coredns-1", previous=True) == (
        LogFinding(CoreDnsTrouble.CONFIG_ERROR, "coredns-1", previous=True, count=1, example=line, config_line=3),
    )


def test_errors_that_coredns_itself_counted_keep_their_count():
    line = "[ERROR] plugin/errors: 17 errors like '^read udp .* i/o timeout$' occurred in last 30s"

    assert [(each.trouble, each.count) for each in read_log(line, "c")] == [(CoreDnsTrouble.UPSTREAM_TIMEOUT, 17)]


def test_an_answered_query_for_a_name_with_telling_words_is_no_trouble():
    line = '[INFO] 10.0.0.9:1 - 1 "A IN panic.loop.example.com. udp 41 false 512" NXDOMAIN qr,rd,ra 41 0.002s'

    assert read_log(line, "c") == ()
