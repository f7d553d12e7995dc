use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::rng::{OsRng, Rng};
use crate::{drain, signal};

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

#[test]
fn a_drain_waits_for_every_token() {
    block_on(async {
        let (drain, token) = drain::channel();
        assert!(!token.is_draining());
        let other = token.clone();
        let task = tokio::spawn(async move {
            other.signaled().await;
            other.is_draining()
        });
        drop(token);
        assert_eq!(drain.finish(Duration::from_secs(60)).await, Ok(()));
        assert!(task.await.expect("the task ends"));
    });
}

#[test]
fn a_drain_gives_up_after_its_grace() {
    block_on(async {
        let (drain, _held) = drain::channel();
        let _also_held = drain.token();
        let unfinished = drain.finish(Duration::from_millis(1)).await;
        assert_eq!(unfinished, Err(drain::Unfinished { tokens: 2 }));
    });
}

#[test]
fn a_token_without_its_drain_says_finish() {
    block_on(async {
        let (drain, token) = drain::channel();
        drop(drain);
        token.signaled().await;
    });
}

#[test]
fn clocks_and_randomness() {
    let clock = SystemClock::new();
    let first = clock.monotonic();
    assert!(clock.monotonic() >= first);
    assert!(clock.unix_ms() > 1_600_000_000_000);
    assert_ne!(OsRng.next_u128(), OsRng.next_u128());
}

#[test]
fn input_is_read_to_its_end() {
    signal::read_to_end(&[0_u8; 1_000][..]);
}

/// Set for the process in which [`a_panic_aborts_the_process`] panics.
const PANICS: &str = "RINGKV_TEST_PANICS";

#[test]
fn a_panic_aborts_the_process() {
    if std::env::var_os(PANICS).is_some() {
        crate::panic::abort_on_panic();
        // Were it to unwind, this process would end well.
        let _ = std::thread::spawn(|| assert!(std::hint::black_box(false), "meant")).join();
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "tests::a_panic_aborts_the_process", "--nocapture"])
        .env(PANICS, "1")
        .output()
        .expect("it runs");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("panicked at") && message.contains("meant"), "{message}");
    assert_eq!(output.status.signal(), Some(6), "ended by SIGABRT");
}
