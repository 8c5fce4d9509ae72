"""A city with faults, ingest, the stream, the historian and a database, in virtual time in one process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from cli.supervisor.log_drain import CLOSINGS_MAX
from runtime.kafka import topics
from stream.engine.stage_seed import StageSeed, stage_seed_of
from tests.simulation.city.device_messages import device_messages, fault_plan
from tests.simulation.city.random_city import is_standing, random_city
from tests.simulation.invariants import alarm_events, alarms, areas, observations, order, quality
from tests.simulation.invariants.observations import FinalState, Invariant
from tests.simulation.invariants.order import OrderInvariant, history_in_order
from tests.simulation.scenario import Scenario
from tests.simulation.system.model_alarm_repair import run_alarm_repairs, stored_corrections
from tests.simulation.system.model_area_repair import AwaitedEnd, run_area_repairs
from tests.simulation.system.model_database import STORED_TOPICS, ModelDatabase
from tests.simulation.system.model_repair import recompute_changes, run_repairs, send_repaired_windows
from tests.simulation.system.model_series_repair import run_series_repairs
from tests.simulation.system.settling import ALL, settle, store_all
from tests.simulation.system.simulated_ingest import SimulatedIngest
from tests.simulation.system.simulated_log import SimulatedLog
from tests.simulation.system.simulated_stream import FUTURE_MAX, SimulatedStream
from twin.alarms.messages import ALARM_INPUTS, AlarmCommand, AlarmInputBatch
from twin.instant import HOUR, MINUTE, SECOND, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX
from twin.quality.connection_power import connection_power_max
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import encode_closing, partition_of

COMMAND_SHARE = 0.1
"""How often a person acts on an alarm, of the steps of a run."""

# At the end time advances in these steps, so that windows and household sums are published.
LAST_TICKS = (MINUTE, 5 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 3 * MINUTE, 3 * MINUTE, 3 * MINUTE)

# A verdict changes the value of an area, that the comparison in its parent, and that perhaps a verdict.
LAST_ROUNDS = 6

ALWAYS: tuple[Invariant, ...] = (
    observations.observations_match_what_was_sent,
    observations.ledger_balances,
    alarm_events.sentences_are_true,
    alarm_events.acknowledgement_agrees_with_state,
)

# A lost log loses what was not stored. A part of that is repaired when the next log begins, the rest by the
# next observations, which a run may not have.
WITH_WHOLE_LOG: tuple[Invariant, ...] = (
    observations.quality_flags_match_oracle,
    observations.windows_match_oracle,
    observations.states_match_oracle,
    areas.areas_match_their_roll_up,
    areas.silent_sensors_are_reported,
    quality.out_of_range_values_are_flagged,
    quality.whole_runs_are_stuck,
    quality.levels_are_good,
    quality.indicators_reflect_failed_inputs,
)


IN_ANY_ORDER: tuple[OrderInvariant, ...] = (
    order.verdicts_match_truth,
    order.series_of_entities_match_truth,
    order.series_of_areas_match_truth,
    order.derived_states_match_truth,
    order.backtests_match_truth,
    order.alarm_episodes_match_truth,
    order.alarm_episodes_match_backtests,
)

AWAITED: tuple[OrderInvariant, ...] = (order.states_of_failed_areas_match_truth,)
"""What the system does not keep yet; checked with `--with awaited`."""


class SimulatedCity:
    """One run of one scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self._dice = scenario.dice("schedule")
        self._scenario = scenario
        self.city = random_city(scenario)
        self._partitions = self._dice.randint(1, 3)
        self._plan = fault_plan(scenario, self.city)
        self.messages = device_messages(scenario, self.city, self._plan)
        self._ingest = SimulatedIngest(scenario, self.city.model, self._partitions)
        self.database = ModelDatabase()
        self.model: CityModel = self.city.model
        self.logs = [SimulatedLog(1, self._partitions)]
        self._stream = self._new_stream()
        self._stream.load_all()
        self._loses_log = scenario.log_loss and self._dice.random() < 0.15
        self._changes_model = scenario.new_model and self._dice.random() < 0.2
        self._changes_model |= scenario.new_rules
        self._has_lost_log = False
        self._is_settled = False
        self._people = scenario.dice("people")
        self._commands = 0
        self._awaited: AwaitedEnd | None = None  #: by requests of areas
        self._restarts = self._random_restarts()

    def _new_stream(self) -> SimulatedStream:
        dice = self._scenario.dice(f"stream of log {len(self.logs)}")
        return SimulatedStream(dice, self.logs[-1], self._partitions, lambda: self.model, self._knowledge)

    def _random_restarts(self) -> list[int]:
        """Return before which messages the system restarts, ascending."""
        dice = self._scenario.dice("restarts")
        if not self._scenario.restarts or dice.random() < 0.4:
            return []
        # Few places in a run of equal values show what a restart forgets.
        count = 6 if is_standing(self._scenario) else dice.choice((1, 1, 2, 4))
        return sorted(dice.randrange(len(self.messages) + 1) for _ in range(count))

    def _moment_of_change(self) -> int:
        """Return before which message the model changes."""
        # Rules change late, so that more must be judged again than the hours that the stream has in memory.
        first = len(self.messages) // 2 if self._scenario.new_rules else 0
        return self._dice.randrange(first, len(self.messages) + 1)

    def _knowledge(self) -> StageSeed:
        corrections = stored_corrections(self.database, self.model)
        return stage_seed_of(self.database.state_seed(self.model))._replace(corrections=corrections)

    def run(self) -> None:
        """Run the scenario to its end."""
        dice, ingest, place = self._dice, self._ingest, 0
        loss = dice.randrange(len(self.messages) + 1) if self._loses_log else ALL
        change = self._moment_of_change() if self._changes_model else ALL
        while place < len(self.messages):
            count = dice.choice((1, 2, 5, 20))
            ingest.deliver(self.messages[place : place + count], self.logs[-1])
            place += count
            ingest.tick(self.logs[-1], dice.choice((SECOND, MINUTE, 10 * MINUTE)))
            if place >= loss:
                loss = ALL
                self._lose_log()
            while self._restarts and place >= self._restarts[0]:
                del self._restarts[0]
                self._restart()
            if place >= change:
                change = ALL
                self._change_model()
            self._go_on()
        for step in LAST_TICKS:
            ingest.now += step
            ingest.tick(self.logs[-1], 0)
            self._go_on()
        self._finish()

    def _go_on(self) -> None:
        """Let the stream and the historian process a random part of their input."""
        dice = self._dice
        if dice.random() < 0.8:
            self._stream.step()
            self._stream.disturb()
        if self._scenario.crashes and dice.random() < 0.04:
            self._stream.crash()
        if dice.random() < 0.5:
            for topic, partition in self.logs[-1].partitions():
                if topic in STORED_TOPICS and dice.random() < 0.5:
                    self.database.store_records(self.logs[-1], topic, partition, dice.choice((1, 4, 20)))
        if dice.random() < 0.1:
            run_repairs(self.database, self.model)
            send_repaired_windows(self.database, self.model, self.logs[-1])
            run_series_repairs(self.database, self.model, self.logs[-1])
            self._repair_areas()
            run_alarm_repairs(self.database, self.model, self.logs[-1], self._ingest.now)
        if dice.random() < 0.2:
            self._stream.reload()
        self._command()

    def _repair_areas(self) -> None:
        """Repair areas when all that was on the log with the request is stored, as `StoredUntil` finds it.

        The stream may be any time behind, and what is on the log since then may be stored or not. What it
        had computed is on the log: the repairs of the system wait ten seconds.
        """
        database, log = self.database, self.logs[-1]
        if self._awaited is None or self._awaited.log is not log:
            if not any(name.startswith(AREA_PREFIX) for _, name, _ in database.series_repairs):
                return
            self._stream.flush()
            self._awaited = AwaitedEnd.of(log, database)
            if self._dice.random() < 0.5:
                return
        awaited, self._awaited = self._awaited, None
        for (topic, partition), end in awaited.ends.items():
            database.store_until(log, topic, partition, end)
        run_area_repairs(database, self.model, log, awaited)

    def _command(self) -> None:
        """Sometimes let a person act on an alarm."""
        dice = self._people
        known = self.database.alarms
        if not self._scenario.people or not known or dice.random() >= COMMAND_SHARE:
            return
        alarm, now = dice.choice(sorted(known)), self._ingest.now
        self._commands += 1
        command = AlarmCommand(
            f"command-{self._commands}",
            alarm,
            known[alarm].entity,
            dice.choice(("acknowledge", "acknowledge", "shelve", "unshelve", "comment")),
            "person",
            now,
            until=now + dice.choice((MINUTE, HOUR)),
            text="seen",
        )
        batch = AlarmInputBatch(LAYOUT_VERSION, now, False, commands=(command,))
        partition = partition_of(command.entity, self._partitions)
        self.logs[-1].append(topics.ALARM_INPUTS, partition, ALARM_INPUTS.encode(batch))

    def _lose_log(self) -> None:
        """Lose the log, except for observations and quarantined messages, which were stored before."""
        for topic, partition in self.logs[-1].partitions():
            if topic in STORED_TOPICS:
                stored = topic in (topics.OBSERVATIONS, topics.QUARANTINE)
                self.database.store_records(
                    self.logs[-1], topic, partition, ALL if stored else self._dice.randrange(ALL)
                )
        self._has_lost_log = True
        self._begin_log()

    def _restart(self) -> None:
        """Stop when everything on the log is stored, and begin with an empty log."""
        self._stream.load_all()
        self._stream.drain()
        self._close_log()
        self._store_all()
        self._ingest.restart(self._dice.choice((SECOND, MINUTE, HOUR)))
        self._begin_log()
        self._stream.load_all()

    def _close_log(self) -> None:
        """Let the stream emit what waits for a later time, as `cli.supervisor.log_drain` does."""
        log = self.logs[-1]
        places = [(topics.OBSERVATIONS, number) for number in range(self._partitions)]
        for _ in range(CLOSINGS_MAX):
            before = [log.end(*place) for place in places]
            for place in places:
                log.append(*place, encode_closing())
            self._stream.drain()
            if [log.end(*place) for place in places] == [end + 1 for end in before]:
                return

    def _begin_log(self) -> None:
        self.logs.append(SimulatedLog(len(self.logs) + 1, self._partitions))
        self._stream = self._new_stream()

    def _change_model(self) -> None:
        before, self.model = self.model, self.city.changed
        self._store_all()
        recompute_changes(self.database, before, self.model, self._ingest.now)

    def _store_all(self) -> None:
        store_all(self.database, self.logs[-1])

    def _finish(self) -> None:
        self._stream.load_all()
        self._stream.reload()
        # Further records let every stage apply the newest model and publish the effects of verdicts.
        for _ in range(LAST_ROUNDS):
            self._ingest.now += MINUTE
            self._ingest.tick(self.logs[-1], 0)
            self._stream.drain()
        log = self.logs[-1]
        self._is_settled = settle(self.database, self.model, self._stream, log, self._pass_time)

    def _pass_time(self, duration: Duration) -> Instant:
        if duration:
            self._ingest.now += duration
            self._ingest.tick(self.logs[-1], 0)
        return self._ingest.now

    def final_state(self) -> FinalState:
        """Return how the run ended, for invariants to check."""
        return FinalState(
            self.model,
            self.database,
            self._ingest.logged,
            len(self._ingest.received),
            self._sent(),
            self._ingest.now,
        )

    def violations(self) -> Iterator[str]:
        """Yield every violated invariant as text."""
        ending = self.final_state()
        judged = ending.checked()
        checked = ALWAYS if self._has_lost_log else (*ALWAYS, *WITH_WHOLE_LOG)
        for invariant in checked:
            yield from invariant(ending, judged)
        yield from quality.doubts_of_sources_are_kept(ending, judged, self.messages)
        if not self._has_lost_log:
            yield from quality.spikes_are_flagged(ending, judged, self.messages, self._plan)
            if self.model is self.city.model:
                if not self._is_settled:
                    yield "repairs do not end"
                yield from order.derived_series_match_oracle(ending, judged)
                yield from alarms.alarms_match_rules(ending, judged, self.logs)
                yield from self._order_violations(ending)
            elif self._scenario.new_rules:
                yield from order.verdicts_match_truth(
                    ending, history_in_order(ending, self._scenario, LAST_TICKS)
                )
            yield from alarms.incidents_are_open_while_alarms_are_active(self.logs)
        for log in self.logs:
            yield from areas.update_revisions_are_unique(log)
            yield from alarms.alarm_revisions_are_unique(log)
        yield from areas.household_sums_protect_privacy(self.logs, self.model)

    def _order_violations(self, ending: FinalState) -> Iterator[str]:
        truth = history_in_order(ending, self._scenario, LAST_TICKS)
        for invariant in (*IN_ANY_ORDER, *(AWAITED if self._scenario.awaited else ())):
            yield from invariant(ending, truth)

    def _sent(self) -> dict[tuple[int, Instant], set[float]]:
        """Return the plausible values that devices sent, by (datastream, phenomenon time)."""
        ids = {(one.sensor, one.field): one for one in self.model.datastreams.values()}
        sent: defaultdict[tuple[int, Instant], set[float]] = defaultdict(set)
        for message in self.messages:
            for reading in message.delivery.readings if message.delivery is not None else ():
                datastream = ids[message.sensor, reading.field]
                property = self.model.properties[datastream.property]
                highest = property.maximum
                if self.model.policy_of(datastream).personal and property.name == "power_import":
                    highest = connection_power_max(self.model.entities[datastream.entity].attributes)
                possible = property.minimum <= reading.value <= highest
                if reading.time is None or not possible:
                    continue
                if reading.time - message.arrival <= FUTURE_MAX:
                    sent[datastream.id, reading.time].add(round(reading.value, 9))
        for key, value in ((one[:2], one.value) for one in self._ingest.logged):
            if key in sent:  # plausible only at its second reception
                sent[key].add(value)
        return dict(sent)


def violations_of(scenario: Scenario) -> list[str]:
    """Run a scenario; return the violated invariants as text, an empty list when all hold."""
    city = SimulatedCity(scenario)
    city.run()
    return list(city.violations())
