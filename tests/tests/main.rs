//! End-to-end tests: real processes of the release binary, one module a scenario.

mod bad_input;
mod bench;
mod cancel;
mod clients;
mod command_line;
mod crashes;
mod data_directories;
mod data_loss;
mod full_disk;
mod full_log;
mod honesty;
mod paused_router;
mod pressure;
mod report_figure;
mod rescale;
mod restart;
mod storm;
