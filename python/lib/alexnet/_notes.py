"""Notes for the user: messages of the logger ``alexnet``."""

from __future__ import annotations

import logging
from collections.abc import Iterable

logger = logging.getLogger("alexnet")

#: The levels of the messages of a training run. A note says what is assumed, or not used.
LEVELS = {"info": logging.INFO, "note": logging.WARNING, "warning": logging.WARNING}


def note(texts: Iterable[str]) -> None:
    """Logs notes."""
    for text in texts:
        logger.warning("%s", text)
