"""The client of the service: Client, and AsyncClient for asyncio. It needs no torch.

from lgrseg.client import Client

with Client("http://127.0.0.1:8321") as client:
    job = client.predict_clip("clip.mp4", output="output/predictions")
    print(job.ejection_fraction, job.doubts)
"""

from lgrseg.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "AsyncClient": "lgrseg.client.async_client",
        "Beat": "lgrseg.client.records",
        "Beats": "lgrseg.client.records",
        "Client": "lgrseg.client.client",
        "ImageResult": "lgrseg.client.records",
        "Job": "lgrseg.client.records",
        "JobFailed": "lgrseg.client.errors",
        "Problem": "lgrseg.client.records",
        "ResultFile": "lgrseg.client.records",
        "ServiceProblem": "lgrseg.client.errors",
    },
)
