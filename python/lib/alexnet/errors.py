"""The exceptions of the package.

Every error of the library is an :class:`Error`, with the text of the program ``alexnet``: what failed, the value, what was expected,
and how to fix it. The classes are its categories.
"""

from __future__ import annotations


class Error(Exception):
    """An error that its user can act on.

    :ivar message: What failed: the thing, its value, and what was expected.
    :ivar help: The edit or the command that fixes it, if one is known.
    """

    message: str
    help: str | None

    def __init__(self, message: str, help: str | None = None) -> None:
        # Both arguments, so that exceptions can be pickled.
        super().__init__(message, help)
        self.message = message
        self.help = help

    def __str__(self) -> str:
        return self.message if self.help is None else f"{self.message}\n  help: {self.help}"


class UsageError(Error, ValueError):
    """Invalid arguments, arrays, recipes or settings."""


class DataError(Error, ValueError):
    """Unusable images, labels, or the files that hold them."""


class ModelError(Error):
    """An unusable model file or checkpoint."""


class DivergedError(Error, ArithmeticError):
    """Training diverged, with non-finite values or a loss far above chance level."""


class ExecutionError(Error, RuntimeError):
    """Any other failure: a full disk, a folder that cannot be written to, threads that cannot be started."""


class OutOfMemoryError(ExecutionError, MemoryError):
    """There is not enough memory."""


class StoppedError(Error):
    """Work was stopped from outside, because the interpreter is shutting down."""
