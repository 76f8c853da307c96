"""Settings of the service; each has a variable LGRSEG_SERVE_NAME and an option --name."""

import hashlib
import ipaddress
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lgrseg.inference.pretrained import pretrained_run

PREFIX = "LGRSEG_SERVE_"
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
MEBIBYTE = 2**20


class Settings(BaseModel):
    """All settings. They are checked when they are made, and cannot be changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path = Field(Path("output/service"), description="folder of jobs and results")
    run: tuple[str, ...] = Field(
        (), description="folders of runs, the first is the default; without it the package's model"
    )
    box_run: str | None = Field(None, description="folder of a BOX-SAM2 run, for box prompts")
    store: str | None = Field(
        None,
        pattern="^postgresql://",
        description="table of jobs in PostgreSQL, as postgresql://...; by default a file in DATA",
    )
    device: str = Field("auto", description="cpu, cuda or auto")
    host: str = Field("127.0.0.1", description="address; others than this machine need a token")
    port: int = Field(8321, ge=0, le=65535, description="port of the service")
    hosts: tuple[str, ...] = Field((), description="names by which clients may call the service")
    token_hashes: tuple[str, ...] = Field((), description="SHA-256 of the accepted tokens")
    workers: int = Field(1, ge=1, le=64, description="processes that each hold the models")
    streams: int = Field(
        0, ge=0, le=64, description="live streams at the same time, each with its own model"
    )
    threads: int = Field(0, ge=0, description="CPU threads of a worker; 0 shares the cores")
    keep_days: float = Field(7, gt=0, description="days after which jobs and results are deleted")
    max_upload_mb: int = Field(512, ge=1, description="largest upload in MiB")
    max_frames: int = Field(5000, ge=1, description="longest clip in frames")
    max_frame_pixels: int = Field(2**24, ge=1, description="largest frame in pixels")
    max_decoded_mb: int = Field(2048, ge=1, description="largest decoded clip in MiB")
    intake_seconds: float = Field(120, gt=0, description="time limit of decoding")
    intake_memory_mb: int = Field(3072, ge=512, description="memory limit of decoding")
    intakes: int = Field(2, ge=1, description="uploads that are decoded at the same time")
    max_uploads: int = Field(32, ge=1, description="uploads that are received at the same time")
    max_queued: int = Field(100, ge=1, description="jobs that may wait")
    max_connections: int = Field(400, ge=1, description="open connections")
    rate_per_minute: float = Field(120, ge=0, description="uploads a minute of a client; 0: any")
    header_seconds: float = Field(10, gt=0, description="time limit of a request's header")
    chunk_seconds: float = Field(20, gt=0, description="longest pause within an upload")
    upload_seconds: float = Field(1800, gt=0, description="time limit of an upload")
    min_free_mb: int = Field(512, ge=0, description="space that stays free on the disk, in MiB")
    lease_seconds: float = Field(30, gt=0, description="time without a sign of life of a worker")
    max_attempts: int = Field(2, ge=1, description="times that a worker may die at one job")

    @field_validator("run")
    @classmethod
    def _without_links(cls, runs: tuple[str, ...]) -> tuple[str, ...]:
        """A link to the newest run may change while the service runs; its folder does not."""
        return tuple(str(Path(run).resolve()) for run in runs)

    @model_validator(mode="after")
    def _needs_a_token(self) -> "Settings":
        if not is_loopback(self.host) and not self.token_hashes:
            raise ValueError(
                f"host={self.host} is reachable from other machines, so a token is needed: set "
                f"{PREFIX}TOKEN or --token-file, or use 127.0.0.1"
            )
        return self

    @property
    def models(self) -> dict[str, str]:
        """Name -> folder of the runs for clips; the first is the default."""
        runs = self.run or (str(pretrained_run()),)
        names = names_of((*runs, self.box_run) if self.box_run else runs)
        return {names[run]: run for run in runs}

    @property
    def box_model(self) -> str | None:
        """Name of the model for boxes; None if there is none."""
        return self.box_run and names_of((*self.models.values(), self.box_run))[self.box_run]

    @property
    def max_upload_bytes(self) -> int:
        """Largest upload in bytes."""
        return self.max_upload_mb * MEBIBYTE

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Values of the Host header that are answered; "*" for all."""
        return self.hosts or (LOCAL_HOSTS if is_loopback(self.host) else ("*",))

    @classmethod
    def of(cls, options: Mapping[str, object], environment: Mapping[str, str] = os.environ):
        """Make the settings of options, then variables of the environment, then defaults.

        Args:
            options: name -> value; None counts as not given.
            environment: variables, of which LGRSEG_SERVE_NAME are used. LGRSEG_SERVE_TOKEN is one
                token, or several with commas; LGRSEG_SERVE_RUN one folder, or several with the
                separator of PATH (a colon on Linux).

        Raises:
            ValueError: a value is not allowed, or a variable has an unknown name.
        """
        values: dict[str, object] = {}
        for variable, value in environment.items():
            if not variable.startswith(PREFIX):
                continue
            name = variable.removeprefix(PREFIX).lower()
            if name == "token":
                values["token_hashes"] = tuple(map(hash_of, value.split(",")))
            elif name == "hosts":
                values["hosts"] = tuple(value.split(","))
            elif name == "run":
                values["run"] = tuple(value.split(os.pathsep))
            else:
                values[name] = value
        return cls.model_validate(values | {k: v for k, v in options.items() if v is not None})


def names_of(runs: Iterable[str]) -> dict[str, str]:
    """Name every run by the end of its path: its folder, with parents where others end the same.

    Args:
        runs: folders; one that comes again has the same name.

    Returns:
        Folder -> name.
    """
    ends = {run: Path(run).resolve().parts for run in runs}
    names = {}
    for run, parts in ends.items():
        others = [other for other in ends.values() if other != parts]
        depth = next(
            (n for n in range(1, len(parts)) if all(o[-n:] != parts[-n:] for o in others)),
            len(parts),
        )
        names[run] = Path(*parts[-depth:]).as_posix()
    return names


def is_loopback(host: str) -> bool:
    """True for an address that only this machine reaches."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def hash_of(token: str) -> str:
    """SHA-256 of a token, in hexadecimal digits.

    Raises:
        ValueError: the token is shorter than 16 characters.
    """
    token = token.strip()
    if len(token) < 16:
        raise ValueError(
            f"a token of {len(token)} characters can be guessed: use 16 or more, such as those of "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    return hashlib.sha256(token.encode()).hexdigest()
