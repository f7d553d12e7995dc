//! Shell. Takes the connections of sources: reads the greeting, and hands the connection to the
//! driver of its handoff, or answers from the record.

use std::sync::Arc as Shared;
use std::time::Duration;

use handoff::{TargetEffect, TargetEvent, TargetFacts, Terms};
use shell::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::link::{Link, LinkError};
use super::wire::{Hello, Standing, ToSource, ToTarget};
use super::{Context, TargetCommand};
use crate::ownership::Route;

/// Connections of sources at a time.
const MAX_CONNECTIONS: usize = 1_024;
/// How long a source may take to greet.
const GREETING: Duration = Duration::from_secs(5);
/// How long to wait after a failure to accept, as when no descriptors are left.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Accepts until the node stops.
pub(crate) async fn listen(context: Shared<Context>, listener: TcpListener) {
    let slots = Shared::new(Semaphore::new(MAX_CONNECTIONS));
    let drain = context.drain.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = drain.signaled() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a peer connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let Ok(slot) = Shared::clone(&slots).try_acquire_owned() else {
            tracing::warn!(MAX_CONNECTIONS, "too many peer connections; one is refused");
            continue;
        };
        let context = Shared::clone(&context);
        tokio::spawn(async move {
            if let Err(error) = greet(&context, stream).await {
                tracing::debug!(%error, "a peer connection ended");
            }
            drop(slot);
        });
    }
}

async fn greet(context: &Context, stream: TcpStream) -> Result<(), LinkError> {
    let mut link = Link::new(stream);
    let greeting = tokio::time::timeout(GREETING, greeting(context, &mut link)).await;
    let hello = match greeting.map_err(|_| LinkError::Ended)?? {
        Ok(hello) => hello,
        Err(refusal) => {
            link.send(ToSource::Failed(refusal.into()).encode());
            return Ok(());
        }
    };
    if let Some(stranger) = stranger(context, &hello) {
        link.send(ToSource::Failed(stranger).encode());
        return Ok(());
    }
    match context.ownership.route(hello.id).await {
        Ok(Route::Driver(driver)) => {
            link.expect_records();
            let _ = driver.send(TargetCommand::Connected(Box::new((link, *hello))));
        }
        Ok(Route::Record) => answer_from_record(context, &link, &hello).await,
        Ok(Route::Later) => {
            link.send(ToSource::Failed("the handoff is being accepted".into()).encode());
        }
        Err(error) => link.send(ToSource::Failed(error.to_string()).encode()),
    }
    Ok(())
}

/// The greeting, after the token if one is asked for; or why there is none.
async fn greeting(
    context: &Context,
    link: &mut Link,
) -> Result<Result<Box<Hello>, &'static str>, LinkError> {
    let mut message = ToTarget::decode(link.next().await?)?;
    let mut given = None;
    if let ToTarget::Token(token) = message {
        given = Some(token);
        message = ToTarget::decode(link.next().await?)?;
    }
    if context.token.is_some() && context.token != given {
        return Ok(Err(
            "this server asks others for another token; give all the same --token-file",
        ));
    }
    Ok(match message {
        ToTarget::Hello(hello) => Ok(hello),
        _ => Err("a greeting comes first"),
    })
}

/// Why the greeting is not for this node.
fn stranger(context: &Context, hello: &Hello) -> Option<String> {
    if hello.cluster != context.cluster {
        return Some(format!("this is a server of cluster {}", context.cluster));
    }
    let own = &context.server;
    (hello.target != *own).then(|| format!("this is {}, incarnation {}", own.name, own.incarnation))
}

/// The event that a greeting is.
pub(super) const fn event_of(standing: Standing) -> TargetEvent {
    match standing {
        Standing::Copying => TargetEvent::Hello,
        Standing::Frozen => TargetEvent::Decide,
        Standing::Given => TargetEvent::Given,
        Standing::Dropped => TargetEvent::Dropped,
    }
}

/// The terms as the target records them.
pub(super) fn terms_of(hello: &Hello) -> Terms {
    Terms { peer: hello.source.clone(), arcs: hello.arcs.clone(), epoch: hello.epoch }
}

async fn answer_from_record(context: &Context, link: &Link, hello: &Hello) {
    let event = event_of(hello.standing);
    let none = TargetFacts::default();
    let outcome = context.ownership.target_event(hello.id, &terms_of(hello), event, none).await;
    let effects = match outcome {
        Ok(outcome) => outcome.effects,
        Err(error) => return link.send(ToSource::Failed(error.to_string()).encode()),
    };
    for effect in effects {
        let answer = match effect {
            TargetEffect::AnswerYes => ToSource::Yes(handoff::Moved::default()),
            TargetEffect::AnswerNo => ToSource::No,
            TargetEffect::AnswerSettled => ToSource::Settled,
            TargetEffect::Serve | TargetEffect::AnswerNotYet => continue,
        };
        link.send(answer.encode());
    }
}
