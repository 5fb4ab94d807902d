"""Checks whether Claude can be asked: a key, and a model that will still be there next month.

The key is never looked at beyond being there. Which models there are, and when one ends, is what the installed SDK
says; it is imported for that only where there is a key, since it takes a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from bot.claude_settings import KEY, MODEL
from bot.doctor.check import Check, CheckState
from bot.errors import BadSettings, UsageMistake
from bot.settings import claude_of
from flows.agent.clients import Models, models
from flows.agent.reply import NoAnswer
from flows.agent.settings import USUAL_MODEL, ClaudeSettings

NEAR = 60
"""Days before its end in which a model should be replaced: a change freeze is shorter."""

CLAUDE_MISSING = "rules decide alone, as they always do; what no rule knows stays unexplained"
NO_MODEL = "Claude's answers stop on that day, and rules decide alone"


async def claude(environ: Mapping[str, str], today: date) -> tuple[Check, Check]:
    """The key and the model. No key is a choice; a key that is set and empty is a mistake."""
    give = f"export {KEY}=…"
    try:
        settings = claude_of(environ=environ)
    except BadSettings:  # told by the settings' own line
        unread = "the settings cannot be read"
        return Check("Claude key", CheckState.UNKNOWN, unread), Check("Claude model", CheckState.UNKNOWN, unread)
    except UsageMistake as why:
        broken = Check("Claude key", CheckState.MISSING, str(why), CLAUDE_MISSING, give)
        return broken, Check("Claude model", CheckState.OFF, "not asked before that is mended", CLAUDE_MISSING, give)
    if not settings.enabled:
        off = Check("Claude key", CheckState.OFF, f"{KEY} is not set", CLAUDE_MISSING, give)
        return off, Check("Claude model", CheckState.OFF, "not asked without a key", CLAUDE_MISSING, give)
    return Check("Claude key", CheckState.OK, _key(settings)), await _model(settings, today)


def _key(settings: ClaudeSettings) -> str:
    if settings.provider != "anthropic":
        return f"asked through {settings.provider}, which has keys of its own"
    return f"{KEY} is set"


async def _model(settings: ClaudeSettings, today: date) -> Check:
    try:
        known = await models()
    except NoAnswer as why:
        mend = "pip install 'kai-netdebug[vertex]'" if settings.provider == "vertex" else "pip install ."
        return Check("Claude model", CheckState.MISSING, why.why, CLAUDE_MISSING, mend)
    if settings.prices.of(settings.model) is None:
        found = f"no price is known for {settings.model}, so no ceiling can be kept and it is not asked"
        mend = f"claude: {{prices: {{{settings.model}: {{input: …, output: …, cache_write: …, cache_read: …}}}}}}"
        return Check("Claude model", CheckState.MISSING, found, CLAUDE_MISSING, f"in the settings file: {mend}")
    return model_check(settings.model, today, known)


def model_check(model: str, today: date, known: Models) -> Check:
    """Checks whether the model is still there, and for how long."""
    ends, replace = known.ends.get(model), f"export {MODEL}={USUAL_MODEL}"
    if ends is None:
        return _without_end(model, known)
    left = (ends - today).days
    if left < 0:
        return Check("Claude model", CheckState.MISSING, f"{model} ended on {ends}", NO_MODEL, replace)
    told = f"{model} ends on {ends}, in {left} days"
    if left <= NEAR:
        return Check("Claude model", CheckState.MISSING, told, NO_MODEL, replace)
    return Check("Claude model", CheckState.OK, told)


def _without_end(model: str, known: Models) -> Check:
    if model in known.names:
        return Check("Claude model", CheckState.OK, f"{model}; anthropic {known.sdk} announces no end of life")
    return Check("Claude model", CheckState.UNKNOWN, f"{model} is none of the models that anthropic {known.sdk} knows")
