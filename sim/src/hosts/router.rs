//! Shell. A router.

use std::rc::Rc;

use router::{Config, Source};

use super::{HTTP_PORT, RESP_PORT, any};
use crate::stage::Stage;

/// Runs until it crashes.
pub(crate) async fn run(stage: Rc<Stage>, name: String) -> turmoil::Result {
    let source = Source::Coordinator(super::directory::URL.to_owned());
    let mut config = Config::new(any(RESP_PORT), any(HTTP_PORT), source);
    config.threads = 1;
    stage.say(&format!("{name} starts"));
    router::simulated::run(config).await?;
    Err(format!("{name} has ended by itself").into())
}
