use super::{MemorySpace, check, check_in};

#[test]
fn set_and_get() {
    check(
        r#"
        GET k -> (nil)
        SET k v -> OK
        GET k -> "v"
        SET k '' -> OK
        GET k -> ""
        GETSET k w -> ""
        GETSET other w -> (nil)
        MGET k none other -> ["w", (nil), "w"]
        GETDEL k -> "w"
        GETDEL k -> (nil)
        EXISTS k -> 0
        "#,
    );
}

#[test]
fn set_options() {
    check(
        r#"
        SET k a XX -> (nil)
        SET k a NX -> OK
        SET k b NX -> (nil)
        SET k b xx -> OK
        SET k c GET -> "b"
        SET k d NX GET -> "c"
        SET n d NX GET -> (nil)
        GET n -> "d"
        SET m d XX GET -> (nil)
        GET m -> (nil)
        SET k v NX XX -> ERR syntax error
        SET k v XX NX -> ERR syntax error
        SET k v EX -> ERR syntax error
        SET k v EX 10 PX 10 -> ERR syntax error
        SET k v KEEPTTL EX 10 -> ERR syntax error
        SET k v EX 10 KEEPTTL -> ERR syntax error
        SET k v PERSIST -> ERR syntax error
        SET k v what -> ERR syntax error
        SET k v EX x -> ERR value is not an integer or out of range
        SET k v EX 0 -> ERR invalid expire time in 'set' command
        SET k v PX -1 -> ERR invalid expire time in 'set' command
        SET k v EX 9223372036854775807 -> ERR invalid expire time in 'set' command
        SET k v PX 9223372036854775807 -> ERR invalid expire time in 'set' command
        GET k -> "c"
        "#,
    );
}

#[test]
fn set_with_expiry() {
    check(
        r#"
        SET k v EX 10 -> OK
        PTTL k -> 10000
        SET k w KEEPTTL -> OK
        PTTL k -> 10000
        SET k w -> OK
        PTTL k -> -1
        SET k v PXAT 1000500 -> OK
        PTTL k -> 500
        SET k v EXAT 1001 -> OK
        PTTL k -> 1000
        SET k v EXAT 1 -> OK
        EXISTS k -> 0
        SETEX k 2 v -> OK
        TTL k -> 2
        PSETEX k 2000 v -> OK
        +1999
        GET k -> "v"
        +1
        GET k -> (nil)
        SETEX k 0 v -> ERR invalid expire time in 'setex' command
        PSETEX k -5 v -> ERR invalid expire time in 'psetex' command
        SETEX k x v -> ERR value is not an integer or out of range
        "#,
    );
}

#[test]
fn getex() {
    check(
        r#"
        GETEX k -> (nil)
        GETEX k EX 0 -> (nil)
        GETEX k NX -> ERR syntax error
        SET k v -> OK
        GETEX k -> "v"
        GETEX k EX 0 -> ERR invalid expire time in 'getex' command
        GETEX k EX 5 -> "v"
        TTL k -> 5
        GETEX k -> "v"
        TTL k -> 5
        GETEX k PERSIST -> "v"
        TTL k -> -1
        GETEX k PERSIST EX 5 -> ERR syntax error
        GETEX k PXAT 5 -> "v"
        EXISTS k -> 0
        "#,
    );
}

#[test]
fn many_keys() {
    check(
        r#"
        MSET a 1 b 2 -> OK
        MGET a b c -> ["1", "2", (nil)]
        SETNX a 9 -> 0
        SETNX c 9 -> 1
        MSETNX a 5 a 6 -> 0
        MSETNX n 5 n 6 -> 1
        GET n -> "6"
        EXISTS a b a none -> 3
        TOUCH a none -> 1
        DEL a none a -> 1
        UNLINK b c -> 2
        "#,
    );
}

#[test]
fn slices() {
    check(
        r#"
        APPEND k Hello -> 5
        APPEND k '' -> 5
        APPEND k !! -> 7
        STRLEN k -> 7
        STRLEN none -> 0
        GETRANGE k 0 4 -> "Hello"
        GETRANGE k -2 -1 -> "!!"
        GETRANGE k 0 -3 -> "Hello"
        GETRANGE k -100 100 -> "Hello!!"
        GETRANGE k 5 2 -> ""
        GETRANGE k -1 -5 -> ""
        GETRANGE k 100 200 -> ""
        GETRANGE k -9223372036854775808 9223372036854775807 -> "Hello!!"
        GETRANGE none 0 -1 -> ""
        GETRANGE k x 1 -> ERR value is not an integer or out of range
        SUBSTR k 1 3 -> "ell"
        SETRANGE k 1 E -> 7
        GET k -> "HEllo!!"
        SETRANGE k 9 z -> 10
        GET k -> "HEllo!!\x00\x00z"
        SETRANGE none 3 '' -> 0
        EXISTS none -> 0
        SETRANGE none 2 x -> 3
        GET none -> "\x00\x00x"
        SETRANGE k -1 x -> ERR offset is out of range
        APPEND empty '' -> 0
        EXISTS empty -> 1
        "#,
    );
}

#[test]
fn slices_keep_the_expiry() {
    check(
        r#"
        SET k v EX 10 -> OK
        APPEND k w -> 2
        SETRANGE k 0 x -> 2
        TTL k -> 10
        "#,
    );
}

#[test]
fn values_are_bounded() {
    let mut space = MemorySpace { max_value_bytes: 4, ..MemorySpace::default() };
    let over = "ERR value of 5 bytes is over the limit of 4 bytes (max value size); \
                store it in pieces or raise the limit";
    let grown = "ERR string exceeds maximum allowed size (proto-max-bulk-len): 4 bytes";
    check_in(
        &mut space,
        &format!(
            r#"
            SET k 1234 -> OK
            SET k 12345 -> {over}
            SETNX n 12345 -> {over}
            GETSET k 12345 -> {over}
            SETEX k 1 12345 -> {over}
            MSET a 1 k 12345 -> {over}
            MSETNX n 12345 -> {over}
            RINGKV.PUT k 12345 -> {over}
            APPEND k 5 -> {grown}
            SETRANGE k 4 x -> {grown}
            SETRANGE k 9223372036854775807 x -> {grown}
            SETRANGE k 3 x -> 4
            GET k -> "123x"
            EXISTS a n -> 0
            "#
        ),
    );
}

#[test]
fn replies_are_bounded() {
    let mut space = MemorySpace { max_value_bytes: 100, ..MemorySpace::default() };
    let value = "x".repeat(100);
    let over = "ERR reply is over the limit of 200 bytes; ask for fewer keys";
    check_in(&mut space, &format!("SET k {value} -> OK"));
    check_in(&mut space, &format!(r#"MGET k k -> ["{value}", "{value}"]"#));
    check_in(&mut space, &format!("MGET k k k -> {over}"));
}

#[test]
fn types_and_renames() {
    check(
        r#"
        TYPE k -> none
        RENAME k k -> ERR no such key
        RENAMENX k k -> ERR no such key
        SET k v -> OK
        TYPE k -> string
        RENAME k k -> OK
        RENAMENX k k -> 0
        "#,
    );
}
