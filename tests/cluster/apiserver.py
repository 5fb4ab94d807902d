"""A real API server for tests: kube-apiserver and etcd on loopback, no controllers, no nodes, no kubelet.

Whole recordings are written into etcd as the JSON that the API server would have stored: uids, times, managedFields
and statuses stay as recorded, which no create request allows. What the server does with them is its own code.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from sensors.kit.kinds import KINDS, SERVICE, Kind
from tests.cluster.binaries import Binaries
from tests.cluster.processes import free_port, running, wait_for

ADMIN = "admin-token-of-the-tests"
STORED_AS = {
    "pods": "pods",
    "nodes": "minions",
    "services": "services/specs",
    **{name: name for name in ("namespaces", "configmaps", "events", "endpointslices", "networkpolicies")},
    **{name: name for name in ("deployments", "replicasets", "statefulsets", "daemonsets")},
}
"""Where the API server keeps a built-in resource in etcd, below its prefix; CRDs are kept under group and plural."""

AUDIT_POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, verbs: [create, patch, update, delete], resources: [{group: networking.k8s.io}, {group: cilium.io}]}
- {level: Metadata, verbs: [create], resources: [{group: "", resources: [events]}]}
- {level: None}
"""

IP_LABEL = "ipaddress.kubernetes.io"
CORE = {"v1", "apps/v1", "discovery.k8s.io/v1", "networking.k8s.io/v1"}


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any


@dataclass
class ApiServer:
    """A running server. `folder` holds its files; `url` is https with a certificate that `ca_file` vouches for."""

    folder: Path
    port: int
    etcd_port: int
    prefix: str
    version: str
    _admin: http.client.HTTPSConnection | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path:
        return self.folder / "apiserver.crt"

    # -- as administrator ----------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Reply:
        """One request as cluster-admin; the status is the caller's to judge. A text is sent as it is."""
        headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": content_type}
        connection = self._connection()
        try:
            text = body if body is None or isinstance(body, str) else json.dumps(body)
            connection.request(method, path, text, headers)
            answer = connection.getresponse()
            raw = answer.read()
        except (http.client.HTTPException, OSError):
            self._admin = None
            raise
        return Reply(answer.status, _json(raw))

    def create(self, path: str, body: Mapping[str, Any]) -> Any:
        """Create an object; one that is there is replaced."""
        name = f"{path}/{body['metadata']['name']}"
        reply, there = self.ask("POST", path, body), self.ask("GET", name)
        if reply.status == 409 and there.status == 200:
            revision = {"resourceVersion": there.body["metadata"]["resourceVersion"]}
            reply = self.ask("PUT", name, {**body, "metadata": {**body["metadata"], **revision}})
        assert reply.status in (200, 201), reply
        return reply.body

    def audited(self) -> list[dict[str, Any]]:
        """What the server's own audit log tells of writes to policies and of Events, oldest first."""
        whole = (self.folder / "audit.log").read_text().rpartition("\n")[0]  # the last line may still be written
        return [json.loads(each) for each in whole.splitlines()]

    def create_namespace(self, name: str) -> None:
        """A namespace with its default ServiceAccount, which a controller would make."""
        self.create("/api/v1/namespaces", {"metadata": {"name": name}})
        self.create(f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})

    def token(self, namespace: str, name: str) -> str:
        """A fresh token of a ServiceAccount (TokenRequest)."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        issued = self.create(path, {"spec": {"expirationSeconds": 3600}, "metadata": {"name": name}})
        token: str = issued["status"]["token"]
        return token

    def service_account(self, namespace: str, name: str, manifests: Iterable[Mapping[str, Any]] = ()) -> str:
        """Make a ServiceAccount, create its roles and bindings, wait until they count, and return its token."""
        self.create_namespace(namespace)
        self.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
        manifests = list(manifests)
        for each in manifests:
            self.create(rbac_path(each), each)
        user = f"system:serviceaccount:{namespace}:{name}"
        for each in manifests:
            if each["kind"] in ("Role", "ClusterRole") and each["rules"]:
                wait_for(partial(self.may, user, each), f"the rights of {user}")
        return self.token(namespace, name)

    def may(self, user: str, role: Mapping[str, Any]) -> bool:
        """Whether the first right of a role counts for a user already: the server learns of bindings by watching."""
        rule = role["rules"][0]
        resource, _, subresource = rule["resources"][0].partition("/")
        attributes = {"verb": rule["verbs"][0], "group": rule["apiGroups"][0], "resource": resource}
        attributes |= {"subresource": subresource, "namespace": role["metadata"].get("namespace", "")}
        attributes |= {"name": rule.get("resourceNames", [""])[0]}
        body = {"spec": {"user": user, "resourceAttributes": attributes}}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return self.ask("POST", path, body).body["status"]["allowed"] is True

    def install(self, *kinds: Kind, versions: tuple[str, ...] = ()) -> None:
        """CRDs for kinds that are not built in; any content, as the recordings hold real objects of many versions."""
        for kind in kinds:
            self.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd(kind, versions))
        for kind in kinds:
            served = versions or (kind.api.rpartition("/")[2],)
            path = f"/apis/{kind.group}/{served[0]}/{plural(kind)}"
            wait_for(partial(self._serves, path), path)

    def _serves(self, path: str) -> bool:
        return self.ask("GET", path).status == 200

    # -- recordings ----------------------------------------------------------------------------------------------------

    def load_case(self, path: Path) -> None:
        """All objects of a case folder, exactly as recorded; what the server made itself of these kinds goes."""
        files = {each.stem: _items(each) for each in (path / "objects").glob("*.yaml")}
        recorded = {kind: files[kind.plural] for kind in KINDS if kind.plural in files}
        self.install(*(kind for kind in recorded if kind.api not in CORE))
        for kind in recorded:
            self._delete_stored(kind)
        self._reserve_addresses(recorded.get(SERVICE, []))
        for kind in sorted(recorded, key=lambda each: each is SERVICE):
            self.store(kind, recorded[kind])
        for kind, objects in recorded.items():
            wait_for(partial(self._holds, kind, len(objects)), f"{len(objects)} {kind.plural}")

    def store(self, kind: Kind, objects: Iterable[Mapping[str, Any]]) -> None:
        """Write objects into etcd as the server would have stored them."""
        for each in objects:
            meta = {key: value for key, value in each["metadata"].items() if key != "resourceVersion"}
            name = "/".join(filter(None, (meta.get("namespace"), meta["name"])))
            self._etcd("put", key=f"{self._stored(kind)}/{name}", value=json.dumps({**each, "metadata": meta}))

    def _reserve_addresses(self, services: Iterable[Mapping[str, Any]]) -> None:
        """The server complains in an Event about a Service whose address it has not given out itself."""
        for each in services:
            meta, address = each["metadata"], each["spec"].get("clusterIP")
            if address and address != "None":
                parent = {"resource": "services", "namespace": meta["namespace"], "name": meta["name"]}
                labels = {f"{IP_LABEL}/ip-family": "IPv4", f"{IP_LABEL}/managed-by": "ipallocator.k8s.io"}
                body = {"metadata": {"name": address, "labels": labels}, "spec": {"parentRef": parent}}
                self.create("/apis/networking.k8s.io/v1/ipaddresses", body)

    def compact(self) -> None:
        """Forget the past, as etcd does every five minutes: a list under way can then not go on."""
        revision = self._etcd("range", key=self.prefix)["header"]["revision"]
        self._etcd("compaction", revision=revision, physical=True)

    def _stored(self, kind: Kind) -> str:
        part = STORED_AS[kind.plural] if kind.api in CORE else f"{kind.group}/{plural(kind)}"
        return f"{self.prefix}/{part}"

    def _delete_stored(self, kind: Kind) -> None:
        start = f"{self._stored(kind)}/"
        self._etcd("deleterange", key=start, range_end=start[:-1] + "0")  # "0" follows "/"

    def _holds(self, kind: Kind, number: int) -> bool:
        """Whether the server shows so many, now that its watch of etcd has seen them."""
        root = f"/apis/{kind.api}" if kind.group else f"/api/{kind.api}"
        reply = self.ask("GET", f"{root}/{plural(kind)}")
        assert reply.status == 200, reply
        return len(reply.body["items"]) == number

    def _etcd(self, verb: str, **fields: Any) -> Any:
        """One request to etcd's JSON gateway; keys and values are base64 there."""
        coded = {
            key: base64.b64encode(value.encode()).decode() if key in ("key", "value", "range_end") else value
            for key, value in fields.items()
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.etcd_port, timeout=20)
        path = f"/v3/kv/{verb}"
        connection.request("POST", path, json.dumps(coded))
        answer = connection.getresponse()
        said = _json(answer.read())
        connection.close()
        assert answer.status == 200, (verb, said)
        return said

    # -- as somebody ---------------------------------------------------------------------------------------------------

    def kubeconfig(self, token: str = ADMIN, *, namespace: str = "", **changes: Any) -> Path:
        """A kubeconfig with one context `test`; `changes` go into its cluster entry."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file), **changes}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "somebody", "user": {"token": token}}],
            "contexts": [
                {
                    "name": "test",
                    "context": {"cluster": "test", "user": "somebody", "namespace": namespace or "default"},
                }
            ],
        }
        path = self.folder / f"kubeconfig-{abs(hash(json.dumps(content)))}"
        path.write_text(yaml.safe_dump(content))
        return path

    def _connection(self) -> http.client.HTTPSConnection:
        if self._admin is None:
            context = ssl.create_default_context(cafile=self.ca_file)
            self._admin = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)
        return self._admin

    def ready(self) -> bool:
        try:
            return self.ca_file.exists() and self.ask("GET", "/readyz").status == 200
        except (OSError, http.client.HTTPException):
            return False


def plural(kind: Kind) -> str:
    return kind.plural.partition(".")[0]


def rbac_path(thing: Mapping[str, Any]) -> str:
    root = "/apis/rbac.authorization.k8s.io/v1"
    namespace = thing["metadata"].get("namespace")
    return f"{root}{f'/namespaces/{namespace}' if namespace else ''}/{thing['kind'].lower()}s"


def crd(kind: Kind, versions: tuple[str, ...] = ()) -> dict[str, Any]:
    """A definition that accepts anything; the first version is the stored one."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = versions or (kind.api.rpartition("/")[2],)
    served = [{"name": each, "served": True, "storage": each == names[0], "schema": schema} for each in names]
    meta: dict[str, Any] = {"name": f"{plural(kind)}.{kind.group}"}
    if kind.group.endswith("k8s.io"):
        meta["annotations"] = {"api-approved.kubernetes.io": "unapproved, for tests"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": meta,
        "spec": {
            "group": kind.group,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {"kind": kind.name, "plural": plural(kind), "singular": kind.name.lower()},
            "versions": served,
        },
    }


@contextmanager
def api_server(programs: Binaries, folder: Path, **flags: str) -> Iterator[ApiServer]:
    """A fresh, empty cluster; `flags` of the server beside the usual ones (`feature_gates="X=false"`)."""
    folder.mkdir(exist_ok=True)
    with etcd(programs, folder) as etcd_port, _serving(programs, folder, etcd_port, flags) as server:
        yield server


@contextmanager
def etcd(programs: Binaries, folder: Path) -> Iterator[int]:
    port, peers = free_port(), free_port()
    here, there = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peers}"
    command = [str(programs.etcd), "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync", "--log-level", "error"]
    command += ["--listen-client-urls", here, "--advertise-client-urls", here, "--listen-peer-urls", there]
    command += ["--initial-advertise-peer-urls", there, "--initial-cluster", f"default={there}"]
    with running(command, folder / "etcd.log", lambda: _answers(port)):
        yield port


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health")
        return b"true" in connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def _serving(programs: Binaries, folder: Path, etcd_port: int, more: Mapping[str, str]) -> Iterator[ApiServer]:
    server = ApiServer(folder, free_port(), etcd_port, "/registry", programs.version())
    (folder / "tokens.csv").write_text(f'{ADMIN},admin,admin,"system:masters"\n')
    key = folder / "service-accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    (folder / "audit.yaml").write_text(AUDIT_POLICY)
    flags = [*_flags(server, key), *(f"--{name.replace('_', '-')}={value}" for name, value in more.items())]
    with running([str(programs.apiserver), *flags], folder / "apiserver.log", server.ready):
        yield server


def _flags(server: ApiServer, key: Path) -> list[str]:
    """No admission plug-in that would change what a recording holds; the certificate is of the server's own making."""
    flags = {
        "etcd-servers": f"http://127.0.0.1:{server.etcd_port}",
        "bind-address": "127.0.0.1",
        "advertise-address": "127.0.0.1",
        "secure-port": server.port,
        "cert-dir": server.folder,
        "token-auth-file": server.folder / "tokens.csv",
        "authorization-mode": "RBAC",
        "anonymous-auth": "false",
        "service-cluster-ip-range": "10.96.0.0/16",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": key,
        "service-account-signing-key-file": key,
        "endpoint-reconciler-type": "none",
        "watch-cache-sizes": "configmaps#0",  # these are listed from etcd itself, where the past can be compacted away
        "kubelet-preferred-address-types": "InternalIP",
        "audit-policy-file": server.folder / "audit.yaml",
        "audit-log-path": server.folder / "audit.log",
        "disable-admission-plugins": "ServiceAccount,TaintNodesByCondition,Priority,DefaultTolerationSeconds",
    }
    return [f"--{name}={value}" for name, value in flags.items()]


def _items(path: Path) -> list[dict[str, Any]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: list[dict[str, Any]] = yaml.load(path.read_text(), loader)["items"]
    return found


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return {"message": raw.decode(errors="replace")}
