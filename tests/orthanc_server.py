"""Orthanc, a real PACS, on this machine for one test."""

import io
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import httpx2
import pydicom
import pytest

TITLE = "ORTHANC"
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SECONDS = 60


def free_port() -> int:
    """A TCP port that nobody uses at the moment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class OrthancServer:
    """Orthanc with an empty storage; its test is skipped where Orthanc is not installed.

    It answers only this machine, and it takes objects only from the applications it knows.
    """

    def __init__(self, folder: Path, more=None, **modalities):
        """Keep everything in `folder`; `modalities` are names with [title, host, port].

        `more` are further settings, such as those of the plugin for DICOMweb.
        """
        self.folder, self.dicom_port = folder, free_port()
        self.settings = {
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "Plugins": [],
            "HttpPort": free_port(),
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAet": TITLE,
            "DicomPort": self.dicom_port,
            "DicomCheckCalledAet": True,
            "DicomCheckModalityHost": True,
            "DicomAlwaysAllowStore": False,
            "DicomModalities": modalities,
        } | (more or {})
        self.http = httpx2.Client(
            base_url=f"http://127.0.0.1:{self.settings['HttpPort']}", timeout=SECONDS
        )

    def __enter__(self):
        program = shutil.which("Orthanc", path=os.environ["PATH"] + ":/usr/sbin")
        if program is None:
            pytest.skip("Orthanc is not installed: apt-get install orthanc")
        self.folder.mkdir()
        settings, log = self.folder / "orthanc.json", self.folder / "orthanc.log"
        settings.write_text(json.dumps(self.settings))
        self.process = subprocess.Popen(
            [program, settings], stdout=log.open("w"), stderr=subprocess.STDOUT
        )
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.version = self.get("/system")["Version"]
                return self
            except httpx2.TransportError:
                time.sleep(0.1)
        raise AssertionError(log.read_text()[-3000:])

    def __exit__(self, *_):
        self.http.close()
        self.process.terminate()
        self.process.wait(SECONDS)

    @property
    def dicomweb(self) -> str:
        """Address of DICOMweb, if its plugin is loaded."""
        return f"http://127.0.0.1:{self.settings['HttpPort']}/dicom-web/"

    def get(self, path: str):
        """The answer of the REST API to a question."""
        return self.http.get(path).raise_for_status().json()

    def post(self, path: str, content):
        """The answer to bytes of a file, or to JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.http.post(path, content=body).raise_for_status().json()

    def instances(self, modality: str) -> list[str]:
        """Orthanc's own numbers of the objects of a modality, such as SEG."""
        query = {"Level": "Instance", "Query": {"Modality": modality}}
        return self.post("/tools/find", query)

    def wait_for(self, modality: str, *, seconds: float) -> pydicom.Dataset:
        """The one object of a modality, once it is stored."""
        end = time.monotonic() + seconds
        while not (found := self.instances(modality)):
            assert time.monotonic() < end, f"no {modality} after {seconds} s"
            time.sleep(0.2)
        (number,) = found
        return self.file(number)

    def file(self, number: str) -> pydicom.Dataset:
        """An object as Orthanc returns it."""
        answer = self.http.get(f"/instances/{number}/file").raise_for_status()
        return pydicom.dcmread(io.BytesIO(answer.content))
