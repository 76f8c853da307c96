"""A training as a job of SLURM, through submitit: it is stopped in time, requeued and resumed.

SLURM sends a signal before the time limit or a preemption. submitit calls `checkpoint` then, which
stops the training as Ctrl-C would, so that it is saved, and puts the job back into the queue.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from submitit import SlurmExecutor
    from submitit.core.utils import DelayedSubmission

SIGNAL_SECONDS = 120
"""Time between SLURM's signal and the end of a job: one step and the saving must fit in."""
MAX_REQUEUES = 100
"""Number of times that a job is requeued after its time limit."""


class TrainingJob:
    """The training on one machine of a job; submitit pickles it and calls it there."""

    def __init__(self, words: Sequence[str], *, processes: int):
        """Remember the command.

        Args:
            words: arguments of tools/train_net.py.
            processes: number of processes on every machine.
        """
        self.words, self.processes = list(words), processes
        self.training: subprocess.Popen | None = None

    def __call__(self) -> None:
        """Train in a child process until the end.

        Raises:
            RuntimeError: the training failed; its output is in the log of the job.
        """
        # SLURM signals all processes of a job, but only submitit's handler may act on it. A child
        # inherits that a signal is ignored.
        handler = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        self.training = subprocess.Popen(self.command())
        signal.signal(signal.SIGUSR2, handler)
        if status := self.training.wait():
            raise RuntimeError(f"the training ended with status {status}; its reason is above")

    def command(self) -> list[str]:
        """The command of this machine; with several processes it is torchrun's."""
        from submitit import JobEnvironment
        from submitit.helpers import TorchDistributedEnvironment

        # SLURM also requeues a job whose machine failed, which must not begin its run again.
        requeued = int(os.environ.get("SLURM_RESTART_COUNT", 0)) > 0
        train = ["-m", "lgrseg", "train", *(resumed(self.words) if requeued else self.words)]
        machines = JobEnvironment().num_nodes
        if machines * self.processes == 1:
            return [sys.executable, *train]
        first = TorchDistributedEnvironment()
        options = [
            f"--nnodes={machines}",
            f"--nproc-per-node={self.processes}",
            f"--node-rank={first.rank}",
            f"--master-addr={first.master_addr}",
            f"--master-port={first.master_port}",
        ]
        return [sys.executable, "-m", "torch.distributed.run", *options, *train]

    def checkpoint(self) -> "DelayedSubmission":
        """Stop the training, wait until it is saved, and return the job, to be queued again."""
        from submitit.helpers import DelayedSubmission

        if self.training is not None:
            self.training.send_signal(signal.SIGTERM)
            # This is a signal handler, so `__call__` is inside `wait`, which holds a lock: a second
            # `wait` would block for ever.
            with contextlib.suppress(ChildProcessError):  # it had ended before
                os.waitid(os.P_PID, self.training.pid, os.WEXITED | os.WNOWAIT)
        return DelayedSubmission(self)

    def __getstate__(self) -> dict:
        """What is pickled: the command, without the running process."""
        return self.__dict__ | {"training": None}


def resumed(words: Sequence[str]) -> list[str]:
    """The arguments of tools/train_net.py that continue the same run."""
    options = [word for word in words if word not in ("--overwrite", "--resume")]
    return ["--resume", *options]


def executor(
    folder: Path,
    *,
    name: str,
    nodes: int,
    processes: int,
    gpus: int,
    cpus: int,
    memory_gib: int,
    hours: float,
    others: dict[str, str],
) -> "SlurmExecutor":
    """Build submitit's executor with one task on every machine.

    Args:
        folder: folder of the logs and of the pickled job, which all machines can read.
        name: name of the job.
        nodes: number of machines.
        processes: number of training processes on every machine.
        gpus: number of GPUs on every machine; 0 trains on the CPU.
        cpus: number of CPU cores of every process.
        memory_gib: memory of every machine, in GiB.
        hours: time limit, after which the job is requeued and resumed.
        others: other options of sbatch, such as {"partition": "gpu", "account": "heart"}.

    Raises:
        RuntimeError: SLURM's srun is not on this machine.
        ValueError: a number is too small.
    """
    from submitit import SlurmExecutor

    counts = {"nodes": nodes, "processes": processes, "cpus": cpus, "memory_gib": memory_gib}
    if small := [f"{key}={number}" for key, number in counts.items() if number < 1]:
        raise ValueError(f"{small[0]}: it must be 1 or more")
    if gpus < 0 or not hours > 0:
        raise ValueError(f"gpus={gpus}, hours={hours:g}: 0 GPUs or more, and a time above 0")
    if shutil.which("srun") is None:
        raise RuntimeError(
            "this machine has no srun of SLURM: use a machine of the cluster, also for --dry-run"
        )
    built = SlurmExecutor(folder=folder, max_num_timeout=MAX_REQUEUES)
    built.update_parameters(
        job_name=name,
        nodes=nodes,
        ntasks_per_node=1,
        cpus_per_task=cpus * processes,
        mem=f"{memory_gib}G",
        time=max(1, round(60 * hours)),
        signal_delay_s=SIGNAL_SECONDS,
        **({"gpus_per_node": gpus} if gpus else {}),
        additional_parameters=others,
    )
    return built


def batch_script(built: "SlurmExecutor") -> str:
    """The script that `built.submit` would give to sbatch."""
    # submitit has no public function for this.
    return built._make_submission_file_text(built._submitit_command_str, "")
