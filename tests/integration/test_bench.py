"""`cupola bench` measures, says what it measured against which target, and cleans up behind itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.bench.cost import BenchFailed, Cost, cost_of, paired, ratio
from app.bench.place import Place
from app.bench.table import Row, as_markdown
from app.commands.bench import run

CHECKOUT = Path(__file__).parents[2]


def test_a_quick_benchmark_is_one_json_value_with_targets_and_leaves_nothing(tmp_path: Path) -> None:
    environment = os.environ | {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-P", "-m", "app", "bench", "astrometry", "--quick", "--json"]
    ended = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert {"processor", "processors", "python", "numpy", "numba"} <= said["machine"].keys()
    assert {row["command"] for row in said["rows"]} == {"./cupola bench astrometry --quick"}
    solved, wrong, seconds = said["rows"]
    assert (solved["figure"], solved["limit"], solved["is_least"], solved["is_met"]) == (100.0, 99.0, True, True)
    assert wrong["figure"] == 0
    assert seconds["figure"] > 0.0
    assert "astrometry: solving" in ended.stderr
    assert not list(tmp_path.glob("cupola-bench*"))


def test_a_benchmark_that_there_is_not_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("nothing", is_quick=True, as_json=True) == 2
    assert "stack" in json.loads(capsys.readouterr().out)["error"]


def test_cost_is_that_of_the_whole_family_of_processes(tmp_path: Path) -> None:
    busy = "b = bytearray(60_000_000); sum(range(3_000_000))"
    left = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]])"  # and nobody waits for it
    parent = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {left!r}, {busy!r}]); print('{{\"done\": 1}}')"
    )
    alone = cost_of((sys.executable, "-c", busy), tmp_path)
    family = cost_of((sys.executable, "-c", parent), tmp_path, watch=True)
    assert family.cpu_s > 0.5 * alone.cpu_s
    assert family.peak_mb > 60.0
    assert family.said == {"done": 1}
    with pytest.raises(BenchFailed, match=r"ended with code 1: .*no such thing"):
        cost_of((sys.executable, "-c", "raise SystemExit('no such thing')"), tmp_path)


def test_a_small_process_is_small_though_a_great_one_started_it(tmp_path: Path) -> None:
    great = f"""
import sys
from pathlib import Path
from app.bench.cost import cost_of
held = b"1" * 500_000_000
cost = cost_of((sys.executable, "-S", "-c", "print('{{}}')"), Path({str(tmp_path)!r}), watch=True)
print(cost.peak_mb)
"""
    ended = subprocess.run([sys.executable, "-c", great], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert 1.0 < float(ended.stdout) < 50.0


def test_pairs_alternate_and_ratios_are_those_of_the_rounds() -> None:
    order: list[str] = []

    def costing(name: str, *costs_s: float) -> Callable[[], Cost]:
        left = list(costs_s)

        def one() -> Cost:
            order.append(name)
            return Cost(left.pop(0), 0.0, 0.0)

        return one

    ours, theirs = paired(3, costing("ours", 1.0, 10.0, 3.0), costing("theirs", 2.0, 20.0, 3.0))
    assert order == ["ours", "theirs"] * 3
    assert ratio(ours, theirs) == 0.5


def test_misses_are_told(tmp_path: Path) -> None:
    rows = [
        Row("stack", "ratio", 0.5, limit=0.35, details="1 s / 2 s"),
        Row("night", "input", 70.0, "Mpix/s", 60.0, is_least=True),
        Row("register", "ratio", None, limit=0.35, details="not installed"),
    ]
    assert [row.is_met for row in rows] == [False, True, None]
    lines = as_markdown(rows, is_quick=True).splitlines()
    assert lines[2] == "| `./cupola bench stack --quick` | ratio | 0.5 | <= 0.35 | **no** | 1 s / 2 s |"
    assert lines[3] == "| `./cupola bench night --quick` | input | 70 Mpix/s | >= 60 Mpix/s | yes |  |"
    assert "not measured" in lines[4]
    with pytest.raises(BenchFailed, match="GB free, the benchmark needs"):
        Place(tmp_path, True, print).need(1e18)
