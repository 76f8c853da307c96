"""The engine: trainer, hooks, checkpoints, optimisers, processes.

    from lgrseg.config import load_config
    from lgrseg.engine import DefaultTrainer, HookBase

    class Heartbeat(HookBase):
        def after_step(self):
            if self.trainer.iteration % 100 == 0:
                print("step", self.trainer.iteration)

    class MyTrainer(DefaultTrainer):
        def build_hooks(self):
            return [*super().build_hooks(), Heartbeat()]

    cfg = load_config("configs/lgrnet/demo.py", ["train.max_iter=20"])
    trainer = MyTrainer(cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()

The names are detectron2's. A name is loaded when it is first used.
"""

from lgrseg.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "AverageWeights": "lgrseg.engine.hooks",
        "DefaultTrainer": "lgrseg.engine.trainer",
        "EvalHook": "lgrseg.engine.hooks",
        "HookBase": "lgrseg.engine.hook_base",
        "LRScheduler": "lgrseg.engine.hooks",
        "MetricsWriter": "lgrseg.engine.writers",
        "PeriodicCheckpointer": "lgrseg.engine.hooks",
        "ProgressBar": "lgrseg.engine.writers",
        "SimpleTrainer": "lgrseg.engine.train_loop",
        "StopOnSignal": "lgrseg.engine.stopping",
        "TrainerBase": "lgrseg.engine.train_loop",
    },
)
