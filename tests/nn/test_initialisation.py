"""Starts by name: against closed forms, and by what the cells then do."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import unrolled as ur
from unrolled.cells import BY_NAME
from unrolled.nn import initialise, parse_initialisation
from unrolled.nn.initialisation import GATES, INITIALISATIONS, MATRICES

# float64, some dozens of roundings of numbers of size 1.
EXACT = {"rtol": 1e-12, "atol": 1e-12}
GATED = {
    *("lstm", "gru", "peephole-lstm", "coupled-lstm", "layer-norm-lstm", "layer-norm-gru"),
    *("mogrifier-lstm", "janet", "mgu", "ugrnn", "ran", "lem", "slstm"),
    *("sru", "qrnn", "min-gru", "min-lstm"),
}
# Entry by entry, diagonal, antisymmetric by construction, or through a wide hidden layer.
NO_MATRIX = {"sru", "qrnn", "min-gru", "min-lstm", "lru", "indrnn", "antisymmetric", "cfc"}
# The state that the gates keep, where it is not called c.
MEMORY = {"lem": "z", "gru": "h", "layer-norm-gru": "h", "janet": "h", "mgu": "h", "ugrnn": "h"}
MEMORY |= {"min-gru": "h", "min-lstm": "h"}


def blocks(weight: Tensor) -> tuple[Tensor, ...]:
    """The square blocks of a recurrent matrix, [G H, H]."""
    return weight.detach().split(weight.shape[1])


def named(how: str) -> str:
    """With a value that the cell cannot have by chance."""
    values = {"chrono": 50, "spectral-radius": 0.7, "forget-bias": 2.5}
    return f"{how}:{values.get(how, 1)}"


# --- names


def test_names_and_values() -> None:
    assert parse_initialisation("orthogonal") == {"orthogonal": 1.0}
    assert parse_initialisation("identity:0.01") == {"identity": 0.01}
    assert parse_initialisation("spectral-radius:1.25") == {"spectral-radius": 1.25}
    assert parse_initialisation("forget-bias:-2") == {"forget-bias": -2.0}
    assert parse_initialisation("chrono:3") == {"chrono": 3.0}
    # The matrices come first, however it is written.
    both = parse_initialisation("chrono:200 + orthogonal:0.9")
    assert list(both.items()) == [("orthogonal", 0.9), ("chrono", 200.0)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ortogonal", "initialisation is 'ortogonal'; did you mean 'orthogonal'? choose from"),
        ("", "choose from orthogonal, identity"),
        ("orthogonal+", "is 'orthogonal+'; join two by +, as orthogonal+chrono:200"),
        ("orthogonal,chrono:9", "is 'orthogonal,chrono:9'; join two by +"),
        ("orthogonal:big", "'orthogonal:big'; what follows orthogonal: is a number above 0"),
        ("orthogonal:", "what follows orthogonal: is a number above 0"),
        ("identity:0", "what follows identity: is a number above 0"),
        ("spectral-radius:-1", "what follows spectral-radius: is a number above 0"),
        ("spectral-radius:inf", "what follows spectral-radius: is a number above 0"),
        ("forget-bias:nan", "what follows forget-bias: is a number$"),
        ("chrono", "chrono needs T, the longest dependency in steps, as chrono:200"),
        ("chrono:2.9", "what follows chrono: is a number from 3 up"),
        ("orthogonal+identity", "orthogonal and identity both set the recurrent matrices"),
        ("chrono:9+forget-bias", "chrono and forget-bias both set the gates: choose one"),
        ("orthogonal+orthogonal:2", "orthogonal and orthogonal both set"),
    ],
)
def test_texts_that_are_no_initialisation(text, said) -> None:
    with pytest.raises(ValueError, match=said.replace("+", r"\+").replace("?", r"\?")):
        initialise(ur.cells.LSTM(2, 3), text)


def test_what_is_neither_text_nor_module() -> None:
    with pytest.raises(TypeError, match='must be a name, as "orthogonal" or "chrono:200", got 1'):
        initialise(ur.cells.LSTM(2, 3), 1)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="module must be a cell or a module, got str"):
        initialise("lstm", "orthogonal")  # pyright: ignore[reportArgumentType]


# --- matrices


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(["elman", "lstm", "gru", "janet", "layer-norm-lstm", "layer-norm-gru"]),
    sizes=st.tuples(st.integers(1, 5), st.sampled_from([1, 2, 3, 8, 17, 33])),
    gain=st.sampled_from([0.5, 1.0, 1.1]),
)
def test_every_gate_is_orthogonal(name, sizes, gain) -> None:
    cell = initialise(BY_NAME[name](*sizes).double(), f"orthogonal:{gain}")
    found = blocks(cell.weight_hh)
    assert len(found) == max(len(cell.gates), 1)
    for W in found:
        eye = torch.eye(sizes[1], dtype=torch.float64)
        torch.testing.assert_close(W.T @ W, gain**2 * eye, **EXACT)
    if sizes[1] > 2 and len(found) > 1:
        assert not torch.allclose(found[0], found[1])


def test_orthogonal_matrices_are_uniform() -> None:
    """The trace of a uniform orthogonal matrix has mean 0 and variance 1 (Diaconis 1994)."""
    cell, traces = ur.cells.LSTM(1, 6), []
    for _ in range(100):
        traces += [W.trace() for W in blocks(initialise(cell, "orthogonal").weight_hh)]
    traces = torch.stack(traces)
    # Of 400 draws the mean spreads by 1/20, the variance by sqrt(2)/20: 4 of each.
    assert abs(traces.mean()) < 0.2
    assert abs(traces.var() - 1) < 0.3


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(["elman", "gru", "cornn", "echo-state"]),
    size=st.sampled_from([1, 2, 5, 16]),
    radius=st.sampled_from([0.5, 1.0, 1.25]),
)
def test_the_spectral_radius(name, size, radius) -> None:
    cell = BY_NAME[name](3, size).double()
    before = [W.clone() for W in blocks(cell.weight_hh)]
    initialise(cell, f"spectral-radius:{radius}")
    for old, new in zip(before, blocks(cell.weight_hh), strict=True):
        # Eigenvalues of a random matrix of 16 rows are known to some thousand roundings.
        assert torch.linalg.eigvals(new).abs().max().item() == pytest.approx(radius, rel=1e-11)
        # The matrix is the one that was drawn, times one positive number.
        factor = new / old
        assert (factor[old != 0] > 0).all()
        torch.testing.assert_close(new, old * factor[old != 0][0], **EXACT)


def test_a_matrix_without_eigenvalues_cannot_be_scaled() -> None:
    cell = ur.cells.Elman(2, 3)
    nn.init.zeros_(cell.weight_hh)
    with pytest.raises(ValueError, match="all eigenvalues of a recurrent matrix are 0"):
        initialise(cell, "spectral-radius")


def test_identity_is_the_papers() -> None:
    cell = initialise(ur.cells.Elman(40, 50, nonlinearity="relu"), "identity:0.01")
    assert torch.equal(cell.weight_hh, 0.01 * torch.eye(50))
    assert not cell.bias_ih.any()
    assert not cell.bias_hh.any()
    U = cell.weight_ih.detach() / 0.001
    # 2000 normal numbers: mean and variance spread by 0.022 and 0.032; four of each.
    assert abs(U.mean()) < 0.09
    assert abs(U.var() - 1) < 0.13


def test_an_irnn_holds_what_it_has() -> None:
    cell = initialise(ur.cells.Elman(3, 8, nonlinearity="relu"), "identity")
    state = torch.rand(4, 8)
    run = ur.unroll(cell, torch.zeros(4, 300, 3), state=state)
    # A product with 1, and sums with 0: not one rounding.
    assert torch.equal(run.outputs, state[:, None].expand(-1, 300, -1))


def gradients_by_step(cell: ur.Cell, steps: int, inputs: Tensor | None = None) -> Tensor:
    """Norms of dL/dh(t), L = v'h(T) with a random v, for t = 0 to T, by torch's autograd."""
    if inputs is None:
        inputs = torch.randn(1, steps, cell.input_size, dtype=torch.float64)
    state = tuple(s.requires_grad_() for s in cell.initial_state(len(inputs)))
    carried = [state]
    for x in inputs.unbind(1):
        carried.append(cell.step(x, *carried[-1]))
    last = carried[-1][-1]
    wanted = [states[-1] for states in carried]
    found = torch.autograd.grad(last, wanted, torch.randn_like(last))
    return torch.stack([gradient.norm() for gradient in found])


@pytest.mark.parametrize("gain", [1.0, 0.98, 1.02])
def test_a_linear_network_neither_forgets_nor_explodes(gain) -> None:
    cell = ur.cells.Elman(3, 20, nonlinearity="identity").double()
    drawn = gradients_by_step(cell, 200)
    norms = gradients_by_step(initialise(cell, f"orthogonal:{gain}"), 200)
    # |gain Q' v| = gain |v|: each of the 200 products is exact to some tens of roundings.
    lags = torch.arange(200, -1, -1, dtype=torch.float64)
    torch.testing.assert_close(norms, norms[-1] * gain**lags, rtol=1e-11, atol=0)
    # Drawn as torch draws it the radius is about 1 / sqrt(3), and 0.58^200 = 1e-47.
    assert drawn[0] < 1e-30 * drawn[-1]


def test_the_radius_is_the_rate_in_the_long_run() -> None:
    cell = ur.cells.Elman(3, 20, nonlinearity="identity").double()
    norms = gradients_by_step(initialise(cell, "spectral-radius:0.9"), 400)
    # Gelfand: |W^n|^(1/n) tends to the radius. Two complex eigenvalues turn while they shrink, by
    # which the norm swings by a factor; over 300 steps it is below 10.
    rate = (norms[0] / norms[300]) ** (1 / 300)
    assert rate.item() == pytest.approx(0.9, rel=math.log(10) / 300)


# --- gates


def bare(name: str, hidden_size: int = 6) -> ur.Cell:
    """A cell in float64 of which all but the biases is zero, so that only these act."""
    options = {"min-lstm": {"normalised": False}}.get(name, {})
    cell = BY_NAME[name](2, hidden_size, **options).double()
    with torch.no_grad():
        for parameter_name, parameter in cell.named_parameters():
            if not parameter_name.startswith("bias"):
                parameter.zero_()
    return cell


def kept(name: str, cell: ur.Cell) -> Tensor:
    """The share of its memory that a step keeps, [H]: the derivative of the new one by the old."""
    x, states = torch.zeros(1, 2, dtype=torch.float64), cell.initial_state(1)
    k = list(cell.state_sizes).index(MEMORY.get(name, "c"))

    def memory(old: Tensor) -> Tensor:
        return cell.step(x, *states[:k], old, *states[k + 1 :])[k]

    jacobian = torch.func.jacrev(memory)(states[k])[0, :, 0]  # [H, H]
    assert not (jacobian - jacobian.diag().diag()).any()
    return jacobian.diag().detach()


@pytest.mark.parametrize("name", sorted(GATED - {"slstm"}))
def test_the_gates_keep_what_the_forget_bias_says(name) -> None:
    # Whatever the gate is called, and whichever way it opens, and whatever the step adds to it.
    cell = initialise(bare(name), "forget-bias:1.3")
    wanted = torch.full((6,), 1 / (1 + math.exp(-1.3)), dtype=torch.float64)
    torch.testing.assert_close(kept(name, cell), wanted, **EXACT)


@pytest.mark.parametrize("name", sorted(GATED - {"slstm"}))
def test_chrono_spreads_the_memories_from_two_to_T_steps(name) -> None:
    cell = initialise(bare(name, 400), "chrono:50")
    steps = 1 / (1 - kept(name, cell))
    assert steps.min() >= 2
    assert steps.max() <= 50 * (1 + 1e-12)  # the division has a rounding of 1e-16 times 50
    # Uniform: the mean of 400 spreads by 48 / sqrt(12 * 400) = 0.7, and 4 of that are allowed.
    assert steps.mean().item() == pytest.approx(26, abs=2.8)
    # The largest distance of the distribution function is below 1.95 / sqrt(n) 999 times of 1000.
    ideal = (steps.sort().values - 2) / 48
    assert (ideal - torch.linspace(0, 1, 400, dtype=torch.float64)).abs().max() < 1.95 / 20


def test_a_normalised_min_lstm_keeps_as_chrono_says() -> None:
    """f / (f + i) with biases b and -b is sigmoid(b)."""
    cell = ur.cells.MinLSTM(2, 30).double()
    nn.init.zeros_(cell.weight_ih)
    initialise(cell, "chrono:50")
    forget = cell.bias_ih.detach()[:30]
    torch.testing.assert_close(kept("min-lstm", cell), torch.sigmoid(forget), **EXACT)


def test_the_gates_of_an_slstm() -> None:
    cell = initialise(ur.cells.SLSTM(2, 5), "forget-bias:3")
    assert cell.bias_ih[5:10].tolist() == [3.0] * 5
    assert not cell.bias_hh[5:10].any()
    with pytest.raises(ValueError, match="no gate whose bias keeps its memory"):
        initialise(ur.cells.SLSTM(2, 5, forget_gate="exponential"), "forget-bias")


def test_forget_bias_of_torchs_gates_and_nothing_else() -> None:
    for cell, rows in ((ur.cells.LSTM(3, 4), slice(4, 8)), (ur.cells.GRU(3, 4), slice(4, 8))):
        before = {name: p.detach().clone() for name, p in cell.named_parameters()}
        assert initialise(cell, "forget-bias") is cell
        before["bias_ih"][rows], before["bias_hh"][rows] = 1, 0
        for name, parameter in cell.named_parameters():
            assert torch.equal(parameter, before[name])


def test_chrono_closes_the_input_gate_by_the_same_draws() -> None:
    cell = initialise(ur.cells.LSTM(3, 50), "chrono:20")
    write, forget, *_ = cell.bias_ih.detach().split(50)
    assert torch.equal(write, -forget)
    assert not cell.bias_hh[:100].any()
    qrnn = initialise(ur.cells.QRNN(3, 50, pooling="ifo"), "chrono:20")
    _, forget, _, write = qrnn.bias_ih.detach().split(50)
    assert torch.equal(write, -forget)


def test_a_memory_decays_at_the_pace_of_its_gate() -> None:
    cell = initialise(bare("lstm"), "chrono:40")
    nn.init.zeros_(cell.bias_ih.data[12:18])  # the candidate is then 0
    nn.init.zeros_(cell.bias_hh.data[12:18])
    tau = 1 + torch.exp(cell.bias_ih.detach()[6:12])
    state = torch.zeros(1, 6, dtype=torch.float64), torch.ones(1, 6, dtype=torch.float64)
    run = ur.unroll(cell, torch.zeros(1, 60, 2, dtype=torch.float64), state=state)
    t = torch.arange(1, 61, dtype=torch.float64)[:, None]
    torch.testing.assert_close(run.states["c"][0], (1 - 1 / tau) ** t, rtol=1e-11, atol=0)


def test_gradients_reach_further_with_a_forget_bias() -> None:
    inputs = torch.randn(1, 60, 3, dtype=torch.float64)
    cell = ur.cells.LSTM(3, 16).double()
    drawn = gradients_by_step(cell, 60, inputs)
    open_ = gradients_by_step(initialise(cell, "forget-bias:3"), 60, inputs)
    # By the gate alone: about sigmoid(0) = 0.5 and sigmoid(3) = 0.95 a step.
    far = [(norms[0] / norms[-1]).item() for norms in (drawn, open_)]
    assert far[0] < 1e-10
    assert far[1] > 1e-3


# --- every cell, every name


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_cell_starts_so_or_says_why_not(name) -> None:
    # As many inputs as units: what maps an input is as square as what maps the state.
    cell = BY_NAME[name](4, 4)
    able = [how for how in MATRICES if name not in NO_MATRIX]
    able += [how for how in GATES if name in GATED]
    for how in INITIALISATIONS:
        before = {n: t.detach().clone() for n, t in cell.state_dict().items()}
        if how in able:
            initialise(cell, named(how))
            run = ur.unroll(cell, torch.randn(2, 5, 4), engine="eager")
            assert all(state.isfinite().all() for state in run.states.values())
        else:
            with pytest.raises(ValueError, match=f"{type(cell).__name__} cannot start") as error:
                initialise(cell, named(how))
            said, _, offered = str(error.value).partition("choose from ")
            assert f"cannot start with {how}: " in said
            assert "\n" not in said
            assert [other for other in offered.split(", ") if other] == able
        changed = [n for n, t in cell.state_dict().items() if not torch.equal(t, before[n])]
        assert bool(changed) == (how in able)


def test_both_kinds_at_once() -> None:
    torch.manual_seed(3)
    cell = initialise(ur.cells.LSTM(3, 7), "forget-bias+identity:0.5")
    for W in blocks(cell.weight_hh):
        assert torch.equal(W, 0.5 * torch.eye(7))
    # The identity sets all biases to 0, and the gate keeps its own.
    assert cell.bias_ih.tolist() == [0.0] * 7 + [1.0] * 7 + [0.0] * 14


def test_a_seed_gives_the_same_numbers_in_both_precisions() -> None:
    made = []
    for dtype in (torch.float32, torch.float32, torch.float64):
        cell = ur.cells.GRU(3, 9, dtype=dtype)
        torch.manual_seed(5)
        initialise(cell, "orthogonal+chrono:30")
        made.append((cell.weight_hh.detach(), cell.bias_ih.detach()[9:18]))
    for one, again, double in zip(*made, strict=True):
        assert torch.equal(one, again)
        assert torch.equal(one, double.float())
