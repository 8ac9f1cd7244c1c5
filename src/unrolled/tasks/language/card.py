"""The model card of a language model: README.md of its run folder."""

from __future__ import annotations

from ... import __version__
from ...naming import counted
from .console import describe
from .model import LanguageModel

USAGE = """## Use

```python
import unrolled as ur
model = ur.load("{folder}")
print(model.generate("Once", length=200, seed=0))
model.evaluate("other.txt").scores
```

On the command line: `unrolled predict RUN "Once"`, `unrolled evaluate RUN other.txt`,
`unrolled inspect RUN`."""


def model_card(model: LanguageModel, verdict: str, command: str) -> str:
    """What the model is, how good, for what, and how to use it.

    Arguments:
        verdict: what the test said; "" where nothing was held out, which is said.
        command: what was typed to train.
    """
    fitted, epochs = model.fitted_, counted(len(model.history_.epochs) - 1, "epoch")
    parts = [
        f"# A language model of {fitted.text}",
        verdict or "Nothing was held out to test, so there is no score.",
        f"{describe(model)}. {fitted.vocabulary.summary()}.",
        *([f"Mixed: {fitted.mixture.describe()}."] if fitted.mixture else []),
        f"Trained by unrolled {__version__} with `{command}`; epoch "
        f"{model.history_.best.epoch} of {epochs} is kept.",
        "## Limits\n\nIt writes what its text makes likely, true or not, and has that text's words "
        "and prejudices. Perplexities compare with those of the same tokens only."
        + (" It holds the n-grams of its text, which say much of it." if fitted.mixture else ""),
        USAGE.format(folder="this folder"),
    ]
    return "\n\n".join(parts) + "\n"
