"""Text from a cluster is untrusted: names, logs and labels may carry escapes, markup or a megabyte of noise."""

from __future__ import annotations

import re

from sensors.text import visible

MAX_SENTENCE_CHARS = 600
"""Characters of one sentence that a report shows; more is noise, or an attack on the reader's terminal."""

LONGEST_COMMAND = 20_000

_MARKDOWN = re.compile(r"[\\`*\[\]<>#|~&]|(?<![^\W_])_|_(?![^\W_])|^[-+=]|(?<=^\d)[.)]|(?<=:)//|(?<=\bwww)\.")
_MENTION = re.compile(r"(?<![\w@])@(?=\w)")


def clean(text: object, longest: int = MAX_SENTENCE_CHARS) -> str:
    """One line without escapes, control characters or direction tricks; what was cut off is said."""
    line = " ".join(visible(str(text)).split())
    return line if len(line) <= longest else f"{line[:longest].rstrip()}… ({len(line) - longest} more characters)"


def clean_command(text: str) -> str:
    """A command as it must be typed: line breaks stay, what a terminal would obey goes.

    A command too long to show is not cut (half a command is a wrong command) but replaced by a shell comment.
    """
    command = "\n".join(visible(line).rstrip() for line in re.split(r"\r\n|\r|\n", text)).strip("\n")
    if len(command) > LONGEST_COMMAND:
        return f"# the command is {len(command)} characters long: take it from `-o json`"
    return command


def escape_markdown(text: str) -> str:
    """Cleaned text in which nothing starts Markdown, HTML, a link, an entity or a mention.

    A mention is broken with a zero-width space: backslashes do not stop the forges that look for it after rendering.
    """
    return _MENTION.sub("@\u200b", _MARKDOWN.sub(lambda found: f"\\{found[0]}", text))
