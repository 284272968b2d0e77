"""A weather station on the wire."""

from __future__ import annotations

from alpaca.observingconditions import ObservingConditions  # type: ignore[import-untyped]

from app.devices.address import Address
from app.devices.answers import checked_number
from app.devices.transport import Wire
from app.model.dome import DeviceNotSupported, DeviceRefused
from app.model.surroundings import Weather

#: Older data are refused: a station whose sensors fell silent goes on answering.
OLDEST_S = 300.0

_SENSORS = {
    "windspeed": "wind_m_s",
    "windgust": "gust_m_s",
    "winddirection": "wind_direction_deg",
    "humidity": "humidity_percent",
    "cloudcover": "cloud_percent",
    "rainrate": "rain_mm_h",
    "temperature": "temperature_degc",
    "dewpoint": "dew_point_degc",
}
#: What cannot be, by sensor.
_LIMITS = {
    "windspeed": (0.0, 200.0),
    "windgust": (0.0, 200.0),
    "winddirection": (0.0, 360.0),
    "humidity": (0.0, 105.0),  # some sensors read a little more than 100 in fog
    "cloudcover": (0.0, 100.0),
    "rainrate": (0.0, 1000.0),
    "temperature": (-90.0, 90.0),
    "dewpoint": (-120.0, 90.0),
}


class AlpacaWeather:
    """A `WeatherClient` over Alpaca, for the thread of one lane; connects itself at the first call.

    Parameters
    ----------
    server : str or Address
        ``HOST:PORT``, or an address that several clients share.
    device : int
        Number of the weather station (ObservingConditions) at that server, unless an address is given.
    """

    def __init__(self, server: str | Address, device: int = 0) -> None:
        self._wire = Wire(server, "observingconditions", device)
        self._station = self._wire.carry(ObservingConditions(*self._wire.address.place))

    def read(self) -> Weather:
        """Every sensor that it has, and their age, while the newest data are not older than `OLDEST_S`."""
        return self._wire.connected(self._read)

    def close(self) -> None:
        """Let the connection to the server go."""
        self._wire.close()

    def _read(self) -> Weather:
        age_s = self._age_s()
        answers = self._wire.values(tuple(_SENSORS))
        sensors = {name: answers.optional_number(sensor, *_LIMITS[sensor]) for sensor, name in _SENSORS.items()}
        return Weather(**sensors, age_s=age_s)

    def _age_s(self) -> float | None:
        """Age of the newest data, where the station tells; old ones are refused, and it is negative without any."""
        try:
            age_s = checked_number(self._wire.subject, "timesincelastupdate", self._station.TimeSinceLastUpdate(""))
        except DeviceNotSupported:
            return None
        if not 0.0 <= age_s <= OLDEST_S:
            age = "it never had any data" if age_s < 0.0 else f"its newest data are {age_s:.0f} s old"
            raise DeviceRefused(f"{self._wire.subject}: {age}, the limit is {OLDEST_S:.0f} s; see to its sensors")
        return age_s
