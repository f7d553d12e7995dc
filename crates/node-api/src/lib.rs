//! Shell. The administration API of a node: what it is asked, what it answers, and a client.

mod client;
mod connector;
mod http;
mod secret;
mod types;

pub use client::{ClientError, NodeClient};
pub use http::{HttpClient, HttpError};
pub use secret::{
    MAX_SECRET_BYTES, Secret, SecretError, SecretFile, SecretFileError, bearer, credentials,
};
pub use types::*;
