"""What a run was made with: versions, processor, accelerator."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("unrolled", "torch", "numpy", "polars", "scikit-learn")


def versions() -> str:
    """Python and the packages that decide about numbers, in one line."""
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def machine(device: str = "cpu") -> str:
    """System, processor and its cores; the accelerator's name where `device` is one."""
    parts = [platform.system(), _processor(), f"{os.cpu_count()} cores"]
    if device.startswith("cuda"):
        import torch

        parts.append(torch.cuda.get_device_name(device))
    return ", ".join(parts)


def _processor() -> str:
    # On Linux `platform.processor()` is empty or only repeats the architecture.
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
