"""Words that name no particular thing: what a statement may say without evidence for the word itself."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COUNTED = (
    "zero . two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_UNITS = {"dozen": "12", "hundred": "100", "thousand": "1000", "million": "1000000", "twice": "2", "thrice": "3"}

WORDS_OF_NUMBER = {word: str(at) for at, word in enumerate(_COUNTED.split()) if word != "."} | _UNITS
"""Figures written out. `one` is no figure here: it is a pronoun far more often."""

KIND_WORDS = _words(
    "Pod Service Namespace Node Deployment StatefulSet DaemonSet ReplicaSet Job CronJob NetworkPolicy ConfigMap "
    "Secret  CiliumNetworkPolicy CiliumClusterwideNetworkPolicy EndpointSlice Endpoints Ingress Container Rule "
    "Gateway "
)
"""Kinds in front of a name: `Service redis` names something, however plain the word is."""

_FIELD = _words(
    "API APIs CNI CIDR CIDRs Cilium Claude ClusterIP CPU CoreDNS DNS DNAT EOF EPERM ETIMEDOUT ECONNREFUSED FQDN "
    "FQDNs Hubble HTTP HTTPS ICMP IP IPs IPv4 IPv6 KAI Kubernetes L3 L4 L7 Linux MTU NAT NXDOMAIN OK OOM PMTU "
    "RBAC RST SCTP SERVFAIL SNAT SYN TCP TLS TTL UDP URL UTC VXLAN I NetworkPolicies CiliumNetworkPolicies "
    "PersistentVolume kube-proxy kube-dns resolv.conf ndots "
)

COMMON = _FIELD | KIND_WORDS | frozenset(f"{kind}s" for kind in KIND_WORDS)
"""Words of the field that name no particular object."""

PRODUCTS = _words(
    "antrea argo argocd aws azure bird calico canal consul contour datadog elasticsearch envoy etcd falco felix "
    "flannel flux gcp gke grafana haproxy istio istiod jaeger kafka keda kong kubelet kyverno linkerd loki "
    "memcached metallb mongo mongodb multus mysql nats nginx openshift opa postgres postgresql prometheus "
    "rabbitmq rancher redis squid tigera traefik vault weave zookeeper "
)
"""Programs and products: a statement that names one must have it from the evidence, however it is written."""

AFTER_A_KIND = _words(
    "a above address addresses admits admit allows allow also an and are as at attempt attempts be because before "
    "behind  below between blocks block but by can cannot carries connects connection covers could denies deny "
    "did do does  drops endpoint endpoints exists for from had has have in in-cluster into is isolates it its "
    "itself label labels  lacks lets list may me must name named names network never no nor not object objects of "
    "on only or port ports pods  reaches reach reports rule rules runs says selector selectors selects serves "
    "shows so spec states status stays  still than that the their them then there they this to traffic under "
    "until was were what when where whether which  while whose will with without would "
)
"""What may follow a kind without being its name: `Service has`, `Pod that`."""

COMPOUND = _words(
    "by re non pre self same well cross multi single full round read up end in on off out over under one two "
    "three  cluster pod node host name policy service kernel time retry retries trip to of side wide level only "
    "based like  related scoped bound facing default deny target port path search domain miss misses look loop "
    "check checks  ready running pending established half open closed first last least most per more less new old "
    "long short  running longest no not so called known existing stateful stateless layer network client server "
    "source  destination egress ingress upstream downstream connection packet packets drop drops dropped denied "
    "allowed  user space data plane control back backs backend front frontend "
)
"""What words with a hyphen are made of that are no names: `pod-to-pod`, `search-domain`."""
