"""The machine that a training ran on, in words."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch


def hardware(devices: int = 1, device: torch.device | str = "cpu") -> str:
    """Describe the machine.

    Parameters
    ----------
    devices
        How many were used.
    device
        One of them.

    Returns
    -------
    str
        Model of the processor with cores and threads used, or of the accelerator.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return f"{devices} × {torch.cuda.get_device_name(device)}"
    if device.type != "cpu":
        return f"{devices} × {device.type}, {platform.machine()}"
    threads = f"{torch.get_num_threads()} threads"
    return f"{_processor()}, {os.cpu_count()} cores, {threads}" + (f" in each of {devices} processes" * (devices > 1))


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
