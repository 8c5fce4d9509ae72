"""Attackers connect with the client id of ingest, of roles and of other devices."""

from __future__ import annotations

import random

from tests.chaos.attack.attack import AttackTarget, Met, RepeatedAttack
from tests.chaos.attack.mqtt_attacker import ACCEPTED, mqtt_attacker

_HOLD_S = 0.2
_ROLES = ("livetwin-ingest-0", "livetwin-ingest", "livetwin-outlets", "livetwin-alerting", "livetwin-chaos")
_SUFFIX_DIGITS = 32


class SessionTakeover(RepeatedAttack):
    """A device account asks for a client id of others, with a clean start, and listens a moment.

    At the broker without accounts it guesses the id of ingest, which has a secret part.
    """

    name = "takeover"

    async def _try(self, target: AttackTarget, dice: random.Random, met: Met) -> None:
        with_account = dice.random() < 0.7
        if with_account:
            account = dice.choice(target.lying)
            client_id = dice.choice((*_ROLES, dice.choice(target.others)))
        else:
            account = None
            client_id = f"{_ROLES[1]}-{dice.getrandbits(4 * _SUFFIX_DIGITS):0{_SUFFIX_DIGITS}x}"
            client_id = dice.choice((client_id, *_ROLES))
        async with mqtt_attacker(target, accounts=with_account) as attacker:
            answer = await attacker.connect(client_id, account)
            where = "with an account" if with_account else "guessed"
            met.add(f"{where}: {answer}")
            if answer != ACCEPTED:
                return
            if with_account:
                met.add(f"subscribed: {await attacker.subscribe('livetwin/#')}")
            await attacker.answer(_HOLD_S)
            if with_account and attacker.received_topics:
                met.must_not("a device account received messages of others")
