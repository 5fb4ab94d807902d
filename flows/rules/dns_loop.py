"""CoreDNS forwards questions to itself in a circle, notices it and stops; no amount of memory helps.

Proof: CoreDNS's loop plugin says so in its log; or the forward line leads back to CoreDNS, and it dies of that or no
name from outside resolves. Not to be mistaken for a memory limit that is too small: without the plugin a loop ends as
OOMKilled, and a larger limit only delays that.
"""

from __future__ import annotations

from flows.belief import DOUBTED, PROBABLE
from flows.model import Case, Finding, Rule
from flows.symptoms.dns import asks_elsewhere, belief_of, changed, config_map, is_serving, shown_by, told
from flows.symptoms.dns_circle import circle
from sensors.dns_coredns_health import CoreDns, CoreDnsTrouble
from sensors.dns_lookup import Lookups


def judge(case: Case) -> Finding | None:
    """Speaks when the loop plugin has spoken, or the forward line is a circle and something suffers from it."""
    dns = case[CoreDns]
    said, back = dns.found(CoreDnsTrouble.LOOP), circle(dns)
    if not said and not (back and _suffers(case, dns)):
        return None
    return Finding(
        cause_class="dns.loop",
        cause=f"CoreDNS forwards to itself: {f'{said[0].example}{_where(dns)}' if said else back}",
        component=config_map(dns),
        belief=_belief(case, dns, bool(said)),
        because=f"{dns.summary()}; {told(case)}{changed(case, config_map(dns))}",
        shown_by=shown_by(case, CoreDns),
        recommendation=(
            f"Name a real upstream in the forward line of {config_map(dns)}, or have the kubelet hand out a "
            "resolv.conf without a loopback nameserver (resolvConf: /run/systemd/resolve/resolv.conf). "
            "More memory does not help."
        ),
    )


def _suffers(case: Case, dns: CoreDns) -> bool:
    """Servers that die, or names from outside of which none resolves."""
    lookups = case.get(Lookups)
    outside = lookups.external_dns_works if lookups else None
    dies = any(each.was_oom_killed or each.crash_loops or each.restarts for each in dns.pods)
    return outside is False or (outside is None and dies)


def _belief(case: Case, dns: CoreDns, is_said: bool) -> float:
    lookups = case.get(Lookups)
    if is_serving(dns) is not True:
        return belief_of(case, dns)
    if is_said or lookups is None or lookups.external_dns_works is not False:
        return DOUBTED
    return PROBABLE if not asks_elsewhere(case, dns) else DOUBTED


def _where(dns: CoreDns) -> str:
    """The forward lines, which are where the circle closes."""
    lines = [f"{each.zone} to {' '.join(each.upstreams)}" for each in dns.corefile.forwards] if dns.corefile else []
    return f" (forwards {', '.join(lines)})" if lines else ""


RULE = Rule(id="dns-loop", judge=judge, causes=("dns.loop",), needs=(CoreDns,))
