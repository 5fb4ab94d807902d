"""Prints what kai says of every made incident: `python -m tests.flows.variants.report [NAME…] [-v] [-t]`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.flows.variants.every import every
from tests.flows.variants.running import diagnose, look


def main() -> None:
    wanted = [each for each in sys.argv[1:] if not each.startswith("-")]
    folder = Path(tempfile.mkdtemp())
    for name, variant in every().items():
        if wanted and name not in wanted:
            continue
        built = variant.build().write(folder / name)
        for asked in (True, False):
            case = asyncio.run(look(built, asked=asked))
            said = diagnose(case)
            right = {variant.cause, *variant.also}
            right = right if asked or variant.unasked is None else set(variant.unasked)
            ok = said.cause_class in right
            where = str(said.component) if said.component else None
            there = not asked or where == variant.component or where in variant.components
            if not ok or not there or wanted:
                print(
                    f"{'ok ' if ok and there else 'BAD'} {name} asked={asked}: {said.cause_class} {said.confidence} "
                    f"[{where}] wanted {variant.cause} [{variant.component}]"
                )
                print("     ", said.root_cause)
                for found, _ in said.findings[:4]:
                    print("        -", found.cause_class, found.belief, found.component, "|", found.cause[:150])
            if "-t" in sys.argv and asked:
                print(
                    f"== {name}\n  {said.root_cause}\n  because: {said.reasoning}\n  do: {said.recommended_action}\n  fix: {said.fix.title} auto={said.fix.automatic}"
                )
                if "-e" in sys.argv:
                    for key, each in said.evidence.items():
                        print("   ", key, each.sensor, each.facts.summary() if each.facts else each.why)
                    for row in said.layers:
                        print("    ", row.layer, row.state, row.why)


if __name__ == "__main__":
    main()
