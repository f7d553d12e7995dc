//! Shell. Pods: what they say, and how they are killed.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::kubectl::Kubectl;
use super::settings::Settings;
use super::wait;

/// How long the API server may take to see that a pod has gone.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// Whether a pod says that it is ready, and is not on its way out.
pub(crate) fn is_ready(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_null() && has_condition(pod, "Ready", "True")
}

/// Whether an object has a condition of that type and status.
pub(crate) fn has_condition(object: &Value, kind: &str, status: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|conditions| {
        conditions.iter().any(|found| found["type"] == kind && found["status"] == status)
    })
}

/// The name of an object.
pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Kills a pod: its processes without notice where that is possible, and then the pod itself. Waits
/// until it is gone; a pod of the same name may be there again by then.
pub(crate) fn kill(settings: &Settings, kubectl: &Kubectl, pod: &Value) -> anyhow::Result<()> {
    let (name, uid) = (name(pod), pod["metadata"]["uid"].as_str().context("a pod has a UID")?);
    if settings.own_cluster {
        kill_processes(uid);
    }
    kubectl.run(&["delete", "pod", name, "--grace-period=1", "--wait=false"])?;
    wait::until(&format!("pod {name} of before is gone"), GONE_WITHIN, || {
        let found = kubectl.find(&["pod", name]).map_err(|error| error.to_string())?;
        match found {
            Some(found) if found["metadata"]["uid"] == *uid => Err("it is there".to_owned()),
            _ => Ok(()),
        }
    })
}

/// Sends SIGKILL to the processes of a pod, which run on this machine. It may have none.
fn kill_processes(uid: &str) {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    for id in ids {
        let read = |file: &str| fs::read_to_string(format!("/proc/{id}/{file}"));
        let is_of_pod = read("cgroup").is_ok_and(|text| text.contains(uid));
        let is_pause = read("cmdline").is_ok_and(|text| text.starts_with("/program"));
        if is_of_pod
            && !is_pause
            && let Some(pid) = Pid::from_raw(id)
        {
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
