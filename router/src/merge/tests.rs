use resp::commands;

use super::*;

struct Case {
    gather: Gather,
}

impl Case {
    fn new(command: &str) -> Self {
        let command = Command::new(&command.split(' ').collect::<Vec<_>>());
        let spec = commands::lookup(command.name()).expect("a known command");
        Self { gather: Gather::new(spec, command) }
    }

    /// Sends these keys as one part; answers its number and its words.
    fn send(&mut self, keys: &[KeyIndex]) -> (u32, String) {
        let frame = self.gather.frame(keys);
        let Ok(Value::Array(Some(words))) = Value::parse(&frame) else { panic!("{frame:?}") };
        let words: Vec<_> = words.iter().filter_map(Value::as_bytes).map(text).collect();
        (self.gather.sent(keys.to_vec()), words.join(" "))
    }

    fn answer(&mut self, part: u32, reply: &'static str) {
        assert!(!self.gather.is_done());
        self.gather.answer(part, &Bytes::from_static(reply.as_bytes()));
    }

    fn finish(self) -> String {
        assert!(self.gather.is_done());
        let mut out = BytesMut::new();
        self.gather.finish(Protocol::Resp2, &mut out);
        text(&out.freeze())
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn elements_come_in_the_order_of_the_keys() {
    let mut case = Case::new("MGET a b c d");
    let (first, words) = case.send(&[0, 2]);
    assert_eq!(words, "MGET a c");
    let (second, words) = case.send(&[1, 3]);
    assert_eq!(words, "MGET b d");
    assert_eq!(case.gather.unsent().count(), 0);
    case.answer(second, "*2\r\n$1\r\nB\r\n$-1\r\n");
    case.answer(first, "*2\r\n$1\r\nA\r\n$1\r\nC\r\n");
    assert_eq!(case.finish(), "*4\r\n$1\r\nA\r\n$1\r\nB\r\n$1\r\nC\r\n$-1\r\n");
}

#[test]
fn a_refused_part_is_split_anew() {
    let mut case = Case::new("mset a 1 b 2 c 3");
    let (all, words) = case.send(&[0, 1, 2]);
    assert_eq!(words, "mset a 1 b 2 c 3");
    case.gather.give_back(all);
    assert_eq!(case.gather.unsent().map(|(key, _)| key).collect::<Vec<_>>(), [0, 1, 2]);
    let (first, words) = case.send(&[1]);
    assert_eq!(words, "mset b 2");
    let (second, _) = case.send(&[0, 2]);
    case.answer(first, "+OK\r\n");
    case.gather.give_back(second);
    let (second, words) = case.send(&[0, 2]);
    assert_eq!(words, "mset a 1 c 3");
    case.answer(second, "+OK\r\n");
    assert_eq!(case.finish(), "+OK\r\n");
}

#[test]
fn numbers_are_added() {
    let mut case = Case::new("DEL a b c");
    let (first, _) = case.send(&[0]);
    let (second, _) = case.send(&[1, 2]);
    case.answer(first, ":1\r\n");
    case.answer(second, ":2\r\n");
    assert_eq!(case.finish(), ":3\r\n");
}

#[test]
fn one_error_is_told_with_what_was_applied() {
    let parts = |command: &str, first: &'static str, second: &'static str| {
        let mut case = Case::new(command);
        let (a, _) = case.send(&[0]);
        let (b, _) = case.send(&[1]);
        case.answer(a, first);
        case.answer(b, second);
        case.finish()
    };
    assert_eq!(
        parts("MSET a 1 b 2", "+OK\r\n", "-ERR disk full\r\n"),
        "-ERR disk full (MSET was applied to 1 of its 2 keys)\r\n"
    );
    assert_eq!(parts("MSET a 1 b 2", "-ERR one\r\n", "-ERR two\r\n"), "-ERR one\r\n");
    assert_eq!(parts("EXISTS a b", ":1\r\n", "-ERR two\r\n"), "-ERR two\r\n");
    let odd = "-ERR a server gave an answer that is not understood\r\n";
    assert_eq!(parts("EXISTS a b", ":1\r\n", "+OK\r\n"), odd);
    assert_eq!(parts("MGET a b", "*2\r\n:1\r\n:2\r\n", "*1\r\n:1\r\n"), odd);
}

#[test]
fn keys_that_were_never_sent_get_the_error() {
    let mut case = Case::new("UNLINK a b");
    let (part, _) = case.send(&[1]);
    case.gather.fail_unsent(&Bytes::from_static(b"-TRYAGAIN later\r\n"));
    case.answer(part, ":1\r\n");
    assert_eq!(case.finish(), "-TRYAGAIN later (UNLINK was applied to 1 of its 2 keys)\r\n");
}
