//! Signing in, as people do it: pages, links, second factors, other providers.

mod links;
mod mailing;
mod pages;
mod providers;
mod second_factor;
mod self_service;
mod setup;
mod slow;
