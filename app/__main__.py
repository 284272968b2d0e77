"""The command line: one command, one module of `app.commands`, imported when it is asked for."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app import __version__
from app.bootstrap.program import importing
from app.model.errors import ObservatoryError
from app.model.frame import FrameKind

if TYPE_CHECKING:
    from app.bootstrap.dome_access import Manner

app = typer.Typer(
    help="Cupola, the control panel of a robotic observatory.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
orders_app = typer.Typer(help="Work orders: submit, list, show, hold, release, cancel, run.", no_args_is_help=True)
settings_app = typer.Typer(help="Settings: path, init, show, check.", no_args_is_help=True)
dome_app = typer.Typer(help="The dome: status, goto, open, close, park, follow, stop.", no_args_is_help=True)
app.add_typer(dome_app, name="dome")
app.add_typer(orders_app, name="orders")
app.add_typer(settings_app, name="settings")

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON value on stdout.")]


@app.callback(invoke_without_command=True)
def begin(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    settings: Annotated[Path | None, typer.Option(help="Use this settings file.")] = None,
) -> None:
    """Open the window; where there is no display, run the example night."""
    from app.commands.console import log_to_stderr, say

    if settings is not None:
        os.environ["CUPOLA_SETTINGS"] = str(settings.expanduser().absolute())
    if version:
        print(f"cupola {__version__}")
        raise typer.Exit
    if context.invoked_subcommand not in ("run-batch", "simulate", "guard"):
        log_to_stderr()
    if context.invoked_subcommand is None:
        from app.commands import window

        if window.has_display():
            raise typer.Exit(window.run())
        from app.commands import demo

        say("There is no display for the window: running the example night instead, as `cupola demo` does.")
        raise typer.Exit(demo.run(as_json=False))


@app.command()
def window() -> None:
    """Open the control panel."""
    from app.commands import window as command

    raise typer.Exit(command.run())


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(help="Of the HTTP front desk, instead of the settings'.")] = None,
    *,
    json: Json = False,
) -> None:
    """Be on duty without a window: dome, orders over HTTP, drop folder, Processor."""
    from app.commands import serve as command

    raise typer.Exit(command.run(port, as_json=json))


@app.command()
def simulate(
    port: Annotated[int, typer.Option(help="0 takes any that is free.")] = 0,
    scale: Annotated[float, typer.Option(help="How much faster than life the simulated devices move.")] = 1.0,
    idle: Annotated[float | None, typer.Option(help="End so many seconds after the last client.")] = None,
    interface: Annotated[int, typer.Option(min=1, max=3, help="The dome's ASCOM interface version: 3, 2 or 1.")] = 3,
    roof: Annotated[
        Literal["slit", "roll-off", "contacts"],
        typer.Option(help="A dome with a slit, a roll-off roof, or a slit with power at one azimuth only."),
    ] = "slit",
    dome_number: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The dome's Alpaca device number.")] = 0,
    *,
    frozen: Annotated[bool, typer.Option("--frozen", help="Stand still, for pictures.")] = False,
) -> None:
    """Simulate an observatory's devices as an Alpaca server on this machine."""
    from app.commands import simulate as command
    from app.sim.drivers import Make

    make = Make.model_validate({"interface": interface, "roof": roof, "dome_number": dome_number})
    raise typer.Exit(command.run(port, scale, frozen=frozen, idle_s=idle, make=make))


@app.command()
def guard(
    plan: Annotated[Path | None, typer.Option(help="What to guard, as JSON, instead of the settings.")] = None,
    lockout: Annotated[str | None, typer.Option(help='"NAME: REASON" of who goes into the dome.')] = None,
    release: Annotated[str | None, typer.Option(help="NAME of who took LOCKOUT, and is out again.")] = None,
    *,
    status: Annotated[bool, typer.Option("--status", help="Print what the guard on duty says.")] = False,
    json: Json = False,
) -> None:
    """Guard the dome: close it when no one else does; or take LOCKOUT, release it, ask the guard that is on duty."""
    from app.commands import guard as command

    if sum((plan is not None, lockout is not None, release is not None, status)) > 1:
        raise typer.BadParameter("give one of --plan, --lockout, --release and --status")
    if lockout is not None:
        raise typer.Exit(command.lockout(lockout, as_json=json))
    if release is not None:
        raise typer.Exit(command.release(release, as_json=json))
    raise typer.Exit(command.status(as_json=json) if status else command.run(plan, as_json=json))


@app.command()
def screenshot(
    out: Annotated[Path, typer.Argument(help="PNG file to write.")],
    size: Annotated[str, typer.Option(help="Width x height, in pixels.")] = "1920x1080",
    page: Annotated[str, typer.Option(help="Night, Orders, Batches, Frames, Log, Settings or Help.")] = "Night",
    theme: Annotated[str, typer.Option(help="dark, red or amber.")] = "dark",
) -> None:
    """Render the window on the embedded observatory, the same picture every time."""
    from app.commands import screenshot as command

    raise typer.Exit(command.run(out, size, page, theme))


@app.command()
def demo(*, json: Json = False) -> None:
    """Calibrate the embedded example night, from a work order to finished stacks."""
    from app.commands import demo as command

    raise typer.Exit(command.run(as_json=json))


@app.command()
def process(
    source: Annotated[str, typer.Argument(help="Folder or file:// URL of the frames.")],
    into: Annotated[Path | None, typer.Option(help="Where the products go; default: the local repository.")] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what it would come to; nothing is written.")
    ] = False,
    json: Json = False,
) -> None:
    """Calibrate a folder of frames; what was finished before is not made again."""
    with importing():
        from app.commands import process as command

    if dry_run:
        raise typer.Exit(command.check(source, into, as_json=json))
    raise typer.Exit(command.run(source, into, as_json=json))


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="A frame, a text header (.hdr), or a folder of them.")],
    correct_to: Annotated[
        FrameKind | None, typer.Option("--as", help="Remember that this is a bias, dark, flat, light or other.")
    ] = None,
    *,
    use: Annotated[bool, typer.Option("--use", help="Remember: into the stacks, whatever its quality.")] = False,
    leave_out: Annotated[bool, typer.Option("--leave-out", help="Remember: into no stack.")] = False,
    as_found: Annotated[bool, typer.Option("--as-found", help="Forget --use and --leave-out.")] = False,
    json: Json = False,
) -> None:
    """Say how frames are recognised, and why."""
    from app.commands import inspect as command

    wishes = {command.Verdict.USE: use, command.Verdict.LEAVE_OUT: leave_out, command.Verdict.AS_FOUND: as_found}
    chosen = [verdict for verdict, is_wished in wishes.items() if is_wished]
    if len(chosen) > 1:
        raise typer.BadParameter("give one of --use, --leave-out and --as-found")
    raise typer.Exit(command.run(path, correct_to, chosen[0] if chosen else None, as_json=json))


@app.command()
def drill(
    name: Annotated[str | None, typer.Argument(help="One drill; without it all are played, but not the soak.")] = None,
    minutes: Annotated[float, typer.Option(min=0.5, help="How long a soak lasts.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Of a soak's faults.")] = 1,
    *,
    show_all: Annotated[bool, typer.Option("--list", help="Print which drills there are.")] = False,
    json: Json = False,
) -> None:
    """Rehearse faults on a simulator of its own: how soon each is seen, and how soon all is safe."""
    from app.commands import drill as command

    raise typer.Exit(command.show_all(as_json=json) if show_all else command.run(name, minutes, seed, as_json=json))


@app.command()
def bench(
    name: Annotated[str | None, typer.Argument(help="One benchmark; without it all are run.")] = None,
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer rounds of smaller frames: two minutes for all.")
    ] = False,
    json: Json = False,
) -> None:
    """Measure the Processor against what users would run instead, and against its targets."""
    from app.commands import bench as command

    raise typer.Exit(command.run(name, is_quick=quick, as_json=json))


@app.command()
def doctor(*, json: Json = False) -> None:
    """Say what is installed, what is missing, and what to do."""
    from app.commands import doctor as command

    raise typer.Exit(command.run(as_json=json))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Run all checks and tests of a checkout; further arguments go to pytest."""
    from app.commands import test as command

    raise typer.Exit(command.run(context.args))


@app.command(hidden=True)
def run_batch(
    key: int,
    into: Annotated[Path | None, typer.Option(help="Another root for the batch's folder.")] = None,
    *,
    restart: Annotated[bool, typer.Option("--restart", help="Make everything anew.")] = False,
) -> None:
    """Calibrate one batch as a child process; the Processor starts it."""
    with importing():
        from app.commands import run_batch as command

    raise typer.Exit(command.run(key, into, restart=restart))


@app.command(hidden=True)
def warm() -> None:
    """Compile the kernels into the cache; the window starts it in the background."""
    from app.commands import warm as command

    raise typer.Exit(command.run())


Server = Annotated[str | None, typer.Option(help="HOST:PORT of another dome than that of the settings.")]
DeviceNumber = Annotated[int | None, typer.Option("--device", help="Number of the dome there.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Be content when the dome accepted it.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.0, help="Longest wait for the final state, seconds.")]


def _manner(server: str | None, device: int | None, timeout: float, *, no_wait: bool) -> Manner:
    from app.bootstrap.dome_access import Manner

    return Manner(server, device, waits=not no_wait, timeout_s=timeout)


@dome_app.command("status")
def dome_status(server: Server = None, device: DeviceNumber = None, *, json: Json = False) -> None:
    """Print what is known of the dome."""
    from app.commands import dome

    raise typer.Exit(dome.status(_manner(server, device, 0.0, no_wait=True), as_json=json))


@dome_app.command("goto", context_settings={"ignore_unknown_options": True})
def dome_goto(
    azimuth: Annotated[str, typer.Argument(help="Degrees, North 0, East 90.")],
    alt: Annotated[str | None, typer.Option(help="Altitude of the opening, where the dome has one, degrees.")] = None,
    server: Server = None,
    device: DeviceNumber = None,
    timeout: Timeout = 120.0,
    *,
    no_wait: NoWait = False,
    json: Json = False,
) -> None:
    """Turn the dome."""
    from app.commands import dome

    raise typer.Exit(dome.goto(azimuth, alt, _manner(server, device, timeout, no_wait=no_wait), as_json=json))


@dome_app.command("open")
def dome_open(
    override: Annotated[str | None, typer.Option(help='"NAME: REASON" of who takes the responsibility.')] = None,
    server: Server = None,
    device: DeviceNumber = None,
    timeout: Timeout = 120.0,
    *,
    no_wait: NoWait = False,
    json: Json = False,
) -> None:
    """Open the shutter."""
    from app.commands import dome

    raise typer.Exit(dome.open_dome(override, _manner(server, device, timeout, no_wait=no_wait), as_json=json))


@dome_app.command("close")
def dome_close(
    server: Server = None,
    device: DeviceNumber = None,
    timeout: Timeout = 120.0,
    *,
    no_wait: NoWait = False,
    json: Json = False,
) -> None:
    """Close the shutter."""
    from app.commands import dome

    raise typer.Exit(dome.close_dome(_manner(server, device, timeout, no_wait=no_wait), as_json=json))


@dome_app.command("park")
def dome_park(
    server: Server = None,
    device: DeviceNumber = None,
    timeout: Timeout = 120.0,
    *,
    no_wait: NoWait = False,
    json: Json = False,
) -> None:
    """Turn the dome to its park position; the shutter stays as it is."""
    from app.commands import dome

    raise typer.Exit(dome.park(_manner(server, device, timeout, no_wait=no_wait), as_json=json))


@dome_app.command("follow")
def dome_follow(
    on_or_off: Annotated[Literal["on", "off"], typer.Argument(help="Whether the slit follows the telescope.")],
    *,
    json: Json = False,
) -> None:
    """Have the slit follow the telescope, or not: by the window or `cupola serve`, which go on."""
    from app.commands import dome

    manner = _manner(None, None, 0.0, no_wait=True)
    raise typer.Exit(dome.follow(manner, is_on=on_or_off == "on", as_json=json))


@dome_app.command("stop")
def dome_stop(
    server: Server = None, device: DeviceNumber = None, *, no_wait: NoWait = False, json: Json = False
) -> None:
    """Stop everything that moves."""
    from app.commands import dome

    raise typer.Exit(dome.stop(_manner(server, device, 10.0, no_wait=no_wait), as_json=json))


@orders_app.command("submit")
def orders_submit(
    file: Annotated[str, typer.Argument(help="JSON file, or - for standard input.")], *, json: Json = False
) -> None:
    """Check an order and take it in."""
    from app.commands import orders

    raise typer.Exit(orders.submit(file, as_json=json))


@orders_app.command("list")
def orders_list(*, json: Json = False) -> None:
    """List the orders."""
    from app.commands import orders

    raise typer.Exit(orders.show_all(as_json=json))


@orders_app.command("show")
def orders_show(order_id: str, *, json: Json = False) -> None:
    """Show one order: ID, or USER/ID."""
    from app.commands import orders

    raise typer.Exit(orders.show(order_id, as_json=json))


@orders_app.command("cancel")
def orders_cancel(order_id: str, *, json: Json = False) -> None:
    """Cancel an order: ID, or USER/ID."""
    from app.commands import orders

    raise typer.Exit(orders.cancel(order_id, as_json=json))


@orders_app.command("hold")
def orders_hold(order_id: str, *, json: Json = False) -> None:
    """Hold a waiting order back: ID, or USER/ID."""
    from app.commands import orders

    raise typer.Exit(orders.hold(order_id, as_json=json))


@orders_app.command("release")
def orders_release(order_id: str, *, json: Json = False) -> None:
    """Let a held order wait again: ID, or USER/ID."""
    from app.commands import orders

    raise typer.Exit(orders.release(order_id, as_json=json))


@orders_app.command("run")
def orders_run(*, json: Json = False) -> None:
    """Run every waiting order of the Processor."""
    from app.commands import orders

    raise typer.Exit(orders.run(as_json=json))


@settings_app.command("path")
def settings_path(*, json: Json = False) -> None:
    """Print where the settings are."""
    from app.commands import settings

    raise typer.Exit(settings.path(as_json=json))


@settings_app.command("init")
def settings_init(*, json: Json = False) -> None:
    """Write a settings file to begin with."""
    from app.commands import settings

    raise typer.Exit(settings.init(as_json=json))


@settings_app.command("show")
def settings_show(*, json: Json = False) -> None:
    """Print the settings in force."""
    from app.commands import settings

    raise typer.Exit(settings.show(as_json=json))


@settings_app.command("check")
def settings_check(*, json: Json = False) -> None:
    """Check the settings; every problem at once."""
    from app.commands import settings

    raise typer.Exit(settings.check(as_json=json))


def main() -> None:
    """Run the command; an expected error is one sentence on stderr, with --json in JSON too, and exit code 1."""
    if os.environ.get("HOME") == "":
        del os.environ["HOME"]  # an empty HOME would put the user's folders below the current one
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # degrees and names in a terminal that knows ASCII alone
    try:
        app(prog_name="cupola")
    except ObservatoryError as error:
        from app.commands.console import refuse

        sys.exit(refuse(str(error), as_json="--json" in sys.argv))


if __name__ == "__main__":
    main()
