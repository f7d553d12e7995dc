use super::{COMMANDS, Id, Kind, Spread, lookup, unknown_command_error};

#[test]
fn the_table_is_sorted_and_found_in_any_case() {
    assert!(COMMANDS.is_sorted_by(|a, b| a.name < b.name));
    for spec in COMMANDS {
        assert_eq!(lookup(spec.name.to_ascii_uppercase().as_bytes()), Some(spec));
        assert_eq!(lookup(spec.name.as_bytes()), Some(spec));
    }
    assert_eq!(lookup(b"gEt").map(|spec| spec.id), Some(Id::Get));
    assert_eq!(lookup(b""), None);
    assert_eq!(lookup(b"a name that is longer than any command"), None);
}

#[test]
fn arity_is_exact_or_a_minimum() {
    let takes = |name: &[u8], words| lookup(name).is_some_and(|spec| spec.takes(words));
    assert!(!takes(b"get", 1) && takes(b"get", 2) && !takes(b"get", 3));
    assert!(!takes(b"set", 2) && takes(b"set", 3) && takes(b"set", 9));
    assert!(takes(b"mset", 3) && !takes(b"mset", 4) && takes(b"msetnx", 5));
}

#[test]
fn keys_are_found() {
    let check = |name: &[u8], words, expected: &[usize]| {
        let places: Vec<_> = lookup(name).into_iter().flat_map(|s| s.key_places(words)).collect();
        assert_eq!(places, expected, "{}", String::from_utf8_lossy(name));
    };
    check(b"get", 2, &[1]);
    check(b"set", 5, &[1]);
    check(b"mget", 4, &[1, 2, 3]);
    check(b"mset", 5, &[1, 3]);
    check(b"rename", 3, &[1, 2]);
    check(b"ping", 2, &[]);
    check(b"dbsize", 1, &[]);
    check(b"get", 1, &[]);
}

#[test]
fn keyed_kinds_have_keys_and_no_other() {
    for spec in COMMANDS {
        let keyed = matches!(spec.kind, Kind::Read | Kind::Write);
        assert_eq!(keyed, spec.keys.first == 1, "{}", spec.name);
        let many = spec.keys.last != 1 && keyed;
        assert_eq!(many, keyed && spec.spread != Spread::One, "{}", spec.name);
    }
}

#[test]
fn an_unknown_command_is_named_as_redis_does() {
    let error = unknown_command_error(b"foo", [b"bar".as_slice(), b"b\r\nz"]);
    let as_in_redis = "ERR unknown command 'foo', with args beginning with: 'bar' 'b  z' (ringkv ";
    assert!(error.starts_with(as_in_redis), "{error}");
    let long = unknown_command_error(&[b'x'; 300], [[b'y'; 300].as_slice(), b"z"]);
    assert!(long.len() < 480, "{long}");
}
