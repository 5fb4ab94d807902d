"""Starts a built image as a cluster would: as nobody, on a root that cannot be written, without rights; and asks it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.workspace import Workspace
from tests.cluster.processes import free_port

READY_S, VERDICT_S = 120.0, 120.0
"""Wide, for a busy machine: they end what hangs, they measure nothing."""

MOST_MB = 450
"""Unpacked. A quarter is the generated client of Kubernetes."""

CASE = "api-server-cannot-watch"
PROBE_RIGHTS = ",+sys_admin,+sys_ptrace,+net_raw,+syslog"
QUESTION = json.dumps({"version": 99})  # refused, by the program itself: what a look needs is a node's to have


def examine(stage: Any) -> int:
    """0 where all holds. Prints a line for each thing that was tried."""
    found = [*_standing(stage), *_programs(stage), *asyncio.run(_serving(stage))]
    for what, good in found:
        print(f"{'ok' if good else 'WRONG':6} {what}")
    return 0 if all(good for _, good in found) else 1


def _standing(stage: Any) -> Iterator[tuple[str, bool]]:
    """What can be seen without starting anything."""
    root: Path = stage.root
    size = int(subprocess.run(["du", "-sm", root], capture_output=True, text=True, check=True).stdout.split()[0])
    yield f"{size} MB in all", size < MOST_MB
    shells = [each for each in ("sh", "bash", "dash", "busybox", "apt", "dpkg") if (root / "usr/bin" / each).exists()]
    yield f"no shell and no package manager {shells or ''}".rstrip(), not shells
    yield f"user {stage.user}", stage.user == "10001:10001"
    modes = ((each, each.stat().st_mode) for each in root.rglob("*") if not each.is_symlink())
    loose = [f"/{each.relative_to(root)}" for each, mode in modes if mode & 0o6002]
    yield f"everybody may write, or becomes another user by: {', '.join(loose[:3])}", loose == ["/tmp"]
    bill = json.loads((root / "usr/share/kai/sbom.cdx.json").read_text("utf-8"))
    yield f"SBOM: {len(bill['components'])} components", len(bill["components"]) > 50
    compiled, sources = (len(list((root / "opt/kai/lib").rglob(each))) for each in ("*.pyc", "*.py"))
    yield f"{compiled} of {sources} modules are compiled", compiled >= sources * 0.99
    labels = {name.rpartition(".")[2] for name in stage.labels}
    needed = {"title", "version", "revision", "licenses", "created", "source"}
    yield f"labels {', '.join(sorted(labels))}", needed <= labels


def _programs(stage: Any) -> Iterator[tuple[str, bool]]:
    """The programs that end by themselves."""
    with _mounted(stage.root):
        for words, sign, probes in (
            (["kai", "--version"], "kai, version", False),
            (["kai", "demo", "--once"], "Root Cause", False),
            (["kai", "doctor"], "no way to a cluster", False),
            (["kai-probe", QUESTION], '"error":"this probe speaks', True),
        ):
            began = time.monotonic()
            done = subprocess.run(
                _command(stage, words, probes=probes),
                env=_environ(stage),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            good = sign.lower() in (done.stdout + done.stderr).lower()
            shown = " ".join(words)[:30]
            yield f"{shown}: {time.monotonic() - began:.1f} s{'' if good else ' ' + done.stderr[-500:]}", good


async def _serving(stage: Any) -> list[tuple[str, bool]]:
    """`kai serve`, the image's own command, beside a Slack-like workspace; asked, and told to stop."""
    port, found = free_port(), []
    async with Workspace.start() as slack:
        with _mounted(stage.root):
            app = slack.app
            environ = _environ(stage) | {"KAI_PORT": str(port), "KAI_HOST": "127.0.0.1", "KAI_LOG_FORMAT": "json"}
            environ |= {
                "SLACK_BOT_TOKEN": app.bot_token,
                "SLACK_APP_TOKEN": app.app_token,
                "SLACK_API_URL": slack.api_url,
            }
            case = next(stage.root.glob(f"opt/kai/lib/python*/site-packages/lab/cases/{CASE}"))
            environ["KAI_CASE"] = f"/{case.relative_to(stage.root)}"
            words = [Path(stage.entrypoint[0]).name, *stage.command]
            command = _command(stage, words)
            process = await asyncio.create_subprocess_exec(*command, env=environ, stderr=asyncio.subprocess.PIPE)
            try:
                found += await _asked(slack, port)
            finally:
                process.terminate()
                _, log = await process.communicate()
            found.append((f"ends with {process.returncode} when told to", process.returncode == 0))
            if not all(good for _, good in found):
                print(log.decode(errors="replace")[-3000:])
    return found


async def _asked(slack: Workspace, port: int) -> list[tuple[str, bool]]:
    began = time.monotonic()
    status = await asyncio.to_thread(_ready, f"http://127.0.0.1:{port}/readyz")
    seconds = time.monotonic() - began
    figures = await asyncio.to_thread(_get, f"http://127.0.0.1:{port}/metrics")
    await slack.user("alice").command("/kai netdebug api-server production")
    said = await slack.wait_for(lambda: "strict-egress" in slack.messages()[0]["text"], VERDICT_S)
    return [
        (f"/readyz answers {status} after {seconds:.1f} s", status == 200),
        (f"/metrics answers {figures}", figures == 200),
        ("a question in Slack gets its verdict", bool(said)),
    ]


def _ready(url: str) -> int:
    end = time.monotonic() + READY_S
    while (status := _get(url)) != 200 and time.monotonic() < end:
        time.sleep(0.1)
    return status


def _get(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as why:
        return why.code
    except OSError:
        return 0


@contextmanager
def _mounted(root: Path) -> Iterator[Path]:
    """The root as it is in a cluster: not to be written, with a volume and a /tmp of its own. Gives the volume."""
    state = Path(f"{root}-state")
    state.mkdir(exist_ok=True)
    os.chown(state, 10001, 10001)
    mounts = [
        ["mount", "--bind", str(root), str(root)],
        ["mount", "-o", "remount,ro,bind", str(root)],
        ["mount", "--bind", str(state), f"{root}/var/lib/kai"],
        ["mount", "-t", "tmpfs", "-o", "mode=1777,size=64m", "tmpfs", f"{root}/tmp"],
        ["mount", "-t", "proc", "proc", f"{root}/proc"],
        ["mount", "--bind", "/dev", f"{root}/dev"],
    ]
    done = 0
    try:
        for each in mounts:
            subprocess.run(each, check=True)
            done += 1
        yield state
    finally:
        for each in [mounts[0], *mounts[2:]][: max(done - 1, 0)][::-1]:
            subprocess.run(["umount", "--lazy", each[-1]], check=False)


def _command(stage: Any, words: list[str], *, probes: bool = False) -> list[str]:
    """As the image's user, without any right and without the way to get one; or as the probe, with those it names."""
    path = next(
        str(Path(folder) / words[0])
        for folder in stage.environ["PATH"].split(":")
        if (stage.root / folder.lstrip("/") / words[0]).exists()
    )
    kept = PROBE_RIGHTS if probes else ""
    rights = ["setpriv", "--no-new-privs", f"--bounding-set=-all,+sys_chroot,+setuid,+setgid{kept}"]
    user = "0:0" if probes else stage.user
    return [*rights, "chroot", f"--userspec={user}", str(stage.root), path, *words[1:]]


def _environ(stage: Any) -> dict[str, str]:
    """The image's own, and nothing of this machine's; `setpriv` and `chroot` are found by an absolute PATH."""
    return {**stage.environ, "PATH": f"{stage.environ['PATH']}:/usr/sbin:/sbin:/bin"}


__all__ = ["examine"]

if __name__ == "__main__":
    sys.exit("image/by_hand.py starts what it built")
