"""Tag the words of sentences.

spans.py      spans out of tags, their precision, recall and F1, and the simplest tagger
"""
