"""Keys of a distributed installation: private ones in a directory (a mounted secret), trust in the catalog for all to see."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.engine import RowMapping

from services.backbone.catalog_schema import agent_key
from services.backbone.key_trust import Trust, believed, enrolled, held_by, key_id_of, revoked
from services.backbone.ports import Catalog, KeyStore, Opener, Signer, Transaction
from services.contracts.ids import check_name


class CatalogKeys:
    """:class:`services.backbone.ports.KeyStore`: signs with ``private``, trusts what table ``agent_key`` says."""

    def __init__(self, catalog: Catalog, private: KeyStore) -> None:
        self._catalog = catalog
        self._private = private

    async def signer(self, owner: str) -> Signer:
        return await self._private.signer(owner)

    async def opener(self, owner: str) -> Opener:
        return await self._private.opener(owner)

    async def enrol(self, owner: str, public_key: bytes, *, from_ns: int) -> str:
        check_name(owner, "key owner")
        key_id = key_id_of(public_key)
        row = {"key_id": key_id, "owner": owner, "public_key": public_key.hex(), "from_ns": from_ns, "revoked_ns": None}
        async with self._catalog.transaction() as transaction:
            if await transaction.run(self._catalog.upsert(agent_key, row)) == 0:
                known = await _read(transaction, key_id, lock=True)
                await _write(transaction, key_id, enrolled(known, key_id, owner, public_key, from_ns))
        return key_id

    async def revoke(self, key_id: str, *, at_ns: int) -> None:
        async with self._catalog.transaction() as transaction:
            known = await _read(transaction, key_id, lock=True)
            await _write(transaction, key_id, revoked(known, key_id, at_ns))

    async def trusted(self, key_id: str, *, at_ns: int) -> bytes:
        async with self._catalog.snapshot() as transaction:
            return believed(await _read(transaction, key_id), key_id, at_ns)

    async def current(self, *, owner: str | None = None, at_ns: int) -> dict[str, bytes]:
        async with self._catalog.snapshot() as transaction:
            rows = await transaction.rows(select(agent_key))
        return held_by({row["key_id"]: _trust(row) for row in rows}, owner, at_ns)


async def _read(transaction: Transaction, key_id: str, *, lock: bool = False) -> Trust | None:
    statement = select(agent_key).where(agent_key.c.key_id == key_id)
    rows = await transaction.rows(statement.with_for_update() if lock else statement)  # SQLite has no rows to lock
    if not rows:
        return None
    return _trust(rows[0])


def _trust(row: RowMapping) -> Trust:
    return Trust(row["owner"], bytes.fromhex(row["public_key"]), row["from_ns"], row["revoked_ns"])


async def _write(transaction: Transaction, key_id: str, trust: Trust) -> None:
    values = {"from_ns": trust.from_ns, "revoked_ns": trust.revoked_ns}
    await transaction.run(update(agent_key).where(agent_key.c.key_id == key_id).values(**values))
