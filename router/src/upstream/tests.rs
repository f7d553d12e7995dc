use std::time::Duration;

use super::*;

fn arc(start: u128, last: u128) -> Arc {
    Arc::new(Point(start), Point(last)).expect("an arc")
}

fn frame() -> Bytes {
    Command::new(&["PING"]).into_raw()
}

struct Case {
    queue: Queue,
    now: Instant,
}

impl Case {
    fn new() -> Self {
        let now = Instant::now();
        Self { queue: Queue::new(now), now }
    }

    fn push(&mut self, n: usize) {
        for _ in 0..n {
            self.queue.push(&frame(), None, true, self.now);
        }
    }

    /// Takes an answer that refuses an arc, or not.
    fn answer(&mut self, refused: Option<Arc>) {
        let (_, number) = self.queue.pop().expect("something is under way");
        if let Some(arc) = refused {
            self.queue.refused(arc, number);
        }
    }

    /// What is told to resume.
    fn resumed(&mut self) -> usize {
        let before = self.queue.queued;
        self.queue.resume(self.now);
        usize::try_from(self.queue.queued - before).expect("few")
    }
}

#[test]
fn a_refused_range_is_blocked_until_all_that_was_sent_is_answered() {
    let mut case = Case::new();
    case.push(3);
    case.answer(Some(arc(10, 20)));
    assert!(case.queue.blocks_point(Point(10)) && case.queue.blocks_point(Point(20)));
    assert!(!case.queue.blocks_point(Point(9)) && !case.queue.blocks_point(Point(21)));
    assert!(case.queue.blocks_arc(&arc(0, 10)) && !case.queue.blocks_arc(&arc(21, 30)));
    assert_eq!(case.resumed(), 0);
    // Sent before the refusal was seen, so refused by the same mark: nothing new.
    case.answer(Some(arc(10, 20)));
    // Sent after it: others go on.
    case.push(1);
    assert_eq!(case.resumed(), 0);
    case.answer(None);
    assert_eq!(case.resumed(), 1);
    assert!(!case.queue.blocks_point(Point(10)));
    assert_eq!(case.resumed(), 0);
}

#[test]
fn a_refusal_after_resuming_blocks_again() {
    let mut case = Case::new();
    case.push(1);
    case.answer(Some(arc(10, 20)));
    assert_eq!(case.resumed(), 1);
    case.push(1);
    case.answer(None);
    case.answer(Some(arc(10, 20)));
    assert!(case.queue.blocks_point(Point(15)));
    assert_eq!(case.resumed(), 1);
}

#[test]
fn another_range_has_a_barrier_of_its_own() {
    let mut case = Case::new();
    case.push(2);
    case.answer(Some(arc(10, 20)));
    case.push(1);
    case.answer(Some(arc(10, 30)));
    assert_eq!(case.resumed(), 1, "the first range");
    assert!(case.queue.blocks_point(Point(15)), "the second range still holds it");
    case.answer(None);
    assert_eq!(case.resumed(), 1);
    assert!(!case.queue.blocks_point(Point(15)));
}

#[test]
fn what_was_written_whole_may_have_been_applied() {
    let mut case = Case::new();
    case.push(3);
    let len = frame().len();
    case.queue.wrote(2 * len - 1, case.now);
    let lost = case.queue.take_lost(case.now);
    assert_eq!((lost.sent.len(), lost.unsent.len()), (1, 2));
    assert!(case.queue.is_empty());
    case.push(1);
    assert_eq!(case.queue.unsent_bytes(), len);
    case.queue.wrote(len, case.now);
    let lost = case.queue.take_lost(case.now);
    assert_eq!((lost.sent.len(), lost.unsent.len()), (1, 0));
}

#[test]
fn what_a_server_did_not_take_before_its_last_word_was_not_applied() {
    let mut case = Case::new();
    case.push(3);
    case.queue.wrote(2 * frame().len(), case.now);
    case.answer(None);
    case.queue.end();
    assert!(case.queue.is_over());
    let lost = case.queue.take_lost(case.now);
    assert_eq!((lost.sent.len(), lost.unsent.len()), (0, 2));
    assert!(!case.queue.is_over(), "the next connection is another one");
}

#[test]
fn what_waits_too_long_for_a_connection_is_taken_out() {
    let mut case = Case::new();
    case.push(2);
    let begin = case.now;
    case.now += Duration::from_secs(1);
    case.push(1);
    assert_eq!(case.queue.expire(begin).len(), 2);
    assert_eq!(case.queue.expire(begin).len(), 0);
    assert_eq!(case.queue.unsent_bytes(), frame().len());
    assert_eq!(case.queue.silent_since(), Some(begin));
    case.queue.wrote(frame().len(), case.now);
    assert_eq!(case.queue.silent_since(), Some(case.now));
    case.answer(None);
    assert_eq!(case.queue.silent_since(), None);
}

#[test]
fn later_writes_do_not_prolong_the_wait_for_the_first_answer() {
    let mut case = Case::new();
    let len = frame().len();
    let seconds = |case: &Case, n| case.now + Duration::from_secs(n);
    case.push(2);
    let (first, second, third) = (seconds(&case, 1), seconds(&case, 2), seconds(&case, 3));
    case.queue.wrote(len - 1, first);
    assert_eq!(case.queue.silent_since(), Some(first));
    case.queue.wrote(1, second);
    case.queue.wrote(len, third);
    assert_eq!(case.queue.silent_since(), Some(second));
    case.queue.made_progress(third);
    assert_eq!(case.queue.silent_since(), Some(third));
}
