//! A log that cannot be written, such as on a full disk, is no reason to end.

use std::fs::OpenOptions;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::ensure;
use e2e::cluster::{binary, free_port};
use e2e::{http, scenario, wait};

const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
/// As of sysexits.h: something that the program needs is not available.
const UNAVAILABLE: i32 = 69;

#[test]
fn a_router_whose_log_cannot_be_written_serves() -> anyhow::Result<()> {
    scenario(async {
        let (resp, http) = (free_port()?, free_port()?);
        let mut router = Router::start(resp, http)?;
        let address = format!("127.0.0.1:{http}");
        let address = &address;
        let answer = wait::until("the router answers", ANSWERS_WITHIN, || {
            let ended = router.0.try_wait();
            async move {
                match ended {
                    Ok(Some(status)) => Ok(Err(status)),
                    _ => http::request(address, "GET", "/healthz", "", b"").await.map(Ok),
                }
            }
        })
        .await?;
        let answer = answer.map_err(|status| anyhow::anyhow!("the router ended: {status}"))?;
        ensure!(answer.status == 200, "{}", answer.text());

        let mut second = Router::start(resp, http)?;
        let status = wait::until("the second router ends", ANSWERS_WITHIN, || {
            let ended = second.0.try_wait();
            async move { ended.ok().flatten().ok_or("it runs") }
        })
        .await?;
        ensure!(status.code() == Some(UNAVAILABLE), "{status} does not say what is missing");
        Ok(())
    })
}

/// A router without a coordinator, whose log is as good as on a full disk.
struct Router(Child);

impl Router {
    fn start(resp: u16, http: u16) -> anyhow::Result<Self> {
        let full = OpenOptions::new().write(true).open("/dev/full")?;
        let child = Command::new(binary()?)
            .arg("router")
            .args(["--resp", &format!("127.0.0.1:{resp}")])
            .args(["--http", &format!("127.0.0.1:{http}")])
            .args(["--coordinator", "http://127.0.0.1:1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(full)
            .spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // What cannot be killed has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
