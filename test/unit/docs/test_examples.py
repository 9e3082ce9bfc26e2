"""What the documents show exists: examples, commands, files, make targets, topics."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from perception_nodes.cli import main as cli

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/*.md")])
IDS = [p.name for p in PAGES]
COMMAND = re.compile(r"^    (perception .*)$|`(perception [^`]+)`", re.MULTILINE)


@pytest.fixture(scope="module")
def program() -> Any:
    cli._register(cli.COMMANDS)
    return typer.main.get_command(cli.app)


def commands(text: str) -> list[list[str]]:
    """The words of each `perception ...` line; comments, explanations after two blanks and placeholders in []."""
    lines = (indented or inline for indented, inline in COMMAND.findall(text))
    plain = [re.sub(r"\[[^]]*\]", "", line.split("  ")[0]) for line in lines]
    return [shlex.split(line, comments=True)[1:] for line in plain]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_parse(program: Any, page: Path) -> None:
    for words in commands(page.read_text()):
        check(program, words)


def check(program: Any, words: list[str]) -> None:
    name, *arguments = words
    assert name in program.commands, f"no command `perception {name}`"
    command = program.commands[name]
    known = {o for p in command.params for o in p.opts if o.startswith("-")}
    unknown = [a for a in arguments if a.startswith("-") and a not in {*known, "--help"}]
    assert not unknown, f"perception {name} does not know {unknown}"
    command.make_context(name, [a for a in arguments if a != "--help"], resilient_parsing=True)


def test_a_wrong_option_is_noticed(program: Any) -> None:
    ((name, *rest),) = commands("text\n\n    perception run bag --ouput out   # with a comment\n")
    with pytest.raises(AssertionError, match="--ouput"):
        check(program, [name, *rest])


@pytest.mark.parametrize(("language", "name"), [("python", "subscriber.py"), ("cpp", "subscriber.cpp")])
def test_the_readme_shows_the_examples_that_are_run(language: str, name: str) -> None:
    (block,) = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block == (ROOT / "docs" / "examples" / name).read_text()


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in heads}, target


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_make_targets_exist(page: Path) -> None:
    known = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^    |`)make ([\w-]+)", page.read_text(), re.MULTILINE))
    assert named <= known


def test_files_that_the_readme_and_the_architecture_name_exist() -> None:
    for page in (ROOT / "README.md", ROOT / "docs" / "architecture.md", ROOT / "CONTRIBUTING.md"):
        for name in re.findall(r"`([a-z_]+(?:/[\w.]+)*/?)`", page.read_text()):
            if name.endswith((".py", "/")) and not name.startswith("out/"):
                assert (
                    (ROOT / name).exists() or (ROOT / "perception_nodes" / name).exists() or is_sibling(name)
                )


def is_sibling(name: str) -> bool:
    """Files named without their folder: each stage's config.py."""
    return "/" not in name and any((ROOT / "perception_nodes").rglob(name))


def test_every_folder_of_the_package_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text().split("## Folders")[1]
    folders = [p.name for p in (ROOT / "perception_nodes").iterdir() if p.is_dir() and any(p.glob("*.py"))]
    missing = [f for f in folders if f"{f}/" not in text]
    assert not missing


def test_every_output_of_the_nodes_is_in_the_interfaces() -> None:
    text = (ROOT / "docs" / "interfaces.md").read_text()
    code = "".join(p.read_text() for p in (ROOT / "perception_nodes" / "nodes").glob("*.py"))
    code += (ROOT / "perception_nodes" / "ros" / "node.py").read_text()
    topics = set(re.findall(r"\"(/perception/[a-z_/]+?)/?[\"{]", code))
    assert len(topics) > 9
    assert not [t for t in topics if t not in text]


def test_launch_arguments_exist() -> None:
    known = set(yaml.safe_load((ROOT / "config" / "graph.yaml").read_text())["arguments"])
    for page in PAGES:
        for line in re.findall(r"ros2 launch perception_nodes.*", page.read_text()):
            assert set(re.findall(r"(\w+):=", line)) <= known


@pytest.mark.parametrize(
    "page", [*PAGES, *sorted((ROOT / "docs" / "examples").iterdir())], ids=lambda p: p.name
)
def test_no_paths_of_one_machine(page: Path) -> None:
    assert not re.search(r"(/work/|/home/|/root/|/tmp/)", page.read_text())


def test_the_cpp_example_compiles_against_the_messages() -> None:
    compiler, headers = shutil.which("g++"), Path(sys.prefix, "include")
    if compiler is None or not (headers / "perception_nodes").is_dir():
        pytest.skip("needs g++ and the messages of a pip installation")
    command = [compiler, "-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"]
    command += [f"-isystem{folder}" for folder in sorted(headers.iterdir())]
    # No wheel has rclcpp; the stand-in declares what the example uses of it.
    command += [f"-I{ROOT / 'test' / 'colcon' / 'consumer_cpp' / 'rclcpp_stand_in'}"]
    example = str(ROOT / "docs" / "examples" / "subscriber.cpp")
    result = subprocess.run([*command, example], check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
