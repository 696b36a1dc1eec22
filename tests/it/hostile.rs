//! Children that mean harm: each test is an attack through the real binary. What is cheap to try
//! without walls is tried so as well, where it must succeed: else the test would prove nothing.

mod claims;
mod cleanup;
mod files;
mod network;
mod privileges;
mod processes;
mod resources;
mod scene;
mod secrets;
