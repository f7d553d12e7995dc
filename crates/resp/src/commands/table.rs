//! Pure. The rows of the command table, in the order of their names.

use super::{CommandSpec, Keys, Kind, Spread};

/// Builds the table and the enum of its rows:
/// `Id name arity [first last step] kind spread since summary`.
macro_rules! commands {
    ($($id:ident $name:literal $arity:literal [$first:literal $last:literal $step:literal]
       $kind:ident $spread:ident $since:literal $summary:literal;)*) => {
        /// Every command of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Id {
            $(#[doc = $summary] $id,)*
        }

        /// Every command, in the order of their names.
        pub const COMMANDS: &[CommandSpec] = &[$(CommandSpec {
            id: Id::$id,
            name: $name,
            arity: $arity,
            keys: Keys { first: $first, last: $last, step: $step },
            kind: Kind::$kind,
            spread: Spread::$spread,
            since: $since,
            summary: $summary,
        },)*];
    };
}

#[rustfmt::skip]
commands! {
    Append "append" 3 [1 1 1] Write One "2.0.0" "Appends a string to the value of a key.";
    Auth "auth" -2 [0 0 0] Connection One "1.0.0" "Authenticates the connection.";
    Client "client" -2 [0 0 0] Connection One "2.4.0" "Commands about client connections.";
    Command "command" -1 [0 0 0] Server One "2.8.13" "Returns details about the commands.";
    Config "config" -2 [0 0 0] Server One "2.0.0" "Commands about the configuration.";
    DbSize "dbsize" 1 [0 0 0] Range Sum "1.0.0" "Returns the number of keys.";
    Decr "decr" 2 [1 1 1] Write One "1.0.0" "Decrements the integer value of a key by one.";
    DecrBy "decrby" 3 [1 1 1] Write One "1.0.0"
        "Decrements the integer value of a key by a number.";
    Del "del" -2 [1 -1 1] Write Sum "1.0.0" "Deletes keys.";
    Echo "echo" 2 [0 0 0] Connection One "1.0.0" "Returns the given string.";
    Exists "exists" -2 [1 -1 1] Read Sum "1.0.0" "Determines how many of the keys exist.";
    Expire "expire" -3 [1 1 1] Write One "1.0.0" "Sets the expiration time of a key in seconds.";
    ExpireAt "expireat" -3 [1 1 1] Write One "1.2.0"
        "Sets the expiration time of a key to a Unix timestamp.";
    ExpireTime "expiretime" 2 [1 1 1] Read One "7.0.0"
        "Returns the expiration time of a key as a Unix timestamp.";
    FlushAll "flushall" -1 [0 0 0] Range Ok "1.0.0" "Removes all keys.";
    FlushDb "flushdb" -1 [0 0 0] Range Ok "1.0.0" "Removes all keys.";
    Get "get" 2 [1 1 1] Read One "1.0.0" "Returns the string value of a key.";
    GetDel "getdel" 2 [1 1 1] Write One "6.2.0"
        "Returns the string value of a key after deleting the key.";
    GetEx "getex" -2 [1 1 1] Write One "6.2.0"
        "Returns the string value of a key after setting its expiration time.";
    GetRange "getrange" 4 [1 1 1] Read One "2.4.0"
        "Returns a substring of the string stored at a key.";
    GetSet "getset" 3 [1 1 1] Write One "1.0.0"
        "Returns the previous string value of a key after setting it to a new value.";
    Hello "hello" -1 [0 0 0] Connection One "6.0.0" "Handshakes with the server.";
    Incr "incr" 2 [1 1 1] Write One "1.0.0" "Increments the integer value of a key by one.";
    IncrBy "incrby" 3 [1 1 1] Write One "1.0.0"
        "Increments the integer value of a key by a number.";
    IncrByFloat "incrbyfloat" 3 [1 1 1] Write One "2.6.0"
        "Increments the floating point value of a key by a number.";
    Info "info" -1 [0 0 0] Server One "1.0.0"
        "Returns information and statistics about the server.";
    Keys "keys" 2 [0 0 0] Range Elements "1.0.0" "Returns all key names that match a pattern.";
    MGet "mget" -2 [1 -1 1] Read Elements "1.0.0" "Returns the string values of one or more keys.";
    MSet "mset" -3 [1 -1 2] Write Ok "1.0.1" "Sets the string values of one or more keys.";
    MSetNx "msetnx" -3 [1 -1 2] Write Together "1.0.1"
        "Sets the string values of one or more keys only when all keys don't exist.";
    Persist "persist" 2 [1 1 1] Write One "2.2.0" "Removes the expiration time of a key.";
    PExpire "pexpire" -3 [1 1 1] Write One "2.6.0"
        "Sets the expiration time of a key in milliseconds.";
    PExpireAt "pexpireat" -3 [1 1 1] Write One "2.6.0"
        "Sets the expiration time of a key to a Unix milliseconds timestamp.";
    PExpireTime "pexpiretime" 2 [1 1 1] Read One "7.0.0"
        "Returns the expiration time of a key as a Unix milliseconds timestamp.";
    Ping "ping" -1 [0 0 0] Connection One "1.0.0" "Returns the server's liveliness response.";
    PSetEx "psetex" 4 [1 1 1] Write One "2.6.0"
        "Sets both string value and expiration time in milliseconds of a key.";
    PTtl "pttl" 2 [1 1 1] Read One "2.6.0" "Returns the expiration time in milliseconds of a key.";
    Quit "quit" -1 [0 0 0] Connection One "1.0.0" "Closes the connection.";
    RandomKey "randomkey" 1 [0 0 0] Range One "1.0.0" "Returns a random key name.";
    Rename "rename" 3 [1 2 1] Write Together "1.0.0"
        "Renames a key and overwrites the destination.";
    RenameNx "renamenx" 3 [1 2 1] Write Together "1.0.0"
        "Renames a key only when the target key name doesn't exist.";
    Reset "reset" 1 [0 0 0] Connection One "6.2.0" "Resets the connection.";
    RingkvCount "ringkv.count" 4 [0 0 0] Node One "7.0.0" "Counts keys in a part of an owned arc.";
    RingkvFlush "ringkv.flush" 4 [0 0 0] Node One "7.0.0" "Removes keys in a part of an owned arc.";
    RingkvGet "ringkv.get" 2 [1 1 1] Read One "7.0.0"
        "Returns the value, version and time to live of a key.";
    RingkvHello "ringkv.hello" -5 [0 0 0] Node One "7.0.0" "Makes the connection one of a router.";
    RingkvPut "ringkv.put" -3 [1 1 1] Write One "7.0.0"
        "Sets the value of a key, by the version that it has if so wished.";
    RingkvRemove "ringkv.remove" -2 [1 1 1] Write One "7.0.0"
        "Deletes a key, by the version that it has if so wished.";
    RingkvResume "ringkv.resume" 3 [0 0 0] Node One "7.0.0"
        "Lets commands on a refused range run again on this connection.";
    RingkvScan "ringkv.scan" -4 [0 0 0] Node One "7.0.0" "Returns keys in a part of an owned arc.";
    RingkvWatch "ringkv.watch" 2 [0 0 0] Node One "7.0.0"
        "Waits until the arcs that the node serves differ from a view.";
    Scan "scan" -2 [0 0 0] Range One "2.8.0" "Iterates over the key names.";
    Select "select" 2 [0 0 0] Connection One "1.0.0" "Changes the selected database.";
    Set "set" -3 [1 1 1] Write One "1.0.0" "Sets the string value of a key.";
    SetEx "setex" 4 [1 1 1] Write One "2.0.0" "Sets the string value and expiration time of a key.";
    SetNx "setnx" 3 [1 1 1] Write One "1.0.0"
        "Sets the string value of a key only when the key doesn't exist.";
    SetRange "setrange" 4 [1 1 1] Write One "2.2.0"
        "Overwrites a part of a string value with another by an offset.";
    StrLen "strlen" 2 [1 1 1] Read One "2.2.0" "Returns the length of a string value.";
    SubStr "substr" 4 [1 1 1] Read One "1.0.0" "Returns a substring from a string value.";
    Time "time" 1 [0 0 0] Server One "2.6.0" "Returns the server time.";
    Touch "touch" -2 [1 -1 1] Read Sum "3.2.1"
        "Returns the number of existing keys out of those specified.";
    Ttl "ttl" 2 [1 1 1] Read One "1.0.0" "Returns the expiration time in seconds of a key.";
    Type "type" 2 [1 1 1] Read One "1.0.0" "Determines the type of value stored at a key.";
    Unlink "unlink" -2 [1 -1 1] Write Sum "4.0.0" "Deletes keys.";
}
