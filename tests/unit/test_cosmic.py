"""Cosmic rays put into a frame are found, stars are not, and nothing depends on the cut into bands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import astroscrappy
import numpy as np
import pytest
from astropy.io import fits
from scipy import ndimage

from app.frames.product_file import PIXELS, NewProduct
from app.model.batch import ProductKind
from app.model.flags import Dq
from app.model.settings import Calibration, Camera, Settings
from app.pipeline import cosmics
from app.pipeline.calibrating import DQ
from app.pipeline.cosmics import CosmicSearch, flag_cosmics
from app.pipeline.kernels.cosmic import REACH_PX, CosmicRule, PixelNoise, find_cosmics
from app.pipeline.recipe import calibration_recipe
from app.pipeline.step import CancelToken, Context, Findings
from app.sim.sky import add_star
from tests.builders import small_night
from tests.fakes import MemoryBatches

Array = np.ndarray[Any, Any]

SIDE = 500
GAIN, READ_NOISE_E, SKY_ADU = 2.0, 8.0, 300.0
NOISE = PixelNoise(READ_NOISE_E / GAIN, 1.0 / GAIN, 270.0)
EDGE = np.s_[REACH_PX:-REACH_PX, REACH_PX:-REACH_PX]


def go_on() -> None:
    """Never stops."""


def sky(seed: int = 3, stars: int = 90) -> Array:
    """A field of stars with photon and read noise, adu."""
    rng = np.random.default_rng(seed)
    light = np.full((SIDE, SIDE), SKY_ADU)
    for x, y in rng.uniform(0, SIDE, (stars, 2)):
        add_star(light, x, y, 10.0 ** rng.uniform(2.5, 5.5), 3.0)
    noise = rng.normal(0.0, READ_NOISE_E / GAIN, light.shape)
    return (rng.poisson(light * GAIN) / GAIN + noise).astype(np.float32)


def hits(number: int = 75, seed: int = 4) -> Array:
    """Tracks of 1 to 11 pixels, adu."""
    rng = np.random.default_rng(seed)
    tracks = np.zeros((SIDE, SIDE), np.float32)
    for x, y in rng.uniform(20, SIDE - 20, (number, 2)):
        angle, adu = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(100.0, 3000.0)
        for step in range(rng.integers(1, 12)):
            tracks[int(y + step * np.sin(angle)), int(x + step * np.cos(angle))] += adu
    return tracks


def beside(tracks: Array) -> Array:
    """Tracks and the two pixels around them: neighbours of a hit are hit by lower limits."""
    return ndimage.binary_dilation(tracks > 0, np.ones((5, 5), bool))[EDGE]


def found(image: Array, height: int = SIDE, skip: Array | None = None, noise: PixelNoise = NOISE) -> Array:
    """The kernel over a frame, cut into bands."""
    out = np.zeros(image.shape, np.uint8)
    skip = np.zeros(image.shape, np.uint8) if skip is None else skip
    for first in range(REACH_PX, SIDE - REACH_PX, height):
        last = min(first + height, SIDE - REACH_PX)
        around = np.s_[first - REACH_PX : last + REACH_PX]
        number = find_cosmics(image[around], skip[around], noise, CosmicRule(), out[first:last])
        assert number == out[first:last].sum()
    return out


def test_hits_are_found_and_stars_are_none() -> None:
    tracks = hits()
    image = sky() + tracks
    marked, clear = found(image)[EDGE] > 0, tracks[EDGE] > 300.0
    assert (marked & clear).sum() / clear.sum() > 0.97
    assert (marked & ~beside(tracks)).sum() <= 10
    assert found(sky()).sum() <= 10


def test_it_is_the_definition_of_astroscrappy() -> None:
    image = sky() + hits()
    theirs, _ = astroscrappy.detect_cosmics(
        image,
        gain=GAIN,
        readnoise=READ_NOISE_E,
        sigclip=4.5,
        sigfrac=0.3,
        objlim=5.0,
        niter=1,
        sepmed=False,
        satlevel=1e9,
    )
    ours, theirs = found(image)[EDGE] > 0, theirs[EDGE]
    both = (ours & theirs).sum()
    assert theirs.sum() > 200
    assert both / theirs.sum() >= 0.97
    assert both / ours.sum() >= 0.97


@pytest.mark.parametrize("height", [1, 13, 100])
def test_the_cut_into_bands_does_not_matter(height: int) -> None:
    image = sky() + hits()
    assert np.array_equal(found(image, height), found(image))


def test_what_is_skipped_is_not_marked_and_too_narrow_a_frame_has_none() -> None:
    image = sky() + hits()
    skip = np.zeros(image.shape, np.uint8)
    skip[:, : SIDE // 2] = 1
    marked = found(image, skip=skip)
    assert not marked[:, : SIDE // 2].any()
    assert marked[:, SIDE // 2 :].any()
    out = np.ones((4, 2 * REACH_PX), np.uint8)
    rows = np.ones((4 + 2 * REACH_PX, 2 * REACH_PX), np.float32)
    assert find_cosmics(rows, rows.astype(np.uint8), NOISE, CosmicRule(), out) == 0
    assert not out.any()


def product(folder: Path, image: Array, flags: Array, search: CosmicSearch) -> tuple[Array, Array, int]:
    """Pixels and DQ of a light whose cosmic rays were flagged, and how many these are."""
    folder.mkdir(exist_ok=True)
    with NewProduct(folder / "light.fits", fits.Header(), image.shape, (PIXELS, DQ)) as new:
        new.layout.write(0, 0, image)
        new.layout.write(1, 0, flags)
        number = flag_cosmics(new.layout, 1, search, go_on)
        new.finish()
    return fits.getdata(folder / "light.fits"), fits.getdata(folder / "light.fits", 1), number


def test_other_flags_stay_what_is_near_to_them_is_no_hit_and_pixels_keep_their_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, flags = sky(stars=0), np.zeros((SIDE, SIDE), np.uint8)
    image[[100, 200, 300, 3], [100, 200, 300, 250]] += 2000.0
    flags[100, 102], flags[200, 203] = Dq.SATURATED, Dq.BAD
    image[100, 102], flags[50, 50], image[50, 50] = 60000.0, Dq.NO_DATA, np.nan
    search = CosmicSearch(PixelNoise(READ_NOISE_E / GAIN, 1.0 / GAIN))
    values, dq, number = product(tmp_path, image, flags, search)
    assert np.array_equal(values, image, equal_nan=True)
    assert np.array_equal(dq & ~np.uint8(Dq.COSMIC), flags)
    at = [tuple(place) for place in np.argwhere(dq & Dq.COSMIC).tolist()]
    assert number == len(at)
    assert {(200, 200), (300, 300)} <= set(at)
    assert not [row for row, _ in at if row < REACH_PX or abs(row - 100) < 5]  # at the edge; beside a saturated one
    assert number < 25
    monkeypatch.setattr(cosmics, "BAND_PIXELS", 1)
    assert np.array_equal(product(tmp_path, image, flags, search)[1], dq)


def test_without_a_gain_the_noise_of_the_sky_serves(tmp_path: Path) -> None:
    tracks = hits()
    _, dq, _ = product(tmp_path, sky() + tracks, np.zeros((SIDE, SIDE), np.uint8), CosmicSearch())
    marked, clear = dq[EDGE] == Dq.COSMIC, tracks[EDGE] > 300.0
    assert (marked & clear).sum() / clear.sum() > 0.97
    assert (marked & ~beside(tracks)).sum() <= 20


def test_frame_without_a_value_has_no_hits(tmp_path: Path) -> None:
    nothing = np.full((SIDE, SIDE), np.nan, np.float32)
    flags = np.full((SIDE, SIDE), Dq.NO_DATA, np.uint8)
    _, dq, number = product(tmp_path, nothing, flags, CosmicSearch())
    assert number == 0
    assert np.array_equal(dq, flags)


@pytest.mark.parametrize("gain_e_per_adu", [2.0, None])
def test_hits_in_a_light_are_flagged_by_the_step_when_the_settings_say_so(
    tmp_path: Path, gain_e_per_adu: float | None
) -> None:
    night = small_night(tmp_path / "raw")
    places = [(40, 50), (77, 61), (120, 33)]
    light = min(night.folder.glob("light*.fits"))
    counts, header = fits.getdata(light), fits.getheader(light)
    for row, column in places:
        counts[row, column] += 3000
    fits.writeto(light, counts, header, overwrite=True)
    camera = Camera(instrument="small camera", gain_e_per_adu=gain_e_per_adu, read_noise_e=6.0)
    settings = Settings(calibration=Calibration(cosmics=True), cameras=(camera,) if gain_e_per_adu else ())
    store = MemoryBatches()
    context = Context(
        store, store.open_batch(str(tmp_path / "raw"), tmp_path), settings, lambda event: None, CancelToken()
    )
    run(context)
    first, *others = store.combinations(context.batch.key, ProductKind.CALIBRATED_LIGHT)
    with fits.open(first.file) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "DQ"]  # the uncertainty was not asked for
        assert all(hdus["DQ"].data[place] & Dq.COSMIC for place in places)
        assert "Cosmic rays" in str(hdus[0].header["HISTORY"])
        assert first.qc["NCOSMIC"] == (hdus["DQ"].data & Dq.COSMIC > 0).sum() < 40  # two stars that touch look hit
    assert not any(fits.getdata(one.file, "DQ")[place] & Dq.COSMIC for one in others for place in places)
    without = replace(context, settings=Settings(cameras=settings.cameras))
    assert first.recipe not in {one.recipe for one in run(without)}


def run(context: Context) -> list[Any]:
    """The steps up to the calibrated lights; the lights."""
    for step in calibration_recipe():
        if step.code <= 160:
            step.run(context, Findings(step.name, step.code))
    return list(context.store.combinations(context.batch.key, ProductKind.CALIBRATED_LIGHT))
