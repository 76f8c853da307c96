"""The moments at which a trainer calls its hooks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lgrseg.engine.trainer import DefaultTrainer


class HookBase:
    """Override what you need; `self.trainer` is set when the hook is registered.

    `trainer.iteration` counts the steps done: in `before_step` it is the number of the coming
    step, from 0; in `after_step` the first step has made it 1.
    """

    trainer: "DefaultTrainer"

    def before_train(self) -> None:
        """Once, before the first step."""

    def before_step(self) -> None:
        """Before every step."""

    def after_step(self) -> None:
        """After every step."""

    def after_train(self) -> None:
        """Once, after the last step; not when training was stopped or failed."""

    def close(self) -> None:
        """Once, at the very end, also after an error: give back what was opened."""
