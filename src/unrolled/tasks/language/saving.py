"""A language model on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ... import __version__
from ...cells import BY_NAME
from ...data import Text, Vocabulary
from ...files import write_json, write_tensors
from ...training import Optimisation
from ..runs import CONFIG, FORMAT, MODEL, RunError, read_config, read_tensors, whole_run
from ..training import purpose_of
from .mixture import Mixture
from .model import Fitted, LanguageModel
from .plan import Architecture

EMBEDDING, READOUT = "embedding.weight", "readout.weight"
NGRAMS = "ngrams.safetensors"


def save_language_model(model: LanguageModel, folder: Path) -> Path:
    """Write what `load_language_model` reads; the folder is made if it is not there."""
    fitted = model.fitted_
    folder.mkdir(parents=True, exist_ok=True)
    weights = dict(fitted.network.state_dict())
    if fitted.architecture.tied:
        # One tensor under two names; the embedding's is kept.
        weights = {name: w for name, w in weights.items() if not name.endswith(READOUT)}
    write_tensors(folder / MODEL, weights)
    if fitted.mixture is not None:
        write_tensors(folder / NGRAMS, fitted.mixture.counts())
    # The configuration comes last: a folder that has one is complete.
    write_json(folder / CONFIG, _config(model))
    return folder


def _config(model: LanguageModel) -> dict[str, Any]:
    fitted = model.fitted_
    arguments = {**model.plain_arguments(), "device": "auto", "engine": "auto"}
    return {
        "format": FORMAT,
        "unrolled": __version__,
        "task": "language",
        # Device and engine are those of the machine that opens the run.
        "arguments": arguments,
        "own_cell": fitted.architecture.cell not in BY_NAME,
        "architecture": fitted.architecture.to_dict(),
        "vocabulary": fitted.vocabulary.to_dict(),
        "text": fitted.text,
        "mixture": fitted.mixture.to_dict() if fitted.mixture else None,
    }


def purpose(model: LanguageModel, text: Text, **further: Any) -> dict[str, Any]:
    """What tells a run from others: arguments, a digest of the text, and `further`."""
    # The device does not change what is trained.
    told = {name: value for name, value in model.plain_arguments().items() if name != "device"}
    return purpose_of("language", {**told, **further}, (), list(text.documents))


def load_language_model(folder: Path, cell: Any = None) -> LanguageModel:
    """Open a run folder of the task language.

    Raises:
        RunError: the folder is no such run, is damaged, or was written by a later version.
    """
    config = read_config(folder)
    with whole_run(folder):
        if cell is None and config["own_cell"]:
            name = config["architecture"]["cell"]
            raise RunError(
                f"this run uses the cell {name}, which is not one of unrolled's; pass the class, "
                f"as in unrolled.load(folder, cell={name})"
            )
        arguments = dict(config["arguments"])
        arguments["optimisation"] = Optimisation(**arguments["optimisation"])
        model = LanguageModel(**{**arguments, **({} if cell is None else {"cell": cell})})
        model.fitted_ = _fitted(model, config, folder)
    return model


def _fitted(model: LanguageModel, config: dict[str, Any], folder: Path) -> Fitted:
    architecture = Architecture(**config["architecture"])
    network = architecture.build(model.make_cell, model.engine)
    weights = read_tensors(folder / MODEL)
    if architecture.tied:
        tied = {name: w for name, w in weights.items() if name.endswith(EMBEDDING)}
        weights |= {name.removesuffix(EMBEDDING) + READOUT: w for name, w in tied.items()}
    network.load_state_dict(weights, strict=True)
    vocabulary = Vocabulary.from_dict(config["vocabulary"])
    # Runs of earlier versions have none.
    given, mixture = config.get("mixture"), None
    if given is not None:
        mixture = Mixture.restored(given, read_tensors(folder / NGRAMS), len(vocabulary))
    network = network.to(model.torch_device()).eval()
    return Fitted(vocabulary, architecture, network, config["text"], mixture)
