"""Plans signed with real keys by the real ssh-keygen."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inventory.model import Approval, Signer
from inventory.network import Network
from netdr.kernel.errors import RefusedError, UsageError
from nornir_tasks import approval
from nornir_tasks.plan import Observed, Plan, Setting, dump, make, narrowed

pytestmark = [
    pytest.mark.tools,
    pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen"),
]
PEOPLE = {"li": "Li Hua", "wang": "Wang Fang", "zhao": "Zhao Min"}


@dataclass
class Desk:
    """Where plans are signed: a key for every person, a plan by ``li``, and its file."""

    folder: Path
    network: Network
    plan: Plan

    @property
    def file(self) -> Path:
        return self.folder / "plan.json"

    def needing(self, required: int) -> Network:
        signers = tuple(Signer(id=one, name=PEOPLE[one], keys=(self.public(one),)) for one in PEOPLE)
        settings = self.network.district.settings.model_copy(
            update={"approval": Approval(required=required, signers=signers)}
        )
        return replace(self.network, district=self.network.district.model_copy(update={"settings": settings}))

    def public(self, person: str) -> str:
        return (self.folder / f"{person}.pub").read_text().strip()

    def sign(self, person: str, namespace: str = "netdr-plan", keep: bool = False) -> Path:
        argv = ["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", str(self.folder / person), str(self.file)]
        subprocess.run(argv, check=True, capture_output=True, timeout=30)
        made = self.file.with_name("plan.json.sig")
        return made.rename(made.with_name(f"plan.json.{person}.sig")) if keep else made


@pytest.fixture
def desk(linwu: Network, tmp_path: Path) -> Desk:
    for person in (*PEOPLE, "stranger"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", person, "-f", str(tmp_path / person)]
        subprocess.run(argv, check=True, timeout=30)
    seen = {device: Observed("a\n", "b\n", "", "commit-confirm") for device in ("hub", "ring-n")}
    setting = Setting("warden", {}, checks=("true",), author="li@warden")
    desk = Desk(tmp_path, linwu, make(linwu, setting, seen, datetime(2026, 11, 23, tzinfo=UTC)))
    desk.file.write_text(dump(desk.plan))
    return desk


def test_a_second_person_approves(desk: Desk) -> None:
    desk.sign("wang")
    (one,) = approval.demand(desk.needing(1), desk.plan, desk.file)
    assert (one.id, one.name, one.signature.name) == ("wang", "Wang Fang", "plan.json.sig")


def test_several_people_approve_each_in_a_file_of_their_own(desk: Desk) -> None:
    desk.sign("wang", keep=True)
    desk.sign("zhao")
    assert {one.id for one in approval.demand(desk.needing(2), desk.plan, desk.file)} == {"wang", "zhao"}


def test_without_a_signature_the_command_is_told(desk: Desk) -> None:
    with pytest.raises(RefusedError, match="1 approval needed, 0 there") as caught:
        approval.demand(desk.needing(1), desk.plan, desk.file)
    assert "Wang Fang (wang) or Zhao Min (zhao)" in caught.value.hint
    assert caught.value.hint.endswith(f"ssh-keygen -Y sign -n netdr-plan -f ~/.ssh/id_ed25519 {desk.file}")


def test_the_hint_saves_the_signature_that_is_there(desk: Desk) -> None:
    desk.sign("wang")
    with pytest.raises(RefusedError) as caught:
        approval.demand(desk.needing(2), desk.plan, desk.file)
    assert f"mv {desk.file}.sig {desk.file}.wang.sig; then ssh-keygen" in caught.value.hint
    assert "Li Hua" not in caught.value.hint


@pytest.mark.parametrize(
    ("person", "namespace", "why"),
    [
        ("li", "netdr-plan", "Li Hua made the plan"),
        ("stranger", "netdr-plan", "not the signature of a signer"),
        ("wang", "file", "not the signature of a signer"),
    ],
)
def test_what_does_not_count_is_explained(desk: Desk, person: str, namespace: str, why: str) -> None:
    desk.sign(person, namespace)
    with pytest.raises(RefusedError) as caught:
        approval.demand(desk.needing(1), desk.plan, desk.file)
    assert f"plan.json.sig: {why}" in caught.value.why


def test_a_person_counts_once(desk: Desk) -> None:
    desk.sign("wang", keep=True)
    desk.sign("wang")
    with pytest.raises(RefusedError, match="2 approvals needed, 1 there"):
        approval.demand(desk.needing(2), desk.plan, desk.file)


def test_every_byte_of_the_file_is_signed(desk: Desk) -> None:
    desk.sign("wang")
    desk.file.write_text(desk.file.read_text().replace('"id": ', '"id":  ', 1))
    with pytest.raises(RefusedError, match="0 there"):
        approval.demand(desk.needing(1), desk.plan, desk.file)


def test_what_is_carried_out_is_what_was_signed(desk: Desk) -> None:
    desk.sign("wang")
    network = desk.needing(1)
    for other in (
        narrowed(desk.plan, ["hub"]),
        replace(desk.plan, author="zhao@warden"),
        replace(desk.plan, checks=()),
    ):
        with pytest.raises(UsageError, match="another plan"):
            approval.demand(network, other, desk.file)
    assert approval.demand(network, replace(desk.plan, checks=("true", "date")), desk.file)


def test_without_a_file_nothing_is_carried_out(desk: Desk) -> None:
    with pytest.raises(UsageError, match="1 approval") as caught:
        approval.demand(desk.needing(1), desk.plan, None)
    assert "ssh-keygen -Y sign -n netdr-plan" in caught.value.hint


def test_where_none_is_required_nobody_is_asked(desk: Desk) -> None:
    assert approval.demand(desk.network, desk.plan, None) == ()
    assert approval.demand(desk.needing(0), desk.plan, desk.file) == ()


def test_a_damaged_signature_is_nobodys(desk: Desk) -> None:
    desk.sign("wang").write_text("-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n")
    assert approval.approvals(desk.needing(1), desk.plan, desk.file).approvers == ()


def test_whoever_became_root_is_known_by_name() -> None:
    assert approval.author({"SUDO_USER": "li"}).startswith("li@")
