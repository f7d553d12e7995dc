//! Pure. The queue to one server over one connection: what was sent, what waits for its answer,
//! and which ranges the server refuses on this connection until it is told to resume.
//!
//! Order is all: the server marks a range when it first refuses it and refuses it from then on, so
//! a later command cannot overtake a refused one. Here a refused range is blocked until everything
//! sent before the refusal was seen is answered (the barrier); only then the server is told to
//! resume. So every client learns of its refused commands before it can send another one.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use resp::Command;
use ring::{Arc, Point};
use tokio::time::Instant;

use crate::client::Client;
use crate::output::Output;

pub(crate) mod link;
#[cfg(test)]
mod tests;

/// Whose answer it is.
#[derive(Clone)]
pub(crate) struct Destination {
    /// The client.
    pub(crate) client: Rc<Client>,
    /// Its command.
    pub(crate) sequence: u64,
    /// The part of the command.
    pub(crate) part: u32,
}

/// A command that is sent or about to be, and not answered.
pub(crate) struct Flight {
    /// Whose it is; `None`: the router's own.
    pub(crate) destination: Option<Destination>,
    /// Whether it may change something.
    pub(crate) writes: bool,
    /// When it was queued.
    queued: Instant,
    /// Where its frame ends in the stream of this connection.
    end: u64,
}

/// A refused range.
#[derive(Debug)]
struct Block {
    arc: Arc,
    /// The commands sent when the refusal was seen; all of them have to be answered.
    barrier: u64,
}

/// A barrier that is not reached in the life of a connection.
const NEVER: u64 = u64::MAX;

/// What is lost with a connection.
#[derive(Default)]
pub(crate) struct Lost {
    /// Handed to the socket: may have been applied.
    pub(crate) sent: Vec<Flight>,
    /// Not, or not wholly, handed to the socket, or not taken by the server: not applied.
    pub(crate) unsent: Vec<Flight>,
}

impl Lost {
    /// For each command that was sent whether it may be sent again: a read may, unless a later
    /// write of its client was sent too. That may have been applied, and the read must not see it.
    pub(crate) fn repeatable_reads(&self) -> Vec<bool> {
        let mut writers = BTreeSet::new();
        let mut repeatable: Vec<bool> = self
            .sent
            .iter()
            .rev()
            .map(|flight| {
                let Some(destination) = &flight.destination else { return false };
                let client = Rc::as_ptr(&destination.client);
                if flight.writes {
                    writers.insert(client);
                }
                !writers.contains(&client)
            })
            .collect();
        repeatable.reverse();
        repeatable
    }
}

/// The queue.
pub(crate) struct Queue {
    output: Output,
    flights: VecDeque<Flight>,
    blocks: Vec<Block>,
    /// Bytes queued and bytes written since the connection began.
    queued_bytes: u64,
    written_bytes: u64,
    /// Commands queued and answers taken since the connection began.
    queued: u64,
    answered: u64,
    /// When bytes last came, or the first of the waiting commands was queued or was being written.
    progress: Instant,
    /// The server has said its last word: it took nothing of what is not answered.
    over: bool,
}

impl Queue {
    /// An empty queue.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            output: Output::default(),
            flights: VecDeque::new(),
            blocks: Vec::new(),
            queued_bytes: 0,
            written_bytes: 0,
            queued: 0,
            answered: 0,
            progress: now,
            over: false,
        }
    }

    /// Whether the point is in a refused range.
    #[inline]
    pub(crate) fn blocks_point(&self, point: Point) -> bool {
        !self.blocks.is_empty() && self.blocks.iter().any(|block| block.arc.contains(point))
    }

    /// Whether some point of the arc is in a refused range.
    pub(crate) fn blocks_arc(&self, arc: &Arc) -> bool {
        self.blocks.iter().any(|block| block.arc.intersection(arc).is_some())
    }

    /// Bytes that are not written yet.
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.output.len()
    }

    /// Whether nothing is sent or about to be.
    pub(crate) fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    /// Appends a command.
    pub(crate) fn push(
        &mut self,
        frame: &Bytes,
        destination: Option<Destination>,
        writes: bool,
        now: Instant,
    ) {
        if self.flights.is_empty() {
            self.progress = now;
        }
        self.output.push(frame);
        self.queued_bytes += frame.len() as u64;
        self.queued += 1;
        self.flights.push_back(Flight { destination, writes, queued: now, end: self.queued_bytes });
    }

    /// The bytes to write.
    pub(crate) fn output(&self) -> &Output {
        &self.output
    }

    /// So many bytes were handed to the socket. The answer to the first command is waited for from
    /// its last byte on; bytes of later commands do not prolong that.
    pub(crate) fn wrote(&mut self, n: usize, now: Instant) {
        if self.flights.front().is_some_and(|first| first.end > self.written_bytes) {
            self.progress = now;
        }
        self.pass_over(n);
    }

    fn pass_over(&mut self, n: usize) {
        self.output.advance(n);
        self.written_bytes += n as u64;
    }

    /// An answer came: whose it is, and its number.
    pub(crate) fn pop(&mut self) -> Option<(Flight, u64)> {
        let flight = self.flights.pop_front()?;
        self.answered += 1;
        Some((flight, self.answered - 1))
    }

    /// The answer of this number refused a range.
    pub(crate) fn refused(&mut self, arc: Arc, number: u64) {
        let known = self.blocks.iter().any(|block| {
            number < block.barrier
                && block.arc.start() <= arc.start()
                && arc.last() <= block.arc.last()
        });
        if !known {
            self.blocks.push(Block { arc, barrier: self.queued });
        }
    }

    /// The server is about to end: nothing more is sent, what was sent is answered.
    pub(crate) fn leave(&mut self) {
        self.blocks.push(Block { arc: Arc::FULL, barrier: NEVER });
    }

    /// Whether the server is about to end.
    pub(crate) fn is_leaving(&self) -> bool {
        self.blocks.iter().any(|block| block.barrier == NEVER)
    }

    /// The server has answered what it took, and takes nothing more.
    pub(crate) fn end(&mut self) {
        self.over = true;
    }

    /// Whether nothing more comes or goes over this connection.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Unblocks the ranges whose barrier is reached and tells the server to resume them.
    pub(crate) fn resume(&mut self, now: Instant) {
        if self.blocks.is_empty() {
            return;
        }
        let mut resumed = Vec::new();
        let answered = self.answered;
        self.blocks.retain(|block| {
            let reached = block.barrier <= answered;
            if reached {
                resumed.push(block.arc);
            }
            !reached
        });
        for arc in &resumed {
            let (start, last) = (arc.start().to_string(), arc.last().to_string());
            let frame = Command::new(&["RINGKV.RESUME", &start, &last]).into_raw();
            self.push(&frame, None, false, now);
        }
    }

    /// There is a connection now, or bytes came: the wait for an answer begins anew.
    pub(crate) fn made_progress(&mut self, now: Instant) {
        self.progress = now;
    }

    /// Since when nothing came although an answer is waited for.
    pub(crate) fn silent_since(&self) -> Option<Instant> {
        (!self.flights.is_empty()).then_some(self.progress)
    }

    /// Takes the commands that were queued before `limit`, while there is no connection.
    pub(crate) fn expire(&mut self, limit: Instant) -> Vec<Flight> {
        let mut expired = Vec::new();
        while self.flights.front().is_some_and(|flight| flight.queued <= limit) {
            let Some(flight) = self.flights.pop_front() else { break };
            let len = flight.end - self.written_bytes;
            self.pass_over(usize::try_from(len).unwrap_or(usize::MAX));
            self.answered += 1;
            expired.push(flight);
        }
        expired
    }

    /// The connection is gone: takes everything, and is as new.
    pub(crate) fn take_lost(&mut self, now: Instant) -> Lost {
        let old = std::mem::replace(self, Self::new(now));
        let may_be_applied = |flight: &Flight| !old.over && flight.end <= old.written_bytes;
        let (sent, unsent) = old.flights.into_iter().partition(may_be_applied);
        Lost { sent, unsent }
    }
}
