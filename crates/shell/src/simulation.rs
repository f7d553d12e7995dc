//! Shell. What a simulation decides in the place of the operating system. All of it is of the
//! thread that simulates, and follows from the seed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

thread_local! {
    static RANDOM: Cell<u64> = const { Cell::new(1) };
    static SLOWEST: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static CLOCK_OFFSETS: RefCell<BTreeMap<IpAddr, i64>> = const { RefCell::new(BTreeMap::new()) };
}

/// Begins a simulation: all randomness follows from this seed from now on.
pub fn seed(seed: u64) {
    RANDOM.set(seed);
    SLOWEST.set(Duration::ZERO);
    CLOCK_OFFSETS.take();
}

/// 64 random bits (splitmix64; Steele, Lea and Flood, 2014).
pub fn next_u64() -> u64 {
    let state = RANDOM.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    RANDOM.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// From now on work that blocks takes up to this long, before and again after it.
pub fn set_slowest_disk(slowest: Duration) {
    SLOWEST.set(slowest);
}

/// From now on the wall clock of the host at this address differs by so many milliseconds from
/// that of the simulation.
pub fn set_clock_offset(host: IpAddr, offset_ms: i64) {
    CLOCK_OFFSETS.with_borrow_mut(|offsets| offsets.insert(host, offset_ms));
}

/// How the wall clock of a host differs, in milliseconds.
#[must_use]
pub fn clock_offset(host: IpAddr) -> i64 {
    CLOCK_OFFSETS.with_borrow(|offsets| offsets.get(&host).copied().unwrap_or(0))
}

/// A while, as a disk may take.
pub async fn delay() {
    let slowest_us = u64::try_from(SLOWEST.get().as_micros()).unwrap_or(u64::MAX);
    if slowest_us > 0 {
        tokio::time::sleep(Duration::from_micros(next_u64() % slowest_us)).await;
    }
}
