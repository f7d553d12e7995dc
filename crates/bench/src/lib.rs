//! Shell. The measuring client: it puts a RESP server under load, times and checks the answers,
//! and makes tables and charts of what it has seen.
//!
//! [`run::run`] carries out a [`plan::Plan`]; [`row::Row`] and [`timeline::IntervalRow`] are the
//! rows of the tables; [`plot`] draws them.

mod client;
mod connection;
pub mod date;
pub mod distribution;
mod error;
mod keys;
mod ledger;
pub mod mix;
pub mod outcome;
mod pacer;
pub mod plan;
pub mod plot;
pub mod progress;
mod random;
mod request;
pub mod row;
pub mod run;
mod schedule;
pub mod sweep;
pub mod table;
mod tally;
pub mod timeline;
mod values;
mod workload;

pub use error::RunError;
