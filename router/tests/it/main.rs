//! A router between real clients and scripted servers on the loopback.

#![allow(clippy::panic, reason = "a test that cannot go on has failed")]

mod access;
mod client;
mod fake;
mod world;

mod api_server;
mod drain;
mod handover;
mod http;
mod keys;
mod kubernetes;
mod local;
mod loss;
mod malformed;
mod walks;
