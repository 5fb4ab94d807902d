"""Whether Claude can be asked: a key, and a model that will still be there next month.

The key is never looked at beyond being there. Which models there are, and when one ends, is what the Python SDK said
when this version was made (anthropic 2.14.0: types/model.py, _data/deprecated_models.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from bot.doctor.check import Check, State

KEY, MODEL = "ANTHROPIC_API_KEY", "KAI_MODEL"
USUAL_MODEL = "claude-sonnet-5-5"
NEAR = 60
"""Days before its end in which a model should be replaced: a change freeze is shorter."""

AS_OF = date(2026, 11, 27)
ENDS: Mapping[str, date] = {
    "claude-mythos-preview": date(2026, 6, 30),
    "claude-opus-4-5": date(2027, 1, 22),
    "claude-opus-4-5-20251101": date(2027, 1, 22),
    "claude-sonnet-4-5": date(2026, 11, 30),
    "claude-sonnet-4-5-20250929": date(2026, 11, 30),
}
KNOWN = frozenset(
    [
        "claude-fable-5",
        "claude-fable-5-1",
        "claude-fable-5-2",
        "claude-haiku-4-5",
        "claude-haiku-4-5-20251001",
        "claude-haiku-5-5",
        "claude-mythos-5",
        "claude-mythos-5-1",
        "claude-mythos-5-2",
        "claude-opus-4-6",
        "claude-opus-4-7",
        "claude-opus-4-8",
        "claude-opus-5",
        "claude-opus-5-5",
        "claude-sonnet-4-6",
        "claude-sonnet-5",
        "claude-sonnet-5-5",
    ]
)
WITHOUT = "rules decide alone, as they always do; nobody explains what no rule knows"
NO_MODEL = "Claude's answers stop on that day, and rules decide alone"


def claude(environ: Mapping[str, str], today: date) -> tuple[Check, Check]:
    """The key and the model. No key is a choice; a key that is set and empty is a mistake."""
    give = f"export {KEY}=…"
    if KEY not in environ:
        return (
            Check("Claude key", State.OFF, f"{KEY} is not set", WITHOUT, give),
            Check("Claude model", State.OFF, "not asked without a key", WITHOUT, give),
        )
    model = model_check(environ.get(MODEL, "").strip() or USUAL_MODEL, today)
    if not environ[KEY].strip():
        return Check("Claude key", State.MISSING, f"{KEY} is set and empty", WITHOUT, give), model
    return Check("Claude key", State.OK, f"{KEY} is set"), model


def model_check(model: str, today: date) -> Check:
    """Whether the model is still there, and for how long."""
    ends, replace = ENDS.get(model), f"export {MODEL}={USUAL_MODEL}"
    if ends is None:
        return _without_end(model)
    left = (ends - today).days
    if left < 0:
        return Check("Claude model", State.MISSING, f"{model} ended on {ends}", NO_MODEL, replace)
    told = f"{model} ends on {ends}, in {left} days"
    if left <= NEAR:
        return Check("Claude model", State.MISSING, told, NO_MODEL, replace)
    return Check("Claude model", State.OK, told)


def _without_end(model: str) -> Check:
    if model in KNOWN:
        return Check("Claude model", State.OK, f"{model}; no end of life was announced by {AS_OF}")
    return Check("Claude model", State.UNKNOWN, f"{model} is none of the models known on {AS_OF}")
