"""Where the package's own data files are: messages, rigs, graph, profile; in a checkout or installed."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Final

from perception_nodes.datatypes import ConfigurationError

PACKAGE: Final = "perception_nodes"


@cache
def resource_path(relative: str) -> Path:
    """File or folder `relative` ("msg", "config/graph.yaml") of the checkout, or of `share/perception_nodes`.

    Raises ConfigurationError naming the places searched.
    """
    checkout = Path(__file__).resolve().parents[1]
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    shares = [prefix / "share" / PACKAGE for prefix in (*prefixes, Path(sys.prefix))]
    # In a colcon or pip prefix the package lies at <prefix>/lib/pythonX.Y/site-packages/perception_nodes.
    shares += [parent / "share" / PACKAGE for parent in Path(__file__).resolve().parents[2:6]]
    for root in (checkout, *shares):
        if (root / relative).exists() and (root != checkout or (root / "msg" / "FrameInfo.msg").is_file()):
            return root / relative
    raise ConfigurationError(f"{relative}: not found in {[str(p) for p in (checkout, *shares)]}")
