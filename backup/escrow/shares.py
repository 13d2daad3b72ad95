"""A secret in n shares, of which any k give it back: SLIP-39. The only module that uses shamir_mnemonic.

A share is a row of words with a checksum, for paper. Fewer than k shares tell nothing about the secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shamir_mnemonic import MnemonicError, combine_mnemonics, generate_mnemonics
from shamir_mnemonic.share import Share as Parsed
from shamir_mnemonic.wordlist import WORD_INDEX_MAP

from netdr.kernel.errors import NetdrError, Problems, RecoveryError, UsageError
from netdr.kernel.secret import Secret

# SLIP-39 has four bits for the number of shares.
MOST = 16
# The exponent of PBKDF2's rounds, which protect a passphrase. There is none here: the secret is random.
_ROUNDS = 0
_HINT = "type the words again from the paper, in their order"


@dataclass(frozen=True, slots=True)
class Set:
    """What all shares of one secret have in common, none of it secret: the set's number, how many make it whole."""

    number: int
    threshold: int


def split(secret: bytes, threshold: int, count: int) -> tuple[tuple[Secret, ...], Set]:
    """Given at least 16 bytes, return ``count`` shares, of which any ``threshold`` join to it, and their set.

    Raise UsageError unless 2 <= threshold <= count <= 16.
    """
    if not 2 <= threshold <= count <= MOST:
        hint = f"at least 2 shares must be needed, and at most {MOST} can be made"
        raise UsageError(f"{threshold} of {count} shares is not possible", hint=hint)
    words = generate_mnemonics(1, [(threshold, count)], secret, iteration_exponent=_ROUNDS)[0]
    return tuple(map(Secret, words)), Set(Parsed.from_mnemonic(words[0]).identifier, threshold)


def join(shares: Mapping[str, str], wanted: Set) -> bytes:
    """Given shares by name (a file's) and the set they belong to, return the secret.

    Raise Problems of RecoveryError that name every share that is damaged, of another set or given twice, or say how
    many are missing. No word of a share is quoted.
    """
    parsed = {name: _parse(name, text) for name, text in shares.items()}
    problems = [one for one in parsed.values() if isinstance(one, NetdrError)]
    good = {name: one for name, one in parsed.items() if isinstance(one, Parsed)}
    problems += _strangers(good, wanted) + _twice(good)
    usable = len({one.index for one in good.values() if one.identifier == wanted.number})
    if usable < wanted.threshold:
        problems.append(_too_few(usable, wanted))
    if problems:
        raise Problems(problems)
    try:
        return bytes(combine_mnemonics([one.mnemonic() for one in list(good.values())[: wanted.threshold]]))
    except MnemonicError as error:
        names = ", ".join(good)
        raise RecoveryError("the shares do not make a secret together", where=names, why=_FORGED) from error


_FORGED = "each is well-formed, but at least one is not what was split"


def _parse(name: str, text: str) -> Parsed | NetdrError:
    words = text.split()
    strange = [str(at) for at, word in enumerate(words, start=1) if word.lower() not in WORD_INDEX_MAP]
    if strange:
        why = f"word {', '.join(strange)} is not in SLIP-39's list"
        return RecoveryError("a share cannot be read", where=name, why=why, hint=_HINT)
    try:
        return Parsed.from_mnemonic(" ".join(words))
    except MnemonicError:
        why = f"{len(words)} words, and their checksum is wrong"
        return RecoveryError("a share cannot be read", where=name, why=why, hint=_HINT)


def _strangers(good: Mapping[str, Parsed], wanted: Set) -> list[NetdrError]:
    hint = "the bundle names the set it was sealed for: use the shares made with it"
    return [
        RecoveryError(
            "a share of another set",
            where=name,
            why=f"it is of set {one.identifier}, the bundle was sealed for set {wanted.number}",
            hint=hint,
        )
        for name, one in good.items()
        if one.identifier != wanted.number
    ]


def _twice(good: Mapping[str, Parsed]) -> list[NetdrError]:
    seen: dict[tuple[int, int], str] = {}
    problems: list[NetdrError] = []
    for name, one in good.items():
        first = seen.setdefault((one.identifier, one.index), name)
        if first != name:
            problems.append(RecoveryError("the same share twice", where=name, why=f"it is the share of {first}"))
    return problems


def _too_few(usable: int, wanted: Set) -> NetdrError:
    what = f"{usable} usable share{'s' if usable != 1 else ''} of set {wanted.number}, {wanted.threshold} are needed"
    return RecoveryError(what, hint="ask more of the people who keep one")


def numbers(shares: Sequence[Secret]) -> tuple[int, ...]:
    """Return the number that each share carries, from 1 on, for the label on its paper."""
    return tuple(Parsed.from_mnemonic(one.reveal()).index + 1 for one in shares)
