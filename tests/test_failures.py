"""lgrseg/failures.py: the sentences of errors."""

from lgrseg.failures import message_of


def test_sentences_of_errors():
    assert message_of(ValueError("two words")) == "two words"
    assert message_of(KeyError("no config key 'x'")) == "no config key 'x'"
    assert message_of(FileNotFoundError(2, "No such file", "a.mp4")).endswith("file: 'a.mp4'")
