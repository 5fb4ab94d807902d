"""A software bill of materials (CycloneDX 1.6, JSON) of an image's root: its Python distributions, its Debian packages.

python sbom.py ROOT > sbom.cdx.json
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

NAMESPACE = uuid.UUID("5b1f6b1e-6b0a-4d0a-9a53-6b61692d6e64")
PRODUCT = "kai-netdebug"


def component(kind: str, name: str, version: str, purl: str, licences: list[str]) -> dict[str, Any]:
    """One entry. A licence that is no SPDX expression is a name."""
    found: dict[str, Any] = {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if licences:
        found["licenses"] = [{"license": {"name": each}} for each in licences]
    return found


def of_python(root: Path) -> Iterator[dict[str, Any]]:
    """Everything that is installed beside KAI, and KAI itself."""
    folders = [str(each) for each in root.glob("opt/kai/lib/python*/site-packages")]
    for each in sorted(distributions(path=folders), key=lambda each: name_of(each)):
        name = name_of(each)
        kind = "application" if name == PRODUCT else "library"
        yield component(kind, name, each.version, f"pkg:pypi/{name}@{each.version}", licences_of(each))


def name_of(distribution: Distribution) -> str:
    return str(distribution.metadata["Name"]).lower().replace("_", "-")


def licences_of(distribution: Distribution) -> list[str]:
    said = distribution.metadata.get("License-Expression") or distribution.metadata.get("License") or ""
    return [str(said).splitlines()[0][:100]] if str(said).strip() else []


def of_debian(root: Path) -> Iterator[dict[str, Any]]:
    """The packages whose files were taken, from the copies of their entries in dpkg's status."""
    for path in sorted((root / "var/lib/dpkg/status.d").iterdir()):
        lines = path.read_text("utf-8").splitlines()
        said = dict(line.split(": ", 1) for line in lines if ": " in line and not line.startswith(" "))
        name, version = said["Package"], said["Version"]
        purl = f"pkg:deb/debian/{name}@{version}?arch={said['Architecture']}&distro=trixie"
        yield component("library", name, version, purl.replace("+", "%2B"), [])


def bill(root: Path) -> dict[str, Any]:
    """The same root gives the same bill, to the last byte."""
    parts = [*of_python(root), *of_debian(root)]
    product = next(each for each in parts if each["name"] == PRODUCT)
    others = [each for each in parts if each is not product]
    serial = uuid.uuid5(NAMESPACE, json.dumps(parts, sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": product},
        "components": others,
    }


if __name__ == "__main__":
    print(json.dumps(bill(Path(sys.argv[1])), indent=1))
