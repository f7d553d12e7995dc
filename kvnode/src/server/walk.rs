//! Shell. Cluster-wide commands of clients that are connected to a node itself: they see the part
//! of the ring that the node owns, piece by piece, other clients in between.

use resp::commands::Id;
use resp::{Command, is_keyword};
use ring::{Arc, Point};
use shell::rng::{OsRng, Rng as _};
use tokio::sync::watch;
use tokio::time::Instant;

use super::node::Node;
use crate::command::connection::Session;
use crate::command::{
    Failure, Glob, Piece, PieceKind, Reply, SYNTAX_ERROR, ScanOptions, cursor_reply, parse_cursor,
};
use crate::executor::{Hold, PieceDone, Segments, Verdict};
use crate::store::BatchNo;

/// How many records a piece looks at.
const PIECE_RECORDS: usize = 512;
const STOPPING: &str = "TRYAGAIN the server is stopping; not everything was done";

/// Runs a command of kind `Range`; the reply, and the batch on which it depends.
pub(super) async fn walk(
    node: &Node,
    session: &mut Session,
    id: Id,
    command: &Command,
) -> (Reply, BatchNo) {
    let deadline = Instant::now() + node.settings.max_hold;
    let changed = node.changed.subscribe();
    let mut walker = Walker { node, session, changed, deadline, depends_on: 0 };
    let outcome = match id {
        Id::DbSize => walker.dbsize().await,
        Id::FlushAll | Id::FlushDb => walker.flush(command).await,
        Id::Keys => walker.keys(command).await,
        Id::Scan => walker.scan(command).await,
        Id::RandomKey => walker.random_key().await,
        other => Err(Reply::Error(format!("ERR {other:?} does not go around the ring").into())),
    };
    (outcome.unwrap_or_else(|error| error), walker.depends_on)
}

struct Walker<'a> {
    node: &'a Node,
    session: &'a mut Session,
    /// Looked at before each piece; see [`Node::wait`].
    changed: watch::Receiver<()>,
    deadline: Instant,
    depends_on: BatchNo,
}

type Outcome = Result<Reply, Reply>;

fn refuse(failure: impl Into<Failure>) -> Reply {
    Reply::Error(failure.into().to_string().into())
}

impl Walker<'_> {
    async fn dbsize(&mut self) -> Outcome {
        let mut n_keys = 0;
        let mut at = Some(Point::MIN);
        while let Some(done) = self.next_piece(&mut at, PIECE_RECORDS, &PieceKind::Count).await? {
            n_keys += done.n_keys;
        }
        Ok(Reply::Integer(i64::try_from(n_keys).unwrap_or(i64::MAX)))
    }

    async fn flush(&mut self, command: &Command) -> Outcome {
        let is_mode = |word| is_keyword(word, "ASYNC") || is_keyword(word, "SYNC");
        if command.len() > 2 || !command.args().skip(1).all(is_mode) {
            return Err(refuse(SYNTAX_ERROR));
        }
        let mut at = Some(Point::MIN);
        while self.next_piece(&mut at, PIECE_RECORDS, &PieceKind::Flush).await?.is_some() {}
        Ok(Reply::Ok)
    }

    async fn keys(&mut self, command: &Command) -> Outcome {
        let pattern = command.arg(1).filter(|pattern| *pattern != b"*").map(Glob::new);
        let kind = PieceKind::Keys(ScanOptions { pattern, ..ScanOptions::default() });
        let limit = self.node.executor.borrow().limits().max_reply_bytes;
        let (mut keys, mut n_bytes) = (Vec::new(), 0);
        let mut at = Some(Point::MIN);
        while let Some(done) = self.next_piece(&mut at, PIECE_RECORDS, &kind).await? {
            n_bytes += done.keys.iter().map(|key| key.len() + 16).sum::<usize>();
            if n_bytes > limit {
                let text = format!("ERR reply is over the limit of {limit} bytes; use SCAN");
                return Err(Reply::Error(text.into()));
            }
            keys.extend(done.keys.into_iter().map(Reply::Bulk));
        }
        Ok(Reply::Array(keys))
    }

    async fn scan(&mut self, command: &Command) -> Outcome {
        let start = parse_cursor(command.arg(1).unwrap_or_default()).map_err(refuse)?;
        let (options, count) = ScanOptions::parse(command, 2).map_err(refuse)?;
        let kind = PieceKind::Keys(options);
        let mut keys = Vec::new();
        let mut at = Some(start);
        // Only a point inside a segment fits into a cursor, so it goes on over segments' ends.
        while let Some(done) = self.next_piece(&mut at, count, &kind).await? {
            keys.extend(done.keys.into_iter().map(Reply::Bulk));
            if done.is_partial {
                break;
            }
        }
        Ok(Reply::Array(vec![cursor_reply(at), Reply::Array(keys)]))
    }

    async fn random_key(&mut self) -> Outcome {
        let kind = PieceKind::Keys(ScanOptions::default());
        let random = Point(OsRng.next_u128());
        for start in [random, Point::MIN] {
            let mut at = Some(start);
            while let Some(done) = self.next_piece(&mut at, 1, &kind).await? {
                if let Some(key) = done.keys.into_iter().next() {
                    return Ok(Reply::Bulk(key));
                }
            }
        }
        Ok(Reply::Null)
    }

    /// The next piece of an owned segment at or after `at`, which moves on; `None` at the end.
    async fn next_piece(
        &mut self,
        at: &mut Option<Point>,
        limit: usize,
        kind: &PieceKind,
    ) -> Result<Option<PieceDone>, Reply> {
        loop {
            let Some(from) = *at else { return Ok(None) };
            self.changed.mark_unchanged();
            let (verdict, arc) = {
                let mut executor = self.node.executor.borrow_mut();
                let arc = match owned_from(executor.segments(), from) {
                    Some(arc) => arc,
                    // Nothing there; whether anything may be asked at all is for the check to say.
                    None if executor.segments().arcs.is_empty() => Arc::FULL,
                    None => {
                        *at = None;
                        return Ok(None);
                    }
                };
                let piece = Piece { arc, limit, kind: kind.clone() };
                let verdict = executor.run_piece(self.session, &piece);
                if executor.has_open_writes() {
                    self.node.seal_soon();
                }
                (verdict, arc)
            };
            match verdict {
                Ok(done) => {
                    *at = done.next.or_else(|| arc.last().next());
                    self.depends_on = self.depends_on.max(done.depends_on);
                    self.give_way().await?;
                    return Ok(Some(done));
                }
                Err(Verdict::Hold(hold)) => self.wait(&hold).await?,
                Err(Verdict::Answer(reply, _)) => return Err(reply),
                Err(_) => return Err(refuse(SYNTAX_ERROR)),
            }
        }
    }

    async fn give_way(&self) -> Result<(), Reply> {
        if self.node.drain.is_draining() {
            return Err(Reply::Error(STOPPING.into()));
        }
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn wait(&mut self, hold: &Hold) -> Result<(), Reply> {
        let drain = self.node.drain.clone();
        tokio::select! {
            () = self.node.wait(hold, &mut self.changed, self.deadline) => {}
            () = drain.signaled() => return Err(Reply::Error(STOPPING.into())),
        }
        if Instant::now() < self.deadline {
            return Ok(());
        }
        Err(Reply::Error(hold.too_long()))
    }
}

/// The rest of the first owned segment that has points at or after this one.
fn owned_from(segments: &Segments, from: Point) -> Option<Arc> {
    let mut arcs = segments.arcs.iter();
    let (arc, _) = arcs.find(|(arc, _)| arc.last() >= from)?;
    Arc::new(arc.start().max(from), arc.last())
}
