//! Pure. What one client asks, and what it makes of the answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::distribution::Sampler;
use crate::keys::{KEY_BYTES, Share, key};
use crate::ledger::{Change, Ledger, Violation};
use crate::mix::{Kind, Mix};
use crate::plan::Plan;
use crate::random::Random;
use crate::request::{Encoder, space};
use crate::tally::{OTHER_ERRORS, Tally, error_kind};
use crate::values::{self, Pool};

/// The kind of errors of requests whose connection was lost.
pub(crate) const CONNECTION_ERROR: &str = "connection";
/// The kind of errors of an open loop's requests that were not sent in time.
pub(crate) const NOT_SENT: &str = "not-sent";

/// The requests of one client.
#[derive(Debug)]
pub(crate) struct Workload {
    random: Random,
    sampler: Sampler,
    mix: Mix,
    /// The keys that it writes before the run.
    own: Share,
    /// The keys that it asks for.
    share: Share,
    encoder: Encoder,
    pool: Arc<Pool>,
    value_bytes: usize,
    ledger: Option<Ledger>,
    in_flight: VecDeque<Pending>,
}

/// A request without an answer.
#[derive(Clone, Copy, Debug)]
struct Pending {
    kind: Kind,
    place: usize,
    /// Of a change, if answers are judged.
    counter: u64,
    /// When it was sent, or meant to be sent.
    start: Duration,
}

/// An answer to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reply without a request")]
pub(crate) struct Unasked;

impl Workload {
    /// Of the client with that number. The run is a number that no other run has.
    pub(crate) fn new(plan: &Plan, client: u32, pool: Arc<Pool>, run: u64) -> Self {
        let own = Share::of_client(plan.keys, client, plan.clients);
        let share = if plan.verify { own } else { Share::whole(plan.keys) };
        let value_bytes = plan.value_bytes as usize;
        Self {
            random: Random::new(plan.seed, u64::from(client)),
            sampler: Sampler::new(plan.distribution, share.keys),
            mix: plan.mix.clone(),
            own,
            share,
            encoder: Encoder::new(value_bytes),
            pool,
            value_bytes,
            ledger: plan.verify.then(|| Ledger::new(run, own.keys as usize)),
            in_flight: VecDeque::with_capacity(plan.pipeline as usize),
        }
    }

    /// How many keys it writes before the run.
    pub(crate) const fn preloads(&self) -> u64 {
        self.own.keys
    }

    /// Requests without an answer.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Appends the `SET` of the key at this place of its own.
    pub(crate) fn push_preload(&mut self, out: &mut Vec<u8>, place: u64, start: Duration) {
        self.push_request(out, Kind::Set, self.own, place, start);
    }

    /// Appends the next request.
    #[inline]
    pub(crate) fn push(&mut self, out: &mut Vec<u8>, start: Duration) {
        let kind = self.mix.draw(&mut self.random);
        let place = self.sampler.draw(&mut self.random);
        self.push_request(out, kind, self.share, place, start);
    }

    #[inline]
    fn push_request(
        &mut self,
        out: &mut Vec<u8>,
        kind: Kind,
        share: Share,
        place: u64,
        start: Duration,
    ) {
        let key = key(space(kind), share.number(place));
        // Places are below the size of a ledger, which is in memory, wherever there is one.
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let mut counter = 0;
        if kind == Kind::Set {
            counter = self.push_set(out, &key, place);
        } else {
            Encoder::bare(out, kind, &key);
            if kind == Kind::Del
                && let Some(ledger) = &mut self.ledger
            {
                counter = ledger.change(place).counter;
            }
        }
        self.in_flight.push_back(Pending { kind, place, counter, start });
    }

    #[inline]
    fn push_set(&mut self, out: &mut Vec<u8>, key: &[u8; KEY_BYTES], place: usize) -> u64 {
        let Some(ledger) = &mut self.ledger else {
            let value = self.pool.slice(self.random.next_u64(), self.value_bytes);
            self.encoder.set(out, key, |out| out.extend_from_slice(value));
            return 0;
        };
        let stamp = ledger.change(place);
        let filler = self.pool.slice(stamp.counter, values::filler_bytes(self.value_bytes));
        self.encoder.set(out, key, |out| values::stamped(out, key, stamp, filler));
        stamp.counter
    }

    /// The last requests, so many, are sent now.
    pub(crate) fn mark_sent(&mut self, requests: usize, now: Duration) {
        for pending in self.in_flight.iter_mut().rev().take(requests) {
            pending.start = now;
        }
    }

    /// Takes in the answer to the oldest request. All times are since the begin.
    ///
    /// # Errors
    /// There is no request.
    #[inline]
    pub(crate) fn answer(
        &mut self,
        reply: &[u8],
        now: Duration,
        tally: &mut Tally,
    ) -> Result<(), Unasked> {
        let pending = self.in_flight.pop_front().ok_or(Unasked)?;
        tally.bytes_received += reply.len() as u64;
        match reply {
            [b'-', text @ ..] => self.fail(pending, &error_kind(text), now, tally),
            [b'!', ..] => self.fail(pending, OTHER_ERRORS, now, tally),
            _ => {
                tally.record(pending.kind, now.saturating_sub(pending.start), now);
                if let Some(ledger) = &mut self.ledger
                    && let Err(violation) = judge(ledger, pending, self.share, reply)
                {
                    self.note(violation, pending, reply, tally);
                }
            }
        }
        Ok(())
    }

    /// The connection is lost: no request without an answer gets one.
    pub(crate) fn lose(&mut self, now: Duration, tally: &mut Tally) {
        while let Some(pending) = self.in_flight.pop_front() {
            self.fail(pending, CONNECTION_ERROR, now, tally);
        }
    }

    fn fail(&mut self, pending: Pending, kind: &str, now: Duration, tally: &mut Tally) {
        tally.record_error(kind, 1, now);
        let Some(ledger) = &mut self.ledger else { return };
        match pending.kind {
            Kind::Set => ledger.leave_open(pending.place, pending.counter, Change::Set),
            Kind::Del => ledger.leave_open(pending.place, pending.counter, Change::Delete),
            Kind::Incr => ledger.leave_increment_open(pending.place),
            Kind::Get | Kind::Exists => {}
        }
    }

    #[cold]
    fn note(&self, violation: Violation, pending: Pending, reply: &[u8], tally: &mut Tally) {
        const SHOWN: usize = 100;
        tally.violations.add(violation, || {
            let key = key(space(pending.kind), self.share.number(pending.place as u64));
            let shown = reply.get(..SHOWN).unwrap_or(reply);
            format!(
                "{} {}: {}",
                pending.kind.name(),
                String::from_utf8_lossy(&key),
                shown.escape_ascii()
            )
        });
    }
}

/// Compares an answer with what may be answered. A reply of another type than the request's is
/// damaged.
fn judge(
    ledger: &mut Ledger,
    pending: Pending,
    share: Share,
    reply: &[u8],
) -> Result<(), Violation> {
    let Pending { kind, place, counter, .. } = pending;
    match kind {
        Kind::Get => match bulk(reply) {
            Some(Some(value)) => {
                let key = key(space(kind), share.number(place as u64));
                ledger.judge_value(place, values::check(&key, value))
            }
            Some(None) => ledger.judge_presence(place, false),
            None => Err(Violation::Damaged),
        },
        Kind::Set => {
            ledger.acknowledge(place, counter, Change::Set);
            if reply == b"+OK\r\n" { Ok(()) } else { Err(Violation::Damaged) }
        }
        Kind::Del => {
            let existed = integer(reply).ok_or(Violation::Damaged)?;
            let judged = ledger.judge_presence(place, existed == 1);
            ledger.acknowledge(place, counter, Change::Delete);
            judged
        }
        Kind::Exists => {
            let found = integer(reply).ok_or(Violation::Damaged)?;
            ledger.judge_presence(place, found == 1)
        }
        Kind::Incr => {
            let value = integer(reply).ok_or(Violation::Damaged)?;
            ledger.judge_increment(place, value)
        }
    }
}

/// The content of a bulk string; inside `None` for the null.
fn bulk(reply: &[u8]) -> Option<Option<&[u8]>> {
    if matches!(reply, b"$-1\r\n" | b"_\r\n") {
        return Some(None);
    }
    let rest = reply.strip_prefix(b"$")?;
    let header = rest.iter().position(|byte| *byte == b'\n')?;
    Some(Some(rest.get(header + 1..)?.strip_suffix(b"\r\n")?))
}

fn integer(reply: &[u8]) -> Option<i64> {
    let digits = reply.strip_prefix(b":")?.strip_suffix(b"\r\n")?;
    str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
