"""CoreDNS forwards questions to itself in a circle, notices it and stops; no amount of memory helps.

Proof: CoreDNS's loop plugin says so in its log. Not to be mistaken for a memory limit that is too small: old versions
die of the loop as OOMKilled, and a larger limit only delays that.
"""

from __future__ import annotations

from flows.belief import DOUBTED
from flows.model import Case, Finding, Rule
from flows.symptoms.dns import belief_of, changed, config_map, is_serving, shown_by, told
from sensors.dns_coredns_health import CoreDns, Trouble


def judge(case: Case) -> Finding | None:
    """Speaks when the loop plugin has spoken."""
    dns = case[CoreDns]
    said = dns.found(Trouble.LOOP)
    if not said:
        return None
    return Finding(
        cause_class="dns.loop",
        cause=f"CoreDNS forwards to itself: {said[0].example}{_where(dns)}",
        component=config_map(dns),
        belief=DOUBTED if is_serving(dns) else belief_of(case, dns),
        because=f"{dns.summary()}; {told(case)}{changed(case, config_map(dns))}",
        shown_by=shown_by(case, CoreDns),
        recommendation=(
            f"Name a real upstream in the forward line of {config_map(dns)}, or have the kubelet hand out a "
            "resolv.conf without a loopback nameserver (resolvConf: /run/systemd/resolve/resolv.conf). "
            "More memory does not help."
        ),
    )


def _where(dns: CoreDns) -> str:
    """The forward lines, which are where the circle closes."""
    lines = [f"{each.zone} to {' '.join(each.upstreams)}" for each in dns.corefile.forwards] if dns.corefile else []
    return f" (forwards {', '.join(lines)})" if lines else ""


RULE = Rule(id="dns-loop", judge=judge, causes=("dns.loop",), needs=(CoreDns,))
