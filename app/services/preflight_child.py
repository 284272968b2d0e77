"""The pre-flight in a process of its own: headers take long to read, and a window would stutter meanwhile."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace

from pydantic import TypeAdapter

from app.model.errors import ObservatoryError
from app.model.preflight import Preflight

#: A thousand headers on a slow network disk.
PATIENCE_S = 120.0


def check_in_child(command: Sequence[str], source: str) -> Preflight:
    """Tell what a folder or a batch would come to, by a child process.

    Parameters
    ----------
    command : sequence of str
        Starts ``cupola process``.
    source : str
        Folder or ``file://`` URL.

    Returns
    -------
    Preflight
        With `source` as it was given.

    Raises
    ------
    ObservatoryError
        It could not be told.
    """
    try:
        ended = subprocess.run(
            [*command, source, "--dry-run", "--json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        told = json.loads(ended.stdout)
        if "error" in told:
            raise ObservatoryError(str(told["error"]))
        return replace(TypeAdapter(Preflight).validate_python(told), source=source)
    except subprocess.TimeoutExpired as error:
        raise ObservatoryError(
            f"{source} was not looked through within {PATIENCE_S:g} s: check its disk, or run it without a check"
        ) from error
    except (OSError, ValueError) as error:
        raise ObservatoryError(f"{source} could not be checked ({error}): see `cupola process --dry-run`") from error
