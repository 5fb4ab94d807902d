"""Made incidents with their truth: every template of `tests/flows/variants`, dressed by a seed (`bench/dressing.py`).

They are written where somebody asks for them and kept nowhere. Each says `synthetic: true`, so the report says so, too.
Odd seeds change shapes, even seeds add noise that points elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import yaml

from bench.dressing import NOISE, SHAPES, Renaming, rename, renamed
from tests.flows.variants.catalog import Variant
from tests.flows.variants.every import every

NEGATIVE = ("none.healthy", "inconclusive", "app.")
"""Classes in which the network is not at fault: blaming it is the error."""


def is_negative(cause_class: str) -> bool:
    return cause_class.startswith(NEGATIVE)


def is_misleading(seed: int) -> bool:
    """Whether a seed adds loud, old and foreign troubles beside the one that matters."""
    return seed % 2 == 0


def names() -> list[str]:
    return sorted(every())


def write(name: str, seed: int, room: Path) -> Path:
    """Writes one dressed template and its truth; returns the truth's file."""
    template, chance = every()[name], Random(f"{name}-{seed}")
    incident = template.build()
    for put_on in chosen(name, seed):
        (SHAPES | NOISE)[put_on](incident, chance)
    by = Renaming(chance)
    folder = incident.write(room / f"{name}-s{seed}")
    rename(folder, by)
    file = room / f"{folder.name}.expected.yaml"
    file.write_text(yaml.safe_dump(renamed(truth_of(template), by), sort_keys=False))
    return file


def chosen(name: str, seed: int) -> Sequence[str]:
    """The dressings of a template under a seed, always the same."""
    chance = Random(f"{name}/{seed}")
    if is_misleading(seed):
        return list(NOISE)
    return chance.sample(sorted(SHAPES), 2)


def truth_of(template: Variant) -> dict[str, Any]:
    components = [*filter(None, (template.component, *sorted(template.components)))]
    return {
        "title": f"made: {template.name}",
        "synthetic": True,
        "cause_class": template.cause,
        "accept_classes": sorted(template.also),
        "affected_component": [_component(each) for each in components] or None,
        "fix": {"automatic": template.fix},
    }


def _component(said: str) -> dict[str, str]:
    kind, _, rest = said.partition(" ")
    namespace, _, name = rest.rpartition("/")
    return {"kind": kind, "namespace": namespace, "name": name}
