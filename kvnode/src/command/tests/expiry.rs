use super::check;

#[test]
fn expire_and_ttl() {
    check(
        r#"
        TTL k -> -2
        PTTL k -> -2
        EXPIRETIME k -> -2
        EXPIRE k 10 -> 0
        PERSIST k -> 0
        SET k v -> OK
        TTL k -> -1
        PEXPIRETIME k -> -1
        PERSIST k -> 0
        EXPIRE k 10 -> 1
        TTL k -> 10
        PTTL k -> 10000
        EXPIRETIME k -> 1010
        PEXPIRETIME k -> 1010000
        +9400
        TTL k -> 1
        +500
        TTL k -> 0
        PTTL k -> 100
        PERSIST k -> 1
        TTL k -> -1
        PEXPIREAT k 1010000 -> 1
        +100
        EXISTS k -> 0
        "#,
    );
}

#[test]
fn a_past_deadline_deletes() {
    check(
        r#"
        MSET a 1 b 2 c 3 d 4 -> OK
        EXPIRE a 0 -> 1
        EXPIRE b -1 -> 1
        PEXPIREAT c 1 -> 1
        EXPIREAT d -5 -> 1
        EXISTS a b c d -> 0
        "#,
    );
}

#[test]
fn bad_numbers() {
    check(
        r#"
        SET k v -> OK
        EXPIRE k x -> ERR value is not an integer or out of range
        EXPIRE k 9223372036854775807 -> ERR invalid expire time in 'expire' command
        EXPIRE k -9223372036854775808 -> ERR invalid expire time in 'expire' command
        PEXPIRE k 9223372036854770000 -> ERR invalid expire time in 'pexpire' command
        PEXPIREAT k 9223372036854775807 -> 1
        EXPIREAT k 9223372036854776 -> ERR invalid expire time in 'expireat' command
        "#,
    );
}

#[test]
fn conditions() {
    check(
        r#"
        SET k v -> OK
        EXPIRE k 100 XX -> 0
        EXPIRE k 100 GT -> 0
        EXPIRE k 100 LT -> 1
        EXPIRE k 50 GT -> 0
        EXPIRE k 100 GT -> 0
        EXPIRE k 100 LT -> 0
        EXPIRE k 50 lt -> 1
        EXPIRE k 100 NX -> 0
        EXPIRE k 200 XX GT -> 1
        TTL k -> 200
        PERSIST k -> 1
        EXPIRE k 100 NX -> 1
        EXPIRE k 1 NX XX -> ERR NX and XX, GT or LT options at the same time are not compatible
        EXPIRE k 1 GT LT -> ERR GT and LT options at the same time are not compatible
        EXPIRE k 1 AB -> ERR Unsupported option AB
        "#,
    );
}
