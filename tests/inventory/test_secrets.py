from __future__ import annotations

import io
import json
import logging
import pickle
import re
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from inventory import load, secrets
from inventory.model import SecretUse
from inventory.secrets import Reference
from netdr.kernel.errors import InventoryError, Problems

LINWU = Path(__file__).parents[1] / "districts" / "linwu"
ANY, SNMP, OSPF, PUBLIC = SecretUse(), SecretUse(8, 64), SecretUse(1, 16), SecretUse(public_key=True)
VAULT_PROGRAM = Path(sys.executable).parent / "ansible-vault"


def seal(state: Path, text: str) -> None:
    """Write a vault of any content, and the password that opens it."""
    (state / secrets.PASSWORD).write_text("correct-horse\n")
    (state / secrets.PASSWORD).chmod(0o600)
    (state / secrets.VAULT).write_bytes(VaultLib([("default", VaultSecret(b"correct-horse"))]).encrypt(text))


def test_a_district_refers_to_each_secret_once_with_all_its_uses() -> None:
    found = {reference.name: reference.uses for reference in secrets.references(load.district(LINWU))}
    assert found == {
        "area-key": (OSPF,),
        "keeper-key": (PUBLIC,),
        "upstream-key": (SecretUse(1, 80),),
        "watcher-auth": (SNMP,),
        "watcher-priv": (SNMP,),
    }


def test_created_secrets_load_and_are_fit_for_their_uses(tmp_path: Path) -> None:
    references = secrets.references(load.district(LINWU))
    secrets.create(tmp_path, references)
    found = secrets.load(tmp_path, references)
    values = {name: secret.reveal() for name, secret in found.items()}
    assert set(values) == {"area-key", "keeper-key", "upstream-key", "watcher-auth", "watcher-priv"}
    assert values["keeper-key"].startswith("ssh-ed25519 ")
    assert all(re.fullmatch("[A-Za-z0-9]{16}", value) for name, value in values.items() if name != "keeper-key")
    assert len(set(values.values())) == 5


def test_everything_created_is_private(tmp_path: Path) -> None:
    state = tmp_path / "state"
    secrets.create(state, [Reference("a", (ANY,))])
    secrets.fingerprint_key(state)
    modes = {path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {
        "state": 0o700,
        "state/secrets.yaml": 0o600,
        "state/vault-password": 0o600,
        "state/fingerprint-key": 0o600,
        "state/ssh": 0o700,
        "state/ssh/id_ed25519": 0o600,
    }


@pytest.mark.tools
@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed")
def test_openssh_takes_the_login_key(tmp_path: Path) -> None:
    references = [Reference("login", (PUBLIC,))]
    secrets.create(tmp_path, references)
    command = ["ssh-keygen", "-y", "-f", tmp_path / secrets.KEY]
    found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert secrets.load(tmp_path, references)["login"].reveal().split()[:2] == found.split()[:2]


def test_the_vault_is_ansible_s_own(tmp_path: Path) -> None:
    secrets.create(tmp_path, [Reference("a", (ANY,)), Reference("b", (ANY,))])
    command = [VAULT_PROGRAM, "view", "--vault-password-file", tmp_path / secrets.PASSWORD, tmp_path / secrets.VAULT]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert re.fullmatch(r"a: [A-Za-z0-9]{16}\nb: [A-Za-z0-9]{16}\n", text.rstrip("\n") + "\n")


def test_a_vault_is_never_overwritten(tmp_path: Path) -> None:
    secrets.create(tmp_path, [Reference("a", (ANY,))])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InventoryError, match="never overwritten"):
        secrets.create(tmp_path, [Reference("a", (ANY,))])
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_an_interrupted_creation_is_taken_up(tmp_path: Path) -> None:
    references = [Reference("login", (PUBLIC,)), Reference("a", (ANY,))]
    secrets.create(tmp_path, references)
    kept = {name: (tmp_path / name).read_bytes() for name in (secrets.PASSWORD, secrets.KEY)}
    public = secrets.load(tmp_path, references)["login"]
    (tmp_path / secrets.VAULT).unlink()
    secrets.create(tmp_path, references)
    assert {name: (tmp_path / name).read_bytes() for name in kept} == kept
    assert secrets.load(tmp_path, references)["login"] == public


def test_a_login_key_that_is_none_is_refused(tmp_path: Path) -> None:
    key = tmp_path / secrets.KEY
    key.parent.mkdir()
    key.write_text("not a key")
    key.chmod(0o600)
    with pytest.raises(InventoryError, match="is not an OpenSSH private key"):
        secrets.create(tmp_path, [Reference("login", (PUBLIC,))])
    assert not (tmp_path / secrets.VAULT).exists()


def test_no_vault_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InventoryError) as caught:
        secrets.load(tmp_path, [])
    assert caught.value.report() == f"{tmp_path}/secrets.yaml: there is no vault\n  hint: netdr secrets create"


def test_a_wrong_password_is_told_from_a_missing_one(tmp_path: Path) -> None:
    seal(tmp_path, "a: hidden-value\n")
    (tmp_path / secrets.PASSWORD).write_text("wrong\n")
    with pytest.raises(InventoryError, match="wrong password or damaged file") as caught:
        secrets.load(tmp_path, [Reference("a", (ANY,))])
    assert caught.value.exit_code == 3
    (tmp_path / secrets.PASSWORD).unlink()
    with pytest.raises(InventoryError, match="vault-password: cannot be read: No such file"):
        secrets.load(tmp_path, [Reference("a", (ANY,))])


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_password_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    seal(tmp_path, "a: hidden-value\n")
    (tmp_path / secrets.PASSWORD).chmod(mode)
    with pytest.raises(InventoryError, match=f"mode 0{mode:o} lets others than the owner in"):
        secrets.load(tmp_path, [Reference("a", (ANY,))])


def test_every_wrong_name_and_value_comes_at_once_without_a_value(tmp_path: Path) -> None:
    seal(tmp_path, "old: hidden-1\nshort: hid-2\nlong: hidden-hidden-333\nspaced: hidden 4 4\nlogin: hidden-5\n")
    wanted = [
        Reference("absent", (ANY,)),
        Reference("short", (SNMP,)),
        Reference("long", (OSPF,)),
        Reference("spaced", (ANY,)),
        Reference("login", (PUBLIC,)),
    ]
    with pytest.raises(Problems) as caught:
        secrets.load(tmp_path, wanted)
    told = caught.value.report().replace(f"{tmp_path}/", "")
    assert told == (
        "secrets.yaml: secret 'absent' is missing\n"
        "  hint: ansible-vault edit --vault-password-file vault-password secrets.yaml\n"
        "secrets.yaml: secret 'login' is unfit: an OpenSSH public key on one line is needed\n"
        "secrets.yaml: secret 'long' is unfit: it has 17 characters, its use needs 1 to 16\n"
        "secrets.yaml: secret 'short' is unfit: it has 5 characters, its use needs 8 to 64\n"
        "secrets.yaml: secret 'spaced' is unfit: "
        "only visible ASCII characters other than \"'\\`? go on a configuration line\n"
        "secrets.yaml: unknown secret 'old'; known: absent, login, long, short, spaced\n"
        "  hint: remove it: nothing refers to it\n"
        "6 problems."
    )
    assert "hid" not in told


@pytest.mark.parametrize(
    "text",
    [
        "a: [hidden-value",
        "- hidden-value\n",
        "a: {b: hidden-value}\n",
        "a: !hidden-value x\n",
        "hidden-value\n",
        "a: 12345678\n",
    ],
)
def test_a_vault_that_is_no_list_of_texts_is_refused_without_its_content(tmp_path: Path, text: str) -> None:
    seal(tmp_path, text)
    with pytest.raises(InventoryError) as caught:
        secrets.load(tmp_path, [Reference("a", (ANY,))])
    told = "".join(traceback.format_exception(caught.value))
    assert "hidden" not in caught.value.report()
    assert "12345678" not in caught.value.report()
    assert "hidden" not in told


def test_no_secret_shows_in_any_form(tmp_path: Path) -> None:
    seal(tmp_path, "a: hidden-value\n")
    found = secrets.load(tmp_path, [Reference("a", (ANY,))])
    stream = io.StringIO()
    log = logging.Logger("test")  # noqa: LOG001 - a logger of its own, so that no other test sees it
    log.addHandler(logging.StreamHandler(stream))
    log.warning("%s %r %s", found, found["a"], dict(found))
    shown = [repr(found), str(found), f"{found['a']}", f"{found['a']:>40}", "%s" % found["a"], stream.getvalue()]  # noqa: UP031 - that form too
    shown.append(json.dumps(found, default=str))
    assert not any("hidden" in text for text in shown)
    with pytest.raises(TypeError, match="not to be serialised"):
        pickle.dumps(found["a"])


def test_the_fingerprint_key_is_made_once(tmp_path: Path) -> None:
    key = secrets.fingerprint_key(tmp_path)
    assert len(key) == 32
    assert secrets.fingerprint_key(tmp_path) == key
    other = tmp_path / "other"
    other.mkdir()
    assert secrets.fingerprint_key(other) != key
