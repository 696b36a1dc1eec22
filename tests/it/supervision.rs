//! Processes and their ends; what Berth does when things around it fail.

mod connections;
mod crashes;
mod host;
mod leftovers;
mod lifecycle;
mod sleeping;
mod survival;
