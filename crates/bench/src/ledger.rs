//! Pure. What one client knows of the keys that only it writes, and so what may be read there.
//!
//! One connection, and one client for each key: the answers come in the order of the requests, so
//! whatever was acknowledged before an answer is the least that the answer may show. A write
//! without an answer may take effect at any later time; its key is judged less strictly from then
//! on.

use crate::values::{Flaw, Stamp};

/// A wrong answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Violation {
    /// The value is torn or mixed: its checksum is not right.
    Damaged,
    /// The value was written for another key.
    OtherKey,
    /// The value is older than one whose write was acknowledged.
    Stale,
    /// The value was never written.
    NeverWritten,
    /// There is nothing where a write was acknowledged.
    Lost,
    /// There is something where a deletion was acknowledged.
    Undeleted,
    /// A counter has not grown: an increment was lost.
    IncrementLost,
    /// A counter has grown too much: an increment was done twice.
    IncrementTwice,
}

impl Violation {
    /// As in tables.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::OtherKey => "other-key",
            Self::Stale => "stale",
            Self::NeverWritten => "never-written",
            Self::Lost => "lost",
            Self::Undeleted => "undeleted",
            Self::IncrementLost => "increment-lost",
            Self::IncrementTwice => "increment-twice",
        }
    }
}

/// A change of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Set,
    Delete,
}

/// One client's keys, by their place in its share.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    run: u64,
    values: Vec<ValueState>,
    counters: Vec<CounterState>,
}

#[derive(Clone, Copy, Debug, Default)]
struct ValueState {
    /// The number of the last change that was sent.
    sent: u64,
    /// The last acknowledged change; 0 before the first.
    acknowledged: u64,
    deleted: bool,
    /// The first change without an answer; 0 if there is none.
    unanswered: u64,
    deletion_unanswered: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct CounterState {
    last: Option<i64>,
    /// Increments without an answer that have not shown yet.
    unanswered: i64,
}

impl Ledger {
    /// Nothing is known of so many keys. The run is a number that no other run has.
    pub(crate) fn new(run: u64, keys: usize) -> Self {
        Self {
            run,
            values: vec![ValueState::default(); keys],
            counters: vec![CounterState::default(); keys],
        }
    }

    /// A change is sent; the stamp for its value.
    pub(crate) fn change(&mut self, place: usize) -> Stamp {
        let counter = self.values.get_mut(place).map_or(0, |state| {
            state.sent += 1;
            state.sent
        });
        Stamp { run: self.run, counter }
    }

    /// The change of that number was answered with success.
    pub(crate) fn acknowledge(&mut self, place: usize, counter: u64, change: Change) {
        if let Some(state) = self.values.get_mut(place) {
            state.acknowledged = counter;
            state.deleted = change == Change::Delete;
        }
    }

    /// The change of that number got an error or no answer.
    pub(crate) fn leave_open(&mut self, place: usize, counter: u64, change: Change) {
        if let Some(state) = self.values.get_mut(place) {
            if state.unanswered == 0 {
                state.unanswered = counter;
            }
            state.deletion_unanswered |= change == Change::Delete;
        }
    }

    /// Judges what a `GET` has found.
    pub(crate) fn judge_value(
        &self,
        place: usize,
        found: Result<Stamp, Flaw>,
    ) -> Result<(), Violation> {
        let stamp = match found {
            Ok(stamp) => stamp,
            Err(Flaw::Damaged) => return Err(Violation::Damaged),
            Err(Flaw::OtherKey) => return Err(Violation::OtherKey),
        };
        self.judge_presence(place, true)?;
        let Some(state) = self.values.get(place) else { return Ok(()) };
        let least = match state.unanswered {
            0 => state.acknowledged,
            unanswered => state.acknowledged.min(unanswered),
        };
        if stamp.run != self.run {
            return if state.acknowledged == 0 { Ok(()) } else { Err(Violation::Stale) };
        }
        if stamp.counter > state.sent || stamp.counter == 0 {
            return Err(Violation::NeverWritten);
        }
        if stamp.counter < least { Err(Violation::Stale) } else { Ok(()) }
    }

    /// Judges whether there may be a value, or none.
    pub(crate) fn judge_presence(&self, place: usize, found: bool) -> Result<(), Violation> {
        let Some(state) = self.values.get(place) else { return Ok(()) };
        let known = state.acknowledged > 0;
        if found {
            let may_be = !known || !state.deleted || state.unanswered > 0;
            return if may_be { Ok(()) } else { Err(Violation::Undeleted) };
        }
        let may_be = !known || state.deleted || state.deletion_unanswered;
        if may_be { Ok(()) } else { Err(Violation::Lost) }
    }

    /// Judges and remembers what an `INCR` has answered.
    pub(crate) fn judge_increment(&mut self, place: usize, value: i64) -> Result<(), Violation> {
        let Some(state) = self.counters.get_mut(place) else { return Ok(()) };
        let Some(last) = state.last.replace(value) else { return Ok(()) };
        let besides = value.saturating_sub(last).saturating_sub(1);
        if besides < 0 {
            return Err(Violation::IncrementLost);
        }
        if besides > state.unanswered {
            return Err(Violation::IncrementTwice);
        }
        state.unanswered -= besides;
        Ok(())
    }

    /// An increment got an error or no answer.
    pub(crate) fn leave_increment_open(&mut self, place: usize) {
        if let Some(state) = self.counters.get_mut(place) {
            state.unanswered += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Ledger, Violation};
    use crate::values::{Flaw, Stamp};

    const RUN: u64 = 9;

    fn stamp(counter: u64) -> Result<Stamp, Flaw> {
        Ok(Stamp { run: RUN, counter })
    }

    #[test]
    fn anything_of_the_key_may_be_there_before_the_first_write() {
        let ledger = Ledger::new(RUN, 1);
        let of_another_run = Ok(Stamp { run: 1, counter: 5 });
        assert_eq!(ledger.judge_value(0, of_another_run), Ok(()));
        assert_eq!(ledger.judge_presence(0, false), Ok(()));
        assert_eq!(ledger.judge_value(0, stamp(1)), Err(Violation::NeverWritten));
        assert_eq!(ledger.judge_value(0, Err(Flaw::Damaged)), Err(Violation::Damaged));
        assert_eq!(ledger.judge_value(0, Err(Flaw::OtherKey)), Err(Violation::OtherKey));
    }

    #[test]
    fn nothing_older_than_what_was_acknowledged_may_be_read() {
        let mut ledger = Ledger::new(RUN, 1);
        for counter in 1..=3 {
            assert_eq!(ledger.change(0).counter, counter);
        }
        ledger.acknowledge(0, 2, Change::Set);
        assert_eq!(ledger.judge_value(0, stamp(1)), Err(Violation::Stale));
        assert_eq!(ledger.judge_value(0, stamp(2)), Ok(()));
        assert_eq!(ledger.judge_value(0, stamp(3)), Ok(()), "sent, not yet acknowledged");
        assert_eq!(ledger.judge_value(0, stamp(4)), Err(Violation::NeverWritten));
        let of_another_run = Ok(Stamp { run: 1, counter: 9 });
        assert_eq!(ledger.judge_value(0, of_another_run), Err(Violation::Stale));
        assert_eq!(ledger.judge_presence(0, false), Err(Violation::Lost));
    }

    #[test]
    fn a_deletion_lasts_until_the_next_write() {
        let mut ledger = Ledger::new(RUN, 1);
        for (counter, change) in [(1, Change::Set), (2, Change::Delete)] {
            ledger.change(0);
            ledger.acknowledge(0, counter, change);
        }
        assert_eq!(ledger.judge_presence(0, false), Ok(()));
        assert_eq!(ledger.judge_value(0, stamp(1)), Err(Violation::Undeleted));
        ledger.change(0);
        ledger.acknowledge(0, 3, Change::Set);
        assert_eq!(ledger.judge_value(0, stamp(3)), Ok(()));
    }

    #[test]
    fn a_write_without_an_answer_may_take_effect_late() {
        let mut ledger = Ledger::new(RUN, 1);
        let counters: Vec<u64> = (0..4).map(|_| ledger.change(0).counter).collect();
        ledger.acknowledge(0, counters[0], Change::Set);
        ledger.leave_open(0, counters[1], Change::Set);
        ledger.acknowledge(0, counters[3], Change::Set);
        assert_eq!(ledger.judge_value(0, stamp(1)), Err(Violation::Stale));
        assert_eq!(ledger.judge_value(0, stamp(2)), Ok(()));
        assert_eq!(ledger.judge_presence(0, false), Err(Violation::Lost));
        ledger.leave_open(0, 5, Change::Delete);
        assert_eq!(ledger.judge_presence(0, false), Ok(()));
    }

    #[test]
    fn counters_grow_by_one_for_each_increment() {
        let mut ledger = Ledger::new(RUN, 1);
        assert_eq!(ledger.judge_increment(0, 41), Ok(()), "from an earlier run");
        assert_eq!(ledger.judge_increment(0, 42), Ok(()));
        assert_eq!(ledger.judge_increment(0, 42), Err(Violation::IncrementLost));
        assert_eq!(ledger.judge_increment(0, 44), Err(Violation::IncrementTwice));
        ledger.leave_increment_open(0);
        assert_eq!(ledger.judge_increment(0, 46), Ok(()), "the open one was done");
        assert_eq!(ledger.judge_increment(0, 48), Err(Violation::IncrementTwice), "only once");
    }
}
