"""Every simulated device against the official OpenAPI files, by schemathesis: its examples and its coverage phase.

The official file of the devices contradicts itself, which is corrected in the copy that is used here: a reply's
ClientTransactionID is said to be at least 1, and to be 0 when the client gave none; and of its alternatives that exclude
each other some overlap: DeviceState's time is a text and a time, an ImageArray without an image has any rank.

What is malformed is refused in one place for all devices: it is asked of the dome and of the common members alone.
Everything, of all devices, and random requests besides, is asked by hand of a running `cupola simulate`::

    schemathesis run AlpacaDeviceAPI_v1.yaml --url http://127.0.0.1:PORT/api/v1 --phases examples,coverage,fuzzing
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulated import simulator

CHECKS = "not_a_server_error,status_code_conformance,response_schema_conformance,content_type_conformance"
MISTAKE = "        ClientTransactionID:\n          type: integer\n          format: uint32\n          minimum: 1\n"
OTHERS = ("camera", "covercalibrator", "observingconditions", "safetymonitor", "switch", "telescope")
SECONDS = 180


@pytest.fixture(scope="module")
def running():
    """Quick motors: a slew that schemathesis begins is soon over."""
    with simulator(scale=30.0) as simulated:
        yield simulated


@pytest.fixture(scope="module")
def devices(shared, tmp_path_factory):
    """The official file of the devices, without its mistakes."""
    text = (shared / "reference" / "AlpacaDeviceAPI_v1.yaml").read_text()
    assert text.count(MISTAKE) == 1
    corrected = tmp_path_factory.mktemp("schema") / "devices.yaml"
    text = text.replace(MISTAKE, MISTAKE.replace("minimum: 1", "minimum: 0"))
    corrected.write_text(text.replace("oneOf:", "anyOf:"))
    return corrected


def conforms(schema, url, folder, *options):
    """How many requests schemathesis made, none of which was answered other than the file allows."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", str(schema), "--url", url]
    # its own folder: it leaves its database of examples where it is started
    done = subprocess.run(
        [*command, "--phases", "examples,coverage", "--checks", CHECKS, "--warnings", "off", "--seed", "1", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=os.environ | {"NO_PROXY": "*", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.search(r"([\d,]+) generated, [\d,]+ passed", done.stdout)[1].replace(",", ""))


def test_the_dome_and_what_all_devices_have_answer_as_the_official_file_says(
    devices, running, tmp_path, record_property
):
    url = f"http://{running.server}/api/v1"
    count = conforms(devices, url, tmp_path, "--include-path-regex", r"^/(dome|\{device_type\})/")
    record_property("requests", count)
    assert count > 1000


def test_all_other_devices_answer_as_the_official_file_says(devices, running, tmp_path, record_property):
    url, paths = f"http://{running.server}/api/v1", f"^/({'|'.join(OTHERS)})/"
    count = conforms(devices, url, tmp_path, "--mode", "positive", "--include-path-regex", paths)
    record_property("requests", count)
    assert count > 1000


def test_management_and_set_up_answer_as_the_official_file_says(shared, running, tmp_path, record_property):
    count = conforms(shared / "reference" / "AlpacaManagementAPI_v1.yaml", f"http://{running.server}", tmp_path)
    record_property("requests", count)
    assert count > 10
