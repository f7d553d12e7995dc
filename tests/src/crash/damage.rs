//! Shell. Files that are cut short and single bits that are flipped, after a server was killed. It
//! may refuse to start, with the remedy; it may answer a key with an error; it must not serve
//! anything wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use node_api::NodeState;

use super::Outcome;
use super::book::State;
use super::facts;
use super::progress::Progress;
use super::solo::{Seen, Solo};
use super::tree::{Content, Tree, write};
use crate::random::Random;

/// Writes of the script before the server is killed.
const WRITES: u32 = 120;
/// How much is written before, where there are to be tables besides the journal.
const TABLES_BYTES: u32 = 24 << 20;
/// How long a damaged server may take to say what is wrong.
const SAYS_WITHIN: Duration = Duration::from_secs(10);
/// What a refusal has to hold, besides a path below the data directory.
const REMEDIES: [&str; 6] =
    ["restore", "choose", "check", "start the version", "use the version", "free some"];
/// Exit code of refused storage.
const STORAGE: i32 = 74;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Where the choices begin.
    pub seed: u64,
    /// How many damages, over all files.
    pub count: u32,
}

/// What came of a damage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Everything is right: the damage was in what nobody needs, or there is a second copy.
    Harmless,
    /// It refused to start, and said what to do.
    Refused,
    /// It serves nothing, and says why.
    NotServing,
    /// Some keys are answered with an error, all others are right.
    ErrorAnswers,
    /// It ended, and did not say what to do.
    EndedUnclear,
    /// An acknowledged write is gone, and nobody is told; or its state before that is back.
    SilentLoss,
    /// What nobody ever wrote.
    WrongValue,
}

/// What happened and what was found.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How often which effect, by kind of file and of damage.
    pub effects: BTreeMap<String, BTreeMap<String, u32>>,
    /// An example of each of the worse effects.
    pub examples: BTreeMap<String, String>,
    /// How many damages.
    pub tried: u32,
    /// How long all of it took.
    pub took: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} damages in {:.1} s", self.tried, self.took.as_secs_f64())?;
        for (what, effects) in &self.effects {
            let effects = effects.iter().map(|(effect, count)| format!("{effect} {count}"));
            write!(f, "\n    {what}: {}", effects.collect::<Vec<_>>().join(", "))?;
        }
        for (what, example) in &self.examples {
            write!(f, "\n    such as {what}: {example}")?;
        }
        Ok(())
    }
}

/// Damages a directory again and again.
///
/// # Errors
/// Something wrong was served.
pub async fn run(
    plan: Plan,
    directory: &Path,
    progress: &mut Progress,
) -> anyhow::Result<Outcome<Summary>> {
    let began = Instant::now();
    let mut random = Random::new(plan.seed);
    let mut summary = Summary::default();
    for with_tables in [false, true] {
        let template = Template::make(directory, with_tables).await?;
        let files = template.tree.files();
        let journals: Vec<_> = files.iter().filter(|(path, _)| is_journal(path)).collect();
        ensure!(!journals.is_empty(), "the engine has no journal");
        for number in 0..plan.count as usize / 2 {
            // Every file in turn, and a journal every other time.
            let (path, content) = match number % 2 {
                0 => journals[number / 2 % journals.len()],
                _ => &files[number / 2 % files.len()],
            };
            let damage = Damage::choose(content, &mut random);
            let (effect, text) = template.try_damage(path, content, damage).await?;
            let text = format!("{}: {damage:?}: {text}", path.display());
            summary.add(path, damage, &effect, &text);
            summary.took = began.elapsed();
            progress.tell(|| format!("damage: {} of {}", summary.tried, plan.count));
            let is_wrong = match effect {
                Effect::WrongValue => true,
                // The journal's own limits: see docs/testing.md.
                Effect::SilentLoss => !is_journal(path),
                _ => false,
            };
            ensure!(!is_wrong, "{effect:?}: {text} ({plan:?}, tables: {with_tables})");
        }
    }
    summary.took = began.elapsed();
    Ok(Outcome::Done(summary))
}

impl Summary {
    fn add(&mut self, path: &Path, damage: Damage, effect: &Effect, text: &str) {
        let kind = format!("{}, {}", kind_of(path), damage.kind());
        let effects = self.effects.entry(kind.clone()).or_default();
        *effects.entry(format!("{effect:?}")).or_default() += 1;
        self.tried += 1;
        if *effect > Effect::Refused {
            self.examples.entry(format!("{kind}, {effect:?}")).or_insert_with(|| text.to_owned());
        }
    }
}

fn is_journal(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "jnl")
}

/// What a file is for, by its name.
fn kind_of(path: &Path) -> &'static str {
    let text = path.to_string_lossy();
    match text.rsplit('/').next().unwrap_or_default() {
        name if name.ends_with(".jnl") => "journal",
        "decisions.a" | "decisions.b" => "decisions",
        "clock" => "clock",
        "FORMAT" => "format",
        "current" => "pointer to a list of tables",
        "version" => "the engine's version",
        "LOCK" | "lock" => "lock",
        _ if text.contains("/tables/") => "table",
        name if name.starts_with('v') => "list of tables",
        _ => "other",
    }
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    /// The file ends here.
    Cut(u64),
    /// This bit of the file is another one.
    Flip(u64),
}

impl Damage {
    /// One of three cuts the file, within what it holds.
    fn choose(content: &Content, random: &mut Random) -> Self {
        let n_bytes = u64::try_from(content.bytes.len()).unwrap_or_default().max(1);
        match random.below(3) {
            0 => Self::Cut(random.next() % n_bytes),
            _ => Self::Flip(random.next() % (n_bytes * 8)),
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Cut(_) => "cut short",
            Self::Flip(_) => "a bit flipped",
        }
    }

    fn apply(self, content: &Content) -> Content {
        let mut bytes = content.bytes.clone();
        match self {
            Self::Cut(length) => {
                bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
                Content { bytes, length }
            }
            Self::Flip(bit) => {
                let index = usize::try_from(bit / 8).unwrap_or(usize::MAX);
                bytes.resize(bytes.len().max(index + 1), 0);
                if let Some(byte) = bytes.get_mut(index) {
                    *byte ^= 1 << (bit % 8);
                }
                let length = content.length.max(u64::try_from(bytes.len()).unwrap_or_default());
                Content { bytes, length }
            }
        }
    }
}

/// A server that was killed, and what it had said.
struct Template {
    directory: PathBuf,
    solo: Solo,
    tree: Tree,
    said: NodeState,
}

impl Template {
    async fn make(directory: &Path, with_tables: bool) -> anyhow::Result<Self> {
        let directory = directory.join(if with_tables { "tables" } else { "journal" });
        fs::create_dir_all(&directory)?;
        let data = directory.join("template");
        let mut solo = Solo::prepare(&directory, &data).await?;
        solo.create().await?;
        if with_tables {
            ensure!(solo.fill(TABLES_BYTES).await?, "it does not take what fills its tables");
        }
        ensure!(solo.write(WRITES).await?, "it does not take writes");
        let said = solo.server.state().await?;
        solo.server.kill()?;
        Ok(Self { directory, solo, tree: Tree::read(&data)?, said })
    }

    async fn try_damage(
        &self,
        path: &Path,
        content: &Content,
        damage: Damage,
    ) -> anyhow::Result<(Effect, String)> {
        let data = self.directory.join("data");
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        self.tree.write(&data)?;
        write(&data.join(path), &damage.apply(content))?;
        let mut solo = Solo::prepare(&self.directory, &data).await?;
        solo.go_on_from(&self.solo)?;
        solo.server.start()?;
        let effect = self.effect(&mut solo).await;
        if solo.server.ended()?.is_none() {
            solo.server.kill()?;
        }
        effect.with_context(|| format!("{}, {damage:?}", path.display()))
    }

    async fn effect(&self, solo: &mut Solo) -> anyhow::Result<(Effect, String)> {
        let data = solo.server.data().display().to_string();
        let says = |state: &NodeState| state.admitted || state.ring_epoch != self.said.ring_epoch;
        match solo.server.answers_or_ends(SAYS_WITHIN, says).await {
            Ok(Ok(state)) if !state.admitted => {
                let why = state.admission_error.unwrap_or_default();
                return Ok((Effect::NotServing, why));
            }
            Ok(Ok(state)) => {
                if let Err(error) = facts::require_remembered(&self.said, &state) {
                    return Ok((Effect::SilentLoss, error));
                }
            }
            Ok(Err(status)) => return Ok(refusal(status.code(), &solo.server.output(), &data)),
            Err(error) => return Ok((Effect::NotServing, format!("{error:#}"))),
        }
        let Some(seen) = solo.read().await? else {
            let status = solo.server.wait_end().await?;
            return Ok(refusal(status.code(), &solo.server.output(), &data));
        };
        let mut effect = (Effect::Harmless, String::new());
        for (key, seen) in seen {
            let next = judge(solo, &key, &seen);
            if next.0 > effect.0 {
                effect = next;
            }
        }
        Ok(effect)
    }
}

fn judge(solo: &Solo, key: &str, seen: &Seen) -> (Effect, String) {
    match seen {
        Seen::Error(text) => (Effect::ErrorAnswers, format!("{key}: {text}")),
        Seen::State(state) if solo.book.known(key) == Some(state) => {
            (Effect::Harmless, String::new())
        }
        Seen::State(state) => {
            let text = format!("{key} is {state:?} and was {:?}", solo.book.known(key));
            let was = *state == State::Absent || solo.book.had(key, state);
            (if was { Effect::SilentLoss } else { Effect::WrongValue }, text)
        }
    }
}

/// Whether a server that ended said what to do.
fn refusal(code: Option<i32>, output: &str, data: &str) -> (Effect, String) {
    let last = output.lines().last().unwrap_or_default().to_owned();
    let names = last.contains(data) && REMEDIES.iter().any(|remedy| last.contains(remedy));
    if code == Some(STORAGE) && names {
        return (Effect::Refused, last);
    }
    (Effect::EndedUnclear, format!("exit code {code:?}: {output}"))
}
