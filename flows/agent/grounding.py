"""Holds a statement of Claude's against the evidence that it cites: what does not stand there strikes it out.

Pure text against text. It cannot tell whether a conclusion follows; it sees to it that no figure, name, address, port
or cause of which nobody measured anything reaches a person. When in doubt, a statement goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from flows.agent.claims import Claim
from flows.agent.plain_words import AFTER_A_KIND, COMMON, COMPOUND, KIND_WORDS, PRODUCTS, WORDS_OF_NUMBER
from flows.causes import CAUSES

MAX_STATEMENT_CHARS = 400
"""Characters of a statement; longer ones are no statement but an essay."""

_FAMILIES = "|".join(sorted({name.partition(".")[0] for name in CAUSES if "." in name}))
_LISTED = "|".join(re.escape(name) for name in CAUSES if "." in name)
_CLASS = re.compile(rf"(?<![\w./-])(?:{_LISTED}|(?:{_FAMILIES})\.[a-z0-9]+(?:_[a-z0-9]+)+)(?![\w/-]|\.\w)")
_CLOCK = re.compile(r"\b\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\b")
_ADDRESS = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?=[0-9a-f:]*:[0-9a-f:]*:)[0-9a-f:]{3,39})(?:/\d{1,3})?(?![\w:]|\.\d)", re.I
)
_NUMBER = re.compile(r"(?<![\w.])(?<!\w-)-?\d[\d,']*(?:\.\d+)?(?=[^\w.]|\.(?!\d)|[a-zµ%]+|$)", re.I)
_QUOTED = re.compile(r"[`\"“]([^`\"“”]{1,200})[`\"”]|(?<!\w)'([^']{1,200})'(?!\w)")
_TOKEN = re.compile(r"[A-Za-z0-9_][\w./:@\[\]-]*")
_COMMAND = re.compile(
    r"```|\b(?:kubectl|helm|iptables|cilium|calicoctl|istioctl)\s+[a-z-]|apiVersion:|^\s*[-+] ", re.I | re.M
)
_CLEARS = re.compile(
    r"\b(?:ruled? out|rules out|excluded?|healthy|is fine|are fine|works?|no (?:fault|problem|issue)s?)\b", re.I
)
_UNSEEN = re.compile(
    r"\b(?:not (?:measured|seen|recorded|known|read|available)|could not|cannot|unknown|blind|missing|without)\b", re.I
)


@dataclass(frozen=True, slots=True)
class Ground:
    """Citable facts: the exact words by evidence id; `blind` are ids of looks that saw nothing.

    `asked` are the words of the question (the pod, its namespace, the peer): everybody may use them.
    """

    evidence: Mapping[str, str]
    blind: frozenset[str] = frozenset()
    asked: str = ""


def why_struck(claim: Claim, ground: Ground) -> str:
    """Reason to strike a statement, as a clause; empty where every figure and name of it is in what it cites."""
    return next(_objections(claim, ground), "")


def _objections(claim: Claim, ground: Ground) -> Iterator[str]:
    text = claim.text.strip()
    if not text:
        yield "it says nothing"
    if len(text) > MAX_STATEMENT_CHARS:
        yield f"it is longer than {MAX_STATEMENT_CHARS} characters"
    if _COMMAND.search(text):
        yield "it holds a command or a patch"
    if not claim.evidence:
        yield "it cites no evidence"
    yield from (f"there is no evidence {each[:20]}" for each in claim.evidence if each not in ground.evidence)
    yield from (f"{each} is no cause of the closed list" for each in _CLASS.findall(text) if each not in CAUSES)
    yield from _unmeasured(claim, ground)
    cited = "\n".join(ground.evidence[each] for each in claim.evidence if each in ground.evidence)
    yield from missing(text, (cited, ground.asked), tuple(ground.evidence))


def _unmeasured(claim: Claim, ground: Ground) -> Iterator[str]:
    """A look that saw nothing shows nothing: neither a fault nor that all is well."""
    blind = [each for each in claim.evidence if each in ground.blind]
    if blind and len(blind) == len(claim.evidence) and not _UNSEEN.search(claim.text):
        yield f"{blind[0]} measured nothing"
    elif blind and _CLEARS.search(claim.text):
        yield f"{blind[0]} measured nothing, and it speaks of health"


def missing(text: str, sources: Sequence[str], ids: Sequence[str] = ()) -> Iterator[str]:
    """Names of a text that stand in none of the sources, as clauses: classes of the list and ids apart."""
    have = _Words.of(" \n ".join(sources))
    rest = _without(text, ids)
    for cause in _CLASS.findall(rest):
        rest = rest.replace(cause, " ")
    yield from (f"{each} is not in what it cites" for each in _strange(rest, have))


def _without(text: str, ids: Sequence[str]) -> str:
    """The text without mentions of evidence ids, which are checked by themselves."""
    return re.sub(rf"(?<!\w)(?:{'|'.join(map(re.escape, ids))})(?!\w)", " ", text) if ids else text


@dataclass(frozen=True, slots=True)
class _Words:
    """Words of the sources: the text in lower case, its words, figures, addresses."""

    text: str
    words: frozenset[str]
    numbers: frozenset[str]
    addresses: frozenset[str]

    @classmethod
    def of(cls, text: str) -> _Words:
        lower = text.lower()
        words = {part for token in _TOKEN.findall(lower) for part in _parts(token)}
        return cls(lower, frozenset(words), frozenset(_numbers(lower)), frozenset(_addresses(lower)))


def _strange(text: str, have: _Words) -> Iterator[str]:
    """Words that the sources lack: quoted words, times, addresses, figures, figures in words, names."""
    for found in _QUOTED.finditer(text):
        said = (found[1] or found[2]).strip()
        if said.lower().rstrip(".,;") not in have.text:
            yield repr(said[:60])
    for clock in _CLOCK.findall(text):
        if clock not in have.text:
            yield clock
    yield from (each for each in _addresses(text.lower()) if each not in have.addresses)
    plain = _CLOCK.sub(" ", _ADDRESS.sub(" ", text))
    yield from (each for each in _numbers(plain.lower()) if each not in have.numbers)
    yield from _names(plain, have)


def _addresses(text: str) -> Iterator[str]:
    for each in _ADDRESS.findall(text):
        found = each if each.endswith("::") else each.rstrip(":")
        try:
            yield str(ip_network(found, strict=False) if "/" in found else ip_address(found))
        except ValueError:
            yield found


def _numbers(text: str) -> Iterator[str]:
    """Figures without separators and leading or trailing zeros; also those written out, and those within names."""
    for found in _NUMBER.findall(text):
        yield _plain_number(found)
    for token in _TOKEN.findall(text):
        if token.strip(".,:").lower() in WORDS_OF_NUMBER:
            yield WORDS_OF_NUMBER[token.strip(".,:").lower()]
        yield from (_plain_number(each) for each in re.findall(r"(?<=[:/])\d+(?:\.\d+)?", token))


def _plain_number(text: str) -> str:
    digits = text.replace(",", "").replace("'", "").lstrip("-")
    whole, _, part = digits.partition(".")
    whole, part = whole.lstrip("0") or "0", part.rstrip("0")
    return f"{whole}.{part}" if part else whole


def _names(text: str, have: _Words) -> Iterator[str]:
    """Words that look like names: with a hyphen, dot, slash, digit or capital, or right behind a kind."""
    before, starts = "", True
    for found in _TOKEN.finditer(text):
        token = found[0].rstrip(".,:;-")
        if not token:
            continue
        starts = _starts_sentence(text, found.start())
        if _is_name(token, starts) or (before in KIND_WORDS and _is_named(token)):
            yield from (token for part in _parts(token.lower()) if not _is_known(part, token, have))
        before = token if found[0] == token else ""


def _is_named(token: str) -> bool:
    return token.lower() not in AFTER_A_KIND and not token[0].isdigit()


def _is_name(token: str, starts: bool) -> bool:
    if token.lower() in PRODUCTS:
        return True
    if token in COMMON or token.replace("-", "").replace(".", "").replace("/", "").isdigit():
        return False
    if any(each in token for each in "./:_@") or (any(c.isdigit() for c in token) and any(c.isalpha() for c in token)):
        return True
    if "-" in token:
        return not _is_plain_compound(token)
    inner = any(each.isupper() for each in token[1:])
    return inner or (token[0].isupper() and not starts)


def _is_plain_compound(token: str) -> bool:
    """`pod-to-pod`, `search-domain`: words of the language, no name of an object."""
    return all(part.lower() in COMPOUND for part in token.split("-"))


def _starts_sentence(text: str, at: int) -> bool:
    before = text[:at].rstrip(" \t\n(\"'`“")
    return not before or before[-1] in ".!?:;"


def _parts(token: str) -> Iterator[str]:
    """A token and what it is made of: `shop/web:8080` is also `shop`, `web` and `8080`."""
    bare = token.strip(".,:;[]-")
    yield bare
    if "/" in bare or ":" in bare:
        yield from (part.strip("[].") for part in re.split(r"[/:]", bare) if part.strip("[]."))


def _is_known(part: str, token: str, have: _Words) -> bool:
    if part in have.words or part in have.numbers or part.upper() in COMMON:
        return True
    if "/" in token or ":" in token:
        pieces = list(_parts(token.lower()))[1:]
        return bool(pieces) and all(
            each in have.words or each in have.numbers or each.upper() in COMMON for each in pieces
        )
    singular = part.removesuffix("'s").removesuffix("s")
    return singular in have.words or any(each.startswith(f"{part}-") for each in have.words)
