//! The command line (being replaced).
use std::{collections::BTreeMap, io::Read, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::{
    app,
    auth::{passwords, tokens},
    config::{Config, Layers},
    db::{tokens as token_rows, users},
    domain::{ids::*, secret::Secret, time::Timestamp},
};

#[derive(Parser)]
struct Cli {
    #[arg(long, global = true)]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}
#[derive(Subcommand)]
enum Command {
    Serve {
        #[arg(long)]
        listen: Option<String>,
    },
    Migrate,
    #[command(subcommand)]
    User(User),
    #[command(subcommand)]
    Token(Token),
    #[command(subcommand)]
    Service(Service),
}
#[derive(Subcommand)]
enum User {
    Add {
        email: String,
        #[arg(long)]
        admin: bool,
        #[arg(long)]
        password_stdin: bool,
    },
}
#[derive(Subcommand)]
enum Token {
    Create {
        #[arg(long)]
        user: String,
    },
}
#[derive(Subcommand)]
enum Service {
    List,
}

/// Runs.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let mut flags = BTreeMap::new();
    if let Some(d) = cli.data_dir {
        flags.insert("data_dir".to_owned(), d.display().to_string());
    }
    if let Command::Serve { listen: Some(l) } = &cli.command {
        flags.insert("listen".to_owned(), l.clone());
    }
    let config = Config::read(&Layers::new(flags, std::env::vars(), std::path::Path::new("berth.toml"))?)?;
    match cli.command {
        Command::Serve { .. } => {
            crate::telemetry::init_logging(&config.server.log, config.server.log_format);
            let ok = actix_rt::System::new().block_on(app::serve(config))?;
            Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Migrate => {
            app::open_stores(&config)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::User(User::Add { email, admin, password_stdin }) => {
            let stores = app::open_stores(&config)?;
            let mut p = String::new();
            if password_stdin {
                std::io::stdin().read_to_string(&mut p)?;
            }
            let p = Secret::new(p.trim_end_matches('\n').to_owned());
            passwords::check(&p)?;
            let hash = passwords::hash(&p)?;
            let new = users::NewUser {
                id: UserId::generate(),
                email: email.parse()?,
                password_hash: Some(hash),
                role: if admin { users::Role::Admin } else { users::Role::User },
                instance_quota: None,
                created_at: Timestamp::now(),
            };
            stores.db.write_blocking(|c| users::insert(c, &new)).context("user")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Token(Token::Create { user }) => {
            let stores = app::open_stores(&config)?;
            let email = user.parse()?;
            let s = tokens::mint()?;
            stores.db.write_blocking(|c| {
                let u = users::by_email(c, &email)?;
                token_rows::insert(
                    c,
                    &token_rows::NewToken {
                        id: TokenId::generate(),
                        user_id: u.id,
                        name: String::new(),
                        hash: tokens::TokenHash::of(s.expose()).to_hex(),
                        hint: s.hint(),
                        instances: None,
                        created_at: Timestamp::now(),
                        expires_at: None,
                    },
                )
            })?;
            println!("{}", s.expose());
            Ok(ExitCode::SUCCESS)
        }
        Command::Service(Service::List) => {
            println!("services");
            Ok(ExitCode::SUCCESS)
        }
    }
}
