"""Numeric sequences as the network reads them, beside scikit-learn and by hand."""

import json

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from unrolled.data import DataError
from unrolled.tasks.classify.coding import named_plane
from unrolled.tasks.classify.network import NumberInput
from unrolled.tasks.classify.numbers import EncodedNumbers, NumberCoding, plane_of


def sequences(features: int = 3, count: int = 6) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    lengths = generator.integers(2, 8, count)
    return [generator.normal(5, 2, (n, features)).astype(np.float32) for n in lengths]


def learned(values, plane=None, differences=True, longest=100) -> NumberCoding:
    names = [f"f{k}" for k in range(values[0].shape[1])]
    return NumberCoding.learn(values, names, differences=differences, plane=plane, longest=longest)


def test_scaling_is_that_of_scikit_learn() -> None:
    values = sequences()
    expected = StandardScaler().fit(np.concatenate(values).astype(np.float64)).transform(values[2])
    # float32 numbers.
    np.testing.assert_allclose(learned(values).scaled(values[2]), expected, rtol=1e-5, atol=1e-6)


def test_differences_have_a_deviation_of_one() -> None:
    values = sequences()
    made = learned(values)
    encoded = EncodedNumbers(made, values)
    batch = encoded.batch(range(len(values)))
    read = NumberInput(made)(batch)
    assert read.shape == (6, max(map(len, values)), 6)
    steps = torch.cat([read[k, 1:n, 3:] for k, n in enumerate(batch["lengths"])])
    # Sums of some forty float32 numbers.
    torch.testing.assert_close(steps.square().mean(0), torch.ones(3), rtol=1e-4, atol=0)
    assert not read[:, 0, 3:].any()
    for k, n in enumerate(batch["lengths"]):
        assert not read[k, n:].any()


def test_points_in_a_plane_keep_angles_and_have_directions() -> None:
    square = np.array([[0, 0], [50, 0], [50, 100], [0, 100]], dtype=np.float32)
    made = learned([square], plane=(0, 1))
    assert made.mean[0] == made.mean[1]
    assert made.deviation[0] == made.deviation[1]
    assert made.change[0] == made.change[1]
    read = NumberInput(made)(EncodedNumbers(made, [square]).batch([0]))[0]
    assert read.shape == (4, 6)
    directions = [[0, 0], [1, 0], [0, 1], [-1, 0]]
    # float32 divisions by a length.
    torch.testing.assert_close(read[:, 4:], torch.tensor(directions).float(), rtol=1e-6, atol=1e-6)
    # As many units to the right as upwards, where the numbers have as many.
    assert read[1, 0] - read[0, 0] == pytest.approx(float(read[2, 1] - read[1, 1]) / 2, rel=1e-6)


def test_a_plane_is_found_by_ranges() -> None:
    points = np.random.default_rng(0).uniform(0, 100, (500, 2))
    points[0], points[1] = 0, 100
    assert plane_of([points]) == (0, 1)
    assert plane_of([points * [1, 0.9]]) is None
    assert plane_of([points + np.array([0, 10])]) is None
    assert plane_of([np.c_[points, points[:, :1]]]) is None
    assert plane_of([points[:, :1]]) is None
    assert plane_of([np.ones((4, 2))]) is None


def test_a_plane_is_named() -> None:
    assert named_plane("y, x", ("t", "x", "y")) == (2, 1)
    assert named_plane("none", ("x", "y")) is None
    for wrong in ("x", "x,x", "x,z", "x,y,t"):
        with pytest.raises(DataError, match="plane must name two of the features t, x, y"):
            named_plane(wrong, ("t", "x", "y"))


def test_a_feature_that_never_changes_stays_zero() -> None:
    values = [np.c_[np.full(4, 7.0), np.arange(4.0)].astype(np.float32)]
    made = learned(values)
    read = NumberInput(made)(EncodedNumbers(made, values).batch([0]))
    assert not read[0, :, 0].any()
    assert read.isfinite().all()


def test_sequences_of_one_step_can_be_learned_from() -> None:
    values = [np.array([[1.0]], dtype=np.float32), np.array([[3.0]], dtype=np.float32)]
    made = learned(values)
    read = NumberInput(made)(EncodedNumbers(made, values).batch([0, 1]))
    assert read[:, 0].tolist() == [[-1, 0], [1, 0]]


def test_what_is_longer_is_cut_and_said() -> None:
    values = [np.zeros((12, 1), dtype=np.float32), np.ones((3, 1), dtype=np.float32)]
    made = learned(values, longest=5)
    encoded = EncodedNumbers(made, values)
    assert encoded.lengths.tolist() == [5, 3]
    (finding,) = encoded.findings
    assert finding.count == 1
    assert "longer than 5 steps" in finding.text
    # What is not read does not count for the mean: five zeros and three ones.
    assert made.mean == (3 / 8,)


def test_a_coding_is_kept_as_json() -> None:
    for plane, differences in (((0, 2), True), (None, False)):
        made = learned(sequences(), plane, differences)
        assert NumberCoding.from_dict(json.loads(json.dumps(made.to_dict()))) == made
