"""The table of jobs that the settings want."""

from lgrseg.serve.job_store import JobStore
from lgrseg.serve.settings import Settings
from lgrseg.serve.sql_store import SqlStore
from lgrseg.serve.sqlite_file import SqliteFile


def open_store(settings: Settings) -> JobStore:
    """Open the table of jobs: PostgreSQL with --store, otherwise a file in the data folder.

    Raises:
        ImportError: the package for PostgreSQL is not installed.
        CannotWrite: the database does not answer.
    """
    if settings.store is None:
        return SqlStore(SqliteFile(settings.data / "jobs.sqlite3"))
    try:
        from lgrseg.serve.postgres import PostgresDatabase
    except ModuleNotFoundError as error:
        raise ImportError(
            "--store needs the package psycopg: pip install 'lgrseg[postgres]'"
        ) from error
    return SqlStore(PostgresDatabase(settings.store))
