"""`cupola demo`: the embedded example night goes through a work order to finished stacks."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from filelock import FileLock, Timeout

from app.bootstrap.night import begin_night
from app.bootstrap.observatory import SETTINGS_VARIABLE, open_observatory
from app.commands.console import DONE, FAILED, ProgressLine, give, refuse, say
from app.commands.process import cancelling, summary
from app.frames.world_coordinates import header_wcs
from app.model.batch import ProductKind
from app.model.errors import ObservatoryError
from app.model.work_order import OrderState
from app.paths import user_data_folder
from app.sim.place import NIGHT, SITE
from app.sim.raw_night import NightTruth, write_night

_SETTINGS = """# Settings of the example night; written anew each time.
repository = "{repository}"
database = "sqlite:///{database}"
[site]
name = "{name}"
latitude_deg = {latitude_deg}
longitude_deg = {longitude_deg}
elevation_m = {elevation_m}
"""


def run(*, as_json: bool) -> int:
    """Render the night, order its calibration, run the order, and hold the stacks against the truth."""
    folder = user_data_folder() / "demo"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock"), timeout=0):
            result = _run_night(folder)
    except Timeout:
        return refuse("the example night is running already: wait for it", as_json=as_json)
    except OSError as error:
        sentence = f"the example night cannot be written to {folder}: {error.strerror}: free space, or allow writing"
        return refuse(sentence, as_json=as_json)
    lines = [summary(result), "", "SIMULATED: the example night, rendered from Tycho-2 stars."]
    for stack in result["stacks"]:
        lines.append(
            f"  {stack['filter']}: {stack['stars']} stars found at {stack['rms_px']:.3f} px rms of where they were put; "
            f"{stack['path']}"
        )
    give(result, "\n".join(lines), as_json=as_json)
    return DONE if result["status"] in (OrderState.DONE, OrderState.DONE_WITH_PROBLEMS) else FAILED


def prepare(folder: Path) -> NightTruth:
    """Render the night's raw frames below an empty folder, with settings that keep everything there, and use those."""
    raw = folder / "night"
    say(f"SIMULATED: rendering the example night into {raw} ...")
    truth = write_night(raw)
    settings = folder / "settings.toml"
    values = SITE.model_dump() | {
        "repository": (folder / "products").as_posix(),
        "database": (folder / "cupola.sqlite").as_posix(),
    }
    settings.write_text(_SETTINGS.format(**values), encoding="utf-8")
    os.environ[SETTINGS_VARIABLE] = str(settings)
    return truth


def calibration_order(folder: Path) -> dict[str, Any]:
    """The order to calibrate the raw frames of a prepared folder."""
    return {
        "id": "1",
        "request": "calibrate_file_batch",
        "url": (folder / "night").as_uri(),
        "datetime": NIGHT.strftime("%Y-%m-%dT%H:%M:%S"),
        "user": "demo",
    }


def _run_night(folder: Path) -> dict[str, Any]:
    shutil.rmtree(folder)
    folder.mkdir()
    truth = prepare(folder)
    begin_night(NIGHT)
    with open_observatory() as observatory:
        observatory.front_desk.take_in(calibration_order(folder), "demo")
        with observatory.processor.on_duty(), ProgressLine() as report, cancelling() as cancelled:
            ended = observatory.processor.run_next(report, cancelled.is_set)
    if ended is None or not ended.result:
        raise ObservatoryError(f"the example night was not calibrated: {ended.reason if ended else 'no order'}")
    stacks = [
        _against_truth(product, truth)
        for product in ended.result["products"]
        if product["kind"] == ProductKind.LIGHT_STACK
    ]
    return ended.result | {"simulated": True, "stacks": stacks}


def _against_truth(product: dict[str, Any], truth: NightTruth) -> dict[str, Any]:
    """How far the stack's world coordinates put the stars from where they were put in, pixels of the reference."""
    reference = next(light for light in truth.lights if light.path.name == product["inputs"][0])
    header = fits.getheader(product["path"])
    rows, columns = reference.light_e.shape
    x, y = reference.wcs.world_to_pixel_values(truth.stars.ra_deg, truth.stars.dec_deg)
    inside = (x > 0) & (x < columns - 1) & (y > 0) & (y < rows - 1)
    wcs = header_wcs(header)
    if wcs is None:
        raise ObservatoryError(f"{product['path']} has no world coordinates: see the problems of the batch")
    found_x, found_y = wcs.world_to_pixel_values(truth.stars.ra_deg[inside], truth.stars.dec_deg[inside])
    apart = np.hypot(found_x - x[inside], found_y - y[inside])
    return {
        "path": product["path"],
        "filter": product["filter"],
        "stars": int(inside.sum()),
        "rms_px": round(float(np.sqrt(np.mean(apart**2))), 4),
        "worst_px": round(float(apart.max()), 4),
    }
