# SPDX-License-Identifier: MIT
from typing import Dict, Literal, Optional, TypedDict, type_check_only

_Mode = Literal["drop", "overwrite", "block"]

__all__ = ["start", "status", "stop"]

@type_check_only
class _Status(TypedDict):
    running: bool
    segment: Optional[str]
    coverage: Literal["full", "site", "startup", "attach", "api", "none"]
    attempted: int
    counted: int
    recorded: int
    lost: Dict[str, int]
    mode: _Mode
    ring_bytes: int

def start(events: str = "", stack: int = 1, ring_bytes: int = ..., mode: _Mode = "drop") -> None: ...
def stop() -> None: ...
def status() -> _Status: ...
