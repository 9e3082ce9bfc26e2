"""docs/likeness.md: its numbers are those of the code, its table names what is compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from perception_nodes.assessment.likeness import cars, real, surfaces
from perception_nodes.assessment.likeness.curves import CURVES
from perception_nodes.simulation.sensors.beams import LIDARS

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "likeness.md").read_text()
# Where lines end says nothing.
PROSE = " ".join(TEXT.split())


def test_every_curve_is_in_the_table_of_distances() -> None:
    rows = re.findall(r"^\| ([^|]+?) \| [^|]+ \| [0-9.-]+ \|", TEXT, re.MULTILINE)
    assert {c.title for c in CURVES} == set(rows)


@pytest.mark.parametrize(
    "words",
    [
        f"{len(CURVES)} curves",
        f"without the lowest {cars.BOTTOM_M} m",
        f"within {cars._FACE_M} m",
        f"with {cars._FEWEST_POINTS} points or more",
        f"within {surfaces._CORRIDOR_M} m of the vehicle's axis",
        f"{surfaces._PLANE_CELL_M:.0f} m cells",
        f"up to {surfaces._GAP} lost",
        f"edges {', '.join(f'{e:.0f}' for e in cars._STRATUM_RANGE_M)} m",
        f"{', '.join(f'{e:.0f}' for e in cars._STRATUM_VIEW)} degrees",
        "{:g} cm at the ends, {:g} cm at the sides, {:g} cm above and {:g} cm below".format(
            *(100 * m for m in real._PANDASET_MARGIN_M)
        ),
        f"{LIDARS['hdl64'].half_range_m:.0f} m (HDL-64E) and {LIDARS['pandar64'].half_range_m:.0f} m (Pandar64",
        f"Pandar64 linear, {LIDARS['pandar64'].intensity_gain:.0f} for a white board",
        f"fades below {LIDARS['hdl64'].intensity_fade} times",
        f"{1000 * LIDARS['pandar64'].range_std_m:.0f} mm (Pandar64)",
        f"{1000 * LIDARS['hdl64'].range_std_m:.0f} mm (HDL-64E)",
    ],
)
def test_the_numbers_on_the_page_are_those_of_the_code(words: str) -> None:
    assert words in PROSE
