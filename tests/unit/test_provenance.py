"""A product's header keeps what stays true of the raw frame, and nothing that cannot be read."""

from __future__ import annotations

from astropy.io.fits import Card, Header

from app.frames.provenance import add_history, carried, without_wcs
from app.frames.readout import Amplifier, Readout, Section, readout_of


def raw() -> Header:
    header = Header([("SIMPLE", True), ("BITPIX", 16), ("NAXIS", 2), ("NAXIS1", 30), ("NAXIS2", 20)])
    header["BZERO"], header["BSCALE"], header["PEDESTAL"], header["DATE"] = 32768, 1, -100, "2026-01-01"
    header["OBJECT"], header["EXPTIME"], header["CHECKSUM"] = "M57", 30.0, "abc"
    header["CTYPE1"], header["CRPIX1"], header["CRPIX2"], header["A_2_0"] = "RA---TAN", 15.0, 10.0, 1e-5
    header["TRIMSEC"], header["BIASSEC"] = "[3:26,5:20]", "[27:30,1:20]"
    return header


def test_structure_and_stamps_go_the_rest_stays() -> None:
    header = carried(raw())
    assert {"OBJECT", "EXPTIME", "CTYPE1"} <= set(header)
    gone = {
        "SIMPLE",
        "BITPIX",
        "NAXIS",
        "NAXIS1",
        "BZERO",
        "BSCALE",
        "PEDESTAL",
        "DATE",
        "CHECKSUM",
        "TRIMSEC",
        "BIASSEC",
    }
    assert not gone & set(header)


def test_reference_pixel_moves_with_the_trimming() -> None:
    header = carried(raw(), readout_of(raw(), 20, 30))
    assert (header["CRPIX1"], header["CRPIX2"]) == (13.0, 6.0)


def test_world_coordinates_of_a_frame_in_pieces_do_not_stay() -> None:
    pieces = (Amplifier(Section(0, 10, 0, 5), None, Section(0, 10, 0, 5)),) * 2
    header = carried(raw(), Readout(10, 10, pieces))
    assert "CRPIX1" not in header
    assert "CRPIX1" in carried(raw())


def test_reference_pixel_that_is_no_number_stays_as_it_is() -> None:
    header = raw()
    header["CRPIX1"] = "abc"
    kept = carried(header, readout_of(header, 20, 30))
    assert (kept["CRPIX1"], kept["CRPIX2"]) == ("abc", 6.0)


def test_pedestal_of_a_product_stays() -> None:
    assert carried(Header([("PEDESTAL", 0, "values are whole")]))["PEDESTAL"] == 0
    assert "PEDESTAL" not in carried(Header([("PEDESTAL", "none")]))


def test_world_coordinates_can_be_taken_out() -> None:
    header = without_wcs(carried(raw()))
    assert "OBJECT" in header
    assert not {"CTYPE1", "CRPIX1", "A_2_0"} & set(header)


def test_card_that_cannot_be_read_costs_only_itself() -> None:
    header = raw()
    header.append(Card.fromstring("BROKEN  = unquoted text that is no value"))
    kept = carried(header)
    assert kept["OBJECT"] == "M57"
    assert "BROKEN" not in kept or isinstance(kept["BROKEN"], str)


def test_history_is_ascii() -> None:
    header = Header()
    add_history(header, ["temperature -10 °C"])
    assert str(header["HISTORY"]) == "temperature -10 ?C"
