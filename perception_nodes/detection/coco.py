"""The 80 COCO class names in their usual order, and which of them the taxonomy knows."""

from __future__ import annotations

from typing import Final

COCO_NAMES: Final[tuple[str, ...]] = tuple(
    """person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant|stop sign|
parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe|backpack|umbrella|handbag|tie|
suitcase|frisbee|skis|snowboard|sports ball|kite|baseball bat|baseball glove|skateboard|surfboard|
tennis racket|bottle|wine glass|cup|fork|knife|spoon|bowl|banana|apple|sandwich|orange|broccoli|carrot|
hot dog|pizza|donut|cake|chair|couch|potted plant|bed|dining table|toilet|tv|laptop|mouse|remote|keyboard|
cell phone|microwave|oven|toaster|sink|refrigerator|book|clock|vase|scissors|teddy bear|
hair drier|toothbrush""".replace("\n", "").split("|")
)

# Names that other label sets use for the taxonomy's classes; a name that is in the taxonomy stands for itself.
TAXONOMY_OF: Final[dict[str, str]] = {
    "person": "pedestrian",
    "motorbike": "motorcycle",
    "cyclist": "bicycle",
    "van": "car",
    "cone": "traffic_cone",
}
