"""The bonds of this computer: what it agreed with a bike when they paired, kept in a file.

The file has the library's form: the bonds of a controller under its address. This computer takes
the address from the file, because a bike knows the accessory that it paired with by its address.
A user who can read the file can listen to the bike, so its mode is 600.
"""

import json
import os
from pathlib import Path

from bumble.core import BaseBumbleError
from bumble.hci import Address
from bumble.keys import JsonKeyStore
from bumble.pairing import PairingConfig, PairingDelegate

from shared.errors import SourceError

MODE = 0o600
Tree = dict[str, dict[str, dict[str, object]]]


class BondFile(JsonKeyStore):
    """Bonds in a file. Raises :class:`SourceError` if the file cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        tree = _read(path)
        self.address = _own_address(path, tree)
        self.has_bond = any(tree.values())
        super().__init__(str(self.address), str(path))

    async def save(self, db: Tree) -> None:
        _write(self.path, db)
        self.has_bond = any(db.values())

    def pairing(self) -> PairingConfig:
        """Configure pairing: without a code, by LE Secure Connections, and with one bike only."""
        return PairingConfig(
            sc=True,
            mitm=False,
            bonding=True,
            delegate=_OneBike(self),
            identity_address_type=PairingConfig.AddressType.RANDOM,
        )


class _OneBike(PairingDelegate):
    """Pairs with the first device that asks, and with no other after that."""

    def __init__(self, bonds: BondFile) -> None:
        super().__init__()
        self._bonds = bonds

    async def accept(self) -> bool:
        return not self._bonds.has_bond


def _read(path: Path) -> Tree:
    try:
        with path.open(encoding="utf-8") as file:
            os.fchmod(file.fileno(), MODE)
            tree = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SourceError(f"the bonds in {path} cannot be read: {error}") from error
    if not isinstance(tree, dict) or not all(isinstance(bonds, dict) for bonds in tree.values()):
        raise SourceError(f"{path} holds no bonds: move it away, and pair the bike again")
    return tree


def _write(path: Path, tree: Tree) -> None:
    """Write the file; it is never readable for others, not even before it has its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.tmp")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(tree, file, sort_keys=True, indent=4)
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)


def _own_address(path: Path, tree: Tree) -> Address:
    """Return the address under which this computer paired, or draw one."""
    if not tree:
        return Address.generate_static_address()
    try:
        return Address(next(iter(tree)))
    except (BaseBumbleError, ValueError) as error:
        raise SourceError(
            f"{path} holds no bonds: move it away, and pair the bike again"
        ) from error
