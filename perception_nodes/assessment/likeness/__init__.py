"""How much the simulator's sweeps resemble real ones of the same lidar: curves, distances, a page.

real.py and simulated.py give sweeps in one form (`View`); cars.py and surfaces.py count what is in them; curves.py adds
the counts up; distance.py says how far two curves are apart; compare.py is the whole.
"""

from .compare import Comparison, LikenessOptions, compare, read_figures, write_figures
from .page import check_target, write_page
from .terminal import tell

__all__ = [
    "Comparison",
    "LikenessOptions",
    "check_target",
    "compare",
    "read_figures",
    "tell",
    "write_figures",
    "write_page",
]
