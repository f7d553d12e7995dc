//! Shell. A server of this test: the process that its pod describes, with loopback addresses and
//! directories in the place of what a node would give it.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use e2e::http;
use node_api::NodeState;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::api::within;
use crate::judge::LastState;
use crate::kubelet::{Kubelet, LOOK_EVERY, is_ending, tell, text};

/// How long a process may take to end by itself; a pod has 60 s for it.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// A claim of another size, image or machine that nobody has, as specifications name them.
const NOBODY_HAS: &str = "nowhere";
/// Memory for what is read from disk: there are many servers, and little in them.
const CACHE_BYTES: &str = "1048576";
/// The HTTP port of a server.
const HTTP_PORT: u16 = 6401;

/// One server's pod, and its process while there is one.
pub(crate) struct Server {
    pod: Value,
    claim_uid: String,
    address: String,
    arguments: Vec<String>,
    token: String,
    log: PathBuf,
    child: Option<Child>,
    restarts: u32,
}

impl Server {
    /// Waits for what the pod needs. `None` where it is asked to go before that.
    pub(crate) async fn prepare(
        kubelet: &Kubelet,
        pod: &Value,
        changes: &mut watch::Receiver<Value>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(claim_uid) = claim(kubelet, pod, changes).await? else { return Ok(None) };
        let uid = text(&pod["metadata"]["uid"]);
        let mounts = kubelet.directory(&format!("pods/{uid}"))?;
        let Some(token) = secrets(kubelet, pod, &mounts, changes).await? else { return Ok(None) };
        let address = kubelet.new_address().to_string();
        let data = kubelet.directory(&format!("volumes/{claim_uid}"))?;
        let arguments = arguments(pod, &address, &data, &mounts);
        let log = kubelet.directory("logs")?.join(format!(
            "{}-{}-{uid}.log",
            text(&pod["metadata"]["namespace"]),
            text(&pod["metadata"]["name"])
        ));
        let pod = pod.clone();
        Ok(Some(Self { pod, claim_uid, address, arguments, token, log, child: None, restarts: 0 }))
    }

    pub(crate) fn claim_uid(&self) -> &str {
        &self.claim_uid
    }

    /// Keeps the process running and tells how it is, until the pod is asked to go.
    pub(crate) async fn run_until_ending(
        &mut self,
        kubelet: &Kubelet,
        changes: &mut watch::Receiver<Value>,
    ) -> anyhow::Result<()> {
        let mut told = None;
        while !is_ending(&changes.borrow()) {
            if !self.is_alive()? {
                if self.child.is_some() {
                    self.restarts += 1;
                    kubelet.judge.note(&self.pod, "a server ended by itself and is restarted");
                }
                self.child = Some(self.launch(kubelet)?);
                kubelet.set_running(&self.pod, Some(&self.address));
            }
            let now = (self.is_ready().await, self.restarts);
            if told != Some(now) {
                tell(kubelet, &self.pod, running(&self.pod, &self.address, now.0, now.1)).await?;
                told = Some(now);
            }
            // A pod that is gone without notice has nobody who tells.
            if let Ok(Err(_)) = tokio::time::timeout(LOOK_EVERY, changes.changed()).await {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What it says of itself, if it answers.
    pub(crate) async fn last_state(&self) -> Option<LastState> {
        let header = format!("authorization: Bearer {}\r\n", self.token);
        let asked = http::request(&self.http(), "GET", "/admin/v1/state", &header, b"").await;
        let state: NodeState = asked.ok()?.json().ok()?;
        Some(LastState {
            owns: !state.owned.is_empty(),
            ever_granted: state.granted || state.highest_epoch > 0,
            is_retired: state.retired.is_some(),
        })
    }

    /// Ends the process as a node does: with notice, and without after a while.
    pub(crate) async fn stop(&mut self, kubelet: &Kubelet) -> anyhow::Result<()> {
        kubelet.set_running(&self.pod, None);
        if let Some(pid) = self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok()) {
            let pid = Pid::from_raw(pid).context("no process id")?;
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = tokio::time::Instant::now() + ENDS_WITHIN;
        while self.is_alive()? && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(LOOK_EVERY / 4).await;
        }
        if self.is_alive()? {
            kubelet.judge.note(&self.pod, "a server did not end in time and is killed");
        }
        Ok(())
    }

    fn is_alive(&mut self) -> anyhow::Result<bool> {
        let Some(child) = &mut self.child else { return Ok(false) };
        Ok(child.try_wait().context("look at a server")?.is_none())
    }

    fn launch(&self, kubelet: &Kubelet) -> anyhow::Result<Child> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        Command::new(&kubelet.binary)
            .args(&self.arguments)
            .env("KUBECONFIG", &kubelet.kubeconfig)
            .env("NO_COLOR", "1")
            // It ends with this process.
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", kubelet.binary.display()))
    }

    async fn is_ready(&self) -> bool {
        let asked = http::request(&self.http(), "GET", "/readyz", "", b"").await;
        asked.is_ok_and(|answer| answer.status == 200)
    }

    fn http(&self) -> String {
        format!("{}:{HTTP_PORT}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until the pod's claim has a volume; the UID of the claim.
async fn claim(
    kubelet: &Kubelet,
    pod: &Value,
    changes: &mut watch::Receiver<Value>,
) -> anyhow::Result<Option<String>> {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let mut names = volumes.filter_map(|one| one["persistentVolumeClaim"]["claimName"].as_str());
    let name = names.next().context("a server has a claim")?;
    let path = within(&text(&pod["metadata"]["namespace"]), "persistentvolumeclaims", name);
    loop {
        if is_ending(&changes.borrow()) {
            return Ok(None);
        }
        let found = kubelet.api.find(&path).await?;
        if let Some(claim) = found.filter(|claim| claim["status"]["phase"] == "Bound") {
            return Ok(Some(text(&claim["metadata"]["uid"])));
        }
        if let Ok(Err(_)) = tokio::time::timeout(LOOK_EVERY, changes.changed()).await {
            return Ok(None);
        }
    }
}

/// Waits until the pod's Secrets are there, and writes them where it will look; the token.
async fn secrets(
    kubelet: &Kubelet,
    pod: &Value,
    mounts: &Path,
    changes: &mut watch::Receiver<Value>,
) -> anyhow::Result<Option<String>> {
    let namespace = text(&pod["metadata"]["namespace"]);
    let mut token = String::new();
    for volume in pod["spec"]["volumes"].as_array().into_iter().flatten() {
        let Some(secret) = volume["secret"]["secretName"].as_str() else { continue };
        let path = within(&namespace, "secrets", secret);
        let found = loop {
            if is_ending(&changes.borrow()) {
                return Ok(None);
            }
            if let Some(found) = kubelet.api.find(&path).await? {
                break found;
            }
            tell(kubelet, pod, waiting(pod, "CreateContainerConfigError", "no such secret"))
                .await?;
            if let Ok(Err(_)) = tokio::time::timeout(5 * LOOK_EVERY, changes.changed()).await {
                return Ok(None);
            }
        };
        let directory = mounts.join(text(&volume["name"]));
        std::fs::create_dir_all(&directory)?;
        for item in volume["secret"]["items"].as_array().into_iter().flatten() {
            let (key, file) = (text(&item["key"]), text(&item["path"]));
            let value = BASE64.decode(text(&found["data"][&key])).context("a Secret in base64")?;
            std::fs::write(directory.join(file), &value)?;
            if key == "token" {
                token = String::from_utf8(value).context("a token of text")?;
            }
        }
    }
    Ok(Some(token))
}

/// The arguments of the container, with what a node would put into it.
fn arguments(pod: &Value, address: &str, data: &Path, mounts: &Path) -> Vec<String> {
    let given = pod["spec"]["containers"][0]["args"].as_array().into_iter().flatten();
    let name = text(&pod["metadata"]["name"]);
    let mounts = mounts.display().to_string();
    let placed = given.map(|argument| match text(argument).as_str() {
        "/data" => data.display().to_string(),
        other => other
            .replace("$(POD_NAME)", &name)
            .replace("0.0.0.0", address)
            .replace("/etc/ringkv", &mounts),
    });
    let own = ["--exit-with-stdin", "--cache-bytes", CACHE_BYTES].map(str::to_owned);
    placed.chain(own).collect()
}

/// Why no machine takes the pod, if none does.
pub(crate) fn unschedulable(pod: &Value) -> Option<String> {
    let spec = &pod["spec"];
    let selects = spec["nodeSelector"].as_object().into_iter().flatten();
    let far = selects.filter(|(_, value)| *value == NOBODY_HAS).count() > 0;
    let cpu = text(&spec["containers"][0]["resources"]["requests"]["cpu"]);
    // The API server writes 1000 so.
    let large = cpu.ends_with('k');
    (far || large).then(|| "0/1 nodes are available".to_owned())
}

/// The status of a pod whose image nobody has, if it is one.
pub(crate) fn without_image(pod: &Value) -> Option<Value> {
    let image = text(&pod["spec"]["containers"][0]["image"]);
    image.contains(NOBODY_HAS).then(|| waiting(pod, "ErrImagePull", "no such image"))
}

fn waiting(pod: &Value, reason: &str, message: &str) -> Value {
    let state = json!({ "waiting": { "reason": reason, "message": message } });
    json!({ "phase": "Pending", "containerStatuses": [container(pod, &state, false, 0)] })
}

/// The status of a pod that runs.
pub(crate) fn running(pod: &Value, address: &str, is_ready: bool, restarts: u32) -> Value {
    let state = json!({ "running": {} });
    let truth = |holds: bool| if holds { "True" } else { "False" };
    let condition = |kind: &str, holds: bool| json!({ "type": kind, "status": truth(holds) });
    json!({
        "phase": "Running",
        "podIP": address,
        "podIPs": [{ "ip": address }],
        "conditions": [
            condition("PodScheduled", true),
            condition("ContainersReady", is_ready),
            condition("Ready", is_ready),
        ],
        "containerStatuses": [container(pod, &state, is_ready, restarts)],
    })
}

fn container(pod: &Value, state: &Value, is_ready: bool, restarts: u32) -> Value {
    let container = &pod["spec"]["containers"][0];
    json!({
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": is_ready,
        "restartCount": restarts,
        "state": state,
    })
}
