use resp::commands::lookup;
use ring::{Arc, Point};

use super::super::piece::{Piece, PieceKind, ScanOptions, cursor_reply, parse_cursor};
use super::super::{Failure, Glob, Reply};
use super::command;

const LOW: &str = "00000000000000000000000000000010";
const HIGH: &str = "000000000000000000000000000000ff";

fn parse(line: &str) -> Result<Piece, String> {
    let command = command(line);
    let id = lookup(command.name()).expect("a known command").id;
    Piece::parse(id, &command).map_err(|failure: Failure| failure.to_string())
}

#[test]
fn pieces() {
    let arc = Arc::new(Point(0x10), Point(0xff)).expect("an arc");
    let expect = |line: &str, limit, kind| {
        assert_eq!(parse(line), Ok(Piece { arc, limit, kind }), "{line}");
    };
    expect(&format!("RINGKV.COUNT {LOW} {HIGH} 7"), 7, PieceKind::Count);
    expect(&format!("RINGKV.FLUSH {LOW} {HIGH} 1"), 1, PieceKind::Flush);
    let all = ScanOptions::default();
    expect(&format!("RINGKV.SCAN {LOW} {HIGH} 5"), 5, PieceKind::Keys(all.clone()));
    expect(&format!("RINGKV.SCAN {LOW} {HIGH} 5 MATCH *"), 5, PieceKind::Keys(all));
    let options = ScanOptions { pattern: Some(Glob::new(b"a?")), no_type: true };
    expect(&format!("RINGKV.SCAN {LOW} {HIGH} 5 TYPE hash MATCH a?"), 5, PieceKind::Keys(options));

    let refuse =
        |line: &str, why: &str| assert!(parse(line).is_err_and(|e| e.contains(why)), "{line}");
    refuse(&format!("RINGKV.COUNT {HIGH} {LOW} 7"), "an arc is");
    refuse(&format!("RINGKV.COUNT {LOW} 12 7"), "an arc is");
    refuse(&format!("RINGKV.COUNT {LOW} {HIGH} 0"), "syntax");
    refuse(&format!("RINGKV.COUNT {LOW} {HIGH} x"), "integer");
    refuse(&format!("RINGKV.SCAN {LOW} {HIGH} 5 MATCH"), "syntax");
    refuse(&format!("RINGKV.SCAN {LOW} {HIGH} 5 WHAT x"), "syntax");
}

#[test]
fn cursors() {
    let check = |word: &str, point| assert_eq!(parse_cursor(word.as_bytes()).ok(), point, "{word}");
    check("0", Some(Point(0)));
    check("7", Some(Point(7 << 64)));
    check("18446744073709551615", Some(Point(u128::from(u64::MAX) << 64)));
    check("18446744073709551616", None);
    check("+1", None);
    check("", None);
    check("-1", None);
    assert_eq!(cursor_reply(None), Reply::text("0"));
    assert_eq!(cursor_reply(Some(Point(7 << 64))), Reply::text("7"));
}
