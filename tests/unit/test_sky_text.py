import pytest

from app.model.sky_text import PositionRefused, parse_declination_deg, parse_right_ascension_deg


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("20 12 06.5", 303.0270833),
        ("20:12:06.5", 303.0270833),
        ("20h12m06.5s", 303.0270833),
        ("303.03", 303.03),
        ("20 12", 303.0),
        ("0", 0.0),
    ],
)
def test_right_ascension_is_degrees_or_hours(text, degrees):
    assert parse_right_ascension_deg(text) == pytest.approx(degrees, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "degrees"),
    [("+38 21 17", 38.3547222), ("-0 30 00", -0.5), ("−12.5", -12.5), ("38.35", 38.35), ("-90", -90.0)],
)
def test_declination_keeps_its_sign_below_one_degree(text, degrees):
    assert parse_declination_deg(text) == pytest.approx(degrees, abs=1e-6)


@pytest.mark.parametrize(
    "text", ["", "M 31", "360", "24 00 00", "-1", "20 61 00", "20.5 10 00", "1 2 3 4", "nan", "inf"]
)
def test_what_is_no_right_ascension_is_refused_with_a_remedy(text):
    with pytest.raises(PositionRefused, match=r"20 12 06\.5"):
        parse_right_ascension_deg(text)


@pytest.mark.parametrize("text", ["", "north", "90.1", "-90 00 01", "+38 60 00", "nan"])
def test_what_is_no_declination_is_refused_with_a_remedy(text):
    with pytest.raises(PositionRefused, match="38 21 17"):
        parse_declination_deg(text)
