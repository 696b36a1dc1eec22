//! `npx`, `uvx` and their like: what they would run, so that nothing has to stand in between.

use super::Command;
use crate::catalog::import::{
    draft::Start,
    package,
    text::{Piece, Text},
    urls,
};

/// What bridges a remote server to standard input and output: here it is reached without one.
const BRIDGES: &[&str] = &["mcp-remote", "@punkpeye/mcp-remote"];

/// What the flags of a runner say.
#[derive(Default)]
struct Flags {
    package: Option<String>,
    left_out: Vec<String>,
}

/// Takes flags off the front of the arguments. `with_value` are those that have one, `packages` those that name
/// the package, `silent` those that only save questions.
fn flags(args: &mut Vec<Text>, packages: &[&str], with_value: &[&str], silent: &[&str]) -> Result<Flags, String> {
    let mut flags = Flags::default();
    while let Some(flag) = args.first().and_then(Text::literal).filter(|arg| arg.starts_with('-')) {
        args.remove(0);
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
            _ => (flag, None),
        };
        let is = |list: &[&str]| list.contains(&name.as_str());
        let mut next = || {
            let next = if args.is_empty() { None } else { args.remove(0).literal() };
            value.clone().or(next).ok_or_else(|| format!("its flag {name} has no value"))
        };
        if name == "--" {
            break;
        } else if is(packages) {
            flags.package = Some(next()?);
        } else if is(with_value) {
            next()?;
            flags.left_out.push(name);
        } else if !is(silent) {
            flags.left_out.push(name);
        }
    }
    Ok(flags)
}

/// The next argument, which must be known: the package, or the program of it.
fn next(args: &mut Vec<Text>) -> Result<String, String> {
    let first = if args.is_empty() { None } else { args.remove(0).literal() };
    first.ok_or_else(|| "it names no package".to_owned())
}

/// `npx [-y] [-p PACKAGE] PACKAGE|PROGRAM ARGS…`.
pub(super) fn npm(mut command: Command<'_>) -> Result<Start, String> {
    let silent = ["-y", "--yes", "-q", "--quiet", "--prefer-offline", "--prefer-online", "--silent", "-s", "--bun"];
    let flags = flags(&mut command.args, &["-p", "--package"], &["--registry", "--cache", "-w"], &silent)?;
    let first = next(&mut command.args)?;
    if command.args.first().and_then(Text::literal).as_deref() == Some("--") && flags.package.is_some() {
        command.args.remove(0);
    }
    note(&mut command, flags.left_out);
    let spec = flags.package.as_deref().unwrap_or(&first);
    let package = package::npm(spec)?;
    if BRIDGES.contains(&package.name.as_str()) {
        return bridged(command);
    }
    let entry = flags.package.is_some().then_some(first);
    Ok(Start::Npm {
        package: package.name,
        version: package.version,
        entry,
        runtime_args: Vec::new(),
        args: command.args,
    })
}

/// `uvx [--from PACKAGE] PACKAGE|PROGRAM ARGS…`, and `pipx run [--spec PACKAGE] …`.
pub(super) fn uvx(mut command: Command<'_>) -> Result<Start, String> {
    let silent =
        ["-q", "--quiet", "--isolated", "--refresh", "--no-cache", "--native-tls", "--offline", "-n", "--no-progress"];
    let valued = ["--python", "-p", "--index-url", "--index", "--default-index", "--prerelease", "--cache-dir"];
    if command.args.iter().take_while(|arg| arg.literal().is_some_and(|arg| arg.starts_with('-'))).any(is_with) {
        return Err("it adds packages to another one (--with), which are not installed here".to_owned());
    }
    let flags = flags(&mut command.args, &["--from", "--spec"], &valued, &silent)?;
    let first = next(&mut command.args)?;
    note(&mut command, flags.left_out);
    let package = package::pypi(flags.package.as_deref().unwrap_or(&first))?;
    let entry = flags.package.is_some().then_some(first);
    Ok(Start::Pypi { package: package.name, version: package.version, entry, args: command.args })
}

fn is_with(arg: &Text) -> bool {
    arg.literal().is_some_and(|arg| arg == "--with" || arg.starts_with("--with=") || arg.starts_with("--with-"))
}

fn note(command: &mut Command<'_>, left_out: Vec<String>) {
    command.notes.extend(left_out.into_iter().map(|flag| format!("the flag {flag} of its runner is left out")));
}

/// `mcp-remote URL [--header NAME:VALUE]… …`: the server itself.
fn bridged(mut command: Command<'_>) -> Result<Start, String> {
    let mut url = None;
    let mut headers = Vec::new();
    let mut args = std::mem::take(&mut command.args).into_iter();
    while let Some(arg) = args.next() {
        match arg.literal().as_deref() {
            Some("--header") => {
                let header = args.next().ok_or("its flag --header has no value")?;
                let (name, value) = header_of(&header)?;
                headers.push((name, command.with_env(&value)));
            }
            Some("--transport" | "--host" | "--auth-timeout" | "--resource" | "--ignore-tool") => drop(args.next()),
            Some(flag) if flag.starts_with("--") => {}
            _ if url.is_none() => url = Some(arg),
            // The port at which it waits for a browser to come back.
            _ => {}
        }
    }
    command.env.clear();
    command.notes.push("the bridge mcp-remote is left out: the server is reached without one".to_owned());
    let (url, user) = urls::read(&url.ok_or("mcp-remote has no URL")?)?;
    Ok(Start::Remote { url, user, headers })
}

/// `NAME: VALUE`.
fn header_of(header: &Text) -> Result<(String, Text), String> {
    let wrong = || "a header of mcp-remote is not NAME:VALUE".to_owned();
    let (first, rest) = header.0.split_first().ok_or_else(wrong)?;
    let Piece::Plain(start) = first else { return Err(wrong()) };
    let (name, value) = start.split_once(':').ok_or_else(wrong)?;
    Ok((name.trim().to_owned(), Text::plain(value.trim_start()).then(Text(rest.to_vec()))))
}
