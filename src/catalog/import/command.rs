//! What the command of a configuration starts: a package where that can be told, else a program of this host.

mod runners;

use super::{
    draft::Start,
    text::{Hole, Text},
};

/// A command with its arguments, and the variables that go with it.
pub(super) struct Command<'a> {
    pub(super) command: &'a str,
    pub(super) args: Vec<Text>,
    pub(super) env: &'a mut Vec<(String, Text)>,
    pub(super) notes: &'a mut Vec<String>,
}

/// Programs that run containers.
const CONTAINERS: &[&str] = &["docker", "podman", "nerdctl", "container", "finch"];

impl Command<'_> {
    /// How it is started here, or why not.
    pub(super) fn start(mut self) -> Result<Start, String> {
        let name = self.name();
        match name.as_str() {
            "npx" | "bunx" => runners::npm(self),
            "npm" | "pnpm" | "yarn" | "bun" => match self.first().as_deref() {
                Some("exec" | "x" | "dlx") => {
                    self.args.remove(0);
                    runners::npm(self)
                }
                _ => Err(format!("`{name}` runs something of a folder of the machine that this is from")),
            },
            "uvx" => runners::uvx(self),
            "pipx" if self.first().as_deref() == Some("run") => {
                self.args.remove(0);
                runners::uvx(self)
            }
            "uv" => self.uv(),
            "cmd" => self.unwrapped(),
            "sh" | "bash" | "zsh" | "dash" | "powershell" | "pwsh" => {
                Err(format!("it is a line for a shell ({name}); name the program and its arguments instead"))
            }
            name if CONTAINERS.contains(&name) => {
                Err(format!("it is a container ({name}), and Berth runs processes without a container engine"))
            }
            _ => self.program(),
        }
    }

    /// The program's name without folder and ending.
    fn name(&self) -> String {
        let last = self.command.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
        [".cmd", ".exe", ".bat"].iter().find_map(|ending| last.strip_suffix(ending)).unwrap_or(&last).to_owned()
    }

    fn first(&self) -> Option<String> {
        self.args.first().and_then(Text::literal)
    }

    fn uv(mut self) -> Result<Start, String> {
        let words: Vec<Option<String>> = self.args.iter().take(2).map(Text::literal).collect();
        match words.as_slice() {
            [Some(tool), Some(run)] if tool == "tool" && run == "run" => {
                self.args.drain(..2);
                runners::uvx(self)
            }
            _ => {
                Err("`uv` runs a project in a folder of the machine that this is from; `uvx PACKAGE` would do"
                    .to_owned())
            }
        }
    }

    /// `cmd /c npx …`, as Windows needs it.
    fn unwrapped(mut self) -> Result<Start, String> {
        let command = self.args.get(1).and_then(Text::literal);
        let is_wrapped = self.first().is_some_and(|first| first.eq_ignore_ascii_case("/c"));
        let Some(command) = command.filter(|_| is_wrapped) else {
            return Err("it is a line for the shell of Windows".to_owned());
        };
        self.args.drain(..2);
        let (args, env, notes) = (self.args, self.env, self.notes);
        if command.eq_ignore_ascii_case("cmd") {
            return Err("it is a line for the shell of Windows".to_owned());
        }
        Command { command: &command, args, env, notes }.start()
    }

    fn program(self) -> Result<Start, String> {
        let command = self.command.trim();
        if command.is_empty() {
            return Err("it has neither a command nor a URL".to_owned());
        }
        if command.contains(['\\', '\0']) || command.get(1..3) == Some(":/") {
            return Err("its program is on another kind of machine (Windows)".to_owned());
        }
        if command.contains('/') && !command.starts_with('/') || command.contains("${") {
            return Err("its program is named relative to a folder of the machine that this is from".to_owned());
        }
        if command.contains(' ') {
            return Err("its command is a whole line; name the program and its arguments one by one".to_owned());
        }
        let file = self.args.iter().find_map(|arg| arg.literal().filter(|arg| arg.starts_with('/')));
        self.notes.push(match file {
            Some(_) => format!("{command} and the files that its arguments name must be on this host"),
            None => format!("{command} must be on this host"),
        });
        // Where a module is run, it must be there, too.
        Ok(Start::Command { command: command.to_owned(), args: self.args })
    }

    /// A variable of the entry, taken out of it: what the command would have read, we read for it.
    fn take_env(&mut self, name: &str) -> Option<Text> {
        let at = self.env.iter().position(|(known, _)| known == name)?;
        Some(self.env.remove(at).1)
    }

    /// An argument whose `${NAME}` are variables of the entry.
    fn with_env(&mut self, arg: &Text) -> Text {
        let mut filled = Text::default();
        for piece in &arg.0 {
            let own = match piece {
                super::text::Piece::Hole(Hole { key, .. }) => self.take_env(key),
                _ => None,
            };
            filled = filled.then(own.unwrap_or_else(|| Text(vec![piece.clone()])));
        }
        filled
    }
}
