"""Real nights of real cameras through the command line; each truth is that of the folder's README."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import ccdproc
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData
from scipy.spatial import cKDTree

from app.frames.world_coordinates import header_wcs
from app.model.flags import Qc
from app.pipeline.sources import detect
from tests.integration.nights import Home, of_kind

FLOAT32 = np.finfo(np.float32).eps


@pytest.fixture(scope="module")
def process(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Processes a folder of the real frames once."""
    done: dict[str, dict[str, Any]] = {}

    def run(name: str) -> dict[str, Any]:
        if name not in done:
            home = Home(tmp_path_factory.mktemp("home"))
            into = tmp_path_factory.mktemp("products")
            done[name] = home.json("process", str(shared / "data" / name), "--into", str(into))
        return done[name]

    return run


def raw(folder: Path, name: str) -> np.ndarray[Any, Any]:
    path = folder / name
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        return np.array(fits.getdata(stream))


def data(product: dict[str, Any]) -> np.ndarray[Any, Any]:
    return np.array(fits.getdata(product["path"]))


def only(products: list[dict[str, Any]], part: str) -> dict[str, Any]:
    (found,) = [product for product in products if part in Path(product["path"]).name]
    return found


def shifts(stack: dict[str, Any]) -> dict[str, tuple[float, float]]:
    return {frame["light"]: tuple(frame["shift_px"]) for frame in stack["parameters"]["frames"]}


class TestIst:
    """IST Lisbon: no darks, no position, hot pixels, stars out of focus."""

    @pytest.fixture
    def folder(self, shared: Path) -> Path:
        return shared / "data" / "ist_m57_lrgb_2024"

    @pytest.fixture
    def report(self, process: Any) -> dict[str, Any]:
        result: dict[str, Any] = process("ist_m57_lrgb_2024")
        return result

    def test_counts(self, report: dict[str, Any]) -> None:
        assert report["status"] == "done_with_problems"
        assert report["exposures"] == {"bias": 4, "dark": 0, "flat": 6, "light": 7}
        assert [len(bias["inputs"]) for bias in of_kind(report, "bias_master")] == [4]
        flats = {flat["filter"]: len(flat["inputs"]) for flat in of_kind(report, "flat_master")}
        assert flats == {"Red": 2, "Green": 2, "Blue": 1, "black": 1}
        assert len(of_kind(report, "calibrated_light")) == 7
        stacks = {stack["filter"]: len(stack["inputs"]) for stack in of_kind(report, "light_stack")}
        assert stacks == {"Red": 3, "Green": 2}

    def test_small_flats_are_warned_of(self, report: dict[str, Any]) -> None:
        warned = [problem["subject"] for problem in report["problems"] if "fewer than 3" in problem["message"]]
        assert len(warned) == 4

    def test_bias_master_is_numpy_median(self, report: dict[str, Any], folder: Path) -> None:
        (bias,) = of_kind(report, "bias_master")
        frames = [raw(folder, name) for name in bias["inputs"]]
        assert np.array_equal(data(bias), np.median(frames, axis=0))

    def test_shifts_are_true_and_hot_pixels_are_no_match(self, report: dict[str, Any]) -> None:
        found = {name: shift for stack in of_kind(report, "light_stack") for name, shift in shifts(stack).items()}
        truth = {
            ("Red_0380", "Red_0384"): (-4.2, 12.7),
            ("Red_0380", "Red_0389"): (-5.6, 16.3),
            ("Green_0356", "Green_0379"): (-11.7, 31.9),
        }
        for pair, shift in truth.items():
            first, second = ([value for name, value in found.items() if part in name] for part in pair)
            measured = np.subtract(second, first)  # of one and the same reference, whichever it is
            assert measured[0] == pytest.approx(shift, abs=1.0), pair

    def test_astrometry_says_why_not(self, report: dict[str, Any]) -> None:
        for light in of_kind(report, "calibrated_light"):
            assert light["wcs"]["status"] == "unsolved"
            assert "no position" in light["wcs"]["reason"]

    def test_astrometry_says_it_once(self, report: dict[str, Any]) -> None:
        told = [problem["message"] for problem in report["problems"] if problem["message"].startswith("unsolved")]
        assert len(told) == len(set(told))

    def test_rings_are_out_of_focus_and_peaked_stars_are_not(self, report: dict[str, Any]) -> None:
        lights = of_kind(report, "calibrated_light")
        assert {light["filter"] for light in lights if light["qc"]["QCFLAG"] & Qc.OUT_OF_FOCUS} == {"Red", "Green"}
        assert {light["filter"] for light in lights if not light["qc"]["QCFLAG"] & Qc.OUT_OF_FOCUS} == {"Blue", "black"}

    def test_calibrated_light_is_the_arithmetic(self, report: dict[str, Any], folder: Path) -> None:
        light = only(of_kind(report, "calibrated_light"), "Red_0380")
        bias = data(of_kind(report, "bias_master")[0]).astype(np.float64)
        flat = data(only(of_kind(report, "flat_master"), "Red")).astype(np.float64)
        expected = (raw(folder, light["inputs"][0]) - bias) / flat
        assert np.allclose(data(light), expected, rtol=2 * FLOAT32, atol=1e-4, equal_nan=True)

    def test_flat_master_is_the_median_of_normalised_flats(self, report: dict[str, Any], folder: Path) -> None:
        flat = only(of_kind(report, "flat_master"), "Green")
        bias = data(of_kind(report, "bias_master")[0]).astype(np.float64)
        frames = [raw(folder, name) - bias for name in flat["inputs"]]
        expected = np.median([frame / np.median(frame) for frame in frames], axis=0)
        measured = data(flat)
        valid = np.isfinite(measured)
        assert np.allclose(measured[valid], expected[valid], rtol=2 * FLOAT32)
        assert np.all(expected[~valid] < 0.2)


class TestArcsat:
    """ARCSAT: a complete set, with a light of another exposure, one dimmed by cloud, and two with their own WCS."""

    @pytest.fixture
    def folder(self, shared: Path) -> Path:
        return shared / "data" / "arcsat_xo1b_maximdl650"

    @pytest.fixture
    def report(self, process: Any) -> dict[str, Any]:
        result: dict[str, Any] = process("arcsat_xo1b_maximdl650")
        return result

    def test_counts(self, report: dict[str, Any]) -> None:
        assert report["exposures"] == {"bias": 3, "dark": 3, "flat": 3, "light": 4}
        assert [len(master["inputs"]) for master in of_kind(report, "bias_master")] == [3]
        assert [(len(m["inputs"]), m["exptime"]) for m in of_kind(report, "dark_master")] == [(3, 60.0)]
        assert [(len(m["inputs"]), m["filter"]) for m in of_kind(report, "flat_master")] == [(3, "z")]
        assert len(of_kind(report, "calibrated_light")) == 4
        assert [len(stack["inputs"]) for stack in of_kind(report, "light_stack")] == [3]

    def test_dark_master_agrees_with_ccdproc(self, report: dict[str, Any], folder: Path) -> None:
        (dark,) = of_kind(report, "dark_master")
        frames = [CCDData(raw(folder, name), unit=u.adu) for name in dark["inputs"]]
        reference = ccdproc.combine(frames, method="median", dtype=np.float64)
        assert np.array_equal(data(dark), np.asarray(reference.data))

    def test_light_of_the_darks_exposure_agrees_with_ccdproc(self, report: dict[str, Any], folder: Path) -> None:
        light = only(of_kind(report, "calibrated_light"), "052955")
        assert light["parameters"]["subtracted"] == "dark"
        frame = CCDData(raw(folder, light["inputs"][0]).astype(np.float64), unit=u.adu)
        dark = CCDData(data(of_kind(report, "dark_master")[0]).astype(np.float64), unit=u.adu)
        flat = CCDData(data(of_kind(report, "flat_master")[0]).astype(np.float64), unit=u.adu)
        frame = ccdproc.subtract_dark(
            frame, dark, dark_exposure=60 * u.s, data_exposure=60 * u.s, exposure_unit=u.s, scale=False
        )
        reference = ccdproc.flat_correct(frame, flat, norm_value=1.0)
        assert np.allclose(data(light), reference.data, rtol=2 * FLOAT32, atol=1e-4, equal_nan=True)

    def test_shorter_light_gets_half_the_dark_current(self, report: dict[str, Any], folder: Path) -> None:
        light = only(of_kind(report, "calibrated_light"), "43Bet")
        assert light["parameters"]["subtracted"] == "bias + 0.5 (dark - bias)"
        bias = data(of_kind(report, "bias_master")[0]).astype(np.float64)
        dark = data(of_kind(report, "dark_master")[0]).astype(np.float64)
        flat = data(of_kind(report, "flat_master")[0]).astype(np.float64)
        raw_light = raw(folder, light["inputs"][0])
        expected = (raw_light - bias - 0.5 * (dark - bias)) / flat
        assert np.allclose(data(light), expected, rtol=2 * FLOAT32, atol=1e-4, equal_nan=True)
        hot = dark - bias > 500
        left = np.nanmedian(data(light)[hot]) - np.nanmedian(data(light))
        assert abs(left) < 20.0  # with the whole dark -293, with the bias alone +284 adu (processing.md)

    def test_stars_coincide_in_the_stack(self, report: dict[str, Any]) -> None:
        (stack,) = of_kind(report, "light_stack")
        frames = {frame["light"]: np.array(frame["matrix"]) for frame in stack["parameters"]["frames"]}
        stars = {}
        for light in of_kind(report, "calibrated_light"):
            name = Path(light["path"]).name
            if name in frames:
                found = detect(data(light))
                good = found.take((found.snr > 30) & ~found.is_saturated)
                stars[name] = good.positions @ frames[name][:, :2].T + frames[name][:, 2]
        reference = stars.pop(stack["parameters"]["reference"])
        for name, positions in stars.items():
            apart, _nearest = cKDTree(reference).query(positions, distance_upper_bound=5.0)
            matched = apart[np.isfinite(apart)]
            assert len(matched) >= 3, name
            assert np.sqrt(np.mean(matched**2)) <= 0.15, name
            assert matched.max() <= 0.3, name

    def test_the_halo_of_a_bright_star_is_not_measured_for_stars(self, report: dict[str, Any]) -> None:
        bright = only(of_kind(report, "calibrated_light"), "43Bet")["qc"]
        assert bright["FWHMPIX"] == pytest.approx(4.2, abs=0.3)  # SExtractor: 4.3 px, of 8 clear stars
        assert bright["verdict"] == "accepted"

    def test_dim_light_is_warned_of(self, report: dict[str, Any]) -> None:
        warned = [problem for problem in report["problems"] if "star flux" in problem["message"]]
        assert [("060822" in problem["subject"], "0.2" in problem["message"]) for problem in warned] == [(True, True)]

    def test_wcs_of_the_camera_is_kept_and_the_others_say_why(self, report: dict[str, Any]) -> None:
        states = {
            part: only(of_kind(report, "calibrated_light"), part)["wcs"]["status"]
            for part in ("041008", "052955", "060822", "43Bet")
        }
        assert states == {"041008": "header", "052955": "header", "060822": "unsolved", "43Bet": "unsolved"}
        kept = only(of_kind(report, "calibrated_light"), "041008")
        assert fits.getval(kept["path"], "WCSSOLVR") == "header"
        x, y = header_wcs(fits.getheader(kept["path"])).world_to_pixel_values(240.549354, 28.169556)
        assert (float(x), float(y)) == pytest.approx((525.5, 571.6), abs=2.0)
        dim = only(of_kind(report, "calibrated_light"), "060822")
        assert "too sparse" in dim["wcs"]["reason"]
        assert "CTYPE1" not in fits.getheader(dim["path"])


class TestMicroObservatory:
    """MicroObservatory: no calibration frames, no type card, pointing up to 26 arcmin off."""

    PIXELS = (("013343", (423.0, 286.0)), ("050312", (293.7, 346.3)), ("083612", (150.5, 304.8)))

    @pytest.fixture
    def report(self, process: Any) -> dict[str, Any]:
        result: dict[str, Any] = process("microobs_hatp32")
        return result

    def test_lights_are_uncalibrated(self, report: dict[str, Any]) -> None:
        assert report["exposures"] == {"bias": 0, "dark": 0, "flat": 0, "light": 3}
        assert len(of_kind(report, "uncalibrated_light")) == 3
        assert not of_kind(report, "calibrated_light")

    @pytest.mark.parametrize(("part", "pixel"), PIXELS)
    def test_target_is_where_the_readme_says(
        self, report: dict[str, Any], part: str, pixel: tuple[float, float]
    ) -> None:
        light = only(of_kind(report, "uncalibrated_light"), part)
        assert light["wcs"]["status"] == "solved"
        header = fits.getheader(light["path"])
        ra_deg, dec_deg = 15.0 * (2 + 4 / 60 + 10.3 / 3600), 46 + 41 / 60 + 16 / 3600
        wcs = header_wcs(header)
        assert wcs is not None
        x, y = wcs.all_world2pix(ra_deg, dec_deg, 0)
        assert (float(x), float(y)) == pytest.approx(pixel, abs=1.0)

    def test_the_trailed_light_is_doubtful_and_no_reference(self, report: dict[str, Any]) -> None:
        (stack,) = of_kind(report, "light_stack")
        assert only(of_kind(report, "uncalibrated_light"), "013343")["qc"]["verdict"] == "doubtful"
        assert "013343" not in stack["parameters"]["reference"]

    def test_pixels_are_the_raw_ones(self, report: dict[str, Any], shared: Path) -> None:
        light = only(of_kind(report, "uncalibrated_light"), "013343")
        assert np.array_equal(data(light), raw(shared / "data" / "microobs_hatp32", light["inputs"][0]))

    def test_saturation_is_seen_as_a_pile_up(self, report: dict[str, Any]) -> None:
        light = only(of_kind(report, "uncalibrated_light"), "013343")
        assert fits.getval(light["path"], "SATURATE") == pytest.approx(4095, rel=0.06)


class TestToronto:
    """Toronto: headers that lie, and calibration frames that do not fit."""

    @pytest.fixture
    def report(self, process: Any) -> dict[str, Any]:
        result: dict[str, Any] = process("toronto_atik_traps")
        return result

    def test_frames_are_read_as_the_readme_says(self, report: dict[str, Any]) -> None:
        assert report["exposures"] == {"bias": 0, "dark": 4, "flat": 2, "light": 2}
        assert {item["file"] for item in report["left_out"]} == {"Bias-0001.fit.gz", "Neon-8s.fit.gz"}

    def test_bias_of_another_binning_is_refused_with_its_reason(self, report: dict[str, Any]) -> None:
        (reason,) = [item["reason"] for item in report["left_out"] if item["file"].startswith("Bias")]
        assert "binning 1x1, not 2x2" in reason
        assert not of_kind(report, "bias_master")

    def test_spectra_are_no_flats(self, report: dict[str, Any]) -> None:
        assert not of_kind(report, "flat_master")
        assert sum("times its median" in problem["message"] for problem in report["problems"]) == 2

    def test_each_light_gets_what_fits(self, report: dict[str, Any]) -> None:
        (calibrated,) = of_kind(report, "calibrated_light")
        assert calibrated["inputs"] == ["Aldebaran-10s.fit.gz"]
        assert calibrated["parameters"]["subtracted"] == "dark"
        (uncalibrated,) = of_kind(report, "uncalibrated_light")
        assert uncalibrated["inputs"] == ["DarkSky-300s.fit.gz"]
        because = uncalibrated["parameters"]["subtracted_because"]
        assert "no dark of 300 s" in because
        assert "no bias" in because
