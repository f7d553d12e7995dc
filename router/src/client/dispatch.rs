//! Shell. Takes a client's commands in order and sends them on.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use dialect::{NO_PASSWORD, Outcome, Reply, Session, answer_about_server};
use resp::commands::{CommandSpec, Id, Kind};
use resp::{Command, Decoded, encode};
use tokio::time::Instant;

use super::{Client, Core, Slot, Work};
use crate::merge::Gather;
use crate::park::Park;
use crate::route::{Route, route};
use crate::shard::{Owned, Shard};
use crate::upstream::Destination;
use crate::upstream::link::Upstream;

/// Attempts after which a command is sent to a server although the table says that it is frozen:
/// the table may be old, the server knows.
const ATTEMPTS_BY_TABLE: u32 = 4;

impl Client {
    /// Sends everything that can be sent now.
    pub(super) fn pump(client: &Rc<Self>, shard: &Shard, now: Instant) {
        let core = &mut *client.core.borrow_mut();
        while !core.dead && core.go_on(client, shard, now) && !core.is_full(shard.config()) {
            if core.ending && core.input.is_empty() {
                break;
            }
            match core.command() {
                Ok(None) => break,
                Ok(Some(Decoded::Command(command))) => core.accept(client, command, shard, now),
                Ok(Some(Decoded::Refused(refusal))) => core.push_reply(|out| refusal.encode(out)),
                Err(error) => {
                    core.push_reply(|out| error.encode(out));
                    core.ending = true;
                    core.input.clear();
                    break;
                }
            }
        }
    }

    /// Takes one command that did not come over the connection.
    pub(super) fn put(client: &Rc<Self>, command: Command, shard: &Shard) {
        client.core.borrow_mut().accept(client, command, shard, shard.now());
    }
}

impl Core {
    /// Whether new commands may be sent; what waits is sent first.
    fn go_on(&mut self, client: &Rc<Client>, shard: &Shard, now: Instant) -> bool {
        let changed = self.generation != shard.generation();
        if (self.stalled || changed) && self.in_flight > 0 {
            self.stalled = true;
            return false;
        }
        self.generation = shard.generation();
        if changed {
            self.attempts = 0;
        }
        if !self.stalled {
            return true;
        }
        let due = self.retry_at.is_none_or(|at| at <= now);
        if !due && !changed {
            return false;
        }
        let mut place = 0;
        while place < self.slots.len() {
            match self.resend(client, place, shard, now) {
                Resent::Sent => place += 1,
                // Its answer may have let it, and others behind it, go.
                Resent::Answered => place = 0,
                Resent::Waits => return false,
            }
        }
        self.stalled = false;
        self.retry_at = None;
        true
    }

    fn resend(&mut self, client: &Rc<Client>, place: usize, shard: &Shard, now: Instant) -> Resent {
        let Some(slot) = self.slots.get_mut(place) else { return Resent::Sent };
        let is_walk = matches!(slot.work, Work::Walk(_));
        if !slot.is_unsent() {
            // A walk goes alone: what follows it waits for its end.
            return if is_walk { Resent::Waits } else { Resent::Sent };
        }
        let wait = shard.refusal_wait();
        if let Some(parked) = &slot.parked
            && parked.since + wait <= now
        {
            let mut error = BytesMut::new();
            encode::error(&mut error, &parked.why.error(now - parked.since));
            return match slot.fail(&error.freeze()) {
                Some(reply) => {
                    self.done(place, reply);
                    Resent::Answered
                }
                None => Resent::Sent,
            };
        }
        if self.in_flight > 0 && (is_walk || slot.is_hindered(&self.touched)) {
            return Resent::Waits;
        }
        let result = self.send(client, place, shard, now);
        match (result, self.slots.get_mut(place)) {
            (Err(why), Some(slot)) => {
                slot.park(why, now);
                self.attempts = self.attempts.max(1);
                self.stall(now);
                Resent::Waits
            }
            _ if is_walk => Resent::Waits,
            _ => Resent::Sent,
        }
    }

    fn accept(&mut self, client: &Rc<Client>, command: Command, shard: &Shard, now: Instant) {
        shard.counters().count_command();
        let protocol = self.session.protocol();
        let len = command.raw().len();
        let route = route(&command, || shard.random_point(), shard.walk_limits());
        if self.session.is_locked() && !is_for_all(&route) {
            return self.push_reply(|out| encode::error(out, NO_PASSWORD));
        }
        let work = match route {
            Route::Local(spec) => return self.answer_here(spec, &command, shard),
            Route::Refuse(error) => return self.push_reply(|out| encode::error(out, &error)),
            Route::One { point, writes } => {
                Work::One { frame: command.into_raw(), point, writes, sent: false }
            }
            Route::Gather(spec) => Work::Gather(Box::new(Gather::new(spec, command))),
            Route::Walk(walk) => Work::Walk(walk),
        };
        let is_walk = matches!(work, Work::Walk(_));
        self.push_slot(protocol, len, work);
        let place = self.slots.len() - 1;
        let hindered = |slot: &Slot| slot.is_hindered(&self.touched);
        if is_walk || self.slots.back().is_some_and(hindered) {
            // A walk goes alone: after everything before it, before everything behind it.
            self.stalled = true;
            self.retry_at = None;
            return;
        }
        if let Err(why) = self.send(client, place, shard, now) {
            if let Some(slot) = self.slots.get_mut(place) {
                slot.park(why, now);
            }
            self.attempts = 1;
            self.stall(now);
        }
    }

    fn answer_here(&mut self, spec: &'static CommandSpec, command: &Command, shard: &Shard) {
        let outcome = match spec.kind {
            Kind::Server => answer_about_server(spec.id, command, &shard.facts()),
            _ => self.answer_about_connection(spec.id, command, shard),
        };
        let (reply, protocol) = (outcome.unwrap_or_else(Reply::Error), self.session.protocol());
        self.push_reply(|out| reply.encode(out, protocol));
        if spec.id == Id::Quit {
            self.ending = true;
            self.input.clear();
        }
    }

    fn answer_about_connection(&mut self, id: Id, command: &Command, shard: &Shard) -> Outcome {
        let was_locked = self.session.is_locked();
        let check = |given: &[u8]| shard.config().access.check_password(given);
        let outcome = self.session.answer(id, command, shard.unix_ms(), check);
        if self.session.is_locked() != was_locked {
            self.decoder.set_limits(shard.limits_for(&self.session));
        }
        outcome
    }

    /// Sends what is unsent of the command at this place, as much of it as can be.
    fn send(
        &mut self,
        client: &Rc<Client>,
        place: usize,
        shard: &Shard,
        now: Instant,
    ) -> Result<(), Park> {
        let by_table = self.attempts < ATTEMPTS_BY_TABLE;
        let sequence = self.first + place as u64;
        let Some(slot) = self.slots.get_mut(place) else { return Ok(()) };
        let to = |part| Destination { client: Rc::clone(client), sequence, part };
        let Slot { work, parked, .. } = slot;
        if let Some(parked) = parked {
            parked.sent = now;
        }
        match work {
            Work::Done(_) => Ok(()),
            Work::One { frame, point, writes, sent } => {
                let owner = shard.owner(*point, by_table)?;
                owner.upstream.check(*point, shard.config().upstream_queue_bytes_max)?;
                owner.upstream.send(frame, to(0), *writes, now);
                *sent = true;
                self.in_flight += 1;
                Ok(())
            }
            Work::Gather(gather) => {
                let (groups, result) = group(gather, shard, by_table);
                for (upstream, keys) in groups.into_values() {
                    if keys.len() > 1 {
                        let writes = gather.writes();
                        gather.points(&keys).for_each(|point| self.touched.add(point, writes));
                    }
                    let frame = gather.frame(&keys);
                    let part = gather.sent(keys);
                    upstream.send(&frame, to(part), gather.writes(), now);
                    self.in_flight += 1;
                }
                result
            }
            Work::Walk(walk) => {
                while let Some(start) = walk.next_start() {
                    let owner = shard.owner(start, by_table)?;
                    let queue_bytes_max = shard.config().upstream_queue_bytes_max;
                    owner.upstream.check_arc(&owner.arc, queue_bytes_max)?;
                    if let Some((part, frame)) = walk.take_piece(owner.arc.last()) {
                        owner.upstream.send(&frame, to(part), walk.writes(), now);
                        self.in_flight += 1;
                    }
                }
                Ok(())
            }
        }
    }
}

/// Whether this goes out to whoever has not given the password.
fn is_for_all(route: &Route) -> bool {
    match route {
        Route::Local(spec) => Session::is_for_all(spec.id),
        Route::Refuse(_) => true,
        Route::One { .. } | Route::Gather(_) | Route::Walk(_) => false,
    }
}

enum Resent {
    /// Nothing of it is unsent.
    Sent,
    /// It has its answer and is gone.
    Answered,
    /// It, or what follows it, cannot be sent yet.
    Waits,
}

type Groups = BTreeMap<u32, (Rc<Upstream>, Vec<u32>)>;

/// The unsent keys by server. Keys that have to wait are left out, and why is told.
fn group(gather: &Gather, shard: &Shard, by_table: bool) -> (Groups, Result<(), Park>) {
    let mut groups = Groups::new();
    let mut result = Ok(());
    for (key, point) in gather.unsent() {
        let found = shard.owner(point, by_table).and_then(|Owned { node, upstream, .. }| {
            upstream.check(point, shard.config().upstream_queue_bytes_max)?;
            groups.entry(node).or_insert_with(|| (upstream, Vec::new())).1.push(key);
            Ok(())
        });
        if result.is_ok() {
            result = found;
        }
    }
    (groups, result)
}

/// An error reply.
pub(super) fn error_reply(text: &str) -> Bytes {
    let mut reply = BytesMut::new();
    encode::error(&mut reply, text);
    reply.freeze()
}
