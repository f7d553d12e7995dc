//! Shell. The end-to-end tests on a real Kubernetes, one module a scenario. They drive kubectl and
//! helm as a user does, and share no code with the operator.

mod harness;
mod scenarios;
