"""The service: clips come in by HTTP, masks and measurements go out. docs/service.md has the calls.

Three kinds of processes share a folder: the web process (app.py), which loads neither torch nor
decoders; one worker per copy of the model (worker.py); and a child for every upload, which decodes
it with limits (intake.py). The supervisor starts them and starts them again.
"""
