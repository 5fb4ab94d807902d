from __future__ import annotations

from lab.workspace.text import compose, escape, rich_text, unescape

HANDLES = {"@alice": "<@U0ALICE>", "@oncall": "<!subteam^S0ONCALL>", "#alerts": "<#C0ALERTS|alerts>"}


def test_the_three_special_characters_are_escaped_and_come_back() -> None:
    text = "a < b && c > d"

    assert escape(text) == "a &lt; b &amp;&amp; c &gt; d"
    assert unescape(escape(text)) == text


def test_known_handles_become_mentions() -> None:
    assert compose("@alice and @oncall see #alerts", HANDLES) == (
        "<@U0ALICE> and <!subteam^S0ONCALL> see <#C0ALERTS|alerts>"
    )


def test_what_only_looks_like_a_handle_stays_text() -> None:
    assert compose("a@alice.example, @nobody, #1, &#39;", HANDLES) == "a@alice.example, @nobody, #1, &amp;#39;"


def test_typed_markup_does_nothing() -> None:
    assert compose("<!channel> <@U0BOB>", HANDLES) == "&lt;!channel&gt; &lt;@U0BOB&gt;"


def test_addresses_are_linked() -> None:
    assert compose("see https://x.example/a?b=1&c=2 now", HANDLES) == "see <https://x.example/a?b=1&amp;c=2> now"


def test_stored_text_becomes_a_rich_text_block() -> None:
    block = rich_text("<@U0KAI> look at <#C0ALERTS|alerts> &amp; <https://x.example|this>")

    assert block == {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_section",
                "elements": [
                    {"type": "user", "user_id": "U0KAI"},
                    {"type": "text", "text": " look at "},
                    {"type": "channel", "channel_id": "C0ALERTS"},
                    {"type": "text", "text": " & "},
                    {"type": "link", "url": "https://x.example", "text": "this"},
                ],
            }
        ],
    }
