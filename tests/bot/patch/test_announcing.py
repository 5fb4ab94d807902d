"""The Event on a changed object: the same each time it is tried, and never longer than the API server takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.patch import Announcement, Approver, ObjectName
from bot.patch.announcing import announce, event_of
from bot.patch.wire import AnswerLost, ApiCall, ApiResponse, NotSent
from sensors.kit.kinds import NAMESPACE, NETWORK_POLICY

AT = datetime(2026, 11, 28, 21, 0, tzinfo=UTC)
TOLD = Announcement(
    "p-1", Approver("alice"), ObjectName(NETWORK_POLICY, "strict", "shop"), "u1", "KaiChanged", "Opened it", AT
)


class Line:
    def __init__(self, answer: ApiResponse | Exception) -> None:
        self.answer, self.calls = answer, list[ApiCall]()

    async def send(self, call: ApiCall) -> ApiResponse:
        self.calls.append(call)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def line(answer: ApiResponse | Exception) -> Any:
    return Line(answer)


async def test_it_is_made_beside_the_object_in_the_approvers_name_and_says_for_which_proposal():
    way = line(ApiResponse(201, {}))

    assert await announce(way, TOLD) == ""

    (call,) = way.calls
    assert (call.method, call.path) == ("POST", "/api/v1/namespaces/shop/events")
    assert (call.approver, call.why) == (Approver("alice"), "p-1")
    about = call.body["involvedObject"]
    assert (about["kind"], about["namespace"], about["name"], about["uid"]) == ("NetworkPolicy", "shop", "strict", "u1")
    assert (call.body["reason"], call.body["firstTimestamp"]) == ("KaiChanged", "2026-11-28T21:00:00Z")


@pytest.mark.parametrize("why", [NotSent("no way"), AnswerLost("no answer")], ids=str)
async def test_what_could_not_be_told_is_said_and_raises_nothing(why: Exception):
    assert await announce(line(why), TOLD) == str(why)


async def test_a_refusal_comes_back_in_the_servers_words():
    assert await announce(line(ApiResponse(403, {"message": "events is forbidden"})), TOLD) == "events is forbidden"


async def test_tried_again_after_a_crash_it_stands_there_once():
    assert event_of(TOLD)["metadata"] == event_of(replace(TOLD, message="again"))["metadata"]
    assert event_of(TOLD)["metadata"] != event_of(replace(TOLD, proposal="p-2"))["metadata"]
    assert await announce(line(ApiResponse(409, {"reason": "AlreadyExists"})), TOLD) == ""


def test_of_a_namespace_it_stands_inside_it():
    made = event_of(replace(TOLD, target=ObjectName(NAMESPACE, "shop")))

    assert (made["metadata"]["namespace"], made["involvedObject"]["namespace"]) == ("shop", "shop")


def test_a_long_message_with_line_breaks_is_cut_to_what_the_api_server_takes():
    message = event_of(replace(TOLD, message="→\n" * 2000))["message"]

    assert len(message.encode()) <= 1024
    assert "\n" not in message
