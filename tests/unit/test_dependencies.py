"""Every direct dependency has its line in docs/dependencies.md, and no other package has one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
PROGRAM, _, TOOLS = (CHECKOUT / "docs" / "dependencies.md").read_text(encoding="utf-8").partition("## Tests and tools")


def named(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w-]+", requirement)[0] for requirement in requirements}


def told(text: str) -> set[str]:
    """Names in the first column of a table."""
    cells = re.findall(r"^\| ([A-Za-z][^|]*?) \|", text, re.MULTILINE)
    return {name.partition(" ")[0] for cell in cells for name in cell.split(", ")} - {"Package"}


OPTIONAL = {name for extra in PROJECT["project"]["optional-dependencies"].values() for name in named(extra)}


@pytest.mark.parametrize(
    ("text", "packages"),
    [
        (PROGRAM, named(PROJECT["project"]["dependencies"]) | OPTIONAL),
        (TOOLS, named(PROJECT["dependency-groups"]["test"]) - OPTIONAL),
    ],
    ids=["program", "tools"],
)
def test_page_lists_what_the_project_needs(text: str, packages: set[str]) -> None:
    assert told(text) == packages
