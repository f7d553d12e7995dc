//! Shell. What a person needs when a scenario has failed.

use super::kubectl::Kubectl;
use super::operator;
use super::settings::Settings;

/// How many lines of each log are shown.
const LOG_LINES: &str = "--tail=40";

/// Prints the state of a namespace: resources, events, logs of its pods and of the operator.
pub(crate) fn print(settings: &'static Settings, namespace: &str) {
    let kubectl = Kubectl::of(settings, namespace);
    let all = "kvclusters,statefulsets,deployments,pods,persistentvolumeclaims,services";
    show(&kubectl, &["get", all, "--output=wide"]);
    show(&kubectl, &["get", "kvclusters", "--output=yaml"]);
    show(&kubectl, &["get", "events", "--sort-by=.lastTimestamp"]);
    for pod in kubectl.list(&["pods"]).unwrap_or_default() {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        show(&kubectl, &["logs", name, LOG_LINES]);
        let statuses = pod["status"]["containerStatuses"].as_array();
        let restarted = |status: &serde_json::Value| status["restartCount"].as_u64() > Some(0);
        if statuses.is_some_and(|statuses| statuses.iter().any(restarted)) {
            show(&kubectl, &["logs", name, LOG_LINES, "--previous"]);
        }
    }
    let operator = Kubectl::of(settings, operator::NAMESPACE);
    show(&operator, &["get", "pods", "--output=wide"]);
    show(&operator, &["logs", "--selector", operator::SELECTOR, "--tail=100", "--prefix"]);
}

fn show(kubectl: &Kubectl, arguments: &[&str]) {
    println!("\n    # kubectl {}", arguments.join(" "));
    match kubectl.output(arguments, None) {
        Ok(outcome) => println!("{}{}", outcome.stdout, outcome.stderr),
        Err(error) => println!("{error:#}"),
    }
}
