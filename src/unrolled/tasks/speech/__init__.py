"""Speech: recordings to labels, or to sequences of labels (CTC)."""
