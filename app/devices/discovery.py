"""Finds Alpaca servers on the local networks, and what they offer.

Servers in other networks do not hear the call: their address is given by hand, and `devices_of` asks them.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network
from time import monotonic

import ifaddr

from app.devices.http import TIMEOUT_S, Http
from app.model.dome import DeviceError, DeviceNonsense
from app.model.found_device import FoundDevice

#: Where servers listen, by convention.
DISCOVERY_PORT = 32227

_CALL = b"alpacadiscovery1"


def discover(
    timeout_s: float,
    report: Callable[[str], None],
    *,
    port: int = DISCOVERY_PORT,
    targets: Sequence[str] | None = None,
) -> tuple[FoundDevice, ...]:
    """Call into the local networks and ask every server that answers; blocks for `timeout_s` and up to 2 s more.

    Parameters
    ----------
    timeout_s : float
        How long answers are awaited.
    report : callable
        Takes a sentence about each step: progress, and servers that answer but cannot be used.
    port : int
        UDP port of the call.
    targets : sequence of str, optional
        Addresses to call instead of the broadcast address of every network.

    Returns
    -------
    tuple of FoundDevice
        Sorted by server; a device that several addresses lead to appears once, by loopback if that is one.
    """
    servers = list(_answers(timeout_s, report, port, targets if targets is not None else _broadcasts()))
    report(f"{len(servers)} {'server has' if len(servers) == 1 else 'servers have'} answered")
    if not servers:
        return ()
    servers.sort(key=lambda server: (not server.startswith("127."), server))
    with ThreadPoolExecutor(max_workers=min(len(servers), 8), thread_name_prefix="discovery") as asking:
        offers = asking.map(lambda server: _offer(server, report), servers)
    found: dict[object, FoundDevice] = {}
    for device in (device for offer in offers for device in offer):
        found.setdefault((device.kind, device.unique_id or (device.server, device.number)), device)
    return tuple(found.values())


def devices_of(server: str, timeout_s: float = TIMEOUT_S) -> tuple[FoundDevice, ...]:
    """Ask one server what it offers.

    Parameters
    ----------
    server : str
        ``HOST:PORT``.

    Raises
    ------
    DeviceUnreachable
        Without an answer in time, or with one that is not Alpaca's.
    DeviceRefused
        If the server does not list its devices: some do not, and their numbers must be known.
    DeviceNonsense
        If its list is none.
    """
    http, what = Http(server), f"Server {server}, list of devices"
    try:
        listed = http.request("GET", "/management/v1/configureddevices", {}, timeout_s, what).get("Value")
    finally:
        http.close()
    try:
        return tuple(
            FoundDevice(
                server=server,
                kind=str(item["DeviceType"]).lower(),
                number=int(item["DeviceNumber"]),
                name=str(item.get("DeviceName") or ""),
                unique_id=str(item.get("UniqueID") or ""),
            )
            for item in listed or ()
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DeviceNonsense(f"{what}: it is nonsense; enter the kind and number of the device by hand") from error


def pick(devices: Sequence[FoundDevice], kind: str, unique_id: str) -> FoundDevice | None:
    """The device of that kind and UniqueID; where a server gives no UniqueID, the one of that name."""
    of_kind = [device for device in devices if device.kind == kind]
    by_id = [device for device in of_kind if device.unique_id == unique_id]
    by_name = [device for device in of_kind if not device.unique_id and device.name == unique_id]
    return next(iter(by_id or by_name), None)


def _offer(server: str, report: Callable[[str], None]) -> tuple[FoundDevice, ...]:
    try:
        return devices_of(server)
    except DeviceError as error:
        report(str(error))
        return ()


def _answers(timeout_s: float, report: Callable[[str], None], port: int, targets: Sequence[str]) -> Iterator[str]:
    """Servers that answer the call, each once."""
    seen: set[str] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        caller.bind(("", 0))  # answers may come from any network
        called = [target for target in targets if _call(caller, target, port, report)]
        report(f"Called into {len(called)} {'network' if len(called) == 1 else 'networks'}, waiting {timeout_s:g} s")
        deadline_s = monotonic() + timeout_s
        while (left_s := deadline_s - monotonic()) > 0.0:
            caller.settimeout(left_s)
            try:
                answer, (host, _) = caller.recvfrom(1024)
                server = f"{host}:{int(json.loads(answer)['AlpacaPort'])}"
            except TimeoutError:
                return
            except (OSError, ValueError, KeyError, TypeError):
                continue  # an ICMP error of an earlier call, or somebody else's datagram
            if server not in seen:
                seen.add(server)
                yield server


def _call(caller: socket.socket, target: str, port: int, report: Callable[[str], None]) -> bool:
    try:
        caller.sendto(_CALL, (target, port))
    except OSError as error:
        report(f"Network {target} cannot be called: {error.strerror}")
        return False
    return True


def _broadcasts() -> list[str]:
    """The broadcast address of every IPv4 network of this machine, but self-given ones (169.254)."""
    own = [ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    networks = {IPv4Network(f"{ip.ip}/{ip.network_prefix}", strict=False) for ip in own}
    return sorted(str(network.broadcast_address) for network in networks if not network.is_link_local)
