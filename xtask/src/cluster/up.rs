//! Shell. Starts a cluster, step by step.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::build::Built;
use super::command::run;
use super::layout::{API_SERVICE_ADDRESS, Layout};
use super::programs::{self, Program};
use super::wait::{self, Look};
use super::{certificates, cgroups, configs, daemons, host, network};

const API_SERVER_WITHIN: Duration = Duration::from_secs(90);
const CONTAINERD_WITHIN: Duration = Duration::from_secs(30);
const NODES_WITHIN: Duration = Duration::from_secs(120);
const SERVICES_WITHIN: Duration = Duration::from_secs(60);
const PROGRAMS: [&str; 7] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "volume-provisioner",
];

/// Starts everything and waits until pods can run.
pub(crate) fn start(layout: &Layout, built: &Built, began: Instant) -> anyhow::Result<()> {
    let say = |what: &str| println!("{:>6.1} s  {what}", began.elapsed().as_secs_f64());
    lay_out(layout, built)?;
    make_certificates(layout)?;
    write_configs(layout)?;
    say("certificates and configuration are written");
    host::remember(layout)?;
    network::lay(layout)?;
    cgroups::make(layout, &host::mounts()?)?;
    say("the network is laid");
    daemons::start(layout, &programs::etcd(layout))?;
    daemons::start(layout, &programs::api_server(layout))?;
    for node in &layout.nodes {
        daemons::start(layout, &programs::containerd(layout, *node))?;
    }
    load_image(layout, &built.pause_image)?;
    say("containerd runs on each node");
    wait_for_api_server(layout)?;
    say("the API server is ready");
    start_the_rest(layout)?;
    apply_storage_class(layout)?;
    wait_for_nodes(layout)?;
    say("the nodes are ready");
    wait_for_services(layout)?;
    say("the host reaches Services");
    Ok(())
}

/// Starts a control plane alone: etcd, the API server, and the controllers that need no node.
pub(crate) fn start_without_nodes(layout: &Layout, built: &Built) -> anyhow::Result<()> {
    lay_out(layout, built)?;
    make_certificates(layout)?;
    daemons::start(layout, &programs::etcd(layout))?;
    daemons::start(layout, &programs::api_server(layout))?;
    wait_for_api_server(layout)?;
    daemons::start(layout, &programs::controller_manager(layout))?;
    wait_for_accounts(layout)
}

/// Brings an image to every node.
pub(crate) fn load_image(layout: &Layout, archive: &Path) -> anyhow::Result<()> {
    for node in &layout.nodes {
        let socket = layout.socket(*node).display().to_string();
        let log = layout.log(&programs::containerd(layout, *node).name);
        wait::until("containerd", CONTAINERD_WITHIN, Some(&log), || {
            check_alive(layout)?;
            let answer = run("ctr", &["--address", &socket, "version"]);
            Ok(Look::is(answer.is_ok(), "it does not answer"))
        })?;
        let archive = archive.display().to_string();
        run("ctr", &["--address", &socket, "-n", "k8s.io", "images", "import", &archive])?;
    }
    Ok(())
}

/// Asks the API server as the admin.
pub(crate) fn kubectl(layout: &Layout, arguments: &[&str]) -> anyhow::Result<String> {
    let kubeconfig = layout.admin_kubeconfig().display().to_string();
    let mut all = vec!["--kubeconfig", &kubeconfig, "--request-timeout=5s"];
    all.extend(arguments);
    run(&layout.binary("kubectl").display().to_string(), &all)
}

fn lay_out(layout: &Layout, built: &Built) -> anyhow::Result<()> {
    let mut directories = vec!["bin".into(), "pki".into(), "logs".into(), "volumes".into()];
    for node in &layout.nodes {
        directories
            .extend(["cni", "logs", "plugins"].map(|part| format!("{}/{part}", node.name())));
    }
    for directory in directories {
        let path = layout.path(&directory);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    }
    for program in PROGRAMS {
        symlink(&built.kubernetes, layout.binary(program)).context("cannot link a program")?;
    }
    symlink(&built.helm, layout.binary("helm")).context("cannot link helm")
}

fn make_certificates(layout: &Layout) -> anyhow::Result<()> {
    write(&layout.path("pki/openssl.cnf"), certificates::OPENSSL_CONFIG)?;
    run("openssl", &certificates::authority_arguments(layout))?;
    run("openssl", &certificates::service_account_arguments(layout))?;
    for certificate in certificates::all(layout) {
        run("openssl", &certificates::arguments(layout, &certificate))?;
        if certificate.server_names.is_none() {
            let kubeconfig = configs::kubeconfig(layout, &certificate.name);
            write(&layout.kubeconfig(&certificate.name), &kubeconfig)?;
        }
    }
    write(&layout.admin_kubeconfig(), &configs::kubeconfig(layout, "admin"))
}

fn write_configs(layout: &Layout) -> anyhow::Result<()> {
    for node in &layout.nodes {
        let directory = layout.node_directory(*node);
        write(&directory.join("containerd.toml"), &configs::containerd(layout, *node))?;
        write(&directory.join("cni/10-pods.conflist"), &configs::cni(layout, *node))?;
        write(&directory.join("kubelet.yaml"), &configs::kubelet(layout, *node))?;
    }
    write(&layout.path("storage-class.yaml"), configs::STORAGE_CLASS)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn start_the_rest(layout: &Layout) -> anyhow::Result<()> {
    for node in &layout.nodes {
        daemons::start(layout, &programs::kubelet(layout, *node))?;
        daemons::start(layout, &programs::proxy(layout, *node))?;
    }
    for program in [
        programs::controller_manager(layout),
        programs::scheduler(layout),
        programs::volume_provisioner(layout),
        programs::host_proxy(layout),
    ] {
        daemons::start(layout, &program)?;
    }
    Ok(())
}

fn wait_for_api_server(layout: &Layout) -> anyhow::Result<()> {
    let log = log_of(layout, &programs::api_server(layout));
    wait::until("the API server", API_SERVER_WITHIN, Some(&log), || {
        check_alive(layout)?;
        Ok(match kubectl(layout, &["get", "--raw", "/readyz"]) {
            Ok(_) => Look::Found(()),
            Err(error) => Look::NotYet(format!("{error:#}")),
        })
    })
}

fn apply_storage_class(layout: &Layout) -> anyhow::Result<()> {
    let path = layout.path("storage-class.yaml").display().to_string();
    kubectl(layout, &["apply", "--filename", &path]).map(drop)
}

fn wait_for_nodes(layout: &Layout) -> anyhow::Result<()> {
    for node in &layout.nodes {
        let name = node.name();
        let ready = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
        let log = log_of(layout, &programs::kubelet(layout, *node));
        let what = format!("{name} to be ready");
        wait::until(&what, NODES_WITHIN, Some(&log), || {
            check_alive(layout)?;
            Ok(match kubectl(layout, &["get", "node", &name, "--output", ready]) {
                Ok(status) => Look::is(status == "True", &format!("ready is {status:?}")),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })?;
    }
    Ok(())
}

/// Pods need the service account.
fn wait_for_accounts(layout: &Layout) -> anyhow::Result<()> {
    let log = log_of(layout, &programs::controller_manager(layout));
    wait::until("the default service account", SERVICES_WITHIN, Some(&log), || {
        check_alive(layout)?;
        let found = kubectl(layout, &["get", "serviceaccount", "default"]);
        Ok(Look::is(found.is_ok(), "there is none"))
    })
}

/// That the host reaches Services shows that the proxies work.
fn wait_for_services(layout: &Layout) -> anyhow::Result<()> {
    wait_for_accounts(layout)?;
    let log = log_of(layout, &programs::host_proxy(layout));
    let address: SocketAddr = format!("{API_SERVICE_ADDRESS}:443").parse()?;
    wait::until("the Service of the API server", SERVICES_WITHIN, Some(&log), || {
        check_alive(layout)?;
        let answer = TcpStream::connect_timeout(&address, Duration::from_secs(1));
        Ok(Look::is(answer.is_ok(), "the host does not reach it"))
    })
}

/// An error, with its log, if one of the cluster's processes has ended.
fn check_alive(layout: &Layout) -> anyhow::Result<()> {
    let records = daemons::records(layout);
    if let Some(record) = records.iter().find(|record| !daemons::is_alive(record)) {
        bail!("{} has ended{}", record.name, wait::end_of(Some(&layout.log(&record.name))));
    }
    Ok(())
}

fn log_of(layout: &Layout, program: &Program) -> std::path::PathBuf {
    layout.log(&program.name)
}
