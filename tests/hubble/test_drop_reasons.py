"""Drop numbers: the numbers are the truth, the proto's names are checked against ours."""

from __future__ import annotations

import pytest

from sensors.hubble.drop_reasons import DROP_REASONS, DropClass, Noise, name_of, number_of, reason
from sensors.hubble.pb.cilium.flow import flow_pb2

NOT_IN_PROTO = {159, 206, 207}  # internal, retired, and newer than the vendored proto


def test_the_table_holds_every_reason_of_the_proto_under_its_name() -> None:
    proto = {number: name for name, number in flow_pb2.DropReason.items() if number}

    ours = {number: each.enum for number, each in DROP_REASONS.items() if number not in NOT_IN_PROTO}

    assert ours == proto


def test_two_names_of_the_proto_are_known_to_be_wrong() -> None:
    misnamed = {number: (each.enum, each.name) for number, each in DROP_REASONS.items() if each.misnamed}

    assert misnamed == {
        136: ("CT_MISSING_TCP_ACK_FLAG", "FRAGMENTATION_NEEDED"),
        161: ("FAILED_TO_INSERT_INTO_PROXYMAP", "NAT46_64_NOT_ENABLED"),
    }


def test_every_reason_says_what_it_means() -> None:
    assert [each.number for each in DROP_REASONS.values() if not each.meaning] == []


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("POLICY_DENIED", 133),
        (181, 181),
        ("181", 181),
        ("NEVER_HEARD_OF", 0),
        ("DROP_REASON_UNKNOWN", 0),
        ("9" * 99, 0),
    ],
)
def test_a_reason_is_found_by_name_or_number(said: str | int, number: int) -> None:
    assert number_of(said) == number


def test_a_number_newer_than_us_keeps_its_digits_or_the_emitters_name() -> None:
    assert reason(250).group is DropClass.UNKNOWN
    assert name_of(250) == "250"
    assert name_of(250, "BRAND_NEW") == "BRAND_NEW"
    assert name_of(0, "BRAND_NEW") == "BRAND_NEW"
    assert name_of(0, "DROP_REASON_UNKNOWN") == ""


def test_a_wrong_name_on_the_wire_does_not_reach_the_reader() -> None:
    assert name_of(136, "CT_MISSING_TCP_ACK_FLAG") == "FRAGMENTATION_NEEDED"


def test_what_the_datapath_handles_itself_is_noise() -> None:
    always = {number for number, each in DROP_REASONS.items() if each.noise is Noise.ALWAYS}

    assert always == {166, 173, 176, 199, 200, 201, 205}
