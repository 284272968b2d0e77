"""A weather station on the wire."""

from __future__ import annotations

from alpaca.observingconditions import ObservingConditions  # type: ignore[import-untyped]

from app.devices.transport import Wire
from app.model.dome import DeviceNotSupported, DeviceRefused
from app.model.surroundings import Weather

#: Older data are refused: a station whose sensors fell silent goes on answering.
OLDEST_S = 300.0

_SENSORS = {
    "windspeed": "wind_m_s",
    "windgust": "gust_m_s",
    "humidity": "humidity_percent",
    "cloudcover": "cloud_percent",
    "rainrate": "rain_mm_h",
    "temperature": "temperature_degc",
    "dewpoint": "dew_point_degc",
}


class AlpacaWeather:
    """A `WeatherClient` over Alpaca, for the thread of one lane; connects itself at the first call.

    Parameters
    ----------
    server : str
        ``HOST:PORT``.
    device : int
        Number of the weather station (ObservingConditions) at that server.
    """

    def __init__(self, server: str, device: int) -> None:
        self._wire = Wire(server, "observingconditions", device)
        self._station = self._wire.carry(ObservingConditions(server, device))

    def read(self) -> Weather:
        """Every sensor that it has, while its newest data are not older than `OLDEST_S`."""
        with self._wire.connected():
            self._check_age()
            values = self._wire.values(tuple(_SENSORS))
        return Weather(
            **{name: self._wire.optional_number(sensor, values[sensor]) for sensor, name in _SENSORS.items()}
        )

    def close(self) -> None:
        """Let the connection to the server go."""
        self._wire.close()

    def _check_age(self) -> None:
        """Refuse old data, where the station tells; a negative age means that there never were any."""
        try:
            age_s = self._wire.number("timesincelastupdate", self._station.TimeSinceLastUpdate(""))
        except DeviceNotSupported:
            return
        if not 0.0 <= age_s <= OLDEST_S:
            age = "it never had any data" if age_s < 0.0 else f"its newest data are {age_s:.0f} s old"
            raise DeviceRefused(f"{self._wire.subject}: {age}, the limit is {OLDEST_S:.0f} s; see to its sensors")
