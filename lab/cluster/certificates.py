"""A certificate authority of the lab's own making, and a certificate for 127.0.0.1. Made by openssl, for one run."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "7")


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files; `ca` is what a client trusts."""

    ca: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_certificates(folder: Path) -> Certificates:
    """Raises `RuntimeError` where openssl is missing or does not like something."""
    names = {each: folder / f"{each}.pem" for each in ("ca", "ca-key", "server", "server-key", "request")}
    authority = ["req", "-x509", *KEY, "-subj", "/CN=kai lab", "-keyout", names["ca-key"], "-out", names["ca"]]
    asked = ["req", *KEY[:-2], "-subj", "/CN=127.0.0.1", "-keyout", names["server-key"], "-out", names["request"]]
    extensions = folder / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n")
    signed = ["x509", "-req", "-in", names["request"], "-CA", names["ca"], "-CAkey", names["ca-key"], "-days", "7"]
    signed += ["-CAcreateserial", "-extfile", extensions, "-out", names["server"]]
    for each in (authority, asked, signed):
        _openssl([str(word) for word in each])
    return Certificates(names["ca"], names["server"], names["server-key"])


def make_probe_certificates(folder: Path) -> tuple[Path, Path]:
    """Folders (ca.crt, tls.crt, tls.key) of the probes' server and their client, as the chart's Secrets hold them."""
    ca, key = folder / "probe-ca.crt", folder / "probe-ca.key"
    _openssl(["req", "-x509", *KEY, "-subj", "/CN=kai-probe-ca", "-keyout", str(key), "-out", str(ca)])
    return _probe_side(folder / "probe-server", "kai-probe", ca, key), _probe_side(
        folder / "probe-client", "kai", ca, key
    )


def _probe_side(folder: Path, name: str, ca: Path, ca_key: Path) -> Path:
    folder.mkdir()
    (folder / "ca.crt").write_bytes(ca.read_bytes())
    (folder / "extensions").write_text(f"subjectAltName=DNS:{name}\nextendedKeyUsage=serverAuth,clientAuth\n")
    asked, out = str(folder / "request"), str(folder / "tls.crt")
    _openssl(["req", *KEY[:-2], "-subj", f"/CN={name}", "-keyout", str(folder / "tls.key"), "-out", asked])
    signed = ["x509", "-req", "-in", asked, "-CA", str(ca), "-CAkey", str(ca_key), "-days", "7", "-CAcreateserial"]
    _openssl([*signed, "-extfile", str(folder / "extensions"), "-out", out])
    return folder


def _openssl(words: list[str]) -> None:
    try:
        subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=30)  # noqa: S603, S607
    except FileNotFoundError:
        raise RuntimeError("TLS needs the program openssl, which is not here") from None
    except subprocess.CalledProcessError as why:
        raise RuntimeError(f"openssl: {why.stderr.decode(errors='replace').strip()[-200:]}") from None
