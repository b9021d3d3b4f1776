//! The command line: the gateway, and tools for its configuration wherever that is kept.

mod address;
mod arguments;
mod client;
mod compare;
mod drain;
mod explain;
mod export;
mod import;
mod key;
mod litellm;
mod serve;
mod target;
mod validate;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tokio::runtime::Runtime;

use arguments::{Cli, Command};

/// What a command came to.
pub enum Done {
    Well,
    /// It did what it should, and what it found is not as it should be.
    Not,
    /// It did not; why.
    Failed(String),
}

impl From<Result<Done, String>> for Done {
    fn from(done: Result<Done, String>) -> Self {
        done.unwrap_or_else(Done::Failed)
    }
}

/// Runs what the arguments ask for.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let mut failure = 1;
    let done = match cli.command {
        None => serve::serve(cli.config).map(|()| Done::Well),
        Some(Command::Sim(settings)) => {
            crate::sim::run(settings).map(|()| Done::Well).map_err(|error| format!("aisix sim: {error}"))
        }
        Some(Command::Validate(arguments)) => validate::run(&arguments),
        Some(Command::Export(arguments)) => export::run(&arguments),
        Some(Command::Import(arguments)) => import::run(&arguments),
        Some(Command::Diff(arguments)) => {
            // 1 says that there are differences.
            failure = 2;
            compare::run(&arguments)
        }
        Some(Command::Key(arguments)) => key::run(&arguments.command),
        Some(Command::Drain(arguments)) => drain::drain(&arguments),
        Some(Command::Undrain(arguments)) => drain::undrain(&arguments),
        Some(Command::Explain(arguments)) => {
            // 1 says that no provider would be asked.
            failure = 2;
            explain::run(&arguments)
        }
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "aisix", &mut std::io::stdout());
            Ok(Done::Well)
        }
    };
    match Done::from(done) {
        Done::Well => ExitCode::SUCCESS,
        Done::Not => ExitCode::from(1),
        Done::Failed(message) => {
            tell(message);
            ExitCode::from(failure)
        }
    }
}

/// One line for whoever reads along.
fn tell(line: impl std::fmt::Display) {
    // Nobody may be reading.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// One line of what was asked for.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Where a store's work runs.
fn runtime() -> Result<Runtime, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| format!("no runtime: {error}"))
}

/// `docs/reference/cli.md`
pub fn reference_page() -> String {
    let mut page = String::from(HEAD);
    let mut root = Cli::command().term_width(100);
    root.build();
    section(&mut root, &mut page);
    page
}

fn section(command: &mut clap::Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or("aisix").to_owned();
    let help = command.render_long_help().to_string();
    let lines: Vec<String> = help.lines().map(wrapped).collect();
    page.push_str(&format!("\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end()));
    for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
        section(inner, page);
    }
}

/// A line in lines of a page's width, all as far to the right as it begins.
fn wrapped(line: &str) -> String {
    let margin: String = line.chars().take_while(|letter| *letter == ' ').collect();
    let mut out = String::new();
    let mut width = 0;
    for word in line.split_whitespace() {
        if width > 0 && width + 1 + word.len() > WIDTH {
            out.push('\n');
            width = 0;
        }
        let space = if width == 0 { margin.as_str() } else { " " };
        out.push_str(space);
        out.push_str(word);
        width += space.len() + word.len();
    }
    if line.len() <= WIDTH { line.trim_end().to_owned() } else { out }
}

/// Columns.
const WIDTH: usize = 100;

const HEAD: &str = "# Command line

Written by a test from the definitions in `src/cli`. Every command has `--help`.

Where a command asks for a place where resources are kept, it takes

| address | place |
|---|---|
| `resources.yaml`, `file:PATH` | a resources file; `-` is standard input or output |
| `store.db`, `sqlite:PATH` | a database, while no gateway uses it |
| `etcd://HOST:2379[,HOST:2379]/PREFIX` | etcd |
| `http://127.0.0.1:3001` | the Admin API of a running gateway; `AISIX_ADMIN_KEY` holds an admin key |

What was asked for goes to standard output, everything else to standard error. Exit status: 0 when all went well; 1 when
it did not, or when a check found faults; 2 when the arguments are wrong. `aisix diff` answers as `diff` does: 0 for the
same, 1 for different, 2 for failures; `aisix explain` 0 where a provider would be asked, 1 where none would, 2 for failures.
";
