"""Sections of headers and settings say where each amplifier's pixels go, or one sentence says what is wrong."""

from __future__ import annotations

import pytest
from astropy.io import fits

from app.frames.readout import Backwards, Readout, Section, is_mode_of, readout_mode, readout_of, readout_of_images
from app.model.errors import FrameError
from app.model.settings import AmplifierSections, Camera
from tests.mosaic import one_image, readouts, sections, truth

HALVES = {"DATASEC1": "[1:4,1:8]", "DETSEC1": "[1:4,1:8]", "DATASEC2": "[5:8,1:8]", "DETSEC2": "[8:5,1:8]"}


def header(**cards: object) -> fits.Header:
    return fits.Header(list(cards.items()))


def image(rows: int, columns: int, **cards: object) -> fits.Header:
    return header(NAXIS=2, NAXIS1=columns, NAXIS2=rows, **cards)


def test_section_is_ordered_and_counted_from_zero() -> None:
    assert Section.parse("[ 3:12 , 5:5 ]") == Section(4, 5, 2, 12)
    assert Section.parse("[12:3,5:5]") == Section(4, 5, 2, 12)
    assert str(Section.parse("[12:3,5:5]")) == "[3:12,5:5]"


@pytest.mark.parametrize("text", ["", "[1:2]", "[0:2,1:2]", "[1:2,1:2", "[a:b,1:2]", "[1:2,1:2]x", "[-1:2,1:2]"])
def test_what_is_no_section_is_named(text: str) -> None:
    with pytest.raises(FrameError, match=r"is not of the form \[x1:x2,y1:y2\]"):
        Section.parse(text)


@pytest.mark.parametrize(
    ("overscan", "data"),
    [
        ("[25:30,1:20]", Section(0, 20, 0, 24)),
        ("[1:6,1:20]", Section(0, 20, 6, 30)),
        ("[25:28,2:19]", Section(0, 20, 0, 24)),
        ("[1:30,1:4]", Section(4, 20, 0, 30)),
        ("[1:30,19:20]", Section(0, 18, 0, 30)),
    ],
)
def test_overscan_alone_leaves_the_rest_of_the_frame(overscan: str, data: Section) -> None:
    readout = readout_of(header(BIASSEC=overscan), 20, 30)
    (amplifier,) = readout.amplifiers
    assert amplifier.data == data
    assert amplifier.overscan == Section.parse(overscan)
    assert (readout.rows, readout.columns) == (data.rows, data.columns)


def test_overscan_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(FrameError, match="leaves nothing of the 30x20 frame"):
        readout_of(header(BIASSEC="[1:30,1:20]"), 20, 30)


@pytest.mark.parametrize("overscan", ["[0:0,0:0]", "", "N/A"])
def test_overscan_that_is_none_leaves_the_frame_as_stored(overscan: str) -> None:
    assert readout_of(header(BIASSEC=overscan), 20, 30) == Readout(20, 30)


def test_place_that_is_written_backwards_is_mirrored() -> None:
    first, second = readout_of(header(**HALVES), 8, 8).amplifiers
    assert (first.placed, second.placed) == (Backwards(), Backwards(columns=True))
    assert second.read == Backwards()
    assert second.trimmed == Section(0, 8, 4, 8)


def test_sixteen_numbered_amplifiers_fit_into_eight_letters() -> None:
    pixels, cards = one_image(readouts(truth()))
    readout = readout_of(header(**cards), *pixels.shape)
    assert {"DATASE16", "BIASSE16", "DETSEC16"} <= set(cards)
    assert readout.name == "16 amplifier(s), 16 overscan(s), trimmed to 96x20"


def test_short_names_of_sections_are_understood() -> None:
    cards = {"DSEC11": "[1:4,1:8]", "CSEC11": "[1:4,1:8]", "DSEC12": "[7:10,1:8]", "CSEC12": "[5:8,1:8]"}
    readout = readout_of(header(**cards, BSEC11="[5:6,1:8]"), 8, 10)
    assert [amplifier.overscan for amplifier in readout.amplifiers] == [Section(0, 8, 4, 6), None]


def test_places_in_pixels_before_binning_are_binned() -> None:
    places = {"DETSEC1": "[1:8,1:16]", "DETSEC2": "[16:9,1:16]"}
    binned = readout_of(header(**HALVES | places, XBINNING=2, YBINNING=2), 8, 8)
    assert binned == readout_of(header(**HALVES), 8, 8)


def test_extensions_of_a_mosaic_are_put_together() -> None:
    readout = readout_of_images([image(12, 16, **sections(number)) for number in range(16)])
    assert (readout.rows, readout.columns) == (20, 96)
    assert [amplifier.image for amplifier in readout.amplifiers] == list(range(16))


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        ({}, "image 2 has no DETSEC .* write several exposures into a file each, and a mask into none"),
        ({"DETSEC": "[1:4,1:8]"}, "amplifiers 1 and 2 have one place on the detector"),
        ({"DETSEC": "[1:5,1:8]"}, "DATASEC of image 2 .* has 4x8 pixels, its place .* 5x8"),
        ({"DETSEC": "[1001:1004,1:8]"}, "larger than the 2 images that are stored"),
        ({"DETSEC": "[5:8,1:8]", "DATASEC": "[3:6,1:8]"}, r"section \[3:6,1:8\] lies outside of the 4x8 frame"),
    ],
)
def test_images_that_are_no_amplifiers_are_refused(second: dict[str, str], sentence: str) -> None:
    images = [image(8, 4, DETSEC="[1:4,1:8]"), image(8, 4, **second)]
    with pytest.raises(FrameError, match=sentence):
        readout_of_images(images)


BY_SETTINGS = Camera(
    instrument="x",
    amplifiers=(
        AmplifierSections(data="[1:4,1:8]", overscan="[5:6,1:8]", place="[1:4,1:8]"),
        AmplifierSections(extension=2, data="[4:1,1:8]", place="[5:8,1:8]"),
    ),
)


def test_settings_know_better_than_the_header() -> None:
    readout = readout_of_images([image(8, 6, DETSEC="nonsense"), image(8, 4)], BY_SETTINGS)
    first, second = readout.amplifiers
    assert first.overscan == Section(0, 8, 4, 6)
    assert (second.image, second.overscan, second.read) == (1, None, Backwards(columns=True))
    moved = BY_SETTINGS.model_copy(update={"amplifiers": BY_SETTINGS.amplifiers[::-1]})
    assert readout_of_images([image(8, 6), image(8, 4)], moved).name != readout.name


@pytest.mark.parametrize(("images", "sentence"), [(1, "holds 1 image.*in image 2"), (3, "image 3 is of no amplifier")])
def test_settings_of_another_number_of_images_are_refused(images: int, sentence: str) -> None:
    with pytest.raises(FrameError, match=sentence):
        readout_of_images([image(8, 6)] * images, BY_SETTINGS)


def test_dead_amplifiers_and_crosstalk_are_of_the_name() -> None:
    camera = Camera(instrument="x", dead_amplifiers=(2,), crosstalk=((0.0, 0.1), (0.1, 0.0)))
    readout = readout_of(header(**HALVES), 8, 8, camera)
    assert [amplifier.is_dead for amplifier in readout.amplifiers] == [False, True]
    other = camera.model_copy(update={"crosstalk": ((0.0, 0.2), (0.1, 0.0))})
    names = {readout.name, readout_of(header(**HALVES), 8, 8, other).name, readout_of(header(**HALVES), 8, 8).name}
    assert len(names) == 3
    assert ", dead 2, crosstalk " in readout.name


@pytest.mark.parametrize(
    ("camera", "sentence"),
    [
        (Camera(instrument="x", dead_amplifiers=(3,)), "amplifier 3 is dead by the settings, the frame has 2"),
        (Camera(instrument="x", crosstalk=((0.0,),)), "crosstalk in the settings is of 1 amplifiers, the frame has 2"),
    ],
)
def test_settings_of_amplifiers_that_are_not_there_are_refused(camera: Camera, sentence: str) -> None:
    with pytest.raises(FrameError, match=sentence):
        readout_of(header(**HALVES), 8, 8, camera)


def test_crosstalk_needs_amplifiers_of_one_size() -> None:
    cards = HALVES | {"DATASEC2": "[5:7,1:8]", "DETSEC2": "[5:7,1:8]"}
    with pytest.raises(FrameError, match="amplifiers of one size"):
        readout_of(header(**cards), 8, 8, Camera(instrument="x", crosstalk=((0.0, 0.1), (0.1, 0.0))))


def test_mode_tells_whether_the_readout_is_still_the_same() -> None:
    readout = readout_of(header(**HALVES), 8, 8)
    mode = readout_mode("fast", readout)
    assert mode == f"fast; {readout.name}"
    assert is_mode_of(readout, mode)
    assert is_mode_of(None, "fast")
    assert not is_mode_of(readout, "fast")
    assert not is_mode_of(None, mode)
    assert readout_mode(None, Readout(8, 8)) is None
