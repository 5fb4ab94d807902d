"""Makes everything that a release hands out, and checks it: python release/build.py [--out DIR] [--final]

    dist/kai_netdebug-VERSION-py3-none-any.whl, .tar.gz   built in environments of their own, read by twine
    dist/kubectl-kai-VERSION.tar.gz, kai.yaml             the plug-in for krew and its manifest
    dist/kai-CHART.tgz                                    the chart, where helm is at hand (`make chart` builds one)
    dist/SHA256SUMS

Nothing is sent anywhere. --final also demands what a release has to have: a clean tree, a signed tag of this version,
its part of the changelog. docs/releasing.md says what comes after.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
KREW = TOP / "release" / "krew"
PACKAGES = {"bot", "sensors", "flows", "lab"}
NEEDED = (
    "bot/cli.py",
    "bot/py.typed",
    "bot/store/migrations/env.py",
    "bot/store/migrations/versions/v0001_first_tables.py",
    "flows/load.py",
    "lab/workspace/static/page.js",
    "lab/cases/api-server-cannot-watch/case.yaml",
    "sensors/access/probe/agent.py",
)
NEVER = re.compile(r"\.expected\.yaml$|__pycache__|\.pyc$|(^|/)tests?/|(^|/)\.|/workspace/page/|\.(key|pem|db)$")
LARGEST_WHEEL = 8_000_000
"""Bytes; the recorded incidents are most of it."""

RELEASES = "https://github.com/kai-netdebug/kai/releases/download"


class NotReady(RuntimeError):
    """The message is one line that says what is missing."""


def version() -> str:
    found = re.search(r'^__version__ = "([^"]+)"', (TOP / "bot/__init__.py").read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise NotReady("bot/__init__.py names no version")
    return found[1]


def python_packages(out: Path) -> tuple[Path, Path]:
    """The wheel, made from the sdist as an index's user would, and the sdist."""
    run([sys.executable, "-m", "build", "--outdir", str(out), str(TOP)])
    made = version()
    wheel, sdist = out / f"kai_netdebug-{made}-py3-none-any.whl", out / f"kai_netdebug-{made}.tar.gz"
    run([sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist)])
    return wheel, sdist


def wrong_with(wheel: Path, sdist: Path) -> Iterator[str]:
    """What they hold and should not, and the other way round."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    with tarfile.open(sdist) as archive_:
        sources = [each.name.partition("/")[2] for each in archive_ if each.isfile()]
    tops = {each.partition("/")[0] for each in names}
    yield from (f"the wheel installs {each}" for each in tops - PACKAGES if not each.endswith(".dist-info"))
    yield from (f"the wheel lacks {each}" for each in NEEDED if each not in names)
    yield from (f"the sdist lacks {each}" for each in (*NEEDED, "pyproject.toml", "LICENSE") if each not in sources)
    yield from (f"the wheel holds {each}" for each in names if NEVER.search(each))
    yield from (f"the sdist holds {each}" for each in sources if NEVER.search(each) and each != ".gitignore")
    if wheel.stat().st_size > LARGEST_WHEEL:
        yield f"the wheel has {wheel.stat().st_size} bytes, more than {LARGEST_WHEEL}"


def krew_plugin(out: Path) -> tuple[Path, Path]:
    """The archive, the same to the last byte each time, and the manifest with its hash."""
    made = version()
    archive, manifest = out / f"kubectl-kai-{made}.tar.gz", out / "kai.yaml"
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for file, mode in ((KREW / "kubectl-kai", 0o755), (TOP / "LICENSE", 0o644)):
            content = file.read_text("utf-8").replace("@VERSION@", made).encode()
            entry = tarfile.TarInfo(file.name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    said = {"@VERSION@": made, "@URI@": f"{RELEASES}/v{made}/{archive.name}", "@SHA256@": digest(archive)}
    text = (KREW / "kai.yaml.in").read_text("utf-8").partition("\n")[2]
    for word, value in said.items():
        text = text.replace(word, value)
    manifest.write_text(text, "utf-8")
    return archive, manifest


def chart(out: Path) -> Path | None:
    helm = shutil.which("helm") or next((str(each) for each in sorted(TOP.glob(".cache/helm/*/helm"))), None)
    if helm is None:
        print("no helm here: the chart is not packed")
        return None
    run([helm, "package", str(TOP / "helm/kai"), "--destination", str(out)])
    return next(out.glob("kai-*.tgz"))


def sums(out: Path) -> Path:
    file = out / "SHA256SUMS"
    files = sorted(each for each in out.iterdir() if each.is_file() and each != file)
    file.write_text("".join(f"{digest(each)}  {each.name}\n" for each in files), "utf-8")
    return file


def missing_for_a_release() -> Iterator[str]:
    """What only a real release has to have."""
    made = version()
    chart_file = (TOP / "helm/kai/Chart.yaml").read_text("utf-8")
    if f'appVersion: "{made}"' not in chart_file:
        yield f"helm/kai/Chart.yaml names another appVersion than {made}"
    if f"## [{made}]" not in (TOP / "CHANGELOG.md").read_text("utf-8"):
        yield f"CHANGELOG.md has no part for {made}"
    if out_of("git", "status", "--porcelain"):
        yield "the tree is not clean"
    if f"v{made}" not in out_of("git", "tag", "--points-at", "HEAD").split():
        yield f"HEAD has no tag v{made} (git tag -s v{made})"
    elif subprocess.run(["git", "tag", "-v", f"v{made}"], cwd=TOP, capture_output=True, check=False).returncode:
        yield f"the tag v{made} has no signature that git knows"


def out_of(*command: str) -> str:
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout.strip()


def run(command: Iterable[str]) -> None:
    words = list(command)
    done = subprocess.run(words, cwd=TOP, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotReady(f"{' '.join(words[:4])} … failed:\n{(done.stdout + done.stderr)[-3000:]}")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make(out: Path, *, final: bool = False) -> list[Path]:
    """Everything, checked. Raises `NotReady`."""
    if final and (missing := list(missing_for_a_release())):
        raise NotReady("; ".join(missing))
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    wheel, sdist = python_packages(out)
    if wrong := list(wrong_with(wheel, sdist)):
        raise NotReady("; ".join(wrong[:10]))
    krew_plugin(out)
    chart(out)
    sums(out)
    return sorted(out.iterdir())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=TOP / "dist")
    parser.add_argument("--final", action="store_true", help="refuse what is no release")
    asked = parser.parse_args()
    try:
        for each in make(asked.out, final=asked.final):
            print(f"{each.stat().st_size:>9} {each.name}")
    except NotReady as why:
        print(f"not ready: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
