//! Shell. Options that several subcommands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use node_api::{Secret, SecretFile};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// When a write is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Durability {
    /// After its fsync: an answered write survives a power cut.
    #[default]
    Always,
    /// After it is handed to the operating system, with an fsync each second: an answered write
    /// survives a crash of the process, and a power cut if it is older than a second.
    Everysec,
}

impl Durability {
    /// As on the command line.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Everysec => "everysec",
        }
    }
}

impl From<Durability> for kvnode::store::Durability {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Always => Self::Always,
            Durability::Everysec => Self::EverySec,
        }
    }
}

/// How the tokens of a server are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Placement {
    /// Token i is MD5("{name}-{i}").
    Classic,
    /// Token i is the best of 8 salted candidates, so that shares are nearly even.
    #[default]
    Balanced,
}

impl From<Placement> for ring::Placement {
    fn from(placement: Placement) -> Self {
        match placement {
            Placement::Classic => Self::Classic,
            Placement::Balanced => Self::Balanced,
        }
    }
}

/// Where a cluster is that was started without options.
pub(crate) const DEFAULT_URL: &str = "http://localhost:5000";

/// Which cluster to talk to.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClusterOptions {
    /// Where the cluster's HTTP is: the router's `--http-port`
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
    pub(crate) url: String,
    /// File with the password of the cluster, if it asks for one
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

/// Who may talk to a server or a router.
#[derive(Clone, Debug, Args)]
pub(crate) struct AccessOptions {
    /// File with the token that the coordinator, routers and servers of the cluster show each other
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File with the password that clients have to give; it is read anew at each login
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl AccessOptions {
    /// What the files hold.
    pub(crate) fn read(&self) -> Result<(Option<Secret>, Option<SecretFile>), Failure> {
        let token = self.token_file.as_deref().map(Secret::read).transpose();
        let password = self.password_file.clone().map(SecretFile::new).transpose();
        let token =
            token.map_err(|error| Failure::unavailable(format!("--token-file: {error}")))?;
        let password =
            password.map_err(|error| Failure::unavailable(format!("--password-file: {error}")))?;
        Ok((token, password))
    }
}

/// How a process of a cluster ends.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ProcessOptions {
    /// End in order when standard input ends, as SIGTERM does: a child whose parent is gone
    #[arg(long)]
    pub(crate) exit_with_stdin: bool,
}

/// Tokens of a server, as the ring bounds them.
pub(crate) fn virtual_nodes() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=i64::from(ring::MAX_VIRTUAL_NODES))
}

/// How many servers, as the ring bounds them.
pub(crate) fn server_count() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=MAX_SERVERS)
}

const MAX_SERVERS: i64 = ring::MAX_MEMBERS as i64;
