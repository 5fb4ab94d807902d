"""Builds the docs as a static site, strictly: python release/site.py [--out DIR]

Gathers the pages of docs/, those of the repository's top and those written from the code (release/reference.py),
hands them to Zensical with warnings as errors, and then reads what came out: a page that no menu names, a menu entry
without a page, a link, picture or anchor that leads nowhere, and anything loaded from another site is an error.
"""

from __future__ import annotations

import argparse
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

TOP = Path(__file__).resolve().parents[1]
OUT = TOP / "build" / "docs"
CONFIG = TOP / "release" / "zensical.toml"
SOURCE = "https://github.com/kai-netdebug/kai/blob/main/"
OF_THE_TOP = {
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "ARCHITECTURE.md": "architecture.md",
}
"""Pages that stand at the top of the repository, and their names on the site."""

_LINK = re.compile(r"(\]\()([^)\s#]*)((?:#[^)\s]*)?\))")
_CODE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)
_MARKED = re.compile(r"^#+ `(.+?)` \{ #(\S+) \}", re.MULTILINE)
_WORD = re.compile(r"(?<!\[)`([a-z0-9_.]+)`")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class NotWhole(RuntimeError):
    """The message says what is wrong with the site, one thing a line."""


# -- pages -------------------------------------------------------------------------------------------------------------


def gathered() -> dict[str, str]:
    """Every page of the site by its name, its links turned towards where things are on the site."""
    from release.reference import pages

    found = {f"docs/{path.relative_to(TOP / 'docs')}": path.read_text("utf-8") for path in (TOP / "docs").rglob("*.md")}
    found |= {name: (TOP / name).read_text("utf-8") for name in OF_THE_TOP}
    written = pages()
    words = _words(written)
    return {_place(name): _turned(name, text, words) for name, text in found.items()} | written


def _place(repository: str) -> str:
    """Where a file of the repository is on the site."""
    return OF_THE_TOP.get(repository) or repository.removeprefix("docs/").replace("README.md", "index.md")


def _words(written: Mapping[str, str]) -> dict[str, str]:
    """Causes, sensors and flows, each with the place where it is described: a page that names one gets a link."""
    named = ("reference/sensors.md", "reference/flows.md", "reference/causes.md")
    return {word: f"{page}#{mark}" for page in named for word, mark in _MARKED.findall(written[page])}


def _turned(name: str, text: str, words: Mapping[str, str]) -> str:
    """A page's links as the site needs them; what is no page leads to the repository. Code stays as it is."""
    here = posixpath.dirname(_place(name))

    def link(found: re.Match[str]) -> str:
        if not found[2] or urlsplit(found[2]).scheme:
            return found[0]
        return f"{found[1]}{_target(posixpath.join(posixpath.dirname(name), found[2]), here)}{found[3]}"

    def word(found: re.Match[str]) -> str:
        place = words.get(found[1])
        return f"[`{found[1]}`]({posixpath.relpath(place, here or '.')})" if place else found[0]

    parts = _CODE.split(text)
    parts[::2] = [_WORD.sub(word, _LINK.sub(link, each)) for each in parts[::2]]
    return "".join(parts)


def _target(path: str, here: str) -> str:
    path = posixpath.normpath(path)
    if path.startswith("docs/") or path in OF_THE_TOP:
        return posixpath.relpath(_place(path), here or ".")
    if not (TOP / path).exists():
        raise NotWhole(f"a page links to {path}, which is not there")
    return SOURCE + path


def wrong_in_menu(menu: list[Any], pages: set[str]) -> Iterator[str]:
    """Entries without a page, pages without an entry, and pages that are named twice."""
    named = list(_entries(menu))
    yield from (f"the menu names {each}, which is not there" for each in named if each not in pages)
    yield from (f"the menu names {each} twice" for each in sorted({each for each in named if named.count(each) > 1}))
    yield from (f"no menu names {each}" for each in sorted(pages - set(named)))


def _entries(menu: Any) -> Iterator[str]:
    if isinstance(menu, str):
        yield menu
    for each in menu if isinstance(menu, list) else menu.values() if isinstance(menu, dict) else ():
        yield from _entries(each)


# -- what came out -----------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Reads one page's links, what it loads, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.anchors.update(said[each] for each in ("id", "name") if each in said)
        if tag == "a" and "href" in said:
            self.links.append(said["href"])
        if "src" in said or (tag == "link" and said.get("rel") in ("stylesheet", "icon", "preload", "preconnect")):
            self.loads.append(said.get("src") or said.get("href", ""))


def wrong_in_site(site: Path) -> Iterator[str]:
    """Links, pictures and anchors that lead nowhere, and what would be fetched from elsewhere."""
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}
    for path, page in pages.items():
        name = path.relative_to(site)
        for link in (*page.links, *page.loads):
            if link in page.loads and urlsplit(link).netloc:
                yield f"{name} loads {link}"
            elif not urlsplit(link).scheme and not _there(site, path, link, pages):
                yield f"{name} leads to {link}, which is not there"


def _there(site: Path, path: Path, link: str, pages: Mapping[Path, Page]) -> bool:
    parts = urlsplit(link)
    place = Path(
        os.path.normpath((site if parts.path.startswith("/") else path.parent) / unquote(parts.path).lstrip("/"))
    )
    place = path if not parts.path else place / "index.html" if place.is_dir() else place
    if not place.is_file() or not place.is_relative_to(site):
        return False
    return not parts.fragment or place not in pages or unquote(parts.fragment) in pages[place].anchors


# -- building ----------------------------------------------------------------------------------------------------------


def make(out: Path) -> Path:
    """The site's folder. Raises `NotWhole`."""
    pages = gathered()
    menu = tomllib.loads(CONFIG.read_text("utf-8"))["project"]["nav"]
    if wrong := list(wrong_in_menu(menu, set(pages))):
        raise NotWhole("\n".join(wrong))
    _laid_out(pages, out)
    _run(out)
    if wrong := list(wrong_in_site(out / "site")):
        raise NotWhole("\n".join(wrong))
    return out / "site"


def _laid_out(pages: Mapping[str, str], out: Path) -> None:
    """Pages, pictures and other files of docs/ as Zensical reads them, nothing left of the last time."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(TOP / "docs", out / "pages", ignore=shutil.ignore_patterns("*.md"))
    for name, text in pages.items():
        (out / "pages" / name).parent.mkdir(parents=True, exist_ok=True)
        (out / "pages" / name).write_text(text, "utf-8")
    shutil.copy(CONFIG, out)
    shutil.copy(CONFIG.with_name("site.css"), out / "pages")


def _run(out: Path) -> None:
    program = Path(sys.executable).with_name("zensical")
    done = subprocess.run([program, "build", "--strict"], cwd=out, capture_output=True, text=True, check=False)
    said = _COLOUR.sub("", done.stdout + done.stderr).partition("Traceback")[0].strip()
    if done.returncode or "Warning" in said:
        raise NotWhole(said)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    try:
        print(f"open {make(asked.out) / 'index.html'}")
    except NotWhole as why:
        print(f"the docs are not whole:\n{why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(TOP))
    raise SystemExit(main())
