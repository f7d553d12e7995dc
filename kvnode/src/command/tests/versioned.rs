use super::check;

#[test]
fn compare_and_set() {
    check(
        r#"
        RINGKV.GET k -> (nil)
        RINGKV.PUT k a IFMATCH 1 -> [0, (nil)]
        RINGKV.PUT k a IFNONE -> [1, 1]
        RINGKV.PUT k b IFNONE -> [0, 1]
        RINGKV.GET k -> ["a", 1, -1]
        RINGKV.PUT k b IFMATCH 1 PX 500 -> [1, 2]
        RINGKV.GET k -> ["b", 2, 500]
        RINGKV.PUT k c IFMATCH 1 -> [0, 2]
        RINGKV.PUT k c -> [1, 3]
        RINGKV.GET k -> ["c", 3, -1]
        RINGKV.REMOVE k IFMATCH 2 -> [0, 3]
        RINGKV.REMOVE k IFMATCH 3 -> [1, 3]
        RINGKV.REMOVE k -> [0, (nil)]
        RINGKV.PUT k v PX 0 -> ERR invalid expire time in 'ringkv.put' command
        RINGKV.PUT k v IFMATCH -> ERR syntax error
        RINGKV.PUT k v IFMATCH x -> ERR value is not an integer or out of range
        RINGKV.PUT k v IFNONE IFMATCH 1 -> ERR syntax error
        RINGKV.REMOVE k IFNONE -> ERR syntax error
        "#,
    );
}
