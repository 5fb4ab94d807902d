"""Writes kubeconfigs: one user, one context, one cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def write(path: Path, server: str, user: str, token: str, namespace: str, ca: Path | None) -> Path:
    """A file only its owner may read: it holds the user's token."""
    cluster: dict[str, Any] = {"server": server, **({"certificate-authority": str(ca)} if ca else {})}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": f"{user}@lab",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": f"{user}@lab", "context": {"cluster": "lab", "user": user, "namespace": namespace}}],
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path
