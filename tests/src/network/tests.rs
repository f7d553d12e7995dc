//! What each effect does to a connection to a server that answers every byte with the same.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);
/// Long enough for bytes to arrive that may.
const A_WHILE: Duration = Duration::from_millis(150);

struct Case {
    rules: watch::Sender<Rules>,
    client: TcpStream,
    /// What the server has: a token each for a connection's begin and end.
    ended: watch::Receiver<u32>,
}

async fn start() -> anyhow::Result<Case> {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = server.local_addr()?.to_string();
    let (ended_sender, ended) = watch::channel(0);
    tokio::task::spawn_local(async move {
        while let Ok((mut stream, _)) = server.accept().await {
            let mut byte = [0];
            while stream.read_exact(&mut byte).await.is_ok() {
                if stream.write_all(&byte).await.is_err() {
                    break;
                }
            }
            ended_sender.send_modify(|count| *count += 1);
        }
    });
    let rules = watch::Sender::new(Rules::default());
    let proxy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let client = TcpStream::connect(proxy.local_addr()?).await?;
    let (stream, _) = proxy.accept().await?;
    let watched = rules.subscribe();
    tokio::task::spawn_local(async move {
        let ends = Ends { from: Party::Router, to: Party::Coordinator };
        connection::pass(stream, &address, &ends, watched).await;
    });
    Ok(Case { rules, client, ended })
}

impl Case {
    fn set(&self, from: Party, to: Party, effect: Effect) {
        let rule = Rule::one_way(Whom::One(from), Whom::One(to), effect);
        self.rules.send_replace(Rules(vec![rule]));
    }

    fn heal(&self) {
        self.rules.send_replace(Rules::default());
    }

    async fn say(&mut self, byte: u8) -> anyhow::Result<()> {
        Ok(self.client.write_all(&[byte]).await?)
    }

    /// The byte that comes, or 0 at the end of the connection.
    async fn hear(&mut self) -> anyhow::Result<u8> {
        let mut byte = [0];
        let read = timeout(SOON, self.client.read(&mut byte)).await?;
        Ok(if read.unwrap_or(0) == 0 { 0 } else { byte[0] })
    }

    async fn hears_nothing(&mut self) -> bool {
        let mut byte = [0];
        timeout(A_WHILE, self.client.read(&mut byte)).await.is_err()
    }
}

#[test]
fn bytes_pass_and_so_does_the_end() -> anyhow::Result<()> {
    crate::scenario(async {
        let mut case = start().await?;
        case.say(7).await?;
        assert_eq!(case.hear().await?, 7);
        case.client.shutdown().await?;
        timeout(SOON, case.ended.wait_for(|count| *count == 1)).await??;
        assert_eq!(case.hear().await?, 0);
        Ok(())
    })
}

#[test]
fn held_bytes_arrive_when_the_rule_is_over() -> anyhow::Result<()> {
    crate::scenario(async {
        for back in [false, true] {
            let mut case = start().await?;
            case.say(1).await?;
            assert_eq!(case.hear().await?, 1);
            match back {
                true => case.set(Party::Coordinator, Party::Router, Effect::Hold),
                false => case.set(Party::Router, Party::Coordinator, Effect::Hold),
            }
            case.say(2).await?;
            assert!(case.hears_nothing().await);
            case.heal();
            assert_eq!(case.hear().await?, 2);
        }
        Ok(())
    })
}

#[test]
fn a_delay_delays() -> anyhow::Result<()> {
    crate::scenario(async {
        let mut case = start().await?;
        case.set(Party::Router, Party::Coordinator, Effect::Delay(2 * A_WHILE));
        case.say(1).await?;
        assert!(case.hears_nothing().await);
        assert_eq!(case.hear().await?, 1);
        case.set(Party::Router, Party::Coordinator, Effect::Throttle(3));
        case.say(2).await?;
        assert!(case.hears_nothing().await);
        assert_eq!(case.hear().await?, 2);
        Ok(())
    })
}

#[test]
fn a_reset_breaks_both_sides() -> anyhow::Result<()> {
    crate::scenario(async {
        let mut case = start().await?;
        case.say(1).await?;
        assert_eq!(case.hear().await?, 1);
        case.set(Party::Coordinator, Party::Router, Effect::Reset);
        assert_eq!(case.hear().await?, 0);
        timeout(SOON, case.ended.wait_for(|count| *count == 1)).await??;
        Ok(())
    })
}

#[test]
fn half_open_tells_one_side_only() -> anyhow::Result<()> {
    crate::scenario(async {
        let mut case = start().await?;
        case.say(1).await?;
        assert_eq!(case.hear().await?, 1);
        case.set(Party::Router, Party::Coordinator, Effect::HalfOpen);
        timeout(SOON, case.ended.wait_for(|count| *count == 1)).await??;
        case.say(2).await?;
        assert!(case.hears_nothing().await);
        case.heal();
        assert_eq!(case.hear().await?, 0);

        let mut case = start().await?;
        case.say(1).await?;
        assert_eq!(case.hear().await?, 1);
        case.set(Party::Coordinator, Party::Router, Effect::HalfOpen);
        assert_eq!(case.hear().await?, 0);
        assert_eq!(*case.ended.borrow_and_update(), 0);
        case.heal();
        timeout(SOON, case.ended.wait_for(|count| *count == 1)).await??;
        Ok(())
    })
}
