"""The words by which a user started this process through the console command `lgrseg`.

They cannot be read from `sys.argv`, which is that of the tool.
"""

words: list[str] = []
"""For example ["lgrseg", "train", "--resume"]; empty if a tool was started directly."""
