//! Pure. The commands that ringkv knows: how many arguments each takes, where its keys are, and
//! what kind it is. Nodes and routers decide from this one table.

mod table;

pub use table::{COMMANDS, Id};

/// One command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandSpec {
    /// Which one, for a `match`.
    pub id: Id,
    /// Its name in lower case.
    pub name: &'static str,
    /// The number of words, name included; negative: at least that many.
    pub arity: i32,
    /// Where the keys are.
    pub keys: Keys,
    /// What it does, coarsely.
    pub kind: Kind,
    /// How it goes where its keys live on several servers.
    pub spread: Spread,
    /// The Redis version that brought it.
    pub since: &'static str,
    /// One line for `COMMAND DOCS`.
    pub summary: &'static str,
}

/// The places of the keys among the words of a command (the name is word 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The first key; 0: no keys.
    pub first: usize,
    /// The last key; negative counts from the end, -1 is the last word.
    pub last: i32,
    /// From key to key.
    pub step: usize,
}

/// What a command does, coarsely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// About the connection; answered by whom the client is connected to.
    Connection,
    /// About the server; answered by whom the client is connected to.
    Server,
    /// Reads its keys.
    Read,
    /// Reads and writes its keys.
    Write,
    /// About all keys of the cluster: goes arc by arc.
    Range,
    /// Between routers and nodes; a router takes none of them from a client.
    Node,
}

/// How the answers for the keys of one command make one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// One key, or none: nothing to spread.
    One,
    /// An array with one element a key, in order.
    Elements,
    /// `OK` from each.
    Ok,
    /// The sum of the numbers.
    Sum,
    /// The keys have to be equal, as different keys may live apart.
    Together,
}

impl CommandSpec {
    /// Whether a command of so many words, name included, may be this one.
    #[must_use]
    pub fn takes(&self, words: usize) -> bool {
        let in_pairs = self.keys.step != 2 || words % 2 == 1;
        in_pairs && self.has_arity(words)
    }

    /// Whether so many words, name included, are enough and not too many; whether they come in
    /// pairs where they have to is not looked at.
    #[must_use]
    pub fn has_arity(&self, words: usize) -> bool {
        let arity = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { words >= arity } else { words == arity }
    }

    /// The places of the keys in a command of so many words.
    pub fn key_places(&self, words: usize) -> impl Iterator<Item = usize> + use<> {
        let Keys { first, last, step } = self.keys;
        let end = match usize::try_from(last) {
            Ok(last) => last.saturating_add(1).min(words),
            Err(_) => (words + 1).saturating_sub(last.unsigned_abs() as usize),
        };
        let range = if first == 0 { 0..0 } else { first..end };
        range.step_by(step.max(1))
    }

    /// The error for a command with a wrong number of words.
    #[must_use]
    pub fn arity_error(&self) -> String {
        arity_error(self.name)
    }
}

/// The command of that name, in any ASCII case.
#[must_use]
pub fn lookup(name: &[u8]) -> Option<&'static CommandSpec> {
    let mut buffer = [0; 24];
    let lower = buffer.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let at = COMMANDS.binary_search_by(|spec| spec.name.as_bytes().cmp(lower)).ok()?;
    COMMANDS.get(at)
}

/// The error for a wrong number of words; `name` is `get` or, with subcommand, `client|id`.
#[must_use]
pub fn arity_error(name: &str) -> String {
    format!("ERR wrong number of arguments for '{name}' command")
}

/// The error for a command that is not in the table: as Redis words it, and what there is instead.
/// What was sent is shortened, and made printable, so that it fits into one error line.
#[must_use]
pub fn unknown_command_error<'a>(name: &[u8], args: impl IntoIterator<Item = &'a [u8]>) -> String {
    const SHOWN: usize = 128;
    let mut beginning = String::new();
    for arg in args {
        let Some(room) = SHOWN.checked_sub(beginning.len()).filter(|room| *room > 0) else { break };
        beginning.push_str(&format!("'{}' ", printable(arg, room)));
    }
    let name = printable(name, SHOWN);
    format!("ERR unknown command '{name}', with args beginning with: {beginning}{SCOPE}")
}

/// Most unknown commands are of Redis, for something that is not here.
const SCOPE: &str = "(ringkv has strings only: no lists, hashes, sets, transactions, scripts or \
                     pub/sub; COMMAND LIST names its commands)";

/// The error for an unknown subcommand of a container such as `CLIENT`.
#[must_use]
pub fn unknown_subcommand_error(container: &str, subcommand: &[u8]) -> String {
    let container = container.to_ascii_uppercase();
    let subcommand = printable(subcommand, 128);
    format!("ERR unknown subcommand '{subcommand}'. Try {container} HELP.")
}

fn printable(bytes: &[u8], limit: usize) -> String {
    let shown = bytes.get(..limit).unwrap_or(bytes);
    String::from_utf8_lossy(shown).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
