use super::super::output::Output;

fn push(output: &mut Output, batch: u64, released: u64, text: &str) {
    output.push(batch, released, |out| out.extend_from_slice(text.as_bytes()));
}

fn take(output: &mut Output, released: u64) -> String {
    let ready = output.ready(released).to_vec();
    output.consume(ready.len());
    String::from_utf8(ready).expect("text")
}

#[test]
fn replies_wait_for_their_batch_and_those_behind_for_them() {
    let mut output = Output::default();
    push(&mut output, 0, 0, "a");
    push(&mut output, 2, 0, "b");
    push(&mut output, 1, 0, "c");
    push(&mut output, 0, 0, "d");
    push(&mut output, 3, 0, "e");
    assert!(output.is_gated());
    assert_eq!(take(&mut output, 0), "a");
    assert_eq!(take(&mut output, 1), "");
    assert_eq!(take(&mut output, 2), "bcd");
    push(&mut output, 2, 2, "f");
    assert_eq!(take(&mut output, 2), "");
    assert_eq!(take(&mut output, 3), "ef");
    assert!(output.is_empty() && !output.is_gated());
    push(&mut output, 3, 3, "g");
    assert!(!output.is_gated());
    assert_eq!(take(&mut output, 3), "g");
}

#[test]
fn a_part_may_go_out() {
    let mut output = Output::default();
    push(&mut output, 1, 0, "abc");
    push(&mut output, 2, 0, "def");
    assert_eq!(output.ready(1), b"abc");
    output.consume(2);
    assert_eq!(output.ready(1), b"c");
    assert_eq!(output.ready(2), b"cdef");
    output.consume(3);
    assert_eq!(output.ready(2), b"f");
    assert_eq!(output.len(), 1);
}
