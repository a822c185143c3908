# SPDX-License-Identifier: MIT
from typing import Dict, Literal, Optional, TypedDict, Union, type_check_only

_Mode = Literal["drop", "overwrite", "block"]
_CallsLevel = Literal["record", "stats", "count"]

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
    calls: Optional[_CallsLevel]
    backend: Optional[Literal["profile", "monitoring", "eval"]]

def start(
    events: str = "",
    stack: int = 1,
    ring_bytes: int = ...,
    mode: _Mode = "drop",
    calls: Union[bool, str] = False,
    c_calls: bool = True,
    backend: Literal["auto", "profile", "monitoring", "eval"] = "auto",
    calls_level: _CallsLevel = "record",
    calls_file: str = "",
    max_depth: int = 0,
    block_ms: int = 100,
) -> None: ...
def stop() -> None: ...
def status() -> _Status: ...
