"""The grammar of the conversation: which of the known questions a message asks. Never a guess beyond the rules."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.answers.phrases import PHRASES, WHY, pattern
from bot.answers.question import Question, Topic
from bot.answers.spelling import FILLERS, KEYWORDS, words_of
from bot.answers.subjects import causes_named, layers_named
from bot.triggers.slack_text import typed

_TOPICS = {topic: pattern(phrases) for topic, phrases in PHRASES.items()}
_WHY = pattern(WHY)
_EVIDENCE = re.compile(r"\be ?(\d{1,2})\b")
_ASKS = pattern(r"""
    ^(?:but |and |so |ok |okay |kai |hey |please )*(?:why|what|when|where|which|who|whose|how|is|was|are|were)
    ^(?:but |and |so |ok |okay |kai |hey |please )*(?:did|does|do|can|could|may|will|would|should|has|have)
    ^(?:but |and |so |ok |okay |kai |hey |please )*(?:show|give|tell|explain|run|re run|check|try|rerun|recheck|retry)
    ^(?:but |and |so |ok |okay |kai |hey |please )*(?:undo|roll|rollback|revert|fix|apply|prove|proof|evidence)
    ^(?:but |and |so |ok |okay |kai |hey |please )*(?:since|any|anyone|not|e ?\d{1,2})
""")
_WORD = re.compile(r"[a-z0-9]+")
_HUMAN = (Topic.THANKS, Topic.UNKNOWN)
LONGEST_PLAIN = 12
"""Words of a question that is answered although nobody called KAI by name; people who talk say more."""


def parse(text: str) -> Question:
    """Reads what is asked; `UNKNOWN` where no rule knows it."""
    if found := _EVIDENCE.search(typed(text).lower()):
        return Question(Topic.EVIDENCE, f"E{found[1]}")
    said = " ".join(words_of(text))
    about = _about(said)
    for topic, known in _TOPICS.items():
        if known.search(said) and not (topic is Topic.FIXED and about):
            return Question(topic)
    if about is not None:
        return about
    return Question(Topic.WHY if _WHY.search(said) else Topic.UNKNOWN)


def _about(said: str) -> Question | None:
    """The layers and causes that are named; a cause says more than the layer it belongs to."""
    causes = tuple(each for each, named in causes_named().items() if named.search(said))
    layers = tuple(each for each, named in layers_named().items() if named.search(said))
    if not causes and not layers:
        return None
    return Question(Topic.ABOUT, layers=() if causes else layers, causes=causes)


def is_plain(text: str) -> bool:
    """Is this nothing but one of the known questions? Only then is somebody answered who did not call KAI by name."""
    if len(_WORD.findall(typed(text).lower())) > LONGEST_PLAIN:  # before the spelling of each is looked at
        return False
    words, question = words_of(text), parse(text)
    if question.topic in _HUMAN or not 0 < len(words) <= LONGEST_PLAIN:
        return False
    said = " ".join(words)
    asks = _ASKS.search(said) is not None or typed(text).endswith("?")
    return asks and not any(_leftover(said, question)) and said not in ("do it", "do it now", "go ahead")


def _leftover(said: str, question: Question) -> Iterator[str]:
    """Words that belong to no known question: somebody speaks of something else."""
    named = [*(causes_named()[each] for each in question.causes), *(layers_named()[each] for each in question.layers)]
    for each in named:
        said = each.sub(" ", said)
    known = FILLERS | KEYWORDS | {"re"}
    yield from (each for each in said.split() if each not in known and not re.fullmatch(r"e|e?\d{1,2}", each))


def is_about_verdict(text: str) -> bool:
    """`show fix` and `show evidence E3` begin like the command `show ID`, and mean the verdict of this thread."""
    return typed(text).lower().startswith("show ") and parse(text).topic is not Topic.UNKNOWN


def nearest(text: str, most: int = 3) -> tuple[str, ...]:
    """The known questions that share the most words with a message, or those that are asked most."""
    words = _stems(text)
    score = {each: len(words & _stems(each.value)) for each in Topic if each.value and each is not Topic.THANKS}
    near = sorted((each for each in score if score[each]), key=lambda each: -score[each])
    usual = (Topic.WHY, Topic.FIX, Topic.NOT_MEASURED)
    return tuple(each.value for each in dict.fromkeys((*near, *usual)))[:most]


def _stems(text: str) -> set[str]:
    return {word[:5] for word in words_of(text) if word not in FILLERS}
