"""What counts as opened by the way back."""

from __future__ import annotations

import pytest

from bot.watch.proving import _opens
from flows.model import Proof


@pytest.mark.parametrize(
    ("proof", "opens"),
    [
        (Proof(replayed=5, denied_before=5, allowed_after=5, undecidable=0), True),
        (Proof(replayed=5, denied_before=5, allowed_after=0, undecidable=0), False),
        (Proof(replayed=5, denied_before=0, allowed_after=5, undecidable=0), False),  # healed by something else
        (Proof(replayed=5, denied_before=2, allowed_after=3, undecidable=0), False),
        (Proof(replayed=5, denied_before=2, allowed_after=4, undecidable=0), True),
    ],
)
def test_the_way_back_opens_only_what_is_refused_now(proof: Proof, opens: bool):
    assert _opens(proof) is opens
