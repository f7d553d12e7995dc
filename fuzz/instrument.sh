#!/bin/sh
# A wrapper around rustc for `cargo xtask fuzz`: the crates of this workspace report to libFuzzer
# which code has run and what it compared. Their dependencies are built as ever. These flags are
# stable, so no other compiler is needed.
instrumented() {
    exec "$@" -C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 \
        -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
        -C llvm-args=-sanitizer-coverage-pc-table \
        -C llvm-args=-sanitizer-coverage-trace-compares \
        -C debug-assertions=on -C overflow-checks=on
}
case " $* " in
# What it derives for Kubernetes' types is too much to optimize for one target: five minutes.
*" --crate-name operator "*) instrumented "$@" ;;
*" --crate-name "*) instrumented "$@" -C codegen-units=1 -C opt-level=2 ;;
esac
exec "$@"
