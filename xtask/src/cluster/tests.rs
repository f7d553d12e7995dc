//! What the pure parts decide: arguments, requirements, records, certificates and texts.

use std::path::{Path, PathBuf};

use super::arguments::{Action, Arguments, parse};
use super::layout::{Layout, Node};
use super::records::{
    Record, cgroup_hierarchies, has_memory_hierarchy, is_shim_of, loopback_of_attachment,
    mounts_below, namespace_of_attachment, parse_mounts, parse_records, start_of,
};
use super::requirements::{Facts, Reason, judge};
use super::{certificates, configs, programs};

fn layout() -> Layout {
    Layout::new(Path::new("/cluster"), 3)
}

#[test]
fn the_command_line() {
    let check = |line: &str, expected: Result<(Action, Option<&str>), &str>| {
        let words: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
        match (parse(&words), expected) {
            (Ok(found), Ok((action, directory))) => {
                let directory = directory.map(PathBuf::from);
                assert_eq!(found, Arguments { action, directory }, "of {line:?}");
            }
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found} of {line:?}"),
            (found, _) => unreachable!("{found:?} of {line:?}"),
        }
    };
    check("up", Ok((Action::Up { nodes: 3 }, None)));
    check("up --nodes 1 --dir x", Ok((Action::Up { nodes: 1 }, Some("x"))));
    check("up --nodes 9", Ok((Action::Up { nodes: 9 }, None)));
    check("up --nodes 10", Err("from 1 to 9"));
    check("up --nodes 0", Err("from 1 to 9"));
    check("up --nodes", Err("from 1 to 9"));
    check("down --nodes 1", Err("`up` only"));
    check("down --dir", Err("needs a directory"));
    check("--dir x down", Ok((Action::Down, Some("x"))));
    check("status", Ok((Action::Status, None)));
    check("build", Ok((Action::Build, None)));
    let archives = vec![PathBuf::from("a.tar"), PathBuf::from("b.tar")];
    check("load-image a.tar b.tar", Ok((Action::LoadImage { archives }, None)));
    check("load-image", Err("which command"));
    check("disconnect node2", Ok((Action::Disconnect { node: "node2".to_owned() }, None)));
    check("connect node2", Ok((Action::Connect { node: "node2".to_owned() }, None)));
    check("connect node2 node3", Err("which command"));
    check("", Err("which command"));
    check("up --fast", Err("unknown flag --fast"));
}

#[test]
fn requirements_are_named_one_after_the_other() {
    let mut facts =
        Facts { linux: false, root: false, debian: false, cgroup_v1: false, go_version: None };
    assert_eq!(judge(&facts), Err(Reason::NotLinux));
    facts.linux = true;
    assert_eq!(judge(&facts), Err(Reason::NotRoot));
    facts.root = true;
    assert_eq!(judge(&facts), Err(Reason::NotDebian));
    facts.debian = true;
    assert_eq!(judge(&facts), Err(Reason::NoCgroupV1));
    facts.cgroup_v1 = true;
    assert_eq!(judge(&facts), Err(Reason::NoGo));
    for old in ["go version go1.25.9 linux/amd64", "go version go1.3", "gibberish"] {
        facts.go_version = Some(old.to_owned());
        assert_eq!(judge(&facts), Err(Reason::OldGo(old.to_owned())));
    }
    for new in ["go version go1.26.8 linux/amd64", "go version go1.27rc1 linux/amd64"] {
        facts.go_version = Some(new.to_owned());
        assert_eq!(judge(&facts), Ok(()));
    }
}

#[test]
fn a_path_too_long_for_a_socket() {
    let with_bytes = |n: usize| {
        let end = "/node3/containerd.sock".len();
        Layout::new(Path::new(&format!("/{}", "d".repeat(n - 1 - end))), 3)
    };
    assert_eq!(with_bytes(107).check(), Ok(()));
    assert!(with_bytes(108).check().is_err_and(|error| error.contains("1 bytes longer")));
}

#[test]
fn nodes_by_name() {
    assert_eq!(layout().node("node3"), Ok(Node(3)));
    assert_eq!(
        layout().node("node4"),
        Err("there is no node node4; there are node1, node2, node3".to_owned())
    );
}

#[test]
fn processes_are_known_by_when_they_started() {
    let record = Record { name: "etcd".to_owned(), pid: 7, started: 99 };
    assert_eq!(parse_records(&record.line()), vec![record.clone()]);
    assert_eq!(parse_records(&format!("{}8 10", record.line())), [record]);

    let stat = |name: &str, state: &str| {
        format!("7 ({name}) {state} 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 2 3\n")
    };
    assert_eq!(start_of(&stat("etcd", "S")), Some(12345));
    assert_eq!(start_of(&stat("a) Z 1 (b", "R")), Some(12345));
    assert_eq!(start_of(&stat("etcd", "Z")), None);
    assert_eq!(start_of("7 (etcd) S 1"), None);
    assert_eq!(start_of(""), None);
}

#[test]
fn shims_are_known_by_their_containerd() {
    let socket = Path::new("/cluster/node1/containerd.sock");
    let line = |program: &str, socket: &str| {
        [program, "-namespace", "k8s.io", "-address", socket, ""].join("\0").into_bytes()
    };
    let shim = "/usr/bin/containerd-shim-runc-v2";
    assert!(is_shim_of(&line(shim, "/cluster/node1/containerd.sock"), socket));
    assert!(!is_shim_of(&line(shim, "/run/containerd/containerd.sock"), socket));
    assert!(!is_shim_of(&line("/usr/bin/vi", "/cluster/node1/containerd.sock"), socket));
    assert!(!is_shim_of(b"", socket));
}

#[test]
fn mounts() {
    let mounts = parse_mounts(
        "/dev/vda / ext4 rw 0 0\n\
         cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n\
         cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n\
         tmpfs /cluster/node1/a\\040b tmpfs rw 0 0\n\
         tmpfs /cluster/node1/a\\040b/c tmpfs rw 0 0\n\
         tmpfs /cluster2 tmpfs rw 0 0\n\
         half",
    );
    let below = mounts_below(&mounts, Path::new("/cluster"));
    assert_eq!(below, [Path::new("/cluster/node1/a b/c"), Path::new("/cluster/node1/a b")]);
    assert!(has_memory_hierarchy(&mounts));
    assert!(!has_memory_hierarchy(&parse_mounts("cgroup2 /sys/fs/cgroup cgroup2 rw,memory 0 0")));
    let found: Vec<&Path> = cgroup_hierarchies(&mounts, &["cgroup"]).collect();
    assert_eq!(found, [Path::new("/sys/fs/cgroup/memory")]);
}

#[test]
fn attachments_of_pods() {
    let json = r#"{"kind":"cniCacheV1","result":{"interfaces":[{"name":"pods"},
        {"name":"eth0","sandbox":"/var/run/netns/cni-1234"}]}}"#;
    assert_eq!(namespace_of_attachment(json), Some("/var/run/netns/cni-1234"));
    assert_eq!(namespace_of_attachment(r#"{"sandbox":"/etc/passwd"}"#), None);
    assert_eq!(namespace_of_attachment(r#"{"sandbox":"/run/netns/cni-/../../etc"}"#), None);
    assert_eq!(namespace_of_attachment("{}"), None);
    let name = loopback_of_attachment("ringkv-node1-abc-eth0");
    assert_eq!(name.as_deref(), Some("cni-loopback-abc-lo"));
}

#[test]
fn subjects_of_certificates() {
    let found = certificates::all(&layout());
    let subject = |name: &str| {
        let certificate = found.iter().find(|certificate| certificate.name == name);
        certificate.map(|certificate| certificate.subject.as_str())
    };
    assert_eq!(subject("admin"), Some("/O=system:masters/CN=admin"));
    assert_eq!(subject("node3"), Some("/O=system:nodes/CN=system:node:node3"));
    assert_eq!(subject("node4"), None);
    for certificate in &found {
        let line = certificates::arguments(&layout(), certificate).join(" ");
        let is_server = certificate.name == "apiserver";
        assert_eq!(line.contains("subjectAltName=IP:172.30.0.1,"), is_server, "{line}");
        assert!(line.contains("CA:FALSE"), "{line}");
    }
}

#[test]
fn every_blank_of_a_text_is_filled() {
    let layout = layout();
    let node = Node(2);
    let texts = [
        configs::containerd(&layout, node),
        configs::cni(&layout, node),
        configs::kubelet(&layout, node),
        configs::kubeconfig(&layout, "admin"),
    ];
    for text in &texts {
        assert!(!text.contains("${"), "{text}");
    }
    assert!(texts[0].contains("address = \"/cluster/node2/containerd.sock\""));
    assert!(texts[1].contains("\"subnet\": \"10.244.2.0/24\""));
    assert!(texts[2].contains("cgroupRoot: \"/ringkv-node2\""));
    assert!(texts[3].contains("client-certificate: \"/cluster/pki/admin.crt\""));
}

#[test]
fn programs_of_nodes_run_in_their_networks() {
    let layout = layout();
    let kubelet = programs::kubelet(&layout, Node(2));
    assert_eq!(kubelet.name, "kubelet-node2");
    assert_eq!(kubelet.node, Some(Node(2)));
    let zone = "--node-labels=topology.kubernetes.io/zone=zone-2".to_owned();
    assert!(kubelet.arguments.contains(&zone));
    assert_eq!(programs::host_proxy(&layout).node, None);
    assert_ne!(programs::host_proxy(&layout).name, programs::proxy(&layout, Node(1)).name);
}

#[test]
fn a_control_plane_without_nodes_meets_no_cluster_of_nodes() {
    let (with, without) = (layout(), Layout::without_nodes(Path::new("/alone")));
    let ports = |layout: &Layout| {
        let programs = [programs::etcd(layout), programs::api_server(layout)];
        let arguments = programs.into_iter().flat_map(|program| program.arguments);
        let after_colon = arguments.filter_map(|one| Some(one.rsplit_once(':')?.1.to_owned()));
        let values = after_colon.filter(|port| port.parse::<u16>().is_ok());
        let all: Vec<String> = values.chain([layout.listens.port.to_owned()]).collect();
        all
    };
    let met: Vec<String> =
        ports(&with).into_iter().filter(|port| ports(&without).contains(port)).collect();
    assert!(met.is_empty(), "both listen at {met:?}");
    assert_eq!(without.api_server(), "https://127.0.0.1:16443");
    assert!(configs::kubeconfig(&without, "admin").contains("https://127.0.0.1:16443"));
    let controllers = programs::controller_manager(&without).arguments.join(" ");
    assert!(controllers.contains("statefulset-controller") && !controllers.contains("node-life"));
}
