"""Rules, which conclude from what was seen: one file per cause or close family, one `RULE` at its foot.

A rule asks the case for facts by type and says a `Finding`, several, or nothing. It stays silent where a look-alike
explains the facts, and lets `Missing` fly where it cannot tell. `flows.catalog.rules()` finds them all.
"""
