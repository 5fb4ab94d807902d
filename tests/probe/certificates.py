"""Certificates as the chart makes them: one authority, the probe's server, and the one client that may ask."""

from __future__ import annotations

import subprocess
from pathlib import Path

AGAIN = "subjectAltName=DNS:kai-probe"


def authority(folder: Path) -> Path:
    """A fresh authority in a folder of its own; its folder."""
    folder.mkdir(parents=True)
    _openssl(folder, "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=kai-probe-ca "
             "-keyout ca.key -out ca.crt")  # fmt: skip
    return folder


def signed(ca: Path, name: str, *, folder: str = "") -> Path:
    """A folder with ca.crt, tls.crt and tls.key for a common name; all carry the server's DNS name, as Helm's do."""
    made = ca.parent / (folder or f"{ca.name}-{name}")
    made.mkdir()
    (made / "ca.crt").write_bytes((ca / "ca.crt").read_bytes())
    (made / "ext").write_text(f"{AGAIN}\nextendedKeyUsage=serverAuth,clientAuth\n")
    _openssl(made, f"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -keyout tls.key -out csr")
    _openssl(made, f"x509 -req -in csr -CA {ca}/ca.crt -CAkey {ca}/ca.key -days 2 -extfile ext -out tls.crt")
    return made


def _openssl(folder: Path, words: str) -> None:
    done = subprocess.run(["openssl", *words.split()], cwd=folder, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
