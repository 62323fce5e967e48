"""One database, SQLite or Postgres: connections, transactions and the schema; what goes wrong as errors of ours."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, event, exc, inspect, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from vivavoce.errors import ConfigError, StoreAway, StoreError, StoreRefused
from vivavoce.folders import state_dir
from vivavoce.store.tables import METADATA

SCHEMA: Final = "0002"
"""The newest revision in `migrations/versions`: a database that has it is used without asking Alembic."""

_MIGRATIONS: Final = Path(__file__).with_name("migrations")
_LOCK: Final = 0x76697661  # "viva": Postgres' name of the lock under which the schema changes
_POSTGRES: Final = {
    "connect_timeout": "4",
    # A network that swallows everything is found out within the same time as a statement that hangs.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "application_name": "vivavoce",
}
# Of SQLite's result codes: what another attempt may get past (busy, locked, no memory, read-only, interrupted, I/O,
# full, cannot open, protocol).
_SQLITE_AWAY: Final = frozenset({5, 6, 7, 8, 9, 10, 13, 14, 15})
# Of SQLSTATE's classes: the state of the connection, the server or the transaction is at fault (connection, read-only,
# prepared statement gone, let in, database missing, schema missing, rolled back, resources, locked, stopped, I/O). The
# others, a trigger's own among them, are the data's or the statement's, and remain.
_POSTGRES_AWAY: Final = frozenset({"08", "25", "26", "28", "3D", "3F", "40", "53", "55", "57", "58"})


class Database:
    """One store for the whole process; belongs to the event loop that first uses it.

    `url`: "" is an SQLite file in the user's state folder; `sqlite:///PATH`, or a path; `postgresql://…`, where a
    password that the URL lacks is libpq's to find (PGPASSWORD, ~/.pgpass). `wait_s` is for locks that others hold.
    Nothing is connected yet. Raises ConfigError for another kind of URL, and for Postgres without its driver.
    """

    def __init__(self, url: str = "", *, wait_s: float = 5.0) -> None:
        self._url = _parsed(url)
        self._engine: AsyncEngine | None = _engine(self._url, wait_s)
        self._path = Path(self._url.database or "") if self.dialect == "sqlite" else None
        self._migrating = asyncio.Lock()
        self._is_ready = False

    def __str__(self) -> str:
        """Where it is, without the password."""
        if self._path is not None:
            return str(self._path)
        at = self._url.host or self._url.query.get("host", "")
        return f"postgresql://{at}{f':{self._url.port}' if self._url.port else ''}/{self._url.database or ''}"

    @property
    def dialect(self) -> str:
        """sqlite, or postgresql."""
        return self._url.get_backend_name()

    async def ready(self) -> None:
        """Connect, and bring the schema to `SCHEMA` unless it is there. Raises StoreAway and StoreRefused."""
        if self._is_ready:
            return
        async with self._migrating:
            if self._is_ready:
                return
            if self._path is not None:
                self._make_file(self._path)
            async with self._transaction(read_only=True) as connection:
                found = await connection.run_sync(_revision)
            if found != SCHEMA:
                async with self._transaction() as connection:
                    if self.dialect == "postgresql":
                        await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
                        await connection.execute(text("SET LOCAL statement_timeout = 0"))
                    await connection.run_sync(_upgrade, str(self))
            self._is_ready = True

    async def revision(self) -> str:
        """The schema's revision as it is, "" for none; nothing is migrated. Raises StoreError."""
        if self._path is not None and not self._path.exists():
            return ""
        async with self._transaction(read_only=True) as connection:
            return await connection.run_sync(_revision)

    @asynccontextmanager
    async def begin(self, *, read_only: bool = False) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed where the block ends and rolled back where it raises or is cancelled.

        In SQLite it holds the file's write lock from its beginning, unless it is `read_only`. Raises StoreAway for
        what may succeed another time, StoreRefused for what never does; the cause of either may hold values. Cancelling
        waits for a server that answers nothing, some ten seconds.
        """
        await self.ready()
        async with self._transaction(read_only=read_only) as connection:
            yield connection

    async def scrub(self) -> bool:
        """Take what was deleted out of the log on disk, too; False while another process reads there.

        SQLite alone: Postgres overwrites in its own time. Raises StoreError.
        """
        if self._path is None:
            return True
        await self.ready()
        with self._errors():
            async with self._open().connect() as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                async with driver.execute("PRAGMA wal_checkpoint(TRUNCATE)") as cursor:
                    return bool((await cursor.fetchone())[0] == 0)

    async def aclose(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    @asynccontextmanager
    async def _transaction(self, *, read_only: bool = False) -> AsyncIterator[AsyncConnection]:
        with self._errors():
            async with self._open().connect() as connection:
                await connection.execution_options(postgresql_readonly=read_only, vivavoce_read_only=read_only)
                async with connection.begin():
                    yield connection

    def _open(self) -> AsyncEngine:
        if self._engine is None:
            raise StoreRefused(f"the store {self} is closed")
        return self._engine

    def _make_file(self, path: Path) -> None:
        """The file, its owner's alone where it is made here; SQLite gives its log the same mode."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise StoreRefused(f"the store {self} is no file", hint="a device or pipe keeps nothing")
            finally:
                os.close(descriptor)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE)
            raise (StoreAway if full else StoreRefused)(
                f"the store {self} cannot be written: {error.strerror}", hint="name a file that can be written"
            ) from error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except exc.SQLAlchemyError as error:
            raise self._known(error) from error
        except (OverflowError, UnicodeError) as error:
            # The driver's, of a value that the database has no place for.
            raise StoreRefused(f"the store {self} takes no such value: {type(error).__name__}") from error

    def _known(self, error: exc.SQLAlchemyError) -> StoreError:
        """SQLite's and Postgres' own words can hold values, so names of errors alone are told."""
        cause = error.orig if isinstance(error, exc.StatementError) and error.orig is not None else error
        state = getattr(cause, "sqlstate", None)
        code = getattr(cause, "sqlite_errorcode", None)
        reason = getattr(cause, "sqlite_errorname", None) or " ".join(filter(None, (type(cause).__name__, state)))
        if state is not None:
            away = state[:2] in _POSTGRES_AWAY
        elif code is not None:
            away = code & 0xFF in _SQLITE_AWAY
        elif self.dialect == "postgresql" and isinstance(error, exc.DBAPIError):
            away = isinstance(error, exc.OperationalError | exc.InterfaceError) or error.connection_invalidated
            if away:
                # Libpq's own, of the connection: they name the server and the user, and never the password.
                reason = str(cause).strip().split("\n")[0]
        else:
            away = isinstance(error, exc.TimeoutError)  # no connection was free
        if away:
            at_fault = "its disk full, or its file held" if self._path else "its server up, and are you let in"
            return StoreAway(f"the store {self} cannot be used now: {reason}", hint=f"is {at_fault}?")
        return StoreRefused(f"the store {self} refuses: {reason}", hint="`vivavoce store status` tells its schema")


def _parsed(url: str) -> URL:
    if "://" not in url:
        path = Path(url).expanduser() if url else state_dir() / "vivavoce.db"
        return URL.create("sqlite+aiosqlite", database=str(path.absolute()))
    hint = "a path, sqlite:///PATH or postgresql://USER@HOST/NAME"
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise ConfigError("[store] url is no URL", hint=hint) from None
    if parsed.drivername == "sqlite" and parsed.database:
        return _parsed(parsed.database)
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise ConfigError(f"[store] url: {parsed.drivername} is no store", hint=hint)


def _engine(url: URL, wait_s: float) -> AsyncEngine:
    common: dict[str, Any] = {"hide_parameters": True, "pool_size": 4, "max_overflow": 0, "pool_timeout": 10}
    if url.get_backend_name() == "sqlite":
        engine = create_async_engine(url, connect_args={"timeout": wait_s}, **common)
        # Where a statement is cancelled its connection is closed, and waited for: SQLAlchemy's other way leaves a task
        # that waits for a thread which has ended, and the loop never does.
        dialect = engine.sync_engine.dialect
        dialect.do_terminate = dialect.do_close  # type: ignore[method-assign]
        event.listen(engine.sync_engine, "connect", _set_up_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    limits = {
        "statement_timeout": 10_000,
        "lock_timeout": round(wait_s * 1000),
        "idle_in_transaction_session_timeout": 60_000,
    }
    options = " ".join(f"-c {name}={value_ms}" for name, value_ms in limits.items())
    arguments = {name: value for name, value in ({"options": options} | _POSTGRES).items() if name not in url.query}
    try:
        return create_async_engine(url, connect_args=arguments, pool_pre_ping=True, **common)
    except ImportError as error:
        raise ConfigError("a store in Postgres needs its driver", hint="pip install vivavoce[postgres]") from error


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says, not at the first write
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # A journal of ours is trimmed once a commit returns, so that must outlive a loss of power: NORMAL does not do.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # Taking the lock at once waits for it; a transaction that begins by reading cannot wait when it comes to write.
    read_only = connection.get_execution_options().get("vivavoce_read_only")
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _revision(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or "")


def _upgrade(connection: Connection, name: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    found = _revision(connection)
    if found and found not in known:
        raise StoreRefused(
            f"the store {name} has schema {found}, and this program knows {SCHEMA}",
            hint="use the newer program that wrote it, or another store",
        )
    if not found and (others := set(METADATA.tables) & set(inspect(connection).get_table_names())):
        raise StoreRefused(
            f"{name} is no store of ours: it has a table {min(others)} already", hint="name another file or database"
        )
    command.upgrade(config, "head")
