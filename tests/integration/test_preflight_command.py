"""`cupola process --dry-run` and `cupola inspect --leave-out`, as a user meets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.bootstrap.program import own_command
from app.model.errors import ObservatoryError
from app.services.preflight_child import check_in_child
from tests.builders import small_night
from tests.integration.nights import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder = tmp_path / "home"
    folder.mkdir()
    return Home(folder)


def test_a_dry_run_tells_all_and_writes_nothing(home: Home, tmp_path: Path) -> None:
    night = small_night(tmp_path / "night").folder
    before = {path: path.stat().st_mtime_ns for path in night.rglob("*")}

    told = home.json("process", str(night), "--dry-run")

    assert (told["ready"], told["batch"], told["source"]) == (True, None, str(night))
    assert [group["frames"] for group in told["groups"]] == [3, 3, 3, 3]
    assert not home.database.exists()
    assert not list(home.folder.rglob("*.fits"))
    assert {path: path.stat().st_mtime_ns for path in night.rglob("*")} == before


def test_what_an_operator_leaves_out_is_told_by_the_dry_run_and_can_be_taken_back(home: Home, tmp_path: Path) -> None:
    night = small_night(tmp_path / "night").folder
    light = str(night / "light_1.fits")

    (seen,) = home.json("inspect", light, "--leave-out")
    assert (seen["kind"], seen["is_used"]) == ("light", False)
    before = {path: path.read_bytes() for path in home.database.parent.glob(f"{home.database.name}*")}
    told = home.json("process", str(night), "--dry-run")
    assert told["left_out"] == [{"file": "light_1.fits", "reason": "an operator left it out"}]
    assert {path: path.read_bytes() for path in home.database.parent.glob(f"{home.database.name}*")} == before
    assert home.json("inspect", light, "--as-found")[0]["is_used"] is None
    assert home.run("inspect", light, "--use", "--as-found").returncode == 2


def test_the_window_asks_a_child(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    night = small_night(tmp_path / "night").folder
    for name, value in home.environment.items():
        monkeypatch.setenv(name, value)

    found = check_in_child(own_command("process"), f"{night}/")

    assert found.source == f"{night}/"
    assert found.is_ready
    assert found.frames == 12
    assert found.matches[0].masters == ("own bias (3 frames)",)
    with pytest.raises(ObservatoryError, match="cannot be fetched yet"):
        check_in_child(own_command("process"), "https://x.org/night")
    with pytest.raises(ObservatoryError, match="could not be checked"):
        check_in_child(("/nope",), str(night))
