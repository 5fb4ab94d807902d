"""Which pod does a message speak of? Alerts as Slack hands them on: captured from Alertmanager 0.25 and Grafana."""

from __future__ import annotations

from typing import Any

import pytest

from bot.triggers.commands import Fill
from bot.triggers.message import match, parse, text_of

ALERTMANAGER = {
    "text": "",
    "username": "Alertmanager",
    "attachments": [
        {
            "title": "[FIRING:1] KubePodCrashLooping shop (prod web web-7f9c6d-abcde critical)",
            "title_link": "http://HOST:9093/#/alerts?receiver=both",
            "fallback": "[FIRING:1] KubePodCrashLooping shop (prod web web-7f9c6d-abcde critical) | <http://HOST:9093>",
            "color": "a30200",
        }
    ],
}
GRAFANA = {
    "text": "",
    "attachments": [
        {
            "title": "[FIRING:1] PodNetwork shop",
            "text": "**Firing**\n\nLabels:\n - namespace = shop\n - pod = web-7f9c6d-abcde\n",
            "footer": "Grafana v12",
        }
    ],
}
FIELDS = {
    "attachments": [
        {
            "fields": [
                {"title": "namespace", "value": "shop"},
                {"title": "pod", "value": "web-1"},
                {"title": "x", "value": 1},
            ]
        }
    ]
}


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (GRAFANA, Fill("web-7f9c6d-abcde", "shop")),
        (FIELDS, Fill("web-1", "shop")),
        ({"text": "kai:v1 ns=shop pod=web-1"}, Fill("web-1", "shop")),
        ({"text": "pod_name:web-1, kube_namespace:shop"}, Fill("web-1", "shop")),
        (
            {"text": "`shop/web-7f9c6d-abcde` cannot reach <https://db.example/a-b/c-d>"},
            Fill("web-7f9c6d-abcde", "shop"),
        ),
        (
            {"blocks": [{"type": "section", "text": {"text": "*pod:* `web-1` *namespace:* `shop`"}}]},
            Fill("web-1", "shop"),
        ),
        (
            {
                "blocks": [
                    {
                        "type": "rich_text",
                        "elements": [
                            {
                                "type": "rich_text_section",
                                "elements": [
                                    {"type": "text", "text": "pod: "},
                                    {"type": "text", "text": "web-1", "style": {"code": True}},
                                    {"type": "text", "text": " in namespace=shop"},
                                    {"type": "emoji", "name": "fire"},
                                    7,
                                ],
                            }
                        ],
                    }
                ]
            },
            Fill("web-1", "shop"),
        ),
        ({"text": "pod=web-1 pod=web-2 namespace=shop"}, Fill("", "shop")),
        (ALERTMANAGER, Fill()),
        ({"text": "hello"}, Fill()),
        ({}, Fill()),
        ({"text": 5, "blocks": "x", "attachments": [None, [[]]]}, Fill()),
    ],
)
def test_pod_and_namespace_are_read_from_labels_or_left_empty(message: dict[str, Any], found: Fill):
    assert parse(message) == found


def test_a_bare_name_counts_when_such_a_pod_exists():
    pods = [("shop", "web-7f9c6d-abcde"), ("shop", "web-7f9c6d-zzzzz"), ("prod", "other-1")]

    assert match(ALERTMANAGER, pods) == Fill("web-7f9c6d-abcde", "shop")


def test_of_two_pods_of_one_name_the_one_whose_namespace_is_named_is_meant():
    pods = [("shop", "web-7f9c6d-abcde"), ("stage", "web-7f9c6d-abcde")]

    assert match(ALERTMANAGER, pods) == Fill("web-7f9c6d-abcde", "shop")
    assert match({"text": "web-7f9c6d-abcde is down"}, pods) == Fill()


def test_a_message_without_end_is_read_to_a_bound():
    deep: Any = {"text": "pod=web-1"}
    for _ in range(100):
        deep = {"blocks": [deep]}

    assert parse(deep) == Fill()
    assert len(text_of({"text": "x" * 10**6, "blocks": [{"text": "y" * 5000}] * 50})) <= 8000
