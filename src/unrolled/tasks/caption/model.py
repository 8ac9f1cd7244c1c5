"""The captioner: from images to what they show, in words.

model = ur.Captioner().fit("digits")            # a folder of images with captions.csv
model.caption("image.png")                      # "a three above a small seven"
model.predict("more images")                    # one caption an image
model.attend("image.png").weights               # where it looks, for each word
model.evaluate("test images").scores
model.save("runs/digits"); ur.load("runs/digits")
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import nn
from torch.nn import functional as F

from ...data.errors import DataError
from ...data.images import CaptionedImages, images_of, read_images
from ...data.series import Finding
from ...data.vocabulary import Coverage
from ...nn import Decoder
from ...nn.search import Hypotheses
from ...training import Optimisation, Total
from ..arguments import argument
from ..console import Column
from ..supervised import SupervisedEstimator
from .augment import varied
from .baselines import Baselines
from .coding import Batch, Coding, Encoded
from .metrics import EXACT, METRICS, errors_of, scores_of
from .network import CaptionNetwork, ImageEncoder
from .plan import Plan, plan_for
from .results import Attended, Caption, Details, worst_table

ATTENTIONS = ("bahdanau", "luong", "none")
BY_DATA = "Default by data."
OPTIMISATION = Optimisation(warm_up=0.05, averaging=0.99)


@dataclass(eq=False, repr=False, kw_only=True)
class Captioner(SupervisedEstimator):
    """Learns from images with captions to caption others.

    Arguments:
        channels: of the first layer of the encoder; later ones have more.
        embedding_size: of words.
        attention: how the decoder looks at the places of the image: "bahdanau" before its step,
            which then knows where it has looked, "luong" after it, "none" only at all at once.
        smoothing: share of the target that is spread over all words (label smoothing).
        tilt: deviation of the angle, in radians, and of the shear of training images.
        shift: of training images, at most, as a share of their sides.
        noise: deviation of normal noise on training images, whose own deviation is 1.
        flip: whether half of the training images are mirrored; wrong where captions say left.
        least: how often a word must be seen to be kept.
        lower: whether capital letters are read, and compared, as small ones.
        beam: captions that are kept while searching; 1 takes the likeliest word each time.
        further: those of `SupervisedEstimator`.

    Attributes (after `fit`):
        fitted_, history_, findings_: as `SupervisedEstimator` has them.
    """

    task: ClassVar[str] = "caption"
    unit: ClassVar[str] = "image"
    step_unit: ClassVar[str] = "words"
    loss_name: ClassVar[str] = "-log p of the true captions, in nats a word"
    metrics = METRICS
    columns = (Column(f"val {EXACT}", EXACT, 17),)
    coding_type, plan_type, baselines_type = Coding, Plan, Baselines

    channels: int | None = argument(None, f"Of the first layer that sees. {BY_DATA}", whole=1)
    embedding_size: int | None = argument(None, f"Of words. {BY_DATA}", whole=1)
    attention: str = argument("bahdanau", "Of the words to places", among=ATTENTIONS)
    smoothing: float | None = argument(None, f"Of labels, a share. {BY_DATA}", below=1.0)
    tilt: float | None = argument(None, f"Of training images, radians. {BY_DATA}", below=np.inf)
    shift: float | None = argument(None, f"Of training images, a share. {BY_DATA}", below=0.5)
    noise: float | None = argument(None, f"On training images. {BY_DATA}", below=np.inf)
    flip: bool = argument(False, "Mirror half of the training images.")
    least: int = argument(1, "How often a word must be seen to be kept.", whole=1)
    lower: bool = argument(True, "Read capital letters as small ones.")
    beam: int = argument(3, "Captions kept while searching; 1 is greedy.", whole=1)
    optimisation: Optimisation = OPTIMISATION

    def read(self, source: Any, y: Any = None) -> CaptionedImages:
        """Images with captions: of a folder, or in memory.

        Arguments:
            source: what `read_images` reads, `CaptionedImages`, or with `y` pixels as `images_of`
                takes them.
            y: captions of each image: a text, or several.
        """
        if isinstance(source, CaptionedImages):
            return source
        return read_images(source) if y is None else images_of(source, y)

    def read_like(self, source: Any, reading: Mapping[str, Any]) -> CaptionedImages:
        return read_images(source, **reading)

    def reading_of(self, data: CaptionedImages) -> dict[str, Any]:
        return {"size": list(data.size), "colour": data.colour}

    def learn_coding(self, learned: CaptionedImages) -> Coding:
        return Coding.learn(learned, self.least, self.lower)

    def plan_for(self, coding: Coding, learned: CaptionedImages) -> Plan:
        return plan_for(len(learned))

    def build(self, coding: Coding, plan: Plan) -> CaptionNetwork:
        encoder = ImageEncoder.of_size(coding.channels, coding.size, plan.channels)
        decoder = Decoder.of_tokens(
            len(coding.vocabulary),
            plan.hidden_size,
            encoder.memory_size,
            embedding_size=plan.embedding_size,
            cell=self.make_cell,
            num_layers=plan.num_layers,
            attention=None if self.attention == "none" else self.attention,
            dropout=plan.dropout,
            engine=self.engine,
        )
        return CaptionNetwork(encoder, decoder)

    def encode(self, coding: Coding, data: CaptionedImages) -> Encoded:
        return coding.encode(data)

    def augment(self, batch: Batch, generator: np.random.Generator) -> Batch:
        plan = self.fitted_.plan
        noise = {"tilt": plan.tilt, "shift": plan.shift, "noise": plan.noise}
        return {**batch, "images": varied(batch["images"], generator, **noise, flip=self.flip)}

    def loss(self, network: CaptionNetwork, batch: Batch, progress: float) -> Total:
        found = network(batch["images"], batch["of"], batch["words"], batch["lengths"])
        valid = found.valid
        smoothing = self.fitted_.plan.smoothing if network.training else 0.0
        total = F.cross_entropy(
            found.logits[valid], batch["words"][valid], reduction="sum", label_smoothing=smoothing
        )
        return Total(total, valid.sum())

    def figures(self, network: nn.Module, encoded: Encoded) -> dict[str, float]:
        """The loss a word, and the share of greedy captions that are right word by word."""
        said = [several[0].text for several in self._searched(network, encoded, 1, 1)]
        exact = scores_of(said, encoded.data.captions, self.lower)[EXACT]
        return {**super().figures(network, encoded), EXACT: exact}

    def fit_baselines(self, learned: CaptionedImages) -> Baselines:
        return Baselines.fit(learned, self.lower, self.seed)

    def measure(self, data: CaptionedImages) -> tuple[dict[str, float], dict[str, Any]]:
        if not all(data.captions):
            raise DataError(f"{data.name} has images without captions; predict gives them some")
        said = [several[0] for several in self.predict_probable(data)]
        texts = [caption.text for caption in said]
        pairs = zip(texts, data.captions, strict=True)
        details = Details(data, said, [errors_of(*pair, self.lower) for pair in pairs])
        beside = {
            "worst": worst_table(details),
            "details": details,
            "findings": self._unknown(data),
        }
        return scores_of(texts, data.captions, self.lower), beside

    def caption(self, image: Any) -> str:
        """What one image shows.

        Arguments:
            image: the path of a file, or pixels [H, W] or [H, W, C] in bytes.

        Raises:
            ValueError: there are several images.
        """
        return self.predict_probable(self._one(image))[0][0].text

    def predict(self, images: Any) -> list[str]:
        """A caption for each image.

        Arguments:
            images: the path of a folder or of a file, `CaptionedImages`, whose captions are not
                looked at, or pixels as `images_of` takes them.
        """
        return [several[0].text for several in self.predict_probable(images)]

    def predict_probable(self, images: Any, n_best: int = 1) -> list[tuple[Caption, ...]]:
        """The best captions of each image, with how probable they are; at most `beam`.

        Arguments:
            images: as `predict` takes them.
            n_best: how many.
        """
        data, fitted = self.read_alone(images), self.fitted_
        encoded = self.encode(fitted.coding, data)
        return self._searched(fitted.network, encoded, max(self.beam, n_best), n_best)

    def attend(self, image: Any) -> Attended:
        """The caption of one image, and where in it each of its words looked.

        Arguments:
            image: as `caption` takes it.

        Raises:
            ValueError: there are several images, or the model has no attention.
        """
        if self.attention == "none":
            raise ValueError('this model was trained with attention="none": it looks nowhere')
        data, fitted = self._one(image), self.fitted_
        coding: Coding = fitted.coding
        [(batch, _)] = self.each_batch(fitted.network, self.encode(coding, data))
        network: Any = fitted.network
        found = network.write(batch["images"], self.beam, coding.longest)
        ids = found.tokens[0, 0, : int(found.lengths[0, 0])].tolist()
        weights = found.weights[0, 0, : len(ids)].unflatten(1, network.encoder.grid)
        words = tuple(coding.vocabulary.tokens[token] for token in ids)
        return Attended(data[0], coding.written(ids), words, weights.cpu().numpy())

    def read_alone(self, images: Any) -> CaptionedImages:
        """Images as `predict` takes them, brought to the size of those that were learned from."""
        self.check_fitted()
        if isinstance(images, CaptionedImages):
            return images
        if isinstance(images, str | os.PathLike):
            return read_images(images, None, **self.fitted_.reading)
        return images_of(images)

    def step_labels(self, coding: Coding, batch: Batch) -> list[list[str]]:
        tokens = coding.vocabulary.tokens
        fed = F.pad(batch["words"][:, :-1], (1, 0), value=1)
        return [[tokens[token] for token in row] for row in fed.tolist()]

    def _one(self, image: Any) -> CaptionedImages:
        pixels = np.asarray(image) if not isinstance(image, str | os.PathLike) else None
        if pixels is not None and pixels.ndim in (2, 3):
            image = images_of(pixels[None])
        data = self.read_alone(image)
        if len(data) != 1:
            raise ValueError(f"expected one image, got {len(data)}; predict takes several")
        return data

    def _searched(
        self, network: nn.Module, encoded: Encoded, beam: int, n_best: int
    ) -> list[tuple[Caption, ...]]:
        coding = encoded.coding

        def written(network: CaptionNetwork, batch: Batch) -> list[tuple[Caption, ...]]:
            found = network.write(batch["images"], beam, coding.longest, n_best)
            return captions_of(coding, found)

        return self.for_each(network, encoded, written)

    def _unknown(self, data: CaptionedImages) -> tuple[Finding, ...]:
        """How many words of the captions the model cannot say."""
        vocabulary = self.fitted_.coding.vocabulary
        every = [vocabulary.coverage(text) for several in data.captions for text in several]
        distinct = dict.fromkeys(word for part in every for word in part.distinct)
        totals = sum(part.total for part in every), sum(part.unknown for part in every)
        found = Coverage(*totals, tuple(distinct)).finding()
        return (found,) if found else ()


def captions_of(coding: Coding, found: Hypotheses) -> list[tuple[Caption, ...]]:
    """What a search found, for each image the best first."""
    return [
        tuple(
            Caption(coding.written(ids[:length]), float(np.exp(log_p)), ended)
            for ids, length, log_p, ended in zip(*rows, strict=True)
            if length
        )
        for rows in zip(
            found.tokens.tolist(),
            found.lengths.tolist(),
            found.log_probability.tolist(),
            found.ended.tolist(),
            strict=True,
        )
    ]
