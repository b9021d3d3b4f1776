//! What can be asked for.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::address::Address;
use crate::sim;

/// A gateway between applications and AI model providers
///
/// Without arguments it starts at once: aliases come from the provider keys it finds in the environment
/// (OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, DEEPSEEK_API_KEY, OLLAMA_BASE_URL, VLLM_BASE_URL and
/// more) and from a simulated provider that needs none.
#[derive(Debug, Parser)]
#[command(name = "aisix", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// Bootstrap file (YAML, TOML or JSON)
    #[arg(short, long, env = "AISIX_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Validate(Validate),
    Export(Export),
    Import(Import),
    Diff(Diff),
    Key(Key),
    Drain(Drain),
    Undrain(Undrain),
    Explain(Explain),
    /// Run the simulated provider alone
    Sim(sim::Settings),
    /// Print completions for a shell
    ///
    /// Example: aisix completions bash > /etc/bash_completion.d/aisix
    Completions {
        /// The shell they are for
        shell: Shell,
    },
}

/// Check resources and print everything that is wrong with them
///
/// Runs every check that a start would. Nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aisix validate resources.yaml
  aisix validate store.db")]
pub struct Validate {
    /// Where they are; in a file ${VAR} is looked up in the current environment
    #[arg(value_name = "ADDRESS", required_unless_present = "resources")]
    pub address: Option<Address>,
    /// The same, as a file
    #[arg(long, value_name = "FILE", conflicts_with = "address")]
    pub resources: Option<PathBuf>,
}

/// Write resources as a file that a gateway can load and a person can read
///
/// Names stand where stores hold ids. Secrets become ${VAR}, and the variables are listed on standard error; caller
/// keys are hashes in every store and stay that. The same resources always give the same text. What a file cannot hold
/// is told on standard error, and the exit status is 1.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aisix export --from store.db --to resources.yaml
  AISIX_ADMIN_KEY=… aisix export --from http://127.0.0.1:3001 > resources.yaml")]
pub struct Export {
    /// Where the resources are
    #[arg(long, value_name = "ADDRESS", required_unless_present = "etcd")]
    from: Option<Address>,
    /// The same, as the endpoints of an etcd, separated by commas
    #[arg(long, value_name = "ENDPOINTS", conflicts_with = "from")]
    etcd: Option<String>,
    /// Root of the keys in etcd
    #[arg(long, value_name = "PREFIX", requires = "etcd", default_value = "/aisix")]
    prefix: String,
    /// The file to write; - is standard output
    #[arg(long, short = 'o', value_name = "FILE", default_value = "-")]
    pub to: PathBuf,
    /// Write secrets as they are. The Admin API does not show them.
    #[arg(long)]
    pub reveal_secrets: bool,
}

impl Export {
    /// Where the resources are.
    ///
    /// # Errors
    /// That is not said.
    pub fn from(&self) -> Result<Address, String> {
        match (&self.from, &self.etcd) {
            (Some(from), _) => Ok(from.clone()),
            (None, Some(endpoints)) => Ok(Address::etcd(endpoints, &self.prefix)),
            (None, None) => Err("name the place to export from".to_owned()),
        }
    }
}

/// Bring resources into a store, all of them or none
///
/// Rows are the same where kind and name are: those keep their ids. Everything is judged as a write through the Admin
/// API is. What is created, changed and deleted is listed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aisix import resources.yaml --to store.db --dry-run
  aisix import store.db --to http://127.0.0.1:3001 --prune
  aisix import --from litellm config.yaml --to resources.yaml

From a LiteLLM proxy's config.yaml come its models, keys and router settings; what has no counterpart is listed on
standard error, with its path and the reason.")]
pub struct Import {
    /// Where they come from: a resources file, - for standard input, or any other place
    #[arg(value_name = "ADDRESS")]
    pub source: Address,
    /// Where they go. A file is written anew and must not be there yet, unless with --force.
    #[arg(long, value_name = "ADDRESS")]
    pub to: Address,
    /// What the source is, when it is no resources of ours
    #[arg(long, value_name = "PRODUCT")]
    pub from: Option<Foreign>,
    /// Judge only, and say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Delete what the source does not have
    #[arg(long)]
    pub prune: bool,
    /// Delete also what others still name, and replace a file that is there
    #[arg(long)]
    pub force: bool,
}

/// Configurations of other products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Foreign {
    /// config.yaml of a LiteLLM proxy
    Litellm,
}

/// Say how two places differ
///
/// By kind and name, member by member; ids do not matter. Of secrets only that they differ is said, and nothing where one
/// side is a running gateway, which does not show them. Exit status: 0 the same, 1 different, 2 failed.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  aisix diff resources.yaml http://127.0.0.1:3001")]
pub struct Diff {
    #[arg(value_name = "FIRST")]
    pub first: Address,
    #[arg(value_name = "SECOND")]
    pub second: Address,
}

/// Make and manage caller keys
///
/// A key's plaintext is shown once, alone on standard output. Only its hash is kept.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  KEY=$(aisix key create --name ci --models 'gpt-*' --expires 30d)
  aisix key revoke ci --on store.db")]
pub struct Key {
    #[command(subcommand)]
    pub command: KeyCommand,
}

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    Create(Box<Create>),
    /// Give a caller key a new plaintext, which is printed; the former one is refused from then on
    #[command(after_help = "Example:\n  KEY=$(aisix key rotate ci)")]
    Rotate {
        /// Name or id of the key
        key: String,
        #[command(flatten)]
        on: On,
    },
    /// Refuse a caller key from now on
    #[command(after_help = "Example:\n  aisix key revoke ci")]
    Revoke {
        /// Name or id of the key
        key: String,
        /// Delete it, so that it cannot be brought back and its name is free
        #[arg(long)]
        delete: bool,
        #[command(flatten)]
        on: On,
    },
    /// List caller keys: name, state, what they may use, id
    #[command(after_help = "Example:\n  aisix key list --on store.db")]
    List {
        #[command(flatten)]
        on: On,
    },
}

/// Make a caller key and print its plaintext
#[derive(Debug, Args)]
#[command(after_help = "Example:
  KEY=$(aisix key create --name ci --models 'gpt-*,claude-*' --expires 30d --rpm 60)")]
pub struct Create {
    /// What it is called
    #[arg(long)]
    pub name: String,
    /// Aliases it may use, as patterns separated by commas
    #[arg(long, value_name = "PATTERNS", value_delimiter = ',', default_value = "*")]
    pub models: Vec<String>,
    /// When it ends: in 90m, 12h, 30d, 8w, or at a time such as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// Requests per second
    #[arg(long, value_name = "N")]
    pub rps: Option<u64>,
    /// Requests per minute
    #[arg(long, value_name = "N")]
    pub rpm: Option<u64>,
    /// Requests per day
    #[arg(long, value_name = "N")]
    pub rpd: Option<u64>,
    /// Tokens per minute
    #[arg(long, value_name = "N")]
    pub tpm: Option<u64>,
    /// Tokens per day
    #[arg(long, value_name = "N")]
    pub tpd: Option<u64>,
    /// Requests in flight
    #[arg(long, value_name = "N")]
    pub concurrency: Option<u64>,
    /// Team it belongs to
    #[arg(long, value_name = "ID")]
    pub team: Option<String>,
    /// User it belongs to
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// Take the plaintext from this variable; nothing is printed then
    #[arg(long, value_name = "VARIABLE")]
    pub key_env: Option<String>,
    #[command(flatten)]
    pub on: On,
}

/// Where the keys are.
#[derive(Debug, Args)]
pub struct On {
    /// Where the keys are: a database, etcd, or the Admin API of a running gateway
    #[arg(long = "on", value_name = "ADDRESS", default_value = "http://127.0.0.1:3001")]
    pub address: Address,
}

/// Set a model of a running gateway aside
///
/// Aliases with several targets pass it over from then on; what is under way goes on. It holds for that process alone, until
/// it is undrained or ends.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  aisix drain gpt-4o@azure --wait 60")]
pub struct Drain {
    /// Name or id of a direct model
    pub model: String,
    /// Wait until no request to it is under way, for so many seconds; exit status 1 if some still are
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub wait: u64,
    #[command(flatten)]
    pub at: Gateway,
}

/// Take a model of a running gateway back that was set aside
#[derive(Debug, Args)]
#[command(after_help = "Example:
  aisix undrain gpt-4o@azure")]
pub struct Undrain {
    /// Name or id of a direct model
    pub model: String,
    #[command(flatten)]
    pub at: Gateway,
}

/// Say where a request would go, and why
///
/// Nothing is sent and nothing that is counted moves. Exit status: 0 a provider would be asked, 1 none would, 2 failed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aisix explain smart --caller checkout --header 'x-aisix-routing-tags: eu'
  aisix explain smart --body request.json --proposed resources.yaml --json")]
pub struct Explain {
    /// The alias that is asked for
    pub model: String,
    /// Name or id of a caller key; without one, nobody's rights are looked at
    #[arg(long, value_name = "KEY")]
    pub caller: Option<String>,
    /// A header of the request, as NAME: VALUE; several may be given
    #[arg(long, value_name = "HEADER")]
    pub header: Vec<String>,
    /// The format the caller speaks: openai, openai_responses, anthropic or gemini
    #[arg(long, value_name = "FORMAT", default_value = "openai")]
    pub dialect: String,
    /// The caller wants a stream
    #[arg(long)]
    pub stream: bool,
    /// A file with the request's body; - is standard input
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// Address of the caller
    #[arg(long, value_name = "ADDRESS")]
    pub client: Option<std::net::IpAddr>,
    /// Answer as if the rows of this resources file were written, each in place of the one of its name
    #[arg(long, value_name = "FILE")]
    pub proposed: Option<PathBuf>,
    /// Print the answer of the Admin API as it is
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: Gateway,
}

/// Which gateway is meant.
#[derive(Debug, Args)]
pub struct Gateway {
    /// The Admin API of a running gateway; AISIX_ADMIN_KEY holds an admin key
    #[arg(long = "at", value_name = "ADDRESS", default_value = "http://127.0.0.1:3001")]
    pub address: String,
}
