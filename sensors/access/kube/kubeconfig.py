"""Finds the way to the cluster as kubectl does: a kubeconfig and its context, or the ServiceAccount of our own pod.

Files and environment are read here, nothing is asked of the network (a credential plugin of the kubeconfig may).
`kubernetes` is imported only when a way is really looked for: it costs a third of a second.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sensors.kit.model import Blind
from sensors.kit.nearest import did_you_mean
from sensors.kit.objects import get, one_line, text

if TYPE_CHECKING:
    import aiohttp
    from kubernetes.aio.client import Configuration

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
UNUSABLE = (ValueError, TypeError, KeyError, AttributeError, OSError, yaml.YAMLError)
"""What the client raises about a kubeconfig that is not one (its ConfigException comes on top)."""


class BadKubeconfig(ValueError):
    """The way to the cluster is not given, or given wrongly. One line that says what to do."""


class NoKubeconfig(BadKubeconfig):
    """There is no kubeconfig, and this is no pod of a cluster."""


@dataclass(frozen=True, slots=True)
class ClusterContext:
    """A cluster and its user. `name` is for messages (`context prod`); `namespace` what kubectl would use without -n.

    `context` is the kubeconfig's, empty in a pod. `configuration` is the client's own and holds credentials: never log
    it.
    """

    name: str
    server: str
    namespace: str
    configuration: Configuration = field(repr=False)
    context: str = ""


async def find_place(
    kubeconfig: str | Path | None = None,
    context: str | None = None,
    *,
    in_cluster: bool | None = None,
    environ: Mapping[str, str] | None = None,
    service_account: Path = SERVICE_ACCOUNT,
) -> ClusterContext:
    """A named kubeconfig, else KUBECONFIG, else ~/.kube/config, else the pod's ServiceAccount.

    `in_cluster` True or False insists. Raises `BadKubeconfig`, and `Blind` when a credential plugin fails.
    """
    environ = os.environ if environ is None else environ
    files = () if in_cluster else _kubeconfigs(kubeconfig, environ)
    if files:
        return await _from_kubeconfig(files, context)
    if in_cluster or (in_cluster is None and "KUBERNETES_SERVICE_HOST" in environ and context is None):
        return _from_service_account(service_account, environ)
    raise NoKubeconfig(f"no way to a cluster: {_looked(environ)}, and this is no pod; name one with --kubeconfig")


# -- kubeconfig --------------------------------------------------------------------------------------------------------


def _kubeconfigs(given: str | Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The files to merge, those that exist. One that a person named must exist."""
    if given is not None:
        path = Path(given).expanduser()
        if not path.is_file():
            raise BadKubeconfig(f"{given}: no such kubeconfig")
        return (path,)
    return tuple(each for each in _usual(environ) if _is_there(each))


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:  # a home directory of another user, as where a cluster chooses the user of a pod
        return False


def _usual(environ: Mapping[str, str]) -> tuple[Path, ...]:
    named = [each for each in environ.get("KUBECONFIG", "").split(os.pathsep) if each]
    home = environ.get("HOME")
    default = [Path(home) / ".kube" / "config"] if home else []
    return tuple(Path(each).expanduser() for each in named) if named else tuple(default)


def _looked(environ: Mapping[str, str]) -> str:
    missing = ", ".join(map(str, _usual(environ)))
    return f"{missing} does not exist" if missing else "neither KUBECONFIG nor a home directory is set"


async def _from_kubeconfig(files: tuple[Path, ...], context: str | None) -> ClusterContext:
    from kubernetes.aio.config import ConfigException

    where = os.pathsep.join(map(str, files))
    try:
        return await _load(where, context)
    except (*UNUSABLE, ConfigException) as why:
        if isinstance(why, BadKubeconfig):
            raise
        raise BadKubeconfig(f"{where} cannot be used: {_complaint(why)}") from None


def _complaint(why: Exception) -> str:
    """The client stumbles over a file that is no kubeconfig; its own words help only where it meant to complain."""
    if isinstance(why, (TypeError, KeyError, AttributeError)):
        return "it is not a kubeconfig, or a part of it is missing"
    return one_line(str(why) or type(why).__name__)


async def _load(where: str, context: str | None) -> ClusterContext:
    from kubernetes.aio.config.kube_config import KubeConfigLoader, KubeConfigMerger

    merged = KubeConfigMerger(where).config
    name = _context(merged, context, where)
    loader = KubeConfigLoader(config_dict=merged, active_context=name)
    configuration = _fresh_configuration()
    with _overheard("kubernetes.aio.config.kube_config") as complaints:
        await loader.load_and_set(configuration)
    if complaints:
        raise Blind(f"context {name}: the credential plugin gave no credentials: {one_line(complaints[0])}")
    if getattr(loader, "exec_plugin_expiry", None) is not None:
        configuration.refresh_api_key_hook = _Renewal(loader).renew
    namespace = text(loader.current_context, "context", "namespace") or "default"
    return ClusterContext(f"context {name}", str(configuration.host), namespace, configuration, name)


def _context(merged: Any, wanted: str | None, where: str) -> str:
    """The context to use; `merged` is the client's own wrapper around the files' content."""
    said = getattr(merged, "value", None)
    listed = get(said, "contexts")
    known = [text(getattr(each, "value", each), "name") for each in listed] if isinstance(listed, list) else []
    name = wanted or text(said, "current-context")
    if not name:
        raise BadKubeconfig(f"{where} has no current context; name one with --context: {_some(known)}")
    if name not in known:
        raise BadKubeconfig(f"{where} has no context {name!r}{did_you_mean(name, known) or f'; it has {_some(known)}'}")
    return name


def _some(names: list[str]) -> str:
    return (", ".join(sorted(names)[:8]) + (", …" if len(names) > 8 else "")) or "it has none"


@dataclass(slots=True)
class _Renewal:
    """Runs the credential plugin again when its token has expired; the client asks before each request."""

    loader: Any

    async def renew(self, configuration: Configuration) -> None:
        with _overheard("kubernetes.aio.config.kube_config") as complaints:
            await self.loader.load_from_exec_plugin()
        if complaints:
            raise Blind(f"the credential plugin gave no new credentials: {one_line(complaints[0])}")
        configuration.api_key["BearerToken"] = self.loader.token


@contextmanager
def _overheard(name: str) -> Iterator[list[str]]:
    """The client only logs that a credential plugin failed, and goes on as nobody; we must know, and say it once."""
    logger, heard = logging.getLogger(name), _Ear(logging.ERROR)
    propagates = logger.propagate
    logger.addHandler(heard)
    logger.propagate = False
    try:
        yield heard.lines
    finally:
        logger.removeHandler(heard)
        logger.propagate = propagates


class _Ear(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


# -- in a pod ----------------------------------------------------------------------------------------------------------


def _from_service_account(folder: Path, environ: Mapping[str, str]) -> ClusterContext:
    """The projected token, read anew every minute since the kubelet replaces it."""
    from kubernetes.aio.config import ConfigException
    from kubernetes.aio.config.incluster_config import InClusterConfigLoader

    configuration = _fresh_configuration()
    try:
        loader = InClusterConfigLoader(str(folder / "token"), str(folder / "ca.crt"), environ=environ)
        loader.load_and_set(configuration)
    except (ConfigException, OSError) as why:
        raise BadKubeconfig(f"the pod's ServiceAccount cannot be used ({folder}): {one_line(str(why))}") from None
    return ClusterContext("the pod's ServiceAccount", str(configuration.host), _namespace(folder), configuration)


def _namespace(folder: Path) -> str:
    try:
        return (folder / "namespace").read_text().strip() or "default"
    except OSError:
        return "default"


def _fresh_configuration() -> Configuration:
    """A configuration of our own: the client's default one is shared by the whole process."""
    from kubernetes.aio.client import Configuration

    configuration = Configuration()
    configuration.retries = None  # we retry once ourselves, and honour Retry-After
    configuration.disable_strict_ssl_verification = True  # Python 3.13 refuses CAs that kubectl and most clusters use
    configuration.trace_configs = [_no_detours()]
    return configuration


def _no_detours() -> aiohttp.TraceConfig:
    """Redirects are refused: an API server sends nobody elsewhere, but a pod behind its proxy may well try to."""
    import aiohttp

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_detour)
    return trace


async def _refuse_detour(_session: Any, _context: Any, asked: aiohttp.TraceRequestRedirectParams) -> None:
    goal = one_line(asked.response.headers.get("Location", ""), 120)
    raise Blind(
        f"the API server {asked.url.origin()} sends us on to {goal}, which is not followed; "
        "does the kubeconfig name a login page or a proxy instead of the API server?"
    )
