"""Runs a case as a cluster: `python -m lab.cluster CASE_DIR`, then kubectl and `kai netdebug` against it."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from lab.cluster.cluster import LabCluster
from lab.cluster.dataplane import Delays
from lab.cluster.users import USERS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.cluster", description="A recorded case that runs.")
    parser.add_argument("case", type=Path, help="a case folder (docs/case-folder.md)")
    parser.add_argument("--port", type=int, default=0, help="of the API server; default: a free one")
    parser.add_argument("--relay-port", type=int, default=0, help="of the hubble-relay; default: a free one")
    parser.add_argument("--no-tls", action="store_true", help="plain HTTP; kubectl then sends no token")
    parser.add_argument("--identity-delay", type=float, default=Delays().identity, metavar="SECONDS")
    asked = parser.parse_args()
    try:
        asyncio.run(_serve(asked))
    except (OSError, ValueError, RuntimeError) as why:
        print(f"{parser.prog}: {why}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        pass
    return 0


async def _serve(asked: argparse.Namespace) -> None:
    delays = Delays(identity=asked.identity_delay)
    wishes = {"port": asked.port, "relay_port": asked.relay_port, "tls": not asked.no_tls, "delays": delays}
    wishes["probe_servers"] = True
    async with LabCluster.start(asked.case, **wishes) as lab:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)  # or its folder would stay
        print("\n".join(_told(lab)), flush=True)  # noqa: T201
        await stop.wait()


def _told(lab: LabCluster) -> list[str]:
    lines = [f"API server {lab.url}, hubble-relay {lab.relay}; times are synthetic"]
    lines += [f"  {user:6} --kubeconfig {lab.kubeconfig(user)}" for user in USERS]
    if (target := lab.target) is not None:
        to = f" --to {target.to_host}:{target.to_port}" if target.to_host else ""
        where = f"--kubeconfig {lab.kubeconfig('kai')} --server {lab.relay}"
        around = "".join(f"{name}={value} " for name, value in lab.environ.items())
        lines.append(f"try: {around}kai netdebug {target.pod} -n {target.namespace}{to} {where}")
    return [*lines, *(f"not simulated: {each}" for each in lab.unsimulated)]


if __name__ == "__main__":
    sys.exit(main())
