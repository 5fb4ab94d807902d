"""The kernel's own lines: a dmesg of a RHEL 7 node whose VXLAN packets arrived with bad checksums (flannel-io/flannel
issue 1279), and what nf_conntrack_log_invalid writes (kernel 5.17, netdev list, April 2022; addresses changed)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sensors.kit.kernel_log import BadChecksums, FullTable, InvalidSegments, parse_log
from sensors.kit.model import Blind

CHECKSUMS = """\
[ 1423.035722] UDP: bad checksum. From 172.16.9.99:27503 to 172.16.80.252:8472 ulen 75
[ 1426.036873] UDP: bad checksum. From 172.16.9.99:4894 to 172.16.80.252:8472 ulen 75
[ 1427.537392] UDP: bad checksum. From 172.16.9.99:32693 to 172.16.80.252:8472 ulen 75
[ 1429.037910] UDP: bad checksum. From 172.16.9.99:46133 to 172.16.80.252:8472 ulen 75
"""
INVALID = (
    "2022-04-02T10:31:53,000000+00:00 nf_ct_proto_6: SEQ is over the upper bound (over the window of the receiver) "
    "IN= OUT=bond0 SRC=10.244.1.7 DST=10.244.2.9 LEN=2928 TOS=0x00 PREC=0x00 TTL=63 ID=53409 DF PROTO=TCP SPT=48920 "
    "DPT=8080 SEQ=2689938314 ACK=4200412020 WINDOW=447 RES=0x00 ACK PSH URGP=0\n"
)
SHORT = (
    "nf_ct_proto_6: invalid packet ignored in state ESTABLISHED SRC=10.47.217.34 DST=192.168.0.17 LEN=60 DF PROTO=TCP "
    "SPT=443 DPT=47832 SEQ=389276 ACK=3130 WINDOW=65160 ACK SYN\n"
)


def test_bad_checksums_are_folded_by_sender_and_port() -> None:
    assert parse_log(CHECKSUMS).bad_checksums == (BadChecksums("172.16.9.99", "172.16.80.252", 8472, 4),)


def test_an_invalid_segment_is_told_with_its_two_ends_and_the_kernel_s_reason() -> None:
    assert parse_log(INVALID).invalid == (
        InvalidSegments(
            source="10.244.1.7",
            source_port=48920,
            destination="10.244.2.9",
            destination_port=8080,
            lines=1,
            why="SEQ is over the upper bound (over the window of the receiver)",
            newest=datetime(2022, 4, 2, 10, 31, 53, tzinfo=UTC),
        ),
    )


def test_a_line_without_interfaces_is_understood_too() -> None:
    (found,) = parse_log(SHORT).invalid

    assert (found.source, found.destination_port, found.why) == (
        "10.47.217.34",
        47832,
        "invalid packet ignored in state ESTABLISHED",
    )


def test_lines_about_other_things_say_nothing_of_packets() -> None:
    found = parse_log("[1.0] eth0: renamed from veth1\n[2.0] audit: type=1400 bad checksum\n")

    assert (found.full, found.bad_checksums, found.invalid) == (FullTable(0), (), ())


def test_a_tool_s_complaint_is_no_log() -> None:
    with pytest.raises(Blind, match="could not be read"):
        parse_log("dmesg: read kernel buffer failed: Operation not permitted\n")
