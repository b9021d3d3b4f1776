//! Wiring: a configuration in, a running gateway out, built in plain order.

mod banner;
mod loader;
mod settings;
mod shutdown;
mod standalone;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora_core::apps::http_app::HttpServer;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{RunArgs, Server};
use pingora_proxy::{HttpProxy, http_proxy};

use crate::admin::status::Board;
use crate::admin::{AdminApp, MetricsApp};
use crate::config::{Config, LogFormat, ServerTls, log_format};
use crate::life::Life;
use crate::proxy::Node;
use crate::proxy::doors::front::Front;
use crate::proxy::doors::listener::{self, Listener};
use crate::proxy::doors::pingora::Door;
use crate::proxy::doors::tls::Certificate;
use crate::telemetry::access_log::{AccessLog, Format};
use crate::telemetry::{Metrics, Telemetry};
use crate::upstream::transport::pingora::{NO_ROOTS, PingoraUpstream};
use banner::Banner;
use loader::Loader;
use shutdown::Signals;

/// Where the resources come from.
#[derive(Clone, Debug)]
pub enum Source {
    File(PathBuf),
    /// Nothing was configured: provider keys of the environment, and the simulated provider.
    Environment,
}

type Gateway = Node<PingoraUpstream>;

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

    let standalone = match source {
        Source::Environment => Some(standalone::start()?),
        Source::File(_) => None,
    };
    let trust = settings::trust(&config)?;
    let board = Arc::new(Board::new(if standalone.is_some() { "environment" } else { "file" }));
    let mut loader =
        Loader::new(&source, standalone.as_ref(), trust, Arc::clone(&board), Arc::clone(&metrics));
    let world = loader.first()?;
    let node: Arc<Gateway> = Arc::new(Node {
        settings: settings::of(&config)?,
        world: ArcSwap::from_pointee(world),
        upstream: PingoraUpstream::new(settings::pool(&config)),
        telemetry: Arc::clone(&telemetry),
        life: Arc::clone(&life),
    });
    let addresses = sockets.addresses();
    let mut server = server(&config);
    add_services(&mut server, sockets, &certificates, &config, &node, &board, log_drops);
    let banner = Banner { addresses, standalone, node: Arc::clone(&node) };
    let signals = Signals::new(&config.shutdown, banner, node, loader, certificates);
    server.run(RunArgs { shutdown_signal: Box::new(signals) });
    telemetry.flush();
    Ok(())
}

fn server(config: &Config) -> Server {
    let conf = ServerConf {
        threads: config.proxy.workers(),
        work_stealing: true,
        // Pingora's own connector never dials.
        ca_file: Some(NO_ROOTS.into()),
        // The wait for running requests is ours; when it is over nothing is left to wait for.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(2),
        ..ServerConf::default()
    };
    Server::new_with_opt_and_conf(None, conf)
}

fn add_services(
    server: &mut Server,
    sockets: Sockets,
    certificates: &Certificates,
    config: &Config,
    node: &Arc<Gateway>,
    board: &Arc<Board>,
    log_drops: Option<Arc<std::sync::atomic::AtomicU64>>,
) {
    let door = Door::new(Arc::clone(node), settings::door(config));
    let mut proxy: HttpProxy<Door<PingoraUpstream>> = http_proxy(&server.configuration, door);
    proxy.server_options = Some(settings::http_options(config));
    let front = Front::new(proxy, Arc::clone(node), settings::front(config));
    let tls = certificates.proxy.as_ref().map(|certificate| certificate.acceptor(config.proxy.http2));
    server.add_service(Listener::new("proxy", sockets.proxy, tls, front, &node.life).for_traffic());
    if let Some(socket) = sockets.admin {
        let app = HttpServer::new_app(AdminApp { life: Arc::clone(&node.life) });
        let tls = certificates.admin.as_ref().map(|certificate| certificate.acceptor(false));
        server.add_service(Listener::new("admin", socket, tls, app, &node.life));
    }
    if let Some(socket) = sockets.metrics {
        let app = HttpServer::new_app(MetricsApp {
            metrics: Arc::clone(&node.telemetry.metrics),
            board: Arc::clone(board),
            path: config.observability.metrics.prometheus.path(),
            log_drops,
        });
        server.add_service(Listener::new("metrics", socket, None, app, &node.life));
    }
}

/// The sockets, bound before anything else is done: a port in use must be a failure to start.
struct Sockets {
    proxy: TcpListener,
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
        let bind = |name: &str, address: SocketAddr| {
            listener::bind(address)
                .map_err(|error| format!("cannot listen on {address} for the {name} listener: {error}"))
        };
        let prometheus = &config.observability.metrics.prometheus;
        Ok(Sockets {
            proxy: bind("proxy", config.proxy.addr)?,
            admin: config.admin.enabled.then(|| bind("admin", config.admin.addr)).transpose()?,
            metrics: prometheus.enabled.then(|| bind("metrics", prometheus.addr)).transpose()?,
        })
    }

    fn addresses(&self) -> Addresses {
        let address = |socket: &TcpListener| socket.local_addr().ok();
        Addresses {
            proxy: address(&self.proxy),
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
