//! Wiring: a configuration in, a running gateway out, built in plain order.

mod applier;
mod banner;
mod data;
mod explain;
mod fleets;
#[cfg(target_os = "linux")]
mod pages;
mod probes;
mod settings;
mod shutdown;
mod standalone;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{RunArgs, Server};
use pingora_core::services::background::GenBackgroundService;
use pingora_proxy::{HttpProxy, http_proxy};
use tokio::sync::Notify;

use crate::admin::access::{AdminKeys, Operator};
use crate::admin::api::Api;
use crate::admin::door::Door as OperatorsDoor;
use crate::admin::status::Board;
use crate::admin::{AdminApp, MetricsApp};
use crate::config::{Config, LogFormat, ServerTls, log_format};
use crate::life::Life;
use crate::proxy::Node;
use crate::proxy::doors::front::Front;
use crate::proxy::doors::listener::{self, Listener};
use crate::proxy::doors::pingora::Door;
use crate::proxy::doors::tls::Certificate;
use crate::proxy::vectors::Vectors;
use crate::resources::Secret;
use crate::store::Store;
use crate::store::etcd::EtcdStore;
use crate::store::file::{FileStore, Reload};
use crate::store::keeper::status::Status;
use crate::store::keeper::{self, Opening};
use crate::store::sqlite::SqliteStore;
use crate::telemetry::access_log::{AccessLog, Format};
use crate::telemetry::{Metrics, Telemetry};
use crate::upstream::transport::client::Client;
use crate::upstream::transport::pingora::NO_ROOTS;
use applier::Applier;
use banner::Banner;
use explain::Explainer;
use probes::Probes;
pub use settings::etcd as etcd_settings;
use shutdown::Signals;

/// Where the resources come from.
#[derive(Clone, Debug)]
pub enum Source {
    File(PathBuf),
    /// A database that the Admin API writes.
    Store(PathBuf),
    /// The cluster that the configuration names; the Admin API writes it.
    Etcd,
    /// Nothing was configured: a database of the user's own, with the provider keys of the environment and the simulated
    /// provider beside it.
    Environment,
}

type Gateway = Node<Client>;

/// Runs a gateway until it is told to stop.
///
/// # Errors
/// Why it could not start, in words for the operator.
pub fn run(config: Config, source: Source) -> Result<(), String> {
    let sockets = Sockets::bind(&config)?;
    let certificates = Certificates::load(&config)?;
    let life = Arc::new(Life::default());
    let metrics = Arc::new(Metrics::new().map_err(|error| format!("metrics: {error}"))?);
    let log = access_log(&config)?;
    let log_drops = log.as_ref().map(AccessLog::dropped);
    let telemetry = Arc::new(Telemetry::new(Arc::clone(&metrics), log));

    let mut standalone = match source {
        Source::Environment => Some(standalone::start(&config)?),
        Source::File(_) | Source::Store(_) | Source::Etcd => None,
    };
    let trust = settings::trust(&config)?;
    let status = Arc::<Status>::default();
    let board = Arc::new(Board::new(Arc::clone(&status), Arc::clone(&metrics)));
    let node: Arc<Gateway> = Arc::new(Node {
        settings: settings::of(&config)?,
        world: ArcSwap::from_pointee(applier::nothing()),
        upstream: Client::new(settings::pool(&config)),
        telemetry: Arc::clone(&telemetry),
        life: Arc::clone(&life),
        history: Box::new(settings::history(&config)),
        vectors: Vectors::new(VECTOR_BYTES),
    });
    let Opened { store, reload } = source.open(&config)?;
    let by_hand = reload.is_some();
    let explains =
        Box::new(Explainer { node: Arc::clone(&node), board: Arc::clone(&board), trust: trust.clone() });
    let applied = Arc::new(Notify::new());
    let probes = Probes {
        node: Arc::clone(&node),
        upstream: Client::new(settings::pool_of_one(&config)),
        board: Arc::clone(&board),
        applied: Arc::clone(&applied),
    };
    let applier = Applier { trust, board: Arc::clone(&board), node: Arc::clone(&node), by_hand, applied };
    let mut opening = Opening::new(store, applier.publish());
    opening.offered =
        standalone.as_mut().map(|standalone| std::mem::take(&mut standalone.offered)).unwrap_or_default();
    opening.last_known_good = data::last_known_good(&config);
    opening.status = Arc::clone(&status);
    let keeping = keeper::start(opening).map_err(|failure| failure.to_string())?;
    life.watch(contact(&config, status));
    let closing = keeping.clone();
    let made = standalone.as_ref().and_then(|standalone| standalone.admin_key.secret());
    let api = Api { keys: admin_keys(&config, made), keeping, board: Arc::clone(&board), explains };
    let addresses = sockets.addresses();
    let mut server = server(&config);
    add_services(&mut server, sockets, &certificates, &config, &node, &board, api, log_drops);
    server.add_service(GenBackgroundService::new("probes".to_owned(), Arc::new(probes)));
    let banner = Banner { addresses, standalone, node: Arc::clone(&node) };
    let signals = Signals::new(&config.shutdown, banner, &node, reload, certificates);
    server.run(RunArgs { shutdown_signal: Box::new(signals) });
    closing.close();
    telemetry.flush();
    Ok(())
}

/// A store, and the way to have it read again where nothing else says that it changed.
struct Opened {
    store: Box<dyn Store>,
    reload: Option<Reload>,
}

impl Source {
    fn open(&self, config: &Config) -> Result<Opened, String> {
        let database = |path: &PathBuf| SqliteStore::open(path).map_err(|failure| failure.to_string());
        match self {
            Source::File(path) => {
                let store = FileStore::new(path);
                Ok(Opened { reload: Some(store.reload()), store: Box::new(store) })
            }
            Source::Store(path) => Ok(Opened { store: Box::new(database(path)?), reload: None }),
            Source::Etcd => {
                let store = EtcdStore::new(settings::etcd(&config.etcd)?);
                Ok(Opened { store: Box::new(store), reload: None })
            }
            Source::Environment => Ok(Opened { store: data::store()?, reload: None }),
        }
    }
}

/// Says why the gateway is not ready once its store has been out of reach for long.
fn contact(config: &Config, status: Arc<Status>) -> Box<dyn Fn() -> Option<String> + Send + Sync> {
    let bound = config.store_contact_timeout();
    Box::new(move || {
        let silence = status.silence().filter(|silence| bound.is_some_and(|bound| *silence > bound))?;
        Some(format!("no contact with the store for {} s", silence.as_secs()))
    })
}

/// Who may use the Admin API, and what the audit log calls them. `made` is the key of this run.
fn admin_keys(config: &Config, made: Option<Secret>) -> AdminKeys {
    let plain =
        config.admin.admin_keys.iter().cloned().chain(made).enumerate().map(|(index, key)| {
            (key, Operator { label: format!("admin key {}", index + 1), read_only: false })
        });
    let named = config.admin.operators.iter().map(|operator| {
        let label = operator.name.clone();
        (operator.key.clone(), Operator { label, read_only: operator.read_only })
    });
    AdminKeys::new(plain.chain(named))
}

fn server(config: &Config) -> Server {
    let conf = ServerConf {
        threads: config.proxy.workers(),
        work_stealing: !config.proxy.thread_per_core(),
        // Pingora's own connector never dials.
        ca_file: Some(NO_ROOTS.into()),
        // The wait for running requests is ours; when it is over nothing is left to wait for.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(2),
        ..ServerConf::default()
    };
    Server::new_with_opt_and_conf(None, conf)
}

#[expect(clippy::too_many_arguments, reason = "the parts of the gateway, each of its own type, meet here")]
fn add_services(
    server: &mut Server,
    sockets: Sockets,
    certificates: &Certificates,
    config: &Config,
    node: &Arc<Gateway>,
    board: &Arc<Board>,
    api: Api,
    log_drops: Option<Arc<AtomicU64>>,
) {
    let door = Door::new(Arc::clone(node), settings::times(config));
    let mut proxy: HttpProxy<Door<Client>> = http_proxy(&server.configuration, door);
    proxy.server_options = Some(settings::http_options(config));
    let front = Front::new(proxy, Arc::clone(node), settings::front(config));
    let front = Arc::new(front);
    let acceptor =
        |certificate: &Option<Arc<Certificate>>, http2| Some(Arc::new(certificate.as_ref()?.acceptor(http2)));
    let tls = acceptor(&certificates.proxy, config.proxy.http2);
    // A worker of its own for each socket, or all workers for the one.
    let threads = config.proxy.thread_per_core().then_some(1);
    for socket in sockets.proxy {
        let listener = Listener::new("proxy", socket, tls.clone(), Arc::clone(&front), &node.life);
        server.add_service(listener.for_traffic(threads));
    }
    if let Some(socket) = sockets.admin {
        let app = Arc::new(OperatorsDoor(AdminApp { life: Arc::clone(&node.life), api }));
        let tls = acceptor(&certificates.admin, false);
        server.add_service(Listener::new("admin", socket, tls, app, &node.life));
    }
    if let Some(socket) = sockets.metrics {
        let app = Arc::new(OperatorsDoor(MetricsApp {
            metrics: Arc::clone(&node.telemetry.metrics),
            board: Arc::clone(board),
            path: config.observability.metrics.prometheus.path(),
            catch_up: catch_up(node, log_drops),
        }));
        server.add_service(Listener::new("metrics", socket, None, app, &node.life));
    }
}

/// What a scrape asks other rooms for: lines the access log gave up, how fetching tokens went, and how fleets are.
fn catch_up(node: &Arc<Gateway>, log_drops: Option<Arc<AtomicU64>>) -> Box<dyn Fn(&Metrics) + Send + Sync> {
    let fetches = node.world.load().endpoints.token_fetches();
    let fleets = fleets::states(node);
    Box::new(move |metrics| {
        if let Some(drops) = &log_drops {
            metrics.log_drops(drops.load(Ordering::Relaxed));
        }
        metrics.credential_refreshes(fetches.totals());
        metrics.fleets(&fleets());
    })
}

/// The sockets, bound before anything else is done: a port in use must be a failure to start.
struct Sockets {
    /// One for each worker that has its own.
    proxy: Vec<TcpListener>,
    admin: Option<TcpListener>,
    metrics: Option<TcpListener>,
}

/// Where the listeners really are.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub proxy: Option<SocketAddr>,
    pub admin: Option<SocketAddr>,
    pub metrics: Option<SocketAddr>,
}

impl Sockets {
    fn bind(config: &Config) -> Result<Self, String> {
        let cannot = |name: &str, address: SocketAddr, error: std::io::Error| {
            format!("cannot listen on {address} for the {name} listener: {error}")
        };
        let bind = |name: &str, address: SocketAddr| {
            listener::bind(address).map_err(|error| cannot(name, address, error))
        };
        let own_sockets = if config.proxy.thread_per_core() { config.proxy.workers() } else { 1 };
        let proxy = listener::bind_each(config.proxy.addr, own_sockets);
        let prometheus = &config.observability.metrics.prometheus;
        Ok(Sockets {
            proxy: proxy.map_err(|error| cannot("proxy", config.proxy.addr, error))?,
            admin: config.admin.enabled.then(|| bind("admin", config.admin.addr)).transpose()?,
            metrics: prometheus.enabled.then(|| bind("metrics", prometheus.addr)).transpose()?,
        })
    }

    fn addresses(&self) -> Addresses {
        let address = |socket: &TcpListener| socket.local_addr().ok();
        Addresses {
            proxy: self.proxy.first().and_then(address),
            admin: self.admin.as_ref().and_then(address),
            metrics: self.metrics.as_ref().and_then(address),
        }
    }
}

/// The listeners' certificates, kept to be read again.
pub struct Certificates {
    proxy: Option<Arc<Certificate>>,
    admin: Option<Arc<Certificate>>,
}

impl Certificates {
    fn load(config: &Config) -> Result<Self, String> {
        let load = |tls: &Option<ServerTls>| {
            tls.as_ref()
                .map(|tls| Certificate::load(tls.cert_file.as_ref(), tls.key_file.as_ref()))
                .transpose()
        };
        Ok(Certificates { proxy: load(&config.proxy.tls)?, admin: load(&config.admin.tls)? })
    }

    fn reload(&self) -> Result<(), String> {
        [&self.proxy, &self.admin].into_iter().flatten().try_for_each(|certificate| certificate.reload())
    }
}

fn access_log(config: &Config) -> Result<Option<AccessLog>, String> {
    if !config.observability.access_log {
        return Ok(None);
    }
    let format = match log_format() {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
    };
    let log = AccessLog::start(format, Box::new(std::io::stderr()))
        .map_err(|error| format!("access log: {error}"))?;
    Ok(Some(log))
}

/// Memory for the vectors of semantic routers' examples: some ten thousand of the common length.
const VECTOR_BYTES: u64 = 64 * 1024 * 1024;
