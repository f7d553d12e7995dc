//! Pure. What the API server accepts and refuses, found out without one. The end-to-end tests give
//! the same manifests to a real one.

mod accessors;
mod bounds;
mod manifests;
mod rules;
mod types;
