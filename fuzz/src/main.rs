//! Shell. One target with libFuzzer as its engine, which takes the command line. The environment
//! names the target.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

const VARIABLE: &str = "RINGKV_FUZZ_TARGET";

fn target() -> fn(&[u8]) {
    static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();
    *TARGET.get_or_init(|| {
        let name = std::env::var(VARIABLE).unwrap_or_default();
        let found = fuzz::TARGETS.iter().find(|(known, _)| *known == name);
        let Some((_, target)) = found else {
            eprintln!("{VARIABLE} names no target: {name:?}");
            std::process::exit(64);
        };
        *target
    })
}

fuzz_target!(|input: &[u8]| target()(input));
