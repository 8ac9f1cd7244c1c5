"""What to train on images when nobody says: sizes, noise, and how often to see them.

The numbers come from experiments on composed digits (`digits.py`), on validation images only.
"""

from __future__ import annotations

from dataclasses import dataclass

# Images that are seen in all, where nobody says how often each is; and the bounds of that.
IMAGES_SEEN, FEWEST_EPOCHS, MOST_EPOCHS = 70_000, 4, 100


@dataclass(frozen=True)
class Plan:
    """Sizes and rates.

    Attributes:
        channels: of the first layer of the encoder; later ones have two and four times as many.
        embedding_size: of words.
        hidden_size, num_layers: of the decoder.
        dropout: before the decoder's last layer, and of its words.
        smoothing: eps of label smoothing.
        tilt, shift, noise: of training images, as `augment.varied` takes them.
        learning_rate, weight_decay: of AdamW.
        epochs: passes over the images.
        batch_size: images of an update.
    """

    channels: int = 32
    embedding_size: int = 32
    hidden_size: int = 128
    num_layers: int = 1
    dropout: float = 0.1
    smoothing: float = 0.0
    tilt: float = 0.1
    shift: float = 0.05
    noise: float = 0.05
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    epochs: int = 20
    batch_size: int = 32


def plan_for(images: int) -> Plan:
    """Sizes and rates for so many training images."""
    epochs = min(max(round(IMAGES_SEEN / max(images, 1)), FEWEST_EPOCHS), MOST_EPOCHS)
    return Plan(epochs=epochs)
