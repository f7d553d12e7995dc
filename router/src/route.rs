//! Pure. What to do with a client's command.

use resp::Command;
use resp::commands::{self, CommandSpec, Id, Kind, Spread};
use ring::Point;

use crate::walk::{self, Walk};

/// What to do with a command.
#[derive(Debug)]
pub(crate) enum Route {
    /// Answer it here.
    Local(&'static CommandSpec),
    /// Send it as it is to the server of this point.
    One {
        /// Where its key is.
        point: Point,
        /// Whether it may change something.
        writes: bool,
    },
    /// Send each server the part with its keys.
    Gather(&'static CommandSpec),
    /// Go over the whole ring.
    Walk(Box<Walk>),
    /// Answer this error.
    Refuse(String),
}

/// Decides by the command alone. `random` is where a RANDOMKEY begins to look.
pub(crate) fn route(
    command: &Command,
    random: impl FnOnce() -> Point,
    walk_limits: walk::Limits,
) -> Route {
    let Some(spec) = commands::lookup(command.name()).filter(|spec| spec.kind != Kind::Node) else {
        let args = command.args().skip(1);
        return Route::Refuse(commands::unknown_command_error(command.name(), args));
    };
    if !spec.takes(command.len()) {
        return Route::Refuse(spec.arity_error());
    }
    match spec.kind {
        Kind::Connection | Kind::Server | Kind::Node => Route::Local(spec),
        Kind::Read | Kind::Write => keyed(command, spec),
        Kind::Range => match walk_of(command, spec.id, random, walk_limits) {
            Ok(walk) => Route::Walk(Box::new(walk)),
            Err(error) => Route::Refuse(error),
        },
    }
}

fn keyed(command: &Command, spec: &'static CommandSpec) -> Route {
    let mut keys = spec.key_places(command.len()).filter_map(|place| command.arg(place));
    let Some(first) = keys.next() else {
        return Route::Refuse(spec.arity_error());
    };
    let one = || Route::One { point: Point::of(first), writes: spec.kind == Kind::Write };
    match spec.spread {
        Spread::One => one(),
        Spread::Together if keys.any(|key| key != first) => Route::Refuse(crossing(spec)),
        Spread::Together => one(),
        Spread::Elements | Spread::Ok | Spread::Sum if keys.next().is_none() => one(),
        Spread::Elements | Spread::Ok | Spread::Sum => Route::Gather(spec),
    }
}

fn crossing(spec: &CommandSpec) -> String {
    let name = spec.name.to_ascii_uppercase();
    let instead = match spec.id {
        Id::MSetNx => "use SET with NX for each key, which is not atomic over all of them",
        _ => "use GET, SET and DEL, which is not atomic over both keys",
    };
    format!(
        "CROSSSLOT {name} over different keys is refused, as they may live on different servers; \
         {instead}"
    )
}

fn walk_of(
    command: &Command,
    id: Id,
    random: impl FnOnce() -> Point,
    limits: walk::Limits,
) -> Result<Walk, String> {
    match id {
        Id::Scan => Walk::scan(command, limits),
        Id::Keys => Ok(Walk::keys(command.arg_bytes(1).unwrap_or_default(), limits)),
        Id::DbSize => Ok(Walk::count(limits)),
        Id::FlushAll | Id::FlushDb => match command.len() {
            1 => Ok(Walk::flush(limits)),
            2 if command.arg_is(1, "ASYNC") || command.arg_is(1, "SYNC") => Ok(Walk::flush(limits)),
            _ => Err("ERR syntax error".to_owned()),
        },
        Id::RandomKey => Ok(Walk::random_key(random(), limits)),
        _ => Err(format!("ERR '{}' is not served by a router", command.name().escape_ascii())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &str) -> String {
        let words: Vec<&str> = command.split(' ').collect();
        let limits = walk::Limits { keys_reply_bytes_max: 1_000 };
        match route(&Command::new(&words), || Point(5), limits) {
            Route::Local(spec) => format!("local {}", spec.name),
            Route::One { point, writes } => {
                let place = words.iter().position(|word| Point::of(word.as_bytes()) == point);
                format!("one key {place:?} writes {writes}")
            }
            Route::Gather(spec) => format!("gather {}", spec.name),
            Route::Walk(_) => "walk".to_owned(),
            Route::Refuse(error) => error,
        }
    }

    #[test]
    fn commands_are_routed() {
        for (command, expected) in [
            ("PING", "local ping"),
            ("client id", "local client"),
            ("GET a", "one key Some(1) writes false"),
            ("set a b", "one key Some(1) writes true"),
            ("getex a", "one key Some(1) writes true"),
            ("MGET a", "one key Some(1) writes false"),
            ("MGET a b", "gather mget"),
            ("MSET a 1 b 2", "gather mset"),
            ("DEL a a", "gather del"),
            ("RENAME a a", "one key Some(1) writes true"),
            ("MSETNX a 1 a 2", "one key Some(1) writes true"),
            ("RINGKV.PUT a b", "one key Some(1) writes true"),
            ("DBSIZE", "walk"),
            ("KEYS *", "walk"),
            ("SCAN 0 COUNT 10 MATCH x* TYPE string", "walk"),
            ("FLUSHALL", "walk"),
            ("FLUSHDB async", "walk"),
            ("RANDOMKEY", "walk"),
            ("FLUSHALL now", "ERR syntax error"),
            ("SCAN x", "ERR invalid cursor"),
            ("SCAN 0 COUNT 0", "ERR syntax error"),
            ("SCAN 0 COUNT x", "ERR value is not an integer or out of range"),
            ("SCAN 0 COUNT 01", "ERR value is not an integer or out of range"),
            ("SCAN 0 COUNT", "ERR syntax error"),
            ("GET", "ERR wrong number of arguments for 'get' command"),
            ("GET a b", "ERR wrong number of arguments for 'get' command"),
            ("MSET a", "ERR wrong number of arguments for 'mset' command"),
            ("MSET a 1 b", "ERR wrong number of arguments for 'mset' command"),
        ] {
            assert_eq!(check(command), expected, "{command}");
        }
        for command in ["FOO a", "RINGKV.WATCH 0", "RINGKV.HELLO 1 ROUTER a b", "RINGKV.FLUSH 1"] {
            assert!(check(command).starts_with("ERR unknown command"), "{command}");
        }
        for command in ["RENAME a b", "RENAMENX a b", "MSETNX a 1 b 2"] {
            assert!(check(command).starts_with("CROSSSLOT"), "{command}");
        }
    }
}
