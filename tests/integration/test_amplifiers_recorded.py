"""A night's masters say what its amplifiers are like, and an operator is told of what contradicts the header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from app.model.batch import ProductKind
from app.model.settings import Camera, Settings
from app.pipeline.step import CancelToken, Context, Findings
from app.pipeline.steps.ingest import Ingest
from app.pipeline.steps.stack_bias import StackBias
from app.pipeline.steps.stack_flat import StackFlat
from tests.fakes import MemoryBatches

GAIN_E_PER_ADU, NOISE_ADU, BIAS_ADU = 2.0, 5.0, 500.0
CARDS = {
    "INSTRUME": "two",
    "EGAIN": 1.0,
    "DATASEC1": "[1:128,1:128]",
    "DETSEC1": "[1:128,1:128]",
    "DATASEC2": "[129:256,1:128]",
    "DETSEC2": "[256:129,1:128]",
}


def night(folder: Path) -> Path:
    """Three bias frames and three flats of a camera whose second amplifier has died, and whose EGAIN lies."""
    rng = np.random.default_rng(2)
    folder.mkdir()
    for n in range(6):
        electrons = rng.poisson(40000.0 if n > 2 else 0.0, (128, 256))
        raw = BIAS_ADU + electrons / GAIN_E_PER_ADU + rng.normal(0.0, NOISE_ADU, (128, 256))
        raw[:, 128:] = BIAS_ADU
        cards = CARDS | ({"IMAGETYP": "FLAT", "EXPTIME": 1.0} if n > 2 else {"IMAGETYP": "BIAS", "EXPTIME": 0.0})
        fits.PrimaryHDU(np.rint(raw).astype(np.uint16), fits.Header(cards)).writeto(folder / f"{n}.fits")
    return folder


@pytest.mark.logs_warnings
def test_masters_say_what_the_amplifiers_are_like(tmp_path: Path) -> None:
    batches, findings = MemoryBatches(), Findings("test", 1)
    batch = batches.open_batch(str(night(tmp_path / "raw")), tmp_path / "products")
    settings = Settings(cameras=(Camera(instrument="two"),))
    context = Context(batches, batch, settings, lambda _: None, CancelToken())
    for step in (Ingest(), StackBias(), StackFlat()):
        step.run(context, findings)
    (bias,) = batches.combinations(batch.key, ProductKind.BIAS_MASTER)
    (flat,) = batches.combinations(batch.key, ProductKind.FLAT_MASTER)
    header = fits.getheader(bias.file)
    assert header["BIASLV1"] == bias.qc["BIASLV1"] == pytest.approx(BIAS_ADU, abs=0.5)
    assert header["RDNADU1"] == bias.qc["RDNADU1"] == pytest.approx(NOISE_ADU, rel=0.05)
    assert header["RDNOIS1"] == pytest.approx(header["RDNADU1"] * 1.0, rel=1e-3)
    header = fits.getheader(flat.file)
    assert header["GAIN1"] == flat.qc["GAIN1"] == pytest.approx(GAIN_E_PER_ADU, rel=0.05)
    messages = [problem.message for problem in findings.problems]
    assert sum("amplifier 2 is dead" in message for message in messages) == 2
    assert sum("gain of amplifier 1: the card says 1 e-/adu, the flats say " in message for message in messages) == 1
