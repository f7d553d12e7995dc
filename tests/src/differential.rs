//! Shell. The same random commands to ringkv and to Redis: their answers have to be equal.

pub mod generate;
pub mod judge;
pub mod reply;
pub mod shrink;
pub mod stream;
pub mod words;

mod peer;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;

use generate::Steps;
use judge::{Difference, Verdict, judge, judge_bytes};
use peer::Peer;
use reply::Reply;
use stream::{Request, Step};

/// The most streams that are tried to find a shorter one that fails.
const SHRINK_TRIES_MAX: usize = 1_500;
/// Pages of one SCAN.
const SCAN_PAGES_MAX: usize = 10_000;
/// How much of an answer is printed.
const ANSWER_BYTES_SHOWN: usize = 300;

/// What to compare.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where ringkv listens.
    pub ours: String,
    /// Where Redis listens.
    pub theirs: String,
    /// At least so many commands.
    pub commands: usize,
    /// Where the choices begin.
    pub seed: u64,
}

/// What was compared.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Commands that both servers answered.
    pub commands: usize,
    /// Those of them that both answered with an error.
    pub errors: usize,
    /// How often answers differed as they may.
    pub known: BTreeMap<Difference, usize>,
    /// For how long it went on.
    pub took: Duration,
}

impl Summary {
    fn note(&mut self, difference: Difference) {
        *self.known.entry(difference).or_default() += 1;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { commands, errors, took, .. } = self;
        let seconds = took.as_secs_f64();
        writeln!(
            f,
            "{commands} commands, {errors} of them errors, in {seconds:.1} s; equal but for"
        )?;
        for difference in Difference::ALL {
            let count = self.known.get(&difference).copied().unwrap_or(0);
            writeln!(f, "{count:>8}  {}", difference.reason())?;
        }
        Ok(())
    }
}

/// An answer that differs.
#[derive(Clone, Debug)]
struct Mismatch {
    command: String,
    ours: Vec<u8>,
    theirs: Vec<u8>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bytes: &[u8]| match bytes.get(..ANSWER_BYTES_SHOWN) {
            Some(start) => format!("{}...({} bytes)", start.escape_ascii(), bytes.len()),
            None => bytes.escape_ascii().to_string(),
        };
        writeln!(f, "  {}", self.command)?;
        writeln!(f, "    ringkv: {}", shown(&self.ours))?;
        write!(f, "    redis:  {}", shown(&self.theirs))
    }
}

/// Runs a stream of commands on both.
///
/// # Errors
/// An answer differs: the error has the shortest stream that was found to show it. Or a server
/// cannot be reached.
pub async fn run(plan: &Plan) -> anyhow::Result<Summary> {
    let began = Instant::now();
    let mut summary = Summary::default();
    let mut pair = Pair::connect(plan).await?;
    let mut steps = Steps::new(plan.seed);
    let mut sent = Vec::new();
    while summary.commands < plan.commands {
        let step = steps.step();
        sent.push(step.clone());
        if let Some(mismatch) = pair.compare(&step, &mut summary).await? {
            return Err(explain(plan, sent, &mismatch, summary.commands).await);
        }
    }
    summary.took = began.elapsed();
    Ok(summary)
}

async fn explain(
    plan: &Plan,
    sent: Vec<Step>,
    mismatch: &Mismatch,
    commands: usize,
) -> anyhow::Error {
    let found = Rc::new(RefCell::new(mismatch.clone()));
    let shortest = shrink::shrink(sent, SHRINK_TRIES_MAX, |steps| {
        let found = Rc::clone(&found);
        async move {
            // A stream that breaks a connection is not the one that is looked for.
            let result = replay(plan, &steps).await.ok().flatten();
            result.map(|mismatch| *found.borrow_mut() = mismatch).is_some()
        }
    })
    .await;
    let stream: String = shortest.iter().map(ToString::to_string).collect();
    anyhow::anyhow!(
        "ringkv and Redis differ after {commands} commands of seed {}:\n{}\nthe shortest stream \
         that was found to show it, on empty servers:\n{stream}",
        plan.seed,
        found.borrow()
    )
}

async fn replay(plan: &Plan, steps: &[Step]) -> anyhow::Result<Option<Mismatch>> {
    let mut pair = Pair::connect(plan).await?;
    let mut summary = Summary::default();
    for step in steps {
        let mismatch = pair.compare(step, &mut summary).await?;
        if mismatch.is_some() {
            return Ok(mismatch);
        }
    }
    Ok(None)
}

/// Both servers, at the same state.
struct Pair {
    ours: Peer,
    theirs: Peer,
}

impl Pair {
    /// Connects to both and empties them.
    async fn connect(plan: &Plan) -> anyhow::Result<Self> {
        let mut ours = Peer::connect(&plan.ours).await.context("ringkv")?;
        let mut theirs = Peer::connect(&plan.theirs).await.context("redis-server")?;
        let empty = [Request::new(vec![b"FLUSHALL".to_vec()])];
        for peer in [&mut ours, &mut theirs] {
            let answers = peer.pipeline(&empty).await?;
            anyhow::ensure!(answers == [b"+OK\r\n"], "FLUSHALL: {answers:?}");
        }
        Ok(Self { ours, theirs })
    }

    async fn compare(
        &mut self,
        step: &Step,
        summary: &mut Summary,
    ) -> anyhow::Result<Option<Mismatch>> {
        match step {
            Step::Pipeline(requests) => self.pipeline(requests, summary).await,
            Step::Fleeting { before, wait_ms, after } => {
                let mismatch = self.pipeline(before, summary).await?;
                if mismatch.is_some() {
                    return Ok(mismatch);
                }
                // What is waited for is the time itself.
                tokio::time::sleep(Duration::from_millis(*wait_ms)).await;
                self.pipeline(after, summary).await
            }
            Step::Scan(words) => self.scan(words, summary).await,
            Step::Raw(bytes) => {
                let (ours, theirs) = tokio::join!(self.ours.raw(bytes), self.theirs.raw(bytes));
                let (ours, theirs) = (ours.context("ringkv")?, theirs.context("redis-server")?);
                summary.commands += 1;
                let command = format!("bytes: {}", bytes.escape_ascii());
                match judge_bytes(bytes, &ours, &theirs) {
                    Verdict::Equal => {}
                    Verdict::Known(difference) => summary.note(difference),
                    Verdict::Different => {
                        return Ok(Some(Mismatch { command, ours, theirs }));
                    }
                }
                Ok(None)
            }
        }
    }

    async fn pipeline(
        &mut self,
        requests: &[Request],
        summary: &mut Summary,
    ) -> anyhow::Result<Option<Mismatch>> {
        let (ours, theirs) =
            tokio::join!(self.ours.pipeline(requests), self.theirs.pipeline(requests));
        let (ours, theirs) = (ours.context("ringkv")?, theirs.context("redis-server")?);
        for ((request, ours), theirs) in requests.iter().zip(ours).zip(theirs) {
            summary.commands += 1;
            summary.errors += usize::from(theirs.starts_with(b"-"));
            match judge(request, &ours, &theirs) {
                Verdict::Equal => {}
                Verdict::Known(difference) => {
                    summary.note(difference);
                    if difference == Difference::LongDouble {
                        self.set_right(request, &theirs).await?;
                    }
                }
                Verdict::Different => {
                    let command = request.to_string();
                    return Ok(Some(Mismatch { command, ours, theirs }));
                }
            }
        }
        Ok(None)
    }

    /// Gives ringkv the value that Redis has.
    async fn set_right(&mut self, request: &Request, theirs: &[u8]) -> anyhow::Result<()> {
        let theirs = Reply::parse(theirs)?;
        let (Some(key), Some(value)) = (request.words.get(1), theirs.bytes()) else {
            return Ok(());
        };
        let words = vec![b"SET".to_vec(), key.clone(), value.to_vec(), b"KEEPTTL".to_vec()];
        let answers = self.ours.pipeline(&[Request::new(words)]).await?;
        anyhow::ensure!(answers == [b"+OK\r\n"], "SET with KEEPTTL: {answers:?}");
        Ok(())
    }

    /// The order and the pages are each server's own; together they have to be the same keys.
    async fn scan(
        &mut self,
        words: &[Vec<u8>],
        summary: &mut Summary,
    ) -> anyhow::Result<Option<Mismatch>> {
        let (ours, theirs) =
            tokio::join!(scan(&mut self.ours, words), scan(&mut self.theirs, words));
        let (ours, theirs) = (ours.context("ringkv")?, theirs.context("redis-server")?);
        summary.commands += 1;
        let shown = |keys: &BTreeSet<Vec<u8>>| keys.iter().flatten().copied().collect();
        Ok((ours != theirs).then(|| Mismatch {
            command: Step::Scan(words.to_vec()).to_string(),
            ours: shown(&ours),
            theirs: shown(&theirs),
        }))
    }
}

/// All keys that a server finds; or the error, in place of them.
async fn scan(peer: &mut Peer, words: &[Vec<u8>]) -> anyhow::Result<BTreeSet<Vec<u8>>> {
    let mut found = BTreeSet::new();
    let mut cursor = b"0".to_vec();
    for _ in 0..SCAN_PAGES_MAX {
        let words = [&[b"SCAN".to_vec(), cursor.clone()], words].concat();
        let answers = peer.pipeline(&[Request::new(words)]).await?;
        let answer = answers.first().context("no answer")?;
        let page = Reply::parse(answer)?;
        let [next, keys] = page.items() else { return Ok(BTreeSet::from([answer.clone()])) };
        found.extend(keys.items().iter().filter_map(Reply::bytes).map(<[u8]>::to_vec));
        cursor = next.bytes().context("a cursor is a string")?.to_vec();
        if cursor == b"0" {
            return Ok(found);
        }
    }
    anyhow::bail!("a SCAN of more than {SCAN_PAGES_MAX} pages")
}
