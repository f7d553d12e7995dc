use super::*;

#[test]
fn names_are_distinct_and_read_back() {
    for bug in Bug::ALL {
        assert_eq!(bug.name().parse(), Ok(bug));
        assert!(bug.name().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{bug}");
    }
    let error = "no-such-bug".parse::<Bug>().unwrap_err();
    assert!(error.to_string().contains("ack-before-fsync"), "{error}");
}

#[cfg(not(feature = "planted"))]
#[test]
fn a_build_without_the_feature_is_free_of_bugs_as_the_compiler_sees_it() {
    const NONE: bool = {
        let mut at = 0;
        let mut any = IS_ENABLED;
        while at < Bug::ALL.len() {
            any |= is(Bug::ALL[at]);
            at += 1;
        }
        !any
    };
    const { assert!(NONE) };
}

#[cfg(feature = "planted")]
#[test]
fn a_bug_is_planted_for_a_piece_of_code_and_its_thread() {
    let is_here = || is(Bug::AckBeforeFsync);
    assert!(!is_here());
    within(Bug::AckBeforeFsync, || {
        assert!(is_here());
        assert!(!is(Bug::DelNotTransferred));
        assert!(!std::thread::spawn(move || is_here()).join().unwrap());
    });
    let _ = std::panic::catch_unwind(|| within(Bug::AckBeforeFsync, || panic!("caught")));
    assert!(!is_here());
}
