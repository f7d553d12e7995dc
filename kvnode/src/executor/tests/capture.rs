use bytes::Bytes;

use crate::executor::{CaptureQueue, Captured};
use crate::store::RecordKey;

fn entry(batch: u64, version: u64) -> Captured {
    let key = RecordKey::new(b"key");
    Captured { batch, version, key, record: Bytes::from_static(b"record") }
}

fn versions(entries: &[Captured]) -> Vec<u64> {
    entries.iter().map(|entry| entry.version).collect()
}

#[test]
fn only_durable_batches_are_drained_and_in_order() {
    let queue = CaptureQueue::new(1 << 20);
    for (batch, version) in [(1, 10), (1, 11), (2, 12), (4, 13)] {
        queue.push(entry(batch, version));
    }
    assert_eq!(versions(&queue.drain_durable(0, usize::MAX)), [] as [u64; 0]);
    assert_eq!(versions(&queue.drain_durable(2, usize::MAX)), [10, 11, 12]);
    assert_eq!(versions(&queue.drain_durable(3, usize::MAX)), [] as [u64; 0]);
    assert_eq!(queue.last_version(), 13);
    assert_eq!(versions(&queue.drain_durable(9, usize::MAX)), [13]);
    assert!(queue.is_empty());
    assert_eq!(queue.len_bytes(), 0);
}

#[test]
fn a_drain_is_bounded_but_takes_one() {
    let queue = CaptureQueue::new(1 << 20);
    (1..=3).for_each(|version| queue.push(entry(1, version)));
    assert_eq!(versions(&queue.drain_durable(1, 0)), [1]);
    assert_eq!(versions(&queue.drain_durable(1, 1)), [2]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_writer_that_waits_is_woken_by_the_drain() {
    let queue = CaptureQueue::new(1);
    assert!(!queue.over_limit());
    queue.push(entry(1, 1));
    let drained = queue.drained();
    assert!(queue.over_limit());
    queue.drain_durable(1, usize::MAX);
    drained.await;
    assert!(!queue.over_limit());
}
