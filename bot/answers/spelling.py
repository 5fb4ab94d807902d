"""Words as tired people type them: contractions opened, short forms written out, typing errors mended."""

from __future__ import annotations

import re
from functools import lru_cache

from bot.triggers.slack_text import typed

SHORT_FORMS = {
    **dict.fromkeys(("u", "ya"), "you"),
    **dict.fromkeys(("pls", "plz", "plss"), "please"),
    **dict.fromkeys(("thx", "thnx", "ty", "cheers"), "thanks"),
    "r": "are",
    "y": "why",
    "wat": "what",
    "wut": "what",
    "wtf": "what",
    "dunno": "do not know",
    "gimme": "give me",
    "lemme": "let me",
    "cmd": "command",
    "cmds": "commands",
    "ppl": "people",
    "rn": "now",
    "prob": "problem",
    "pol": "policy",
    "cfg": "config",
    "rb": "rollback",
    "sec": "second",
    "im": "i am",
    "id": "i would",
    **{f"{each}s": f"{each} is" for each in ("what", "who", "where", "when", "how", "that", "there")},
    **{f"{each}nt": f"{each} not" for each in ("is", "was", "are", "were", "do", "does", "did", "could", "would")},
    "cant": "can not",
    "wont": "will not",
    "shouldnt": "should not",
    "hasnt": "has not",
    "havent": "have not",
    "cannot": "can not",
    "wanna": "want to",
    "gonna": "going to",
    "howto": "how to",
    "netpol": "policy",
}

_FILLERS = """
    a an the and or but so ok okay well hey hi hello kai please now just then also still really actually exactly i
    we you me us it its this that these those them they there here one someone somebody is was are were be been am
    do does did can could may might will would should must has have had need want let give tell say to of in on at
    for from by with about into up out as if not no any some all more most again know think see look get got make
    go going happen happens pod pods thing things bit yet even ever else only guys folks man sorry quick quickly
    question maybe perhaps problem issue sure right same other way anything something stuff
"""
FILLERS = frozenset(_FILLERS.split())
"""Words that carry no topic by themselves."""

_KEYWORDS = """
    why what when where which who whose how since because explain reason cause wrong broken summary summarise
    changed change changes changing deployed deploy deploys recent recently touched applied start started starts
    begin began begun first last long many much lost loss dropped drops packets time affected affect impact others
    anyone anybody everyone everybody workloads services namespaces teams blast radius bad measured measure
    checked check missed missing blind unknown unmeasured undecided gaps certain confident confidence trust guess
    guessing likely show fix fixes fixed fixing patch kubectl command commands yaml diff manifest solution solve
    solved workaround recommend recommendation next step steps proof prove proved proven replay replayed evidence
    facts data undo revert rollback roll rolled back backout safe safely risk risky danger dangerous harm break
    breaks side effects open opens allow allows allowed newly deny denied approve approves approver approvers
    approval approved allowed apply applies run rerun retry repeat recheck once try work works working helped help
    worked resolved better gone over happening failing fails fail failed down blocked blocks blocking block layer
    layers passed pass passes hop verify myself yourself hand manually hubble observe reproduce thanks thank great
    nice cool happened going matter stop stops policy policies dns coredns service services endpoint endpoints
    conntrack nat mtu node nodes app application cni cilium firewall network ingress egress selector labels port
    tls mtls certificate crash pending readiness rollout istio mesh sidecar agent table full kube proxy ndots
    mistake false positive correct permission permissions rights person people tested lose
"""
KEYWORDS = frozenset(_KEYWORDS.split())
"""Words that carry a topic, and the right spelling of those that nearly do."""

_SHORTEST = 3
_LONG = 8
"""Letters from which a word may hold two errors."""


def words_of(text: str) -> list[str]:
    """The words of a message without marks, each as it was meant."""
    plain = re.sub(r"[^a-z0-9]+", " ", typed(text).lower())
    plain = re.sub(r"\b(\w+?)n t\b", r"\1 not", f" {plain} ").replace(" ca not ", " can not ")
    plain = re.sub(r"\b(what|who|where|when|how|that|it|there) s\b", r"\1 is", plain)
    return [meant for word in plain.split() for meant in _meant(word).split()]


@lru_cache(maxsize=4096)
def _meant(word: str) -> str:
    if word in SHORT_FORMS:
        return SHORT_FORMS[word]
    if len(word) < _SHORTEST or word.isdigit() or word in KEYWORDS | FILLERS | _WORDS_OF_THEIR_OWN:
        return word
    most = 2 if len(word) >= _LONG else 1
    near = [(_apart(word, each), each) for each in KEYWORDS | _OFTEN if abs(len(each) - len(word)) <= most]
    near = [(steps, each) for steps, each in near if steps <= most and _may_be(word, each)]
    best = min(near, default=None)
    return best[1] if best is not None else word


_OFTEN = frozenset({"this", "that", "does", "please", "again", "with", "there", "about", "else", "still", "the"})
"""Fillers that are mistyped often."""

_OTHERS = "later latter least lease pause shop house world word words rules code note notes"
_WORDS_OF_THEIR_OWN = frozenset(_OTHERS.split())
"""Words one letter away from a keyword that mean what they say."""


def _may_be(word: str, known: str) -> bool:
    """Short words differ in too little to be guessed: there only two letters may have changed places."""
    return len(word) > _SHORTEST + 1 or (len(word) == len(known) and sorted(word) == sorted(known)) or (
        len(word) == _SHORTEST + 1 and word[0] == known[0] and len(known) > len(word)
    )  # fmt: skip


def _apart(one: str, other: str) -> int:
    """Letters that are wrong, missing, too many or swapped with their neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        now = [i]
        for j, b in enumerate(other, 1):
            steps = min(row[j] + 1, now[j - 1] + 1, row[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                steps = min(steps, before[j - 2] + 1)
            now.append(steps)
        before, row = row, now
    return row[-1]
