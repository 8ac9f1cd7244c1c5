"""The captioner: learns, is kept, says what it saw, and refuses in one line."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

import unrolled as ur
from caption.conftest import PLACES, SMALL, squares
from unrolled.data import DataError
from unrolled.data.images import images_of
from unrolled.tasks.caption import Captioner
from unrolled.tasks.caption.baselines import COMMONEST, NEAREST
from unrolled.tasks.caption.metrics import EXACT
from unrolled.tasks.supervised import MODEL


def test_it_learns_what_is_where(fitted):
    found = fitted.evaluate(squares(60, seed=5))
    # Squares do not overlap between places; a quarter is right by chance.
    assert found.own[EXACT] > 0.95
    assert list(found.scores) == [MODEL, COMMONEST, NEAREST]
    assert found.scores[COMMONEST][EXACT] < 0.5
    assert found.count == "60 images"


def test_a_run_is_opened_as_it_was_saved(fitted, tmp_path):
    opened = ur.load(fitted.save(tmp_path / "run"))
    data = squares(12, seed=6)
    assert opened.predict_probable(data, 2) == fitted.predict_probable(data, 2)
    assert opened.evaluate(data).scores == fitted.evaluate(data).scores


def test_paths_pixels_and_data_give_the_same(fitted, tmp_path):
    data = squares(3, seed=7)
    folder = data.write(tmp_path / "squares")
    wanted = fitted.predict(data)
    assert fitted.predict(folder) == wanted
    assert fitted.predict(data.pixels) == wanted
    assert fitted.predict(data.pixels[..., 0]) == wanted
    image = folder / data.names[1]
    assert fitted.caption(image) == wanted[1]
    assert fitted.caption(str(image)) == wanted[1]
    assert fitted.caption(data.pixels[1, :, :, 0]) == wanted[1]
    assert fitted.caption(Image.open(image)) == wanted[1]
    # In colour, and three times as large: brought to what was learned from.
    large = Image.open(image).convert("RGB").resize((48, 48), Image.Resampling.NEAREST)
    large.save(tmp_path / "large.jpg", quality=95)
    said = [fitted.caption(tmp_path / "large.jpg"), wanted[1]]
    assert {tuple(sorted(re.findall(r"top|bottom|left|right", each))) for each in said} == {
        tuple(sorted(next(p for p in PLACES if " ".join(p) in data.captions[1][0])))
    }


def test_probabilities_are_those_of_whole_captions(fitted):
    [several] = fitted.predict_probable(squares(1, seed=8), n_best=6)
    chances = [caption.probability for caption in several]
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) <= 1 + 1e-6
    # Both captions of an image are equally frequent, and nothing else is.
    assert sum(chances[:2]) > 0.8
    assert all(caption.ended for caption in several[:2])


def test_it_looks_at_the_square_where_it_says_where(fitted):
    data = squares(20, seed=9)
    hits = []
    for k in range(len(data)):
        found = fitted.attend(data.pixels[k])
        assert found.weights.shape == (len(found.words), *fitted.fitted_.network.encoder.grid)
        # Rounding of float32.
        np.testing.assert_allclose(found.weights.sum((1, 2)), 1, atol=1e-5)
        assert found.words[-1] == "<eos>"
        where = next(p for p in PLACES if " ".join(p) in data.captions[k][0])
        hits.append(" ".join(where) in found.text)
    assert np.mean(hits) > 0.9


def test_in_memory_and_from_a_folder(tmp_path):
    data = squares(30)
    texts = [several[0] for several in data.captions]
    settings = {**SMALL, "epochs": 1, "noise": 0.1, "shift": 0.1}
    memory = Captioner(**settings).fit(data.pixels, texts)
    assert memory.fitted_.coding.size == (16, 16)
    both = [Captioner(**settings).fit(source) for source in (data.write(tmp_path / "a"), data)]
    for name, weight in both[0].fitted_.network.state_dict().items():
        assert torch.equal(weight, both[1].fitted_.network.state_dict()[name]), name


@pytest.mark.parametrize("cell", ["gru", "elman", "slstm"])
@pytest.mark.parametrize("attention", ["luong", "none"])
def test_other_cells_and_attentions(cell, attention):
    model = Captioner(cell=cell, attention=attention, epochs=1, num_layers=2, **SMALL)
    model.fit(squares(24))
    assert len(model.predict(squares(3))) == 3
    if attention == "none":
        with pytest.raises(ValueError, match="it looks nowhere"):
            model.attend(squares(1).pixels[0])
    else:
        assert model.attend(squares(1).pixels[0]).weights.ndim == 3


def test_smoothing_is_of_training_alone(fitted):
    network, encoded = fitted.fitted_.network, fitted.encode(fitted.fitted_.coding, squares(10))
    batch = encoded.batch(range(10))
    network.eval()
    with torch.no_grad():
        found = network(batch["images"], batch["of"], batch["words"], batch["lengths"])
        total = fitted.loss(network, batch, 1.0)
    assert float(total.mean) == pytest.approx(float(found.loss(batch["words"])), rel=1e-5)


def test_unknown_words_are_said(fitted):
    two = squares(2)
    found = fitted.evaluate(images_of(two.pixels, [two.captions[0], "a gnu"]))
    assert [f.text for f in found.findings] == [
        "unknown to the vocabulary: 1 of 13 tokens (7.69%), 1 of them distinct: 'gnu'"
    ]
    assert found.worst.rows[0][1] == "a gnu"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"attention": "dot"}, "attention is 'dot'; choose from bahdanau, luong, none"),
        ({"shift": 0.5}, "shift must lie between 0 and 0.5, got 0.5"),
        ({"beam": 0}, "beam must be a whole number from 1 up, got 0"),
        ({"smoothing": 1.0}, "smoothing must lie between 0 and 1"),
        ({"least": 1000}, "no token is seen least=1,000 times"),
    ],
)
def test_arguments_that_make_no_sense(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Captioner(**given).fit(squares(20))


def test_data_that_cannot_be(fitted, tmp_path):
    data = squares(5)
    with pytest.raises(DataError, match="has no captions to learn from"):
        Captioner().fit(images_of(data.pixels))
    with pytest.raises(DataError, match="has images without captions"):
        fitted.evaluate(images_of(data.pixels))
    with pytest.raises(ValueError, match="expected one image, got 5"):
        fitted.caption(data.pixels)
    with pytest.raises(DataError, match=r"images must be \[16, 16, 1\]"):
        fitted.predict(np.zeros((1, 20, 20), np.uint8))
    with pytest.raises(DataError, match="there is no file"):
        fitted.predict(tmp_path / "nothing")
