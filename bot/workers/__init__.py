"""Worker processes of `kai serve`: they judge while the process that serves goes on serving."""

from bot.workers.pool import WorkerPool
from bot.workers.process import WorkerLost

__all__ = ["WorkerLost", "WorkerPool"]
