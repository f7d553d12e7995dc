//! Pure. The head that every request of a coordinator has: whose it is, and which volume it is for.
//! A request goes to an address, where another volume may be by the time at which it comes.

use ring::MAX_EPOCH;

use crate::decisions::Decisions;
use crate::refusal::Refusal;
use crate::rule::Rule;
use crate::{Epoch, Incarnation};

/// The highest term: a ring document holds no higher one.
pub const MAX_TERM: u64 = MAX_EPOCH;

/// The head of a request that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The coordinator's term.
    pub term: u64,
    /// The volume that the coordinator has planned for.
    pub incarnation: Incarnation,
}

impl Decisions {
    /// Every request that changes something begins with this.
    ///
    /// # Errors
    /// It is for another volume, or its term is impossible, or below the highest seen.
    pub fn take_head(&mut self, head: Head) -> Result<(), Refusal> {
        let (asked, own) = (head.incarnation, self.server.incarnation);
        if asked != own && Rule::RequestForThisVolume.holds() {
            return Err(Refusal::OtherIncarnation { asked, own });
        }
        if head.term > MAX_TERM {
            return Err(Refusal::ImpossibleTerm { asked: head.term });
        }
        if head.term < self.term {
            return Err(Refusal::OldTerm { seen: self.term });
        }
        if head.term > self.term {
            self.term = head.term;
            self.touch();
        }
        Ok(())
    }
}

/// What follows an epoch must be countable, too.
pub(crate) const fn check_possible(epoch: Epoch) -> Result<(), Refusal> {
    if epoch > MAX_EPOCH { Err(Refusal::ImpossibleEpoch { asked: epoch }) } else { Ok(()) }
}
