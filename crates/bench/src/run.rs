//! Shell. A whole run: threads with their clients, one pass after the other.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use shell::clock::{Clock, SystemClock};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};

use crate::client::{Client, Pass, Task};
use crate::connection::Address;
use crate::error::RunError;
use crate::outcome::Outcome;
use crate::plan::{Limit, Plan};
use crate::progress::{Phase, Progress};
use crate::schedule::Schedule;
use crate::tally::Tally;
use crate::values::Pool;
use crate::workload::Workload;

/// The threads' clients begin together so long after the word is given.
const BEGIN_AFTER: Duration = Duration::from_millis(5);
/// A run in which nothing is answered for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs a plan. Times of the outcome are by the clock given.
///
/// # Errors
/// The plan cannot be meant, or the target cannot be reached or goes away for good. Error replies
/// and wrong answers are in the outcome.
pub async fn run(
    plan: &Plan,
    clock: SystemClock,
    progress: Arc<Progress>,
) -> Result<Outcome, RunError> {
    plan.validate()?;
    progress.enter(Phase::Connecting);
    let mut crew = Crew::hire(plan, clock, progress.clone()).await?;
    let mut before = Tally::new(None);
    if plan.preload {
        progress.enter(Phase::Preloading);
        let tally = crew.work(|_| Task::Preload, None).await?.0;
        if let Some((kind, count)) = tally.errors.kinds.first_key_value() {
            return Err(RunError::Preload { kind: kind.clone(), count: *count });
        }
        before.add(&tally);
    }
    if plan.warmup > Duration::ZERO {
        progress.enter(Phase::WarmingUp);
        let task = |client| task(plan, Limit::Time(plan.warmup), client);
        before.add(&crew.work(task, None).await?.0);
    }
    progress.enter(Phase::Measuring);
    let task = |client| task(plan, plan.limit, client);
    let (mut tally, begin) = crew.work(task, plan.interval).await?;
    tally.add_violations(&before);
    Ok(Outcome::new(tally, begin))
}

/// What one client does of what all do.
fn task(plan: &Plan, limit: Limit, client: u32) -> Task {
    let requests = match limit {
        Limit::Requests(all) => {
            let (client, clients) = (u64::from(client), u64::from(plan.clients));
            all / clients + u64::from(client < all % clients)
        }
        Limit::Time(time) => match plan.rate {
            None => return Task::Time(time),
            Some(rate) => {
                let last = time.saturating_sub(Duration::from_nanos(1));
                Schedule::new(rate, client, plan.clients).due(last)
            }
        },
    };
    match plan.rate {
        None => Task::Requests(requests),
        Some(rate) => Task::Scheduled(Schedule::new(rate, client, plan.clients), requests),
    }
}

/// The threads of a run.
struct Crew {
    clock: SystemClock,
    progress: Arc<Progress>,
    clients: u32,
    pipeline: u64,
    threads: Vec<mpsc::Sender<Order>>,
    results: mpsc::Receiver<Result<Tally, RunError>>,
}

/// What the clients of a thread are to do.
struct Order {
    tasks: Vec<Task>,
    begin: Duration,
    pipeline: u64,
    interval: Option<Duration>,
}

impl Crew {
    /// Starts the threads and waits until all clients are connected.
    async fn hire(
        plan: &Plan,
        clock: SystemClock,
        progress: Arc<Progress>,
    ) -> Result<Self, RunError> {
        let found = tokio::net::lookup_host(&plan.target).await;
        let addresses = found.map_err(|error| RunError::connect(plan, error))?.collect::<Vec<_>>();
        let threads = plan.threads_used();
        let (sender, results) = mpsc::channel(threads as usize);
        let (pipeline, clients) = (u64::from(plan.pipeline), plan.clients);
        let mut crew = Self { clock, progress, clients, pipeline, threads: Vec::new(), results };
        let pool = Arc::new(Pool::new(plan.seed, plan.value_bytes as usize));
        for thread in 0..threads {
            let (orders, inbox) = mpsc::channel(1);
            crew.threads.push(orders);
            let desk = Desk {
                plan: plan.clone(),
                clients: crew.of_thread(thread),
                addresses: addresses.clone(),
                pool: pool.clone(),
                clock,
                progress: crew.progress.clone(),
                inbox,
                results: sender.clone(),
            };
            let name = format!("clients-{thread}");
            let spawned = thread::Builder::new().name(name).spawn(move || desk.sit());
            spawned.map_err(RunError::Thread)?;
        }
        drop(sender);
        crew.gather(None).await?;
        Ok(crew)
    }

    /// Every so-manieth client is the thread's.
    fn of_thread(&self, thread: u32) -> Vec<u32> {
        (thread..self.clients).step_by(self.results.max_capacity()).collect()
    }

    /// Has every client do its task; what all have measured, and when it began.
    async fn work(
        &mut self,
        task: impl Fn(u32) -> Task,
        interval: Option<Duration>,
    ) -> Result<(Tally, Duration), RunError> {
        let begin = self.clock.monotonic() + BEGIN_AFTER;
        for (thread, orders) in (0..).zip(&self.threads) {
            let tasks = self.of_thread(thread).into_iter().map(&task).collect();
            let order = Order { tasks, begin, pipeline: self.pipeline, interval };
            orders.send(order).await.map_err(|_| RunError::Panic)?;
        }
        Ok((self.gather(interval).await?, begin))
    }

    /// Waits for the result of every thread.
    async fn gather(&mut self, interval: Option<Duration>) -> Result<Tally, RunError> {
        let mut all = Tally::new(interval);
        let mut missing = self.threads.len();
        let (mut last, mut silence) = (self.progress.now(), Duration::ZERO);
        while missing > 0 {
            match tokio::time::timeout(LOOK_EVERY, self.results.recv()).await {
                Ok(Some(result)) => {
                    all.add(&result?);
                    missing -= 1;
                }
                Ok(None) => return Err(RunError::Panic),
                Err(_) if self.progress.now() == last => {
                    silence += LOOK_EVERY;
                    if silence >= SILENCE_MAX {
                        return Err(RunError::Silence { seconds: SILENCE_MAX.as_secs() });
                    }
                }
                Err(_) => (last, silence) = (self.progress.now(), Duration::ZERO),
            }
        }
        Ok(all)
    }
}

/// Clients of a run that is given up end soon, too.
impl Drop for Crew {
    fn drop(&mut self) {
        self.threads.clear();
        self.progress.stop();
    }
}

/// What a thread begins with.
struct Desk {
    plan: Plan,
    clients: Vec<u32>,
    addresses: Vec<std::net::SocketAddr>,
    pool: Arc<Pool>,
    clock: SystemClock,
    progress: Arc<Progress>,
    inbox: mpsc::Receiver<Order>,
    results: mpsc::Sender<Result<Tally, RunError>>,
}

impl Desk {
    /// Works until there are no more orders, or something fails.
    fn sit(mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = self.results.blocking_send(Err(RunError::Thread(error)));
                return;
            }
        };
        LocalSet::new().block_on(&runtime, async {
            let mut clients = match self.connect().await {
                Ok(clients) => clients,
                Err(error) => {
                    let failed = RunError::connect(&self.plan, error);
                    let _ = self.results.send(Err(failed)).await;
                    return;
                }
            };
            let mut result = Ok(Tally::new(None));
            while self.results.send(result).await.is_ok() {
                let Some(order) = self.inbox.recv().await else { return };
                result = carry_out(&mut clients, order)
                    .await
                    .map_err(|error| RunError::gone(&self.plan, error));
            }
        });
    }

    async fn connect(&self) -> io::Result<Vec<Client>> {
        let address = Rc::new(Address {
            addresses: self.addresses.clone(),
            password: self.plan.password.clone(),
            timeout: self.plan.connect_timeout,
        });
        let run = self.clock.unix_ms();
        let mut clients = Vec::with_capacity(self.clients.len());
        for client in &self.clients {
            clients.push(Client {
                number: *client,
                address: address.clone(),
                clock: self.clock,
                progress: self.progress.clone(),
                workload: Workload::new(&self.plan, *client, self.pool.clone(), run),
                connection: address.connect().await?,
                out: Vec::new(),
                now: Duration::ZERO,
            });
        }
        Ok(clients)
    }
}

async fn carry_out(clients: &mut Vec<Client>, order: Order) -> io::Result<Tally> {
    let Order { tasks, begin, pipeline, interval } = order;
    let tally = Rc::new(RefCell::new(Tally::new(interval)));
    let mut at_work = JoinSet::new();
    for (mut client, task) in clients.drain(..).zip(tasks) {
        let (tally, pass) = (tally.clone(), Pass { task, begin, pipeline });
        at_work.spawn_local(async move {
            let early = begin.saturating_sub(client.clock.monotonic());
            tokio::time::sleep(early).await;
            (client.run(pass, &tally).await, client)
        });
    }
    let mut done = Vec::new();
    while let Some(joined) = at_work.join_next().await {
        let (result, client) = joined.map_err(io::Error::other)?;
        result?;
        done.push(client);
    }
    done.sort_by_key(|client| client.number);
    clients.append(&mut done);
    let empty = Tally::new(interval);
    Ok(tally.replace(empty))
}
