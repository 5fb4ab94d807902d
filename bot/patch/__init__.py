"""The only code that writes to a cluster: one change, as one person, at most once.

`Writer.rehearse` asks the API server what would come of an order, `Writer.apply` makes the change, `Writer.reconcile`
finds out after a crash or a lost answer whether it was made. `Writer.announce` tells of it in an Event on the object.
`Rights.may` asks what a person may do. To audit what KAI
can change in a cluster, read this folder.
"""

from bot.patch.announcing import Announcement
from bot.patch.model import (
    MARK,
    AlreadyExists,
    Applied,
    Approver,
    BadOrder,
    Change,
    Conflict,
    Creation,
    Deletion,
    Difference,
    Edit,
    Gone,
    NotApplied,
    ObjectName,
    Order,
    Outcome,
    Refused,
    Rehearsed,
    Rejected,
    Trouble,
    Unknown,
)
from bot.patch.operations import undo
from bot.patch.rights import Right, Verdict, rights_for
from bot.patch.writer import Writer, open_writer

__all__ = [
    "MARK",
    "AlreadyExists",
    "Announcement",
    "Applied",
    "Approver",
    "BadOrder",
    "Change",
    "Conflict",
    "Creation",
    "Deletion",
    "Difference",
    "Edit",
    "Gone",
    "NotApplied",
    "ObjectName",
    "Order",
    "Outcome",
    "Refused",
    "Rehearsed",
    "Rejected",
    "Right",
    "Trouble",
    "Unknown",
    "Verdict",
    "Writer",
    "open_writer",
    "rights_for",
    "undo",
]
