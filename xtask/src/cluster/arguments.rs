//! Pure. The command line of `cargo xtask cluster`.

use std::path::PathBuf;

use super::layout::NODES_MAX;

const NODES_DEFAULT: u8 = 3;

pub(crate) const USAGE: &str = "\
cargo xtask cluster COMMAND [--dir DIRECTORY]

  up [--nodes N]            start a Kubernetes of N nodes (3) on this machine
  down                      end it and leave nothing behind
  status                    what runs
  build                     only build the programs that `up` needs
  load-image ARCHIVE...     bring container images (docker archives) to every node
  disconnect NODE           cut a node off from the network
  connect NODE              end that";

/// What to do, and where the cluster is if not in the usual place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) action: Action,
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Up { nodes: u8 },
    Down,
    Status,
    Build,
    LoadImage { archives: Vec<PathBuf> },
    Disconnect { node: String },
    Connect { node: String },
}

/// Reads the arguments after `cluster`; the error says what is wrong with them.
pub(crate) fn parse(arguments: &[String]) -> Result<Arguments, String> {
    let mut words = Vec::new();
    let mut directory = None;
    let mut nodes = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--dir" => {
                directory = Some(PathBuf::from(rest.next().ok_or("--dir needs a directory")?));
            }
            "--nodes" => nodes = Some(parse_nodes(rest.next().map(String::as_str))?),
            flag if flag.starts_with("--") => return Err(format!("unknown flag {flag}")),
            word => words.push(word),
        }
    }
    let action = match words.as_slice() {
        ["up"] => Action::Up { nodes: nodes.take().unwrap_or(NODES_DEFAULT) },
        ["down"] => Action::Down,
        ["status"] => Action::Status,
        ["build"] => Action::Build,
        ["load-image", archives @ ..] if !archives.is_empty() => {
            Action::LoadImage { archives: archives.iter().map(PathBuf::from).collect() }
        }
        ["disconnect", node] => Action::Disconnect { node: (*node).to_owned() },
        ["connect", node] => Action::Connect { node: (*node).to_owned() },
        _ => return Err("which command?".to_owned()),
    };
    if nodes.is_some() {
        return Err("--nodes goes with `up` only".to_owned());
    }
    Ok(Arguments { action, directory })
}

fn parse_nodes(text: Option<&str>) -> Result<u8, String> {
    text.and_then(|text| text.parse().ok())
        .filter(|nodes| (1..=NODES_MAX).contains(nodes))
        .ok_or_else(|| format!("--nodes needs a number from 1 to {NODES_MAX}"))
}
