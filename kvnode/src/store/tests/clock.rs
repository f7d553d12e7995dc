//! Versions grow and expiry-now never falls, whatever the wall clock does.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use shell::clock::Clock;

use super::*;

#[derive(Default)]
struct Wall(AtomicU64);

impl Wall {
    fn set(&self, unix_ms: u64) {
        self.0.store(unix_ms, Ordering::SeqCst);
    }
}

impl Clock for Wall {
    fn unix_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn no_store() -> Result<u64, StoreError> {
    Ok(0)
}

fn open(path: &Path, wall: &Arc<Wall>) -> HybridClock {
    let wall: Arc<dyn Clock> = Arc::clone(wall) as _;
    HybridClock::open(path, wall, no_store).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Wall(u64),
    Next,
    Observe(u64),
    RaiseFloor(u64),
    Restart { crash: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ms = 1_000_000_u64..1_100_000;
    let step = prop_oneof![
        3 => ms.clone().prop_map(Step::Wall),
        6 => Just(Step::Next),
        2 => ms.clone().prop_map(|ms| Step::Observe((ms << 16) | 77)),
        1 => ms.prop_map(Step::RaiseFloor),
        2 => any::<bool>().prop_map(|crash| Step::Restart { crash }),
    ];
    prop::collection::vec(step, 1..40)
}

fn check(steps: &[Step]) {
    let dir = tempfile::tempdir().unwrap();
    let (mut n_lives, wall) = (0, Arc::new(Wall::default()));
    let path = |n: u32| -> PathBuf { dir.path().join(format!("clock-{n}")) };
    let mut clock = open(&path(0), &wall);
    let (mut highest, mut floor_ms) = (0, 0);
    for step in steps {
        match step {
            Step::Wall(unix_ms) => wall.set(*unix_ms),
            Step::Next => {
                let version = clock.next_version();
                assert!(version > highest, "{version} is not above {highest}");
                highest = version;
            }
            Step::Observe(version) => {
                clock.observe(*version).unwrap();
                highest = highest.max(*version);
            }
            Step::RaiseFloor(ms) => {
                clock.raise_expiry_now(*ms);
                floor_ms = floor_ms.max(*ms);
            }
            Step::Restart { crash } => {
                // A crash leaves the file as it is; a clean end would write it once more.
                std::fs::copy(path(n_lives), path(n_lives + 1)).unwrap();
                if !crash {
                    drop(clock);
                    std::fs::copy(path(n_lives), path(n_lives + 1)).unwrap();
                }
                n_lives += 1;
                clock = open(&path(n_lives), &wall);
                if *crash {
                    clock.raise_expiry_now(floor_ms);
                }
            }
        }
        let now_ms = clock.expiry_now();
        assert!(now_ms >= floor_ms && now_ms >= wall.unix_ms());
        assert!(clock.last_version() >= highest);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn versions_grow_across_restarts_and_steps_of_the_wall_clock(steps in steps()) {
        check(&steps);
    }
}

#[test]
fn expiry_now_does_not_fall_within_a_life_and_after_a_clean_end() {
    let (dir, wall) = (tempfile::tempdir().unwrap(), Arc::new(Wall::default()));
    let path = dir.path().join("clock");
    wall.set(5_000);
    let clock = open(&path, &wall);
    assert_eq!(clock.expiry_now(), 5_000);
    wall.set(1_000);
    assert_eq!(clock.expiry_now(), 5_000);
    drop(clock);
    assert_eq!(open(&path, &wall).expiry_now(), 5_000);
}

#[test]
fn a_clock_that_is_far_ahead_is_followed_and_an_impossible_one_refused() {
    let (dir, wall) = (tempfile::tempdir().unwrap(), Arc::new(Wall::default()));
    let clock = open(&dir.path().join("clock"), &wall);
    let far = ((1 << 47) - 1) << 16;
    clock.observe(far).unwrap();
    assert_eq!(clock.next_version(), far + 1);
    assert_eq!(clock.observe(1 << 63), Err(ImplausibleVersion(1 << 63)));
    assert_eq!(clock.next_version(), far + 2);
}

#[test]
fn a_lost_or_damaged_file_begins_above_what_is_stored() {
    let (dir, wall) = (tempfile::tempdir().unwrap(), Arc::new(Wall::default()));
    let path = dir.path().join("clock");
    let reopen = || HybridClock::open(&path, Arc::clone(&wall) as _, || Ok(123 << 16)).unwrap();
    assert!(reopen().next_version() > 123 << 16);
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(reopen().next_version(), (123 << 16) + 1);
    let failing = HybridClock::open(&dir.path().join("none"), Arc::clone(&wall) as _, || {
        Err(StoreError::Corrupt("scan".into()))
    });
    assert!(matches!(failing, Err(OpenError::Corrupt { .. })));
}

/// Every released format can be read for ever.
#[test]
fn the_committed_fixture_of_format_1_is_read() {
    let (dir, wall) = (tempfile::tempdir().unwrap(), Arc::new(Wall::default()));
    let path = dir.path().join("clock");
    std::fs::write(&path, include_bytes!("../fixtures/clock-v1.bin")).unwrap();
    let clock = open(&path, &wall);
    assert_eq!(clock.expiry_now(), 0x0807_0605_0403_0201);
    assert_eq!(clock.next_version(), 0x0102_0304_0506_0709);
    drop(clock);
    let crc = crc32fast::hash(&std::fs::read(&path).unwrap()[..17]).to_be_bytes();
    assert_eq!(std::fs::read(&path).unwrap()[17..], crc);
}

#[test]
fn threads_never_get_the_same_version() {
    let (dir, wall) = (tempfile::tempdir().unwrap(), Arc::new(Wall::default()));
    let clock = open(&dir.path().join("clock"), &wall);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let clock = clock.clone();
            std::thread::spawn(move || (0..500).map(|_| clock.next_version()).collect::<Vec<_>>())
        })
        .collect();
    let mut versions: Vec<u64> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 2_000);
}
