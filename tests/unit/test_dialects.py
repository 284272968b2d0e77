"""Facts of a header: one card in, one fact out, for each way in which programs spell it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from astropy.io.fits import Header

from app.frames.dialects import facts
from app.frames.headers import read_header


def facts_of(*cards):
    """Facts of a header made of (card, value[, comment]) rows."""
    return facts(Header(list(cards)))


@pytest.mark.parametrize(
    ("cards", "exposure_s"),
    [
        ([("EXPTIME", 30.0), ("EXPOSURE", 99.0)], 30.0),
        ([("EXPOSURE", 12)], 12.0),
        ([("EXP_TIME", "120.00")], 120.0),
        ([("EXP", "15 s")], 15.0),
        ([("EXPTIME", ""), ("EXPOSURE", "2.5D1")], 25.0),
        ([("EXPTIME", 250.0, "[ms] integration")], 0.25),
        ([("EXPOINUS", 500000, "Exposure time in us")], 0.5),
        ([("EXPTIME", 0.0)], 0.0),
        ([("EXPTIME", -1.0)], None),
        ([("EXPTIME", 86400.0)], 86400.0),
        ([("EXPTIME", 1e30)], None),
        ([("EXPTIME", 90000.0, "[ms]")], 90.0),
        ([("EXPTIME", "long")], None),
        ([], None),
    ],
)
def test_exposure(cards, exposure_s):
    assert facts_of(*cards).exposure_s == pytest.approx(exposure_s)


@pytest.mark.parametrize(
    ("cards", "name"),
    [
        ([("FILTER", "V  ")], "V"),
        ([("FILTER1", "Halpha")], "Halpha"),
        ([("FILTNAME", "rp")], "rp"),
        ([("INSFLNAM", "g'")], "g'"),
        ([("HIERARCH ESO INS FILT1 NAME", "B#811")], "B#811"),
        ([("FILTER", 3)], "3"),
        ([("FILTER", "Clear")], "Clear"),
        ([("FILTER", "N/A")], None),
        ([("FILTER", "<NO FILTER>")], None),
        ([("FILTER", "NO_FILTER")], None),
        ([("FILTER", "")], None),
    ],
)
def test_filter(cards, name):
    assert facts_of(*cards).filter == name


@pytest.mark.parametrize(
    ("cards", "ra_deg", "dec_deg"),
    [
        ([("RA", 31.3121), ("DEC", 46.7691)], 31.3121, 46.7691),
        ([("RA", "167.5"), ("DEC", "-28.5")], 167.5, -28.5),
        ([("RA", "18:53:35.1"), ("DEC", "-00:30:00")], 283.39625, -0.5),
        ([("RA", " "), ("DEC", " "), ("OBJCTRA", "18 37 00"), ("OBJCTDEC", "+38 46 48")], 279.25, 38.78),
        ([("RA", 18.5, "[h] object"), ("DEC", 10.0)], 277.5, 10.0),
        ([("RA", "18h30m00s"), ("DEC", "10d00m00s")], 277.5, 10.0),
        ([("RA-MNT", 301.5), ("DEC-MNT", 44.5)], 301.5, 44.5),
        ([("CTYPE1", "RA---TAN"), ("CRVAL1", 251.3), ("CRVAL2", 89.0)], 251.3, 89.0),
        ([("CTYPE1", "PIXEL"), ("CRVAL1", 251.3), ("CRVAL2", 89.0)], None, None),
        ([("RA", 19.0749), ("DEC", -37.3), ("CTYPE1", "RA---TAN"), ("CRVAL1", 286.12)], 286.1235, -37.3),
        ([("RA", 0.0), ("DEC", 0.0)], None, None),
        ([("RA", 400.0), ("DEC", 0.5)], None, None),
        ([("RA", 40.0)], None, None),
    ],
)
def test_position(cards, ra_deg, dec_deg):
    found = facts_of(*cards)
    assert found.ra_deg == pytest.approx(ra_deg)
    assert found.dec_deg == pytest.approx(dec_deg)


def test_a_position_of_date_is_precessed():
    """Regulus, by m + n sin(ra) tan(dec) and n cos(ra) a year with m = 46.124, n = 20.043 arcsec."""
    found = facts_of(("RA", 152.4297), ("DEC", 11.8432), ("EQUINOX", 2025.2))
    assert found.ra_deg == pytest.approx(152.0930, abs=0.001)
    assert found.dec_deg == pytest.approx(11.9672, abs=0.001)
    assert facts_of(("RA", 152.4297, "J2000"), ("DEC", 11.8432), ("EQUINOX", 2025.2)).ra_deg == 152.4297
    assert facts_of(("RA", 152.4297), ("DEC", 11.8432), ("EQUINOX", 2000.0)).ra_deg == 152.4297


@pytest.mark.parametrize(
    ("cards", "moment"),
    [
        ([("DATE-OBS", "2024-09-23T18:43:27.927")], (2024, 9, 23, 18, 43, 27, 927000)),
        ([("DATE-OBS", "2017-12-19T18:33:43.317-0700")], (2017, 12, 20, 1, 33, 43, 317000)),
        ([("DATE-OBS", "2025-03-19T22:51:59.3846323")], (2025, 3, 19, 22, 51, 59, 384632)),
        ([("DATE-OBS", "2024-09-23T18:43:27Z")], (2024, 9, 23, 18, 43, 27)),
        ([("DATE-OBS", "2013-07-13"), ("UT", "00:57:33")], (2013, 7, 13, 0, 57, 33)),
        ([("DATE-OBS", "2013-07-13"), ("TIME-OBS", "9:57:33.5")], (2013, 7, 13, 9, 57, 33, 500000)),
        ([("DATE-OBS", "2013-07-13"), ("MJD-OBS", 56486.25)], (2013, 7, 13, 6)),
        ([("DATE-OBS", "2013-07-13")], (2013, 7, 13)),
        ([("DATE-OBS", "02/06/25"), ("JD", 2460828.75)], (2025, 6, 2, 6)),
        ([("DATE-BEG", "2024-09-23T18:43:27")], (2024, 9, 23, 18, 43, 27)),
    ],
)
def test_start(cards, moment):
    assert facts_of(*cards).started_at == datetime(*moment).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "02/06/25",
        "2024-13-45T00:00:00",
        "yesterday",
        "25/08/105",
        "",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59",
    ],
)
def test_a_date_that_nobody_can_read_for_sure_is_none(text):
    assert facts_of(("DATE-OBS", text)).started_at is None


@pytest.mark.parametrize(
    ("cards", "binning"),
    [
        ([("XBINNING", 2), ("YBINNING", 3)], (2, 3)),
        ([("XBINNING", "1"), ("YBINNING", "1")], (1, 1)),
        ([("XBINNING", 2)], (2, 2)),
        ([("CCDSUM", "1 2")], (1, 2)),
        ([("BINNING", "2*2")], (2, 2)),
        ([("BINNING", "4x4")], (4, 4)),
        ([("BINNING", 3)], (3, 3)),
        ([("CCDXBIN", 2), ("CCDYBIN", 2)], (2, 2)),
        ([("XBINNING", 0), ("YBINNING", 0)], None),
        ([], None),
    ],
)
def test_binning(cards, binning):
    assert facts_of(*cards).binning == binning


@pytest.mark.parametrize(
    ("cards", "temperature_degc"),
    [
        ([("CCD-TEMP", -10.6), ("SET-TEMP", -11.0)], -11.0),
        ([("CCD-TEMP", -10.6)], -10.6),
        ([("CAMTEMP", 271.0, "CCD Camera Temperature in Kelvin")], -2.15),
        ([("CCD-TEMP", 180.2)], -92.95),
        ([("DETTEMP", 77.0, "[K]")], -196.15),
        ([("CAMTEMP", "13 C")], 13.0),
        ([("CAMTEMP", -1.0, "Kelvin, =-1 if no data")], None),
        ([("CCD-TEMP", -9999.0)], None),
    ],
)
def test_temperature(cards, temperature_degc):
    assert facts_of(*cards).temperature_degc == pytest.approx(temperature_degc)


@pytest.mark.parametrize(
    ("cards", "setting", "e_per_adu"),
    [
        ([("GAIN", 120.0), ("EGAIN", 3.99)], "120", 3.99),
        ([("GAIN", "1.2 1.3 1.1 1.2")], "1.2 1.3 1.1 1.2", None),
        ([("GAIN", 1.5, "e-/ADU")], None, 1.5),
        ([("GAIN", 7.7, "[electrons/count] Pixel gain")], None, 7.7),
        ([("GAIN", 2.0, "Electrons per ADU")], None, 2.0),
        ([("GAIN", 300), ("EGAIN", 0.1226), ("EGAINSAV", 0.00766)], "300", 0.00766),
        ([("EGAIN", 0.0)], None, None),
        ([("ISO", 800)], "800", None),
    ],
)
def test_gain_is_a_setting_unless_it_says_electrons(cards, setting, e_per_adu):
    found = facts_of(*cards)
    assert (found.gain_setting, found.gain_e_per_adu) == (setting, e_per_adu)


def test_offset_and_readout_mode():
    assert facts_of(("OFFSET", 30), ("READOUTM", "Fast")).offset_setting == "30"
    assert facts_of(("BLKLEVEL", 8.0)).offset_setting == "8"
    assert facts_of(("READOUTM", "Fast"), ("READMODE", "Slow")).readout_mode == "Fast"
    assert facts_of(("READMODE", "Slow")).readout_mode == "Slow"


@pytest.mark.parametrize(
    ("cards", "scale_arcsec"),
    [
        ([("SECPIX", 0.5)], 0.5),
        ([("PIXSCALE", "0.65415")], 0.65415),
        ([("IM_SCALE", 5.21)], 5.21),
        ([("SCALE", 1.1), ("XPIXSZ", 9.0), ("FOCALLEN", 1000.0)], 1.1),
        # 13 micrometres at 4014 mm: 206265 * 0.013 / 4014
        ([("XPIXSZ", 13.0), ("FOCALLEN", 4014.0)], 0.668023),
        # XPIXSZ is after binning, PIXSIZE1 is the sensor's own
        ([("XPIXSZ", 26.0), ("FOCALLEN", 4014.0), ("XBINNING", 2), ("YBINNING", 2)], 1.336045),
        ([("PIXSIZE1", 13.0), ("FOCALLEN", 4014.0), ("XBINNING", 2), ("YBINNING", 2)], 1.336045),
        ([("XPIXSZ", 13.0), ("FOCALLEN", 0.0)], None),
    ],
)
def test_pixel_scale(cards, scale_arcsec):
    assert facts_of(*cards).pixel_scale_arcsec == pytest.approx(scale_arcsec, abs=1e-5)


def test_pedestal_is_what_is_to_be_added():
    assert facts_of(("PEDESTAL", -100, "Correction to add for zero-based ADU")).pedestal_adu == -100.0
    assert facts_of(("PEDESTAL", 150, "Value in DN added to enforce positivity")).pedestal_adu == -150.0
    assert facts_of().pedestal_adu == 0.0


def test_saturation_and_rotator():
    assert facts_of(("SATURATE", 60000)).saturation_adu == 60000.0
    assert facts_of(("DATAMAX", 65535, "Saturation level")).saturation_adu == 65535.0
    assert facts_of(("DATAMAX", 8528.8, "Maximum data value")).saturation_adu is None
    assert facts_of(("ROTATANG", 12.5)).rotator_deg == 12.5
    assert facts_of(("POSANGLE", 258.37)).rotator_deg == 258.37


@pytest.mark.parametrize(
    ("cards", "done"),
    [
        ([("CALSTAT", "BDF")], {"bias", "dark", "flat"}),
        ([("CALSTAT", "D")], {"dark"}),
        ([("CALSTAT", "RAW DATA")], set()),
        ([("HISTORY", "Auto-Dark Subtraction")], {"dark"}),
        ([("HISTORY", "Dark subtraction (Simple Auto-dark)")], {"dark"}),
        ([("HISTORY", "Bias Subtraction (Bias 1, 4864 x 3232)")], {"bias"}),
        ([("HISTORY", "Flat Field (Flat SII 1, 4864 x 3232)")], {"flat"}),
        ([("COMMENT", "Flat corrected image")], {"flat"}),
        ([("HISTORY", "no dark subtraction")], set()),
        ([("ZEROCOR", "Zero level correction image is Zero.fits"), ("FLATCOR", "done")], {"bias", "flat"}),
        ([("L1STATBI", "0"), ("L1STATFL", "1")], {"flat"}),
        ([("GSP_BIAS", "none"), ("GSP_FLAT", "none")], set()),
        ([], set()),
    ],
)
def test_what_the_camera_program_did_already(cards, done):
    assert facts_of(*cards).calibrated_for == done


def test_numbers_beyond_all_bounds_are_not_facts():
    assert facts_of(("CCDSUM", "9" * 60), ("BINNING", "2x2")).binning == (2, 2)
    assert facts_of(("XBINNING", "9" * 400)).binning is None
    assert facts_of(("XPIXSZ", 1e300), ("FOCALLEN", 1e-300)).pixel_scale_arcsec is None


def test_size_is_that_of_the_image_also_when_compressed():
    found = facts_of(("NAXIS1", 8), ("NAXIS2", 20), ("ZNAXIS1", 30), ("ZNAXIS2", 20))
    assert (found.rows, found.columns) == (20, 30)
    assert (facts_of().rows, facts_of().columns) == (0, 0)


def test_real_headers_have_the_exposure_and_filter_that_is_known(shared):
    nothing = {"N/A", "<NO FILTER>", "NO_FILTER"}
    entries = json.loads((shared / "headers" / "index.json").read_text())
    for entry in entries:
        found = facts(read_header(shared / "headers" / entry["file"]))
        if entry["expected_exptime"] is not None:
            assert found.exposure_s == pytest.approx(entry["expected_exptime"]), entry["file"]
        if entry["expected_filter"] is not None:
            expected = None if entry["expected_filter"] in nothing else entry["expected_filter"]
            assert found.filter == expected, entry["file"]


def test_real_frames_have_the_facts_of_their_readmes(shared):
    hatp32 = facts(read_header(shared / "data" / "microobs_hatp32" / "HATP-32171220013343.FITS"))
    assert (hatp32.ra_deg, hatp32.dec_deg) == pytest.approx((31.3121, 46.7691), abs=1e-4)
    assert hatp32.started_at == datetime(2017, 12, 20, 1, 33, 43, 317000, tzinfo=UTC)
    assert (hatp32.pixel_scale_arcsec, hatp32.temperature_degc) == pytest.approx((5.21, -2.15))
    m57 = facts(read_header(shared / "data" / "ist_m57_lrgb_2024" / "m57_2024-09-23_20-36-16_Red_0380.fits.gz"))
    assert (m57.rows, m57.columns, m57.ra_deg, m57.gain_e_per_adu) == (1024, 1536, None, 1.5)
    bias = facts(read_header(shared / "data" / "toronto_atik_traps" / "Bias-0001.fit.gz"))
    flat = facts(read_header(shared / "data" / "toronto_atik_traps" / "Flat-1s_01.fit.gz"))
    assert (bias.binning, flat.binning) == ((1, 1), (2, 2))
