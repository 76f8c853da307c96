"""Files of the jobs: one folder per job, which only the service's user can read.

    DATA/incoming/ID/      an upload that is received and decoded
    DATA/jobs/AB/ID/       an accepted job: frames.u8, meta.json, source.dcm
    DATA/jobs/AB/ID/results.N/   files of attempt N; the table says which attempt counts

A name is made of 128 random bits. Nothing of a client is ever part of a path.
"""

import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from pathlib import Path

NAME = re.compile(r"[0-9a-f]{32}")
MEDIA_TYPES = {
    "masks.nii.gz": "application/gzip",
    "masks.json": "application/json",
    "overlay.mp4": "video/mp4",
    "preview.png": "image/png",
    "measurements.json": "application/json",
    "measurements.csv": "text/csv; charset=utf-8",
    "clip.dcm": "application/dicom",
    "seg.dcm": "application/dicom",
    "report.dcm": "application/dicom",
    "frames.bin": "application/octet-stream",
    "labels.bin": "application/octet-stream",
}
"""The result files, and what they are."""


class DiskFull(OSError):
    """The disk has less free space than must stay free; the number is that of a full disk."""

    errno = errno.ENOSPC


class Blobs:
    """The folders of the jobs."""

    def __init__(self, data: Path, *, min_free: int = 0):
        """Make the folders if they are missing.

        Args:
            data: folder of the service.
            min_free: bytes that must stay free on its disk.
        """
        self.incoming, self.home, self.min_free = data / "incoming", data / "jobs", min_free
        for folder in (data, self.incoming, self.home):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)

    def check_space(self, size: int = 0) -> None:
        """Check that a file of `size` bytes has space.

        Raises:
            DiskFull: it has not.
        """
        free = shutil.disk_usage(self.home).free
        if free < size + self.min_free:
            raise DiskFull(f"{free} bytes are free, {size} are needed, {self.min_free} stay free")

    def new_upload(self) -> Path:
        """Make the folder of an upload; its name will be that of the job."""
        folder = self.incoming / secrets.token_hex(16)
        folder.mkdir(mode=0o700)
        return folder

    def accept(self, upload: Path) -> Path:
        """Move the folder of an upload to the jobs, after all its files are on the disk."""
        for file in upload.iterdir():
            sync(file)
        sync(upload)
        folder = self.folder(upload.name)
        folder.parent.mkdir(exist_ok=True, mode=0o700)
        upload.rename(folder)
        sync(folder.parent)
        return folder

    def folder(self, job_id: str) -> Path:
        """The folder of a job.

        Raises:
            ValueError: this is no name of a job.
        """
        if not NAME.fullmatch(job_id):
            raise ValueError("a job's name has 32 hexadecimal digits")
        return self.home / job_id[:2] / job_id

    def results(self, job_id: str, attempt: int) -> Path:
        """The folder of the results of one attempt."""
        return self.folder(job_id) / f"results.{attempt}"

    def new_results(self, job_id: str, attempt: int) -> Path:
        """Make an empty folder for the results of an attempt; earlier attempts are removed."""
        for old in self.folder(job_id).glob("results.*"):
            if int(old.suffix[1:]) <= attempt:
                shutil.rmtree(old, ignore_errors=True)
        folder = self.results(job_id, attempt)
        folder.mkdir(mode=0o700)
        return folder

    def delete(self, job_id: str) -> None:
        """Delete everything of a job."""
        shutil.rmtree(self.folder(job_id), ignore_errors=True)

    def sweep(self, known: set[str], *, older_than: float = 3600) -> int:
        """Delete folders that no job has, such as those of a killed process.

        Args:
            known: names of the jobs that have files.
            older_than: age in seconds of the folders that are deleted; younger ones may belong to
                an upload that is being received.

        Returns:
            The number of deleted folders.
        """
        limit, count = time.time() - older_than, 0
        for folder in [*self.incoming.iterdir(), *self.home.glob("*/*")]:
            try:
                stray = folder.name not in known and folder.stat().st_mtime <= limit
            except FileNotFoundError:
                continue
            if stray:
                shutil.rmtree(folder, ignore_errors=True)
                count += 1
        return count


def describe_files(folder: Path) -> list[dict]:
    """Write the files of a folder to the disk, and list their names, sizes and hashes."""
    files = []
    for name, media_type in MEDIA_TYPES.items():
        if (path := folder / name).is_file():
            path.chmod(0o600)
            sync(path)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = path.stat().st_size
            files.append({"name": name, "media_type": media_type, "bytes": size, "sha256": digest})
    sync(folder)
    return files


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
