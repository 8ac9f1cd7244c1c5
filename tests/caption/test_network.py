"""The network against its equations, for several cells and attentions."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from unrolled.nn import Decoder
from unrolled.tasks.caption.augment import shifted, tilted, varied
from unrolled.tasks.caption.network import CaptionNetwork, ImageEncoder, Start


def network(cell="lstm", attention="luong", layers=1):
    torch.manual_seed(1)
    encoder = ImageEncoder.of_size(1, (16, 12), 4)
    decoder = Decoder.of_tokens(
        9, 6, encoder.memory_size, embedding_size=5, cell=cell, num_layers=layers,
        attention=attention, engine="eager",
    )  # fmt: skip
    return CaptionNetwork(encoder, decoder)


def batch():
    images = torch.randn(3, 1, 16, 12, generator=torch.Generator().manual_seed(0))
    of = torch.tensor([0, 0, 1, 2])
    words = torch.tensor([[4, 5, 2, 0], [5, 2, 0, 0], [7, 8, 4, 2], [3, 2, 0, 0]])
    return images, of, words, torch.tensor([3, 2, 4, 2])


def test_the_encoder_is_convolutions_norms_and_places():
    encoder = ImageEncoder(1, (16, 12), [4, 8], [2, 1]).double().train()
    images = torch.randn(5, 1, 16, 12, dtype=torch.float64)
    x = images
    for layer, stride in ((0, 2), (3, 1)):
        x = F.conv2d(x, encoder.layers[layer].weight, stride=stride, padding=1)
        mean, variance = x.mean((0, 2, 3), True), x.var((0, 2, 3), False, keepdim=True)
        x = F.relu((x - mean) / torch.sqrt(variance + 1e-5))
    assert encoder.grid == (8, 6)
    x = x + torch.einsum("m,h->mh", encoder.place.weight[:, 0], torch.linspace(-1, 1, 8))[..., None]
    x = x + torch.einsum("m,w->mw", encoder.place.weight[:, 1], torch.linspace(-1, 1, 6))[:, None]
    # Rounding of float64; the places are float32.
    torch.testing.assert_close(encoder(images), x.flatten(2).mT, rtol=0, atol=1e-7)


@pytest.mark.parametrize("size", [(8, 8), (9, 30), (40, 40), (96, 61), (200, 120)])
def test_the_grid_is_the_one_that_comes_out(size):
    encoder = ImageEncoder.of_size(3, size, 8)
    assert max(encoder.grid) <= 12
    features = encoder.layers(torch.randn(2, 3, *size))
    assert tuple(features.shape[1:]) == (encoder.memory_size, *encoder.grid)


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm", "slstm", "mgu"])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_start_is_tanh_of_a_map_or_what_the_cell_says(cell, layers):
    recurrent = network(cell, layers=layers).decoder.recurrent
    start = Start(8, recurrent)
    vector = torch.randn(3, 8)
    state = start(vector)
    components = state if isinstance(state, tuple) else (state,)
    for layer, made in enumerate(recurrent.cells):
        initial = made.initial_state(3)
        given = torch.tanh(start.maps[layer](vector))
        if all(bool((each == 0).all()) for each in initial):
            expected = given.split(6, dim=1)
        else:
            expected = (given, *initial[1:])
        for component, wanted in zip(components, expected, strict=True):
            assert torch.equal(component[layer], wanted)


@pytest.mark.parametrize("attention", ["luong", "bahdanau", None])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_captions_of_a_batch_are_those_of_each_image_alone(cell, attention):
    net = network(cell, attention).eval()
    images, of, words, lengths = batch()
    together = net(images, of, words, lengths).logits
    for row, image in enumerate(of.tolist()):
        n = int(lengths[row])
        alone = net(images[image : image + 1], torch.tensor([0]), words[row : row + 1, :n],
                    lengths[row : row + 1]).logits  # fmt: skip
        # Sums of other sizes, float32.
        torch.testing.assert_close(together[row : row + 1, :n], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("attention", ["luong", "bahdanau", None])
def test_what_is_written_has_the_probability_of_its_words(beam, attention):
    net = network(attention=attention).eval()
    images = batch()[0]
    found = net.write(images, beam, most=5)
    tokens, lengths = found.tokens[:, 0], found.lengths[:, 0]
    logits = net(images, torch.arange(3), tokens, lengths).logits
    each = torch.log_softmax(logits, -1).gather(2, tokens[..., None])[..., 0]
    within = torch.arange(tokens.shape[1]) < lengths[:, None]
    # float32, summed in another order.
    torch.testing.assert_close(
        found.log_probability[:, 0], (each * within).sum(1), rtol=1e-4, atol=1e-5
    )


def test_a_beam_finds_nothing_less_probable():
    net, images = network().eval(), batch()[0]
    greedy, wide = net.write(images, 1, 4), net.write(images, 8, 4)
    assert bool((wide.log_probability >= greedy.log_probability - 1e-6).all())


def test_every_parameter_learns():
    net = network(layers=2)
    images, of, words, lengths = batch()
    net(images, of, words, lengths).loss(words).backward()
    still = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


class TestVaried:
    def test_a_quarter_turn_is_that_of_torch(self):
        images = torch.randn(2, 3, 6, 6)
        turned = tilted(images, torch.full((2,), math.pi / 2), torch.zeros(2))
        # Float32 places between pixels.
        torch.testing.assert_close(turned, images.rot90(1, (2, 3)), rtol=0, atol=1e-5)

    def test_turns_keep_shapes_of_wide_images(self):
        # A disc stays one: the sides of an image are not taken for equal.
        down, across = torch.meshgrid(
            torch.arange(20) - 9.5, torch.arange(40) - 19.5, indexing="ij"
        )
        disc = torch.sigmoid(3 - (down**2 + across**2).sqrt())[None, None]
        turned = tilted(disc, torch.tensor([0.7]), torch.zeros(1))
        # Bilinear between pixels of a smooth edge.
        torch.testing.assert_close(turned, disc, rtol=0, atol=0.05)

    def test_a_shear_moves_rows_by_their_distance_from_the_middle(self):
        images = torch.randn(1, 1, 5, 9)
        sheared = tilted(images, torch.zeros(1), torch.ones(1))
        for row in range(5):
            wanted = shifted(images, torch.zeros(1).long(), torch.tensor([2 - row]))
            torch.testing.assert_close(sheared[:, :, row], wanted[:, :, row], rtol=0, atol=1e-5)

    def test_shifts_repeat_the_border(self):
        from scipy.ndimage import shift

        images = torch.randn(4, 2, 7, 9)
        down, across = torch.tensor([0, 2, -3, 1]), torch.tensor([0, -1, 4, 8])
        moved = shifted(images, down, across)
        for k in range(4):
            wanted = shift(images[k].numpy(), (0, int(down[k]), int(across[k])), order=0,
                           mode="nearest")  # fmt: skip
            np.testing.assert_array_equal(moved[k].numpy(), wanted)

    def test_each_image_has_changes_of_its_own(self):
        images = torch.randn(1, 1, 20, 20).expand(64, 1, 20, 20)
        moved = varied(images, np.random.default_rng(0), shift=0.1)
        # 5 x 5 shifts by up to 2 places.
        assert 15 < len({image.numpy().tobytes() for image in moved}) <= 25
        flipped = varied(images, np.random.default_rng(0), flip=True)
        turned = (flipped == images.flip(3)).flatten(1).all(1)
        kept = (flipped == images).flatten(1).all(1)
        assert bool((turned | kept).all())
        assert 16 < int(turned.sum()) < 48

    def test_noise_has_its_deviation(self):
        images = torch.zeros(50, 1, 20, 20)
        noisy = varied(images, np.random.default_rng(0), noise=0.3)
        # 20,000 draws: the deviation of a deviation is 0.3 / sqrt(40,000).
        assert float(noisy.std()) == pytest.approx(0.3, abs=0.008)

    def test_nothing_asked_nothing_changed(self):
        images = torch.randn(3, 1, 8, 8)
        assert torch.equal(varied(images, np.random.default_rng(0)), images)
