//! The command line: one file per command below, the tree of them here.
//!
//! Accounts, tokens, services and the audit log are in the database, so their commands work on it
//! directly, whether Berth runs or not. What a running Berth must know at once (instances, and
//! rights that are taken away) goes to it over REST with the control token of its data directory.
//!
//! Exit code 0: done; 1: failed, with the reason on standard error; 2: wrong usage.

mod audit;
mod client;
mod context;
mod credential;
mod diagnose;
mod doctor;
mod group;
mod instance;
mod life;
mod logs;
mod oauth_client;
mod output;
mod remote;
mod serve;
mod service;
mod status;
mod token;
mod usage;
mod user;
mod vault;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use self::context::Context;

/// Hosts MCP servers for many users: a private, supervised instance per user at an authenticated URL.
#[derive(Parser)]
#[command(name = "berth", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args)]
struct Global {
    /// Everything that Berth writes. Default ./data, or BERTH_DATA_DIR
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The settings file; goes before the command. Default ./berth.toml, if it is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Any setting by its name, such as `log=debug`
    #[arg(long = "set", global = true, value_name = "NAME=VALUE", value_parser = key_value)]
    settings: Vec<(String, String)>,
    /// Answer in JSON, for programs
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run Berth until it is told to end
    Serve(serve::Serve),
    /// Bring the database's schema up to date
    Migrate,
    /// Look for what is missing or wrong on this machine
    Doctor,
    /// People with an account
    #[command(subcommand)]
    User(user::User),
    /// People who share what their group is given
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Calls per user, service and day
    Usage(usage::Usage),
    /// API tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Programs that may ask users for access (OAuth)
    #[command(subcommand)]
    Client(client::Client),
    /// What can be hosted
    #[command(subcommand)]
    Service(service::Service),
    /// What is hosted
    #[command(subcommand)]
    Instance(instance::Instance),
    /// Keys and passwords of outside services
    #[command(subcommand)]
    Credential(credential::Credential),
    /// The master key
    #[command(subcommand)]
    Vault(vault::Vault),
    /// What runs
    Status,
    /// The last log lines of one instance, or of all
    Logs(logs::Logs),
    /// What runs, refreshed
    Monit(status::Monit),
    /// End the running Berth and start it again with the same settings, as the same process
    Restart,
    /// End the running Berth and every instance
    Stop,
    /// The record of who did what
    #[command(subcommand)]
    Audit(audit::Audit),
}

/// Parses the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let (listen, file) = match &cli.command {
        Command::Serve(serve) => (serve.listen.as_deref(), serve.config.as_deref()),
        _ => (None, None),
    };
    let context = Context::new(&cli.global, listen, file)?;
    match &cli.command {
        Command::Serve(_) => return serve::run(context),
        Command::Doctor => return doctor::run(&context),
        Command::Migrate => life::migrate(&context),
        Command::User(command) => user::run(&context, command),
        Command::Group(command) => group::run(&context, command),
        Command::Usage(command) => usage::run(&context, command),
        Command::Token(command) => token::run(&context, command),
        Command::Client(command) => client::run(&context, command),
        Command::Service(command) => return service::run(&context, command),
        Command::Instance(command) => instance::run(&context, command),
        Command::Credential(command) => credential::run(&context, command),
        Command::Vault(command) => vault::run(&context, command),
        Command::Status => status::run(&context),
        Command::Logs(command) => logs::run(&context, command),
        Command::Monit(command) => status::monit(&context, command),
        Command::Restart => life::restart(&context),
        Command::Stop => life::stop(&context),
        Command::Audit(command) => return audit::run(&context, command),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// `NAME=VALUE`; the value may hold further equal signs.
fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn verify_cli() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_of_the_contract_parse() {
        let id = "0198c6a0-0000-7000-8000-000000000000";
        for line in [
            "serve --listen 127.0.0.1:0 --data-dir d --config berth.toml",
            "--config berth.toml --set log=debug migrate",
            "migrate",
            "doctor --json",
            "user add a@b.c --admin --password-stdin",
            "user list",
            "user disable a@b.c",
            "user link a@b.c",
            "user reset-totp a@b.c",
            "user remove a@b.c",
            &format!("token create --user a@b.c --instance {id} --instance {id} --expires-days 3"),
            "service list",
            "service show memory",
            "service check service.toml",
            "service add service.json",
            "service import claude_desktop_config.json --preview",
            "service import server.json --create --user a@b.c --only x --only y",
            "service import bundle.mcpb --sha256 ab",
            "instance config mem_ann_abcdefgh --client cursor --token --expires-days 3",
            "instance config mem_ann_abcdefgh --client vscode --oauth --details",
            "service list --curated --search maps",
            "service updates fetch",
            "service updates fetch --to 2.0.0 --field KEY=value",
            "service update fetch 2.0.0 --restart",
            "service rollback fetch --restart",
            "service pin fetch --off",
            "instance create memory --user a@b.c --label x --env A=b=c --config R=s --credential-stdin --expires-minutes 5",
            &format!("instance renew {id} --minutes 5"),
            &format!("instance renew {id} --never"),
            &format!("instance logs {id} --follow --stream access"),
            "instance clone mem_ann_abcdefgh",
            "instance debug mem_ann_abcdefgh",
            "instance debug mem_ann_abcdefgh --minutes 5",
            "instance debug mem_ann_abcdefgh --off",
            "instance diagnose mem_ann_abcdefgh --json",
            "credential list --user a@b.c",
            "credential add github --user a@b.c --label work --unchecked",
            &format!("credential test {id}"),
            &format!("credential rotate {id} --grace-minutes 0 --unchecked"),
            &format!("credential rollback {id}"),
            &format!("credential delete {id} --force"),
            "vault rotate-key",
            "vault rotate-key --key-stdin",
            "status --json",
            "logs",
            "monit --once",
            "restart",
            "stop",
            "audit verify",
            "audit verify --expect-hash ab",
            "audit export --from 2026-01-01T00:00:00Z --action user.create",
            "user remove a@b.c --now",
            "user restore a@b.c",
            "group add team --description x --running 3 --services gmail,slack",
            "group quota team --any-service --reset",
            "group list",
            "group show team --json",
            "group remove team",
            "group member team --add a@b.c --add d@e.f --remove g@h.i",
            "user quota a@b.c --instances 3 --running 2 --memory-bytes 1000 --calls-per-day 5 --creations-per-hour 4",
            "user quota a@b.c",
            "usage --from 2026-03-01 --to 2026-03-31 --by user,service --csv",
            "usage --json",
        ] {
            let words = std::iter::once("berth").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
        for line in [
            "",
            "nothing",
            "user add",
            "user add x",
            "token create",
            "instance renew x",
            "serve --set novalue",
            "service import x --create",
            "instance config x --client notepad",
            "instance config x --client cursor --expires-days 3",
            "instance debug x --minutes 0",
            "instance debug x --minutes 5 --off",
            "group member team",
            "usage --by week",
            "usage --csv --json",
            "user quota a@b.c --running -1",
        ] {
            let words = std::iter::once("berth").chain(line.split_whitespace());
            assert_eq!(Cli::try_parse_from(words).err().map(|error| error.exit_code()), Some(2), "{line}");
        }
    }
}
