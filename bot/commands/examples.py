"""One or two examples for each command, as `--help` shows them below the options."""

from __future__ import annotations

from collections.abc import Mapping

EXIT_CODES = "Exit codes: 0 no fault found, 1 fault found, 2 usage or input error, 3 could not look."

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "netdebug": (
        "kai netdebug api-7d9c -n shop --to payments.prod:8080",
        "kai netdebug deploy/api -n shop --to svc/payments",
        "kai netdebug --case lab/cases/web-to-catalog -o yaml",
    ),
    "run-flow": ("kai run-flow flow.k8s_dns_debug --pod api-7d9c -n shop",),
    "drops": ("kai drops shop", "kai drops shop --since 10m -o json", "kai drops --case lab/cases/orders-to-ledger"),
    "list-flows": ("kai list-flows -o json",),
    "list-sensors": ("kai list-sensors",),
    "demo": ("kai demo", "kai demo --list", "kai demo web-to-catalog --once"),
    "capture": ("kai capture api-7d9c -n shop --to-dir /tmp/case --redact",),
    "doctor": ("kai doctor", "kai doctor api-7d9c -n shop -o json"),
    "simulate": (
        "kai simulate -f policy.yaml --case DIR",
        'kai simulate --case DIR -n production --target networkpolicy/strict-egress --patch \'[{"op":"add",…}]\'',
        "kai simulate --case DIR -n production --delete networkpolicy/strict-egress",
        "kai simulate --case DIR --can 'production/api-server->10.96.0.1:443'",
    ),
    "history": ("kai history --limit 5 -n shop",),
    "show": ("kai show ee23", "kai show ee23 -v", "kai show ee23 --fix | sh"),
    "alert": ("kai alert test -f webhook.json", "kai alert test -f message.json --case DIR"),
    "serve": ("kai serve --config kai.yaml",),
    "approve": ("kai approve 3f9a",),
    "extend": ("kai extend 3f9a", "kai extend 3f9a --for-good"),
    "reject": ("kai reject 3f9a --reason 'we move on Monday'",),
    "undo": ("kai undo 3f9a",),
    "audit": ("kai audit verify --head HASH", "kai audit --proposal 3f9a"),
    "store": ("kai store backup kai-backup.json", "kai store restore kai-backup.json"),
    "ask": ("kai ask ee23 'is it DNS?'",),
    "mcp": ("kai mcp",),
    "completion": ("source <(kai completion bash)", "kai completion zsh > ~/.zfunc/_kai"),
}

COMMAND_NOTES: Mapping[str, str] = {
    "netdebug": EXIT_CODES,
    "run-flow": EXIT_CODES,
    "drops": "Exit codes: 0 no packet dropped by a policy, 1 some dropped, 2 usage or input error, 3 not measured.",
    "simulate": (
        "Exit codes: 0 every replayed connection would pass and nothing speaks against it, 1 otherwise, "
        "2 usage or input error, 3 could not look."
    ),
    "alert": (
        "Exit codes: 0 an investigation would be started, 1 none would be, 2 usage or input error. docs/alerts.md says "
        "how alerts get to KAI."
    ),
    "serve": (
        "Secrets come from the environment: SLACK_BOT_TOKEN, and SLACK_APP_TOKEN (socket mode) or SLACK_SIGNING_SECRET "
        "(http mode), each also as …_FILE. docs/slack.md says what else there is."
    ),
}


def epilog(name: str) -> str:
    """Text below the options of a command's help."""
    lines = "\n".join(f"  {each}" for each in EXAMPLES.get(name, ()))
    shown = f"\b\nExamples:\n{lines}" if lines else ""
    return "\n\n".join(filter(None, (shown, COMMAND_NOTES.get(name, ""))))
