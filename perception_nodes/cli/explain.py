"""`perception explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perception_nodes.assessment.explain import Followed, Story

EXAMPLES = """
**Examples**

`perception explain out --list`  every true object, those that were followed worst first

`perception explain out --object 35`  what each stage made of object 35, and why it was lost

`perception explain out --object 35 --output object_35.html`  the same as a page with a picture (or .png)
"""


def explain(
    outputs: Annotated[Path, typer.Argument(help="output folder of `perception run`, with truth")],
    object: Annotated[int | None, typer.Option(help="id of a true object (see --list)")] = None,
    list: Annotated[bool, typer.Option("--list", help="how well each true object was followed")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="picture .png or page .html")] = None,
) -> None:
    """Tell the story of one true object: seen by which detector, fused, tracked, lost where and why."""
    from perception_nodes.assessment.explain import explain as tell
    from perception_nodes.assessment.explain import how_followed
    from perception_nodes.assessment.recording import read_recording
    from perception_nodes.assessment.strip import write_strip
    from perception_nodes.datatypes import InputError

    if object is None and not list:
        raise InputError("wanted --object ID or --list")
    recording = read_recording(outputs)
    console = Console()
    if list:
        console.print(_listed(how_followed(recording)))
    if object is None:
        return
    story = tell(recording, object)
    _print(story, console)
    if output is not None:
        write_strip(story, output)
        console.print(f"picture: {output}", highlight=False)


def _listed(found: Sequence[Followed]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in (
        "object",
        "class",
        "time s",
        "frames",
        "range m",
        "points",
        "published",
        "tracks",
        "lost",
        "missed for",
    ):
        table.add_column(name, overflow="fold")
    for f in found:
        table.add_row(
            str(f.truth_id),
            f.label,
            f"{f.start_s:.1f} - {f.end_s:.1f}",
            str(f.frames),
            f"{f.range_m[0]:.0f} - {f.range_m[1]:.0f}",
            "" if f.points is None else str(f.points),
            f"{f.published:.0%}",
            " ".join(map(str, f.ids)),
            str(f.lost),
            f.main_cause.value if f.main_cause else "",
        )
    return table


def _print(story: Story, console: Console) -> None:
    from perception_nodes.assessment.strip import run_rows

    f = story.followed
    console.print(
        f"object {story.truth_id}, {story.label}: published in {f.published:.0%} of {f.frames} frames,"
        f" {len(f.ids)} tracks, lost {f.lost} times",
        highlight=False,
    )
    head, rows = run_rows(story)
    table = Table(box=None, pad_edge=False)
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for time_s, text in story.events:
        console.print(f"{time_s:.1f} s: {text}", highlight=False)
