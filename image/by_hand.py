"""Builds the image of a Dockerfile step by step, without a container engine, and starts it: python image/by_hand.py

Needs root, debootstrap, unshare and chroot. `FROM debian:SUITE-slim` is what debootstrap makes of the suite (kept in
.cache/image), `FROM scratch` an empty folder, and each RUN is a shell in the stage's own root. What an engine adds
beyond that (layers, pushing) is not tried here. An instruction that this does not know ends it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
CACHE = TOP / ".cache" / "image"
MIRROR = "http://deb.debian.org/debian"
OUR_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
CERTIFICATES = "/run/certificates-of-the-builder.crt"
TRUSTS = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "UV_SYSTEM_CERTS")


class CannotBuild(RuntimeError):
    """The message is one line that names the step."""


@dataclass(frozen=True)
class Step:
    """One instruction of a Dockerfile, and the line it begins on."""

    line: int
    word: str
    rest: str


@dataclass
class Stage:
    """A root under construction, and what it says of itself."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def steps_of(text: str) -> Iterator[Step]:
    """Comments and continued lines are no instructions."""
    pending, began = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or not (line.strip() or pending):
            continue
        began = began if pending else number
        pending += line.strip().removesuffix("\\") + " "
        if not line.rstrip().endswith("\\"):
            word, _, rest = pending.strip().partition(" ")
            yield Step(began, word.upper(), rest.strip())
            pending = ""


class Builder:
    """Walks the instructions; `stages` are the roots by name, `said` what is told of each step."""

    def __init__(self, context: Path, work: Path) -> None:
        self.context, self.work = context, work
        self.stages: dict[str, Stage] = {}
        self.globals: dict[str, str] = {}
        self.stage: Stage | None = None

    def build(self, dockerfile: Path) -> Stage:
        for step in steps_of(dockerfile.read_text("utf-8")):
            began = time.monotonic()
            act = getattr(self, f"_{step.word.lower()}", None)
            if act is None:
                raise CannotBuild(f"{dockerfile.name}:{step.line}: {step.word} is not known here")
            try:
                act(step)
            except subprocess.CalledProcessError as why:
                raise CannotBuild(f"{dockerfile.name}:{step.line}: {step.word} ended with {why.returncode}") from why
            print(f"{time.monotonic() - began:6.1f} s  {step.line:3} {step.word} {step.rest[:90]}", flush=True)
        return self._now()

    # -- instructions --------------------------------------------------------------------------------------------------

    def _arg(self, step: Step) -> None:
        name, _, usual = step.rest.partition("=")
        if self.stage is None:
            self.globals[name] = os.environ.get(name, usual)
        else:
            self.stage.arguments[name] = self.globals.get(name, usual)

    def _from(self, step: Step) -> None:
        image, _, name = (each.strip() for each in re.match(r"(\S+)(\s+[Aa][Ss]\s+)?(\S*)$", step.rest).groups(""))
        root = self.work / f"stage-{len(self.stages)}"
        stage = Stage(root)
        if image in self.stages:
            before = self.stages[image]
            run(["cp", "-a", "--reflink=auto", str(before.root), str(root)])
            stage = Stage(root, dict(before.environ), folder=before.folder, user=before.user)
        elif image == "scratch":
            root.mkdir()
        elif found := re.fullmatch(r"debian:([a-z]+)-slim", image):
            root.mkdir()
            run(["tar", "-C", str(root), "-xf", str(debian(found[1]))])
        else:
            raise CannotBuild(f"line {step.line}: only debian:SUITE-slim, scratch and stages are known, not {image}")
        self.stage = self.stages[name or str(len(self.stages))] = stage

    def _run(self, step: Step) -> None:
        stage = self._now()
        command = ["/bin/sh", "-c", f"cd {shlex.quote(stage.folder)} && {step.rest}"]
        trusts = dict.fromkeys(TRUSTS[:-1], CERTIFICATES) | {TRUSTS[-1]: "1"}
        environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
        with _lent(stage.root):
            inside(stage.root, command, {**environ, **trusts, **stage.environ, **stage.arguments})

    def _copy(self, step: Step) -> None:
        words = shlex.split(step.rest)
        flags = dict(each[2:].split("=", 1) for each in words if each.startswith("--"))
        if set(flags) - {"from"}:
            raise CannotBuild(f"line {step.line}: COPY with {', '.join(flags)} is not known here")
        *sources, target = [each for each in words if not each.startswith("--")]
        stage, base = self._now(), self.stages[flags["from"]].root if "from" in flags else self._sent()
        place = stage.root / os.path.join(stage.folder, target).lstrip("/")
        for each in sources:
            _copied(base / each.lstrip("/"), place, target.endswith("/") or len(sources) > 1)

    def _sent(self) -> Path:
        """The context as an engine would get it: what git knows, which is what .dockerignore leaves and more."""
        sent = self.work / "context"
        if not sent.exists():
            listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
            names = subprocess.run(listing, cwd=self.context, capture_output=True, text=True, check=True).stdout.split(
                "\0"
            )
            for name in (each for each in names if each and (self.context / each).is_file()):
                (sent / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.context / name, sent / name)
            run(["chown", "-R", "0:0", str(sent)])
        return sent

    def _env(self, step: Step) -> None:
        self._now().environ.update(self._pairs(step))

    def _label(self, step: Step) -> None:
        self._now().labels.update(self._pairs(step))

    def _workdir(self, step: Step) -> None:
        stage = self._now()
        stage.folder = os.path.join(stage.folder, step.rest)
        (stage.root / stage.folder.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def _user(self, step: Step) -> None:
        self._now().user = step.rest

    def _expose(self, step: Step) -> None:
        """Says something to people only."""

    def _entrypoint(self, step: Step) -> None:
        self._now().entrypoint = json.loads(step.rest)

    def _cmd(self, step: Step) -> None:
        self._now().command = json.loads(step.rest)

    def _now(self) -> Stage:
        if self.stage is None:
            raise CannotBuild("an instruction before the first FROM")
        return self.stage

    def _pairs(self, step: Step) -> dict[str, str]:
        known = {**self._now().arguments, **self._now().environ}
        pairs = (each.split("=", 1) for each in shlex.split(step.rest))
        return {name: re.sub(r"\$\{(\w+)\}", lambda found: known[found[1]], value) for name, value in pairs}


# -- what a step needs of the machine ----------------------------------------------------------------------------------


def debian(suite: str) -> Path:
    """A minimal Debian as one archive; made once, minutes."""
    archive = CACHE / f"{suite}.tar"
    if not archive.exists():
        if shutil.which("debootstrap") is None:
            raise CannotBuild("debootstrap is missing: apt-get install debootstrap")
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as root:
            packages = "--include=ca-certificates"
            run(["debootstrap", "--variant=minbase", packages, suite, root, MIRROR], quiet=True)
            run(["tar", "-C", root, "-cf", f"{archive}.new", "."])
            Path(f"{archive}.new").rename(archive)
    return archive


class _lent:
    """What the builder lends a stage while a RUN lasts: how names are found, and whom this machine trusts."""

    def __init__(self, root: Path) -> None:
        self._files = {root / "etc/resolv.conf": Path("/etc/resolv.conf"), root / CERTIFICATES[1:]: OUR_CERTIFICATES}
        self._before: dict[Path, bytes | None] = {}

    def __enter__(self) -> None:
        for place, source in self._files.items():
            self._before[place] = place.read_bytes() if place.is_file() and not place.is_symlink() else None
            place.unlink(missing_ok=True)
            if source.exists():
                shutil.copy(source, place)

    def __exit__(self, *_: object) -> None:
        for place, before in self._before.items():
            place.unlink(missing_ok=True)
            if before is not None:
                place.write_bytes(before)


def inside(root: Path, command: list[str], environ: dict[str, str]) -> None:
    """As root in the stage's own root, with a /proc and a /dev of its own while it lasts."""
    mounts = f'mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev && exec chroot {root} "$@"'
    run(["unshare", "--mount", "--pid", "--fork", "sh", "-c", mounts, "sh", *command], environ=environ, quiet=True)


def run(command: list[str], environ: dict[str, str] | None = None, *, quiet: bool = False) -> None:
    """What it prints is shown only where it fails."""
    output = subprocess.PIPE if quiet else None
    done = subprocess.run(command, env=environ, stdout=output, stderr=subprocess.STDOUT if quiet else None, check=False)
    if done.returncode:
        sys.stdout.write((done.stdout or b"").decode(errors="replace")[-6000:])
        raise subprocess.CalledProcessError(done.returncode, command)


def _removed(work: Path) -> None:
    """Never through a mount: what is mounted there is this machine's own."""
    if str(work) in Path("/proc/self/mounts").read_text("utf-8"):
        print(f"something is still mounted in {work}: it is left as it is", file=sys.stderr)
        return
    run(["rm", "-rf", "--one-file-system", str(work)])


def _copied(source: Path, place: Path, into: bool) -> None:
    if source.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        run(["cp", "-a", f"{source}/.", str(place)])
        return
    target = place / source.name if into else place
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the roots in DIR")
    parser.add_argument("--no-start", action="store_true", help="only build")
    asked = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("this needs root: chroot and mounts")
    work = asked.keep or Path(tempfile.mkdtemp(prefix="kai-image-"))
    work.mkdir(parents=True, exist_ok=True)
    try:
        stage = Builder(TOP, work).build(TOP / "Dockerfile")
        if asked.no_start:
            return 0
        sys.path.insert(0, str(TOP))
        from image.started import examine

        return examine(stage)
    except CannotBuild as why:
        print(f"the image cannot be built: {why}", file=sys.stderr)
        return 1
    finally:
        if asked.keep is None:
            _removed(work)


if __name__ == "__main__":
    raise SystemExit(main())
