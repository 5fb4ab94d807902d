"""Identifies callers of a webhook: by a token, by a certificate, or by a signature over the body. Pure but for files.

Sources: developer.pagerduty.com, Verifying signatures; grafana.com/docs, webhook notifier (HMAC signature) and
grafana/alerting, http/hmac.go.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import ssl
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from bot.alert_settings import HookTls
from bot.errors import UsageMistake

log = logging.getLogger(__name__)

PAGERDUTY_SIGNATURE = "X-PagerDuty-Signature"
GRAFANA_SIGNATURE = "X-Grafana-Alerting-Signature"
GRAFANA_TIMES = ("X-Grafana-Alerting-Timestamp", "X-Grafana-Alerting-Signature-Timestamp")
"""Grafana has no usual name for it: whoever sets one up chooses; docs/alerts.md names the first."""

SIGNED_WITHIN_S = 300
"""Seconds for which a signature with a time holds."""


def may_call(authorization: str, token: str) -> bool:
    """`Bearer TOKEN`, or `Basic` with any name and TOKEN as the password. Takes as long whether it fits or not."""
    scheme, _, said = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            said = base64.b64decode(said, validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError, ValueError):
            said = ""
    elif scheme.lower() != "bearer":
        said = ""
    return _same(said.strip(), token)


def shows_certificate(request: web.Request) -> bool:
    """Has the caller shown a certificate? One that our authority did not sign ends the handshake before this."""
    transport = request.transport
    return transport is not None and bool(transport.get_extra_info("peercert"))


def signed_by_pagerduty(body: bytes, headers: Mapping[str, str], secret: str, now: float) -> str:
    """Reason to refuse; empty where one of the header's `v1=…` fits. There are several while a secret is replaced."""
    said, wanted = headers.get(PAGERDUTY_SIGNATURE, ""), f"v1={_signature(body, secret)}"
    fits = any(_same(each.strip(), wanted) for each in said.split(",")[:10])
    return "" if fits and secret else "the signature is wrong"


def signed_by_grafana(body: bytes, headers: Mapping[str, str], secret: str, now: float) -> str:
    """Reason to refuse; empty where it fits. With a time, the signature is over `TIME:BODY`; it must be recent."""
    stamp = next((headers[each] for each in GRAFANA_TIMES if each in headers), None)
    whole = body if stamp is None else b"%b:%b" % (stamp.encode("utf-8", "surrogateescape"), body)
    if not (secret and _same(headers.get(GRAFANA_SIGNATURE, "").strip().lower(), _signature(whole, secret))):
        return "the signature is wrong"
    return "" if stamp is None or _is_recent(stamp, now) else "the signature is too old"


def _is_recent(stamp: str, now: float) -> bool:
    return stamp.isascii() and stamp.isdigit() and abs(int(stamp[:15]) - now) <= SIGNED_WITHIN_S


def _signature(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _same(said: str, wanted: str) -> bool:
    """Compared by digest, so that neither length nor content shows in the time it takes. Nothing never fits."""
    digests = (hashlib.sha256(each.encode("utf-8", "surrogateescape")).digest() for each in (said, wanted))
    return hmac.compare_digest(*digests) and bool(wanted)


def client_certificates(tls: HookTls) -> ssl.SSLContext:
    """TLS that asks callers for a certificate of that authority. Raises `UsageMistake` where a file is of no use.

    Files that are renewed while KAI runs hold from the next connection on; those that are of no use change nothing.
    """
    first = newest = _tls_of(tls)
    read = _stamps(tls)

    def choose(connection: ssl.SSLObject, _: str, __: ssl.SSLContext) -> None:
        nonlocal newest, read
        if (found := _stamps(tls)) != read:
            read = found
            try:
                newest = _tls_of(tls)
                log.info("the certificates for webhooks are read anew")
            except UsageMistake as why:
                log.warning("%s: the old certificates stay", why)
        connection.context = newest

    first.sni_callback = choose
    return first


def _tls_of(tls: HookTls) -> ssl.SSLContext:
    """A caller without a certificate may still talk, so that its refusal is an answer and a line in the log."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # a session that is resumed would outlive the authority that let it in
    context.verify_mode = ssl.CERT_OPTIONAL
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        context.load_verify_locations(cafile=str(tls.client_ca))
    except OSError as why:  # ssl.SSLError, too
        files = f"{tls.certificate}, {tls.key}, {tls.client_ca}"
        raise UsageMistake(f"TLS for webhooks: {files} cannot be used ({why.strerror or 'no PEM'})") from None
    return context


def _stamps(tls: HookTls) -> tuple[tuple[int, int] | None, ...]:
    """What tells that a file is another one; None where it is not there."""
    return tuple(_stamp(path) for path in (tls.certificate, tls.key, tls.client_ca))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
