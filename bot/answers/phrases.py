"""The phrases by which each topic is known, in order: the first topic that has one in a message is meant.

Each line is a pattern of whole words, over a message that `spelling` has mended. `^` and `$` are its beginning and end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.answers.question import Topic

_PLEASE = r"(?:please |just |can you |could you |will you |kai |ok |now )*"
_IT = r"(?:it|this|that|the \w+)"

PHRASES: Mapping[Topic, str] = {
    Topic.THANKS: r"""
        ^(?:ok |great |nice |cool )*thanks?(?: you| a lot| so much| kai| very much)*$
        ^(?:great|nice|cool)$
    """,
    Topic.APPROVERS: r"""
        who (?:else )?(?:can|may|could|must|should|has to|is|are|will|do i need|do i ask)\b.*\b(?:appro\w+|appl\w+)
        who (?:can|may|is|must|should)\b.*\b(?:allowed|press|sign)
        who approves?
        approvers?
        who to ask
        (?:can|may) i (?:approve|apply|press)
        whose approval
        approval\b.*\bneed(?:ed)?
        need\b.*\bapproval
    """,
    Topic.UNDO: r"""
        undo
        roll(?:ed|ing)? ?(?:it |this |that |the \w+ )?back
        rollback
        revert
        back ?out
        take (?:it|that|this) back
        get rid of (?:it|the fix)
    """,
    Topic.FIXED: rf"""
        (?:is|was|are|were) (?:{_IT}|we|things?|they)?(?: \w+)? ?(?:now )?(?:fixed|solved|resolved|working|gone|over)
        (?:is|was|are|were) (?:{_IT}|we|things?|they)?(?: \w+)? ?(?:now )?(?:better|back up|ok|okay|good now)
        did (?:{_IT}) (?:work|help)
        still (?:broken|failing|fails|down|dropp\w+|drops|blocked|happening|there|wrong)
        fixed (?:yet|now|it)
        ^(?:is )?(?:it )?fixed$
        does it work (?:now|again)
        works? (?:now|again)
        any better
    """,
    Topic.AGAIN: r"""
        run (?:it |this |that |the \w+ )?(?:once )?again
        re ?run
        (?:check|try|look|test) (?:it |this |that )?(?:once )?(?:again|more)
        retry
        recheck
        once more
        repeat
    """,
    Topic.APPLY: rf"""
        ^{_PLEASE}(?:fix|apply|solve|approve|patch) (?:it|this|that)(?: please| now| for me| for us)*$
        ^{_PLEASE}(?:fix|apply|solve|approve|patch) the (?:fix|patch|change|problem|policy)(?: please| now| for us)*$
        ^do it(?: now)?$
        ^go ahead$
    """,
    Topic.NOT_MEASURED: r"""
        not (?:been )?(?:\w+ )?(?:measured?|look(?:ed)?|see|seen|check(?:ed)?|tested|know)
        not (?:you|kai) (?:measure|look|see|check|know)
        blind
        unmeasured
        undecided
        gaps?
        missed
        miss(?:ing)? (?:any|some)\w*
        what (?:is|was|were) (?:missing|unknown)
    """,
    Topic.SURE: r"""
        how (?:sure|certain|confident|likely)
        confiden\w+
        are you (?:really |very |absolutely )?(?:sure|certain)
        ^you (?:really )?sure$
        ^(?:really )?sure$
        can i trust
        trust (?:you|it|this|that)
        false positive
        guess\w*
        are you (?:wrong|right)
        mistake
        is (?:it|this|that) (?:correct|right|certain)
    """,
    Topic.PROOF: rf"""
        pro(?:of|ve|ved|ven)
        replay(?:ed)?
        how do you know (?:{_IT}) (?:will )?(?:works?|helps?|fixes)
        will (?:{_IT}) (?:really )?(?:work|help|fix)
    """,
    Topic.AFFECTED: r"""
        who else
        what else
        any(?:one|body) else
        others?
        every(?:one|body)
        affect\w*
        impact\w*
        blast radius
        how (?:bad|big)
        how many (?:pods|services|workloads|teams)
        (?:is|only) (?:it )?(?:only |just )(?:this|us|me|one|that|the)
        just (?:us|me|this|one)
        only (?:us|me|this)
    """,
    Topic.SAFE: rf"""
        safe(?:ly)?
        risk\w*
        danger\w*
        harm
        breaks? (?:something|anything|stuff|things|else|prod|other)
        side effects?
        what (?:else )?(?:does|will|would|could) (?:{_IT}) (?:open|allow|change|do|break|deny)
        newly allow\w*
        too (?:broad|wide|open|much)
        (?:will|would|could|can) (?:{_IT}|applying \w+) (?:break|hurt)
    """,
    Topic.CHANGED: r"""
        changed?(?! (?:it|the|this|that) (?:back|to))
        changes
        deploy(?:s|ed|ment)?
        who (?:did|broke|touched|applied|made|caused) (?:it|this|that)
        what (?:is|was) (?:new|different)
        touched
        what happened (?:before|at|then)
    """,
    Topic.SINCE: r"""
        since
        how long
        when (?:did|was|has|is|have)
        what time
        started when
        when$
        how (?:many|much) (?:packets?|drops?|was|were|is|did we|got|traffic)
        (?:first|last) (?:drop|packet|time)
    """,
    Topic.BY_HAND: r"""
        (?:myself|yourself|ourselves|by hand|manually)
        hubble
        reproduce
        how (?:do|can|could) i (?:see|check|verify|look)
        how to (?:see|check|verify)
    """,
    Topic.FIX: r"""
        fix(?:es|ing)?
        patch
        kubectl
        commands?
        what (?:should|do|can|must|shall|could) (?:i|we) do
        how (?:do|can|should|could|would|to)(?: i| we| you)? (?:\w+ )?(?:solve|repair|unblock|mend|allow|resolve)
        next steps?
        what (?:is )?next
        solution
        solve
        recommend\w*
        what now
        now what
        workaround
        yaml
        manifest
        diff
    """,
    Topic.EVIDENCE: r"""
        evidence
        facts?
        raw data
        what did you see
        where do you see
    """,
    Topic.LAYERS: r"""
        wh(?:at|ich) (?:layers?|hop|part)
        layers
        where (?:does|is|did|do) (?:it|they|the \w+|this)
        what (?:works|passed|passes)
        what did you (?:check|test|measure|look|try)
        what (?:have you|was) (?:checked|tested|measured)
        which checks?
    """,
}

WHY = r"""
    ^(?:but |and |so |ok )*why
    how come
    cause
    reason
    explain
    summar\w+
    tl ?dr
    in short
    what (?:is |was |went |the )*(?:wrong|broken|going on|matter|problem|issue|error|happening|blocking|up|failing|down)
    what (?:happened|broke|blocks?|fails?|stops?)
    who (?:is )?block\w*
    whose fault
"""
"""Asked after layers and causes are looked for: `why not DNS?` is about DNS."""


def pattern(phrases: str) -> re.Pattern[str]:
    """One pattern for all lines."""
    lines = (line.strip() for line in phrases.splitlines())
    return re.compile("|".join(rf"(?:(?<!\S){line}(?!\S))" for line in lines if line))
