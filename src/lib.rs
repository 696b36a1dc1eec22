//! Berth: self-hosted, multi-tenant hosting of MCP servers.

pub mod actors;
pub mod app;
pub mod auth;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod db;
pub mod domain;
pub mod mcp;
pub mod process;
pub mod routing;
pub mod telemetry;
pub mod vault;
pub mod web;
