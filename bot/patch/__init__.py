"""The only code that writes to a cluster: one change, as one person, at most once.

`PatchWriter.rehearse` asks the API server what would come of an order, `PatchWriter.apply` makes the change, and
`PatchWriter.reconcile` finds out after a crash or a lost answer whether it was made. `PatchWriter.announce` tells of it
in an Event on the object. `Rights.may` asks what a person may do. To audit what KAI can change in a cluster, read this
folder.
"""

from bot.patch.announcing import Announcement
from bot.patch.model import (
    PROPOSAL_ANNOTATION,
    AlreadyExists,
    Applied,
    Approver,
    BadOrder,
    ClusterChange,
    Conflict,
    Creation,
    Deletion,
    Difference,
    Edit,
    Forbidden,
    Gone,
    NotApplied,
    ObjectName,
    Order,
    Rehearsed,
    Rejected,
    Unknown,
    WriteOutcome,
    WriteTrouble,
)
from bot.patch.operations import undo
from bot.patch.rights import ObjectRight, RightsAnswer, rights_for
from bot.patch.writer import PatchWriter, open_writer

__all__ = [
    "PROPOSAL_ANNOTATION",
    "AlreadyExists",
    "Announcement",
    "Applied",
    "Approver",
    "BadOrder",
    "ClusterChange",
    "Conflict",
    "Creation",
    "Deletion",
    "Difference",
    "Edit",
    "Forbidden",
    "Gone",
    "NotApplied",
    "ObjectName",
    "ObjectRight",
    "Order",
    "PatchWriter",
    "Rehearsed",
    "Rejected",
    "RightsAnswer",
    "Unknown",
    "WriteOutcome",
    "WriteTrouble",
    "open_writer",
    "rights_for",
    "undo",
]
