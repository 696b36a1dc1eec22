//! Processes and their ends; what Berth does when things around it fail.

mod connections;
mod crashes;
mod groups;
mod host;
mod leftovers;
mod lifecycle;
mod network;
mod remains;
mod sleeping;
mod survival;
