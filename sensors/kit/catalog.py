"""Finds plug-ins by walking a folder: a module with the right value at its foot is one. Nothing registers anywhere."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import TypeVar

from sensors.kit.model import Sensor

Plugin = TypeVar("Plugin")


def walk(package: ModuleType, value: str, kind: type[Plugin]) -> dict[str, Plugin]:
    """Every `value` of `kind` at the foot of a module of `package`, by its id, sorted.

    Sub-packages are not plug-ins. Raises `ValueError` when two plug-ins claim one id.
    """
    found: dict[str, Plugin] = {}
    for module in modules_of(package):
        plugin = getattr(module, value, None)
        if isinstance(plugin, kind):
            _add(found, plugin, module.__name__.rpartition(".")[2])
    return found


def modules_of(package: ModuleType) -> Iterator[ModuleType]:
    """The modules of a folder by name, imported; not its sub-packages."""
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda each: each.name):
        if not module.ispkg:
            yield importlib.import_module(f"{package.__name__}.{module.name}")


def _add(found: dict[str, Plugin], plugin: Plugin, module: str) -> None:
    name: str = plugin.id  # type: ignore[attr-defined]
    if name in found:
        raise ValueError(f"{module}.py claims the id {name!r}, which another plug-in has")
    found[name] = plugin


@cache
def sensors() -> Mapping[str, Sensor]:
    """All sensors by id."""
    import sensors as folder

    return walk(folder, "SENSOR", Sensor)
