"""The incidents that come with KAI: really recorded, so that anybody can see a diagnosis without a cluster."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

from bot.commands.errors import UsageMistake
from bot.commands.investigate import Question, investigate
from bot.commands.lists import columns
from bot.commands.output import write
from bot.report.clean import clean
from sensors.kit.casefolder import CaseHeader, open_case
from sensors.kit.nearest import did_you_mean

USUAL = "api-server-cannot-watch"


def cases() -> dict[str, Path]:
    """The bundled case folders by name."""
    folder = Path(str(files("lab"))) / "cases"
    return {each.name: each for each in sorted(folder.iterdir()) if (each / "case.yaml").is_file()}


def list_cases() -> int:
    write(columns([(name, *_about(open_case(path).header)) for name, path in cases().items()]))
    return 0


def show(name: str, output: str, flow: str, *, verbose: bool) -> int:
    """Diagnose one bundled incident. The demonstration worked when it could be shown: 0, whatever the incident was."""
    known = cases()
    if name not in known:
        raise UsageMistake(f"no bundled incident {name!r}{did_you_mean(name, known)} (kai demo --list shows all)")
    print(f"A recorded incident ({name}), not your cluster.", file=sys.stderr)  # noqa: T201
    investigate(Question(flow, case=known[name], output=output, verbose=verbose))
    return 0


def _about(header: CaseHeader) -> tuple[str, str]:
    when = f"{header.recorded_at:%Y-%m-%d}" if header.recorded_at else ""
    target = header.target
    if target is None:
        return when, ""
    return when, clean(f"{target} → {target.to}" if target.to else str(target))
