"""The vector functions of native kernels, over their whole range, against a wider precision."""

import ctypes

import numpy as np
import pytest

from unrolled.engines.native import build
from unrolled.engines.native.source import preamble

pytestmark = pytest.mark.skipif(build.compiler() is None, reason="there is no C++ compiler")

WIDER = {"float": np.float64, "double": np.longdouble}
REAL = {"float": np.float32, "double": np.float64}
FUNCTIONS = {
    "exp_": np.exp,
    "expm1_": np.expm1,
    "log_": np.log,
    "log1p_": np.log1p,
    "tanh_": np.tanh,
    # The form whose small results keep their digits.
    "sigmoid_": lambda a: np.where(a < 0, np.exp(a) / (1 + np.exp(a)), 1 / (1 + np.exp(-a))),
    "sqrt_": np.sqrt,
    "abs_": np.abs,
    "sign_": np.sign,
    "relu_": lambda a: np.where(a <= 0, 0, a),
}
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0]


@pytest.fixture(scope="module", params=["float", "double"])
def library(request):
    """The functions on arrays, and the precision."""
    target = build.target_for(request.param)
    loops = [
        f'extern "C" void on_{name}(const REAL *x, REAL *y, long n) '
        f"{{ for (long k = 0; k < n; k += LANES) store(y + k, {name}(load(x + k))); }}"
        for name in FUNCTIONS
    ]
    return build.load("\n".join([preamble(target), *loops])), request.param


def _arguments(real) -> np.ndarray:
    """Numbers of every exponent, both signs, and many where functions bend."""
    draw = np.random.default_rng(0)
    bits = np.dtype(real).itemsize * 8
    whole = draw.integers(0, 2**bits, 400_000, dtype=f"uint{bits}").view(real)
    near = np.concatenate([draw.uniform(-w, w, 100_000) for w in (1e-3, 1, 20, 110, 750)])
    with np.errstate(all="ignore"):  # NaNs of every kind among the bits
        found = np.concatenate([SPECIAL, whole, near]).astype(real)
    return found[: len(found) // 16 * 16]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_within_four_units_in_the_last_place(library, name) -> None:
    compiled, precision = library
    real, wider = REAL[precision], WIDER[precision]
    if np.finfo(wider).eps >= np.finfo(real).eps:
        pytest.skip("this machine has no wider precision to compare with")
    x = _arguments(real)
    y = np.empty_like(x)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (x, y)]
    getattr(compiled, f"on_{name}")(*pointers, ctypes.c_long(len(x)))
    with np.errstate(all="ignore"):
        exact = FUNCTIONS[name](x.astype(wider))
        expected = exact.astype(real)
        assert np.array_equal(np.isnan(y), np.isnan(expected))
        finite = np.isfinite(expected) & np.isfinite(y)
        # Where one is infinite, the other is, or is the last number before.
        last = np.nextafter(np.full_like(y, np.inf), 0)
        other = ~finite & ~np.isnan(y)
        assert np.all((y == expected)[other] | (np.abs(y)[other] >= last[other]))
        distance = np.abs(y.astype(wider) - exact)[finite] / np.spacing(np.abs(expected[finite]))
    assert distance.max() <= 4, (distance.max(), x[finite][distance.argmax()])
