//! The command line, read by hand: a parser crate would cost each copy more than the rest of it.

/// Printed with every usage error.
pub(crate) const USAGE: &str = "\
usage: fake-mcp [--http [--no-session]] [flags]
  --http             Streamable HTTP on 127.0.0.1:$PORT instead of stdio
  --contract         serve many instances over HTTP, as a shared service does
  --open             with --contract: answer everybody
  --no-discover      with --contract: speak the session era alone
  --no-session       with --http: hand out no Mcp-Session-Id
  --listen PLAN      with --http: what becomes of GET streams, in turn: `stay`, `end` or a status,
                     with commas between; the last for all that follow
  --tease            with --http: the answer to `never` can be resumed for ever, and never comes
  --only VERSION     speak this revision alone; with --http, refuse others in the header
  --slow-hello MS    with --http: wait before answering initialize
  --refuse NAME      refuse initialize to clients of this name
  --no-listen        with --http: never open the port
  --mute             never answer initialize
  --strict           exit at any request that comes before initialize
  --deaf             leave any request that comes before initialize unanswered
  --starts           add a line to the file `starts` in the working directory
  --say TEXT         write a line to stderr first
  --print TEXT       write a line to stdout first, which is not where it belongs
  --exit CODE        exit at once
  --slow-start MS    wait before reading anything
  --crash-after N    die without an answer on call N + 1
  --ignore-term      SIGTERM has no effect
  --ignore-eof       stay alive when stdin ends
  --fork-and-leave   leave a process in a session of its own behind, holding the pipes, and exit
  --flood-stderr     write to stderr without end
  --name NAME        serverInfo.name";

/// How the server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Lines on stdin and stdout.
    #[default]
    Stdio,
    /// Streamable HTTP.
    Http,
}

/// What becomes of a request that comes before `initialize`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Early {
    /// It is answered like any other.
    #[default]
    Answered,
    /// Nothing.
    Ignored,
    /// It ends the process.
    Exits,
}

/// The flags, see [`USAGE`].
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) transport: Transport,
    pub(crate) contract: bool,
    pub(crate) open: bool,
    pub(crate) no_discover: bool,
    pub(crate) no_session: bool,
    pub(crate) listen: Vec<String>,
    pub(crate) tease: bool,
    pub(crate) only: Option<String>,
    pub(crate) slow_hello_ms: u64,
    pub(crate) refuse: Option<String>,
    pub(crate) no_listen: bool,
    pub(crate) mute: bool,
    pub(crate) early: Early,
    pub(crate) starts: bool,
    pub(crate) say: Option<String>,
    pub(crate) print: Option<String>,
    pub(crate) exit: Option<i32>,
    pub(crate) slow_start_ms: u64,
    pub(crate) crash_after: Option<u64>,
    pub(crate) ignore_term: bool,
    pub(crate) ignore_eof: bool,
    pub(crate) fork_and_leave: bool,
    pub(crate) flood_stderr: bool,
    pub(crate) name: Option<String>,
    /// Not for users: the process that `fork` leaves behind, and for how many seconds.
    pub(crate) linger: Option<u64>,
    /// Not for users: start a `linger` in a session of its own, say its pid and end.
    pub(crate) escape: bool,
    /// Not for users: with `linger`, begin a new session first.
    pub(crate) setsid: bool,
    /// Not for users: one attack of [`crate::hostile`], made by this process alone.
    pub(crate) attack: Option<String>,
}

impl Options {
    /// Reads the arguments that follow the program's name.
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(flag) = args.next() {
            options.take(&flag, &mut args)?;
        }
        Ok(options)
    }

    fn take(&mut self, flag: &str, rest: &mut impl Iterator<Item = String>) -> Result<(), String> {
        match flag {
            "--http" => self.transport = Transport::Http,
            "--contract" => self.contract = true,
            "--open" => self.open = true,
            "--no-discover" => self.no_discover = true,
            "--no-session" => self.no_session = true,
            "--listen" => self.listen = rest.next().unwrap_or_default().split(',').map(str::to_owned).collect(),
            "--tease" => self.tease = true,
            "--only" => self.only = rest.next(),
            "--slow-hello" => self.slow_hello_ms = number(flag, rest.next())?,
            "--refuse" => self.refuse = rest.next(),
            "--no-listen" => self.no_listen = true,
            "--mute" => self.mute = true,
            "--ignore-term" => self.ignore_term = true,
            "--ignore-eof" => self.ignore_eof = true,
            "--fork-and-leave" => self.fork_and_leave = true,
            "--flood-stderr" => self.flood_stderr = true,
            "--escape" => self.escape = true,
            "--setsid" => self.setsid = true,
            "--strict" => self.early = Early::Exits,
            "--deaf" => self.early = Early::Ignored,
            "--starts" => self.starts = true,
            "--say" => self.say = rest.next(),
            "--print" => self.print = rest.next(),
            "--exit" => self.exit = Some(number(flag, rest.next())?),
            "--slow-start" => self.slow_start_ms = number(flag, rest.next())?,
            "--crash-after" => self.crash_after = Some(number(flag, rest.next())?),
            "--linger" => self.linger = Some(number(flag, rest.next())?),
            "--name" => self.name = rest.next(),
            "--attack" => self.attack = rest.next(),
            // Anything else is somebody's template: `whoami` shows it.
            other if other.starts_with("--") => return Err(format!("unknown flag {other}")),
            _ => {}
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(flag: &str, value: Option<String>) -> Result<T, String> {
    value.and_then(|text| text.parse().ok()).ok_or_else(|| format!("{flag} needs a number"))
}
