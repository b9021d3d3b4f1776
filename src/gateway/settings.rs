//! From configuration keys to the settings of each room.

use std::time::Duration;

use http::HeaderName;
use pingora_core::apps::HttpServerOptions;

use crate::config::{Config, Etcd, EtcdTls};
use crate::document::Secret;
use crate::proxy::Settings;
use crate::proxy::doors::Times;
use crate::proxy::doors::front::FrontSettings;
use crate::proxy::history::Memory;
use crate::store::etcd;
use crate::upstream::Policy;
use crate::upstream::transport::pingora::Pool;
use crate::upstream::transport::tls::TlsIdentity;

/// What the walk needs to know.
///
/// # Errors
/// A rewrite rule that is not a pattern.
pub fn of(config: &Config) -> Result<Settings, String> {
    let rewrites = config
        .proxy
        .url_rewrites
        .iter()
        .map(|rule| rule.regex().map(|regex| (regex, rule.rewrite.clone())))
        .collect::<Result<_, _>>()
        .map_err(|error| format!("proxy.url_rewrites: {error}"))?;
    let real_ip = &config.proxy.real_ip;
    Ok(Settings {
        body_limit: config.proxy.body_limit(),
        body_total: config.proxy.body_total_timeout(),
        heartbeat: config.downstream.sse_keepalive_interval(),
        total: config.upstream.total_timeout(),
        trusted_proxies: real_ip.trusted_proxies.clone(),
        real_ip_recursive: real_ip.recursive,
        real_ip_header: real_ip.header.to_ascii_lowercase(),
        request_id_headers: config
            .proxy
            .request_id
            .accept_headers
            .iter()
            .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
            .collect(),
        rewrites,
        show_routing: config.models.show_routing,
        policy: policy(config),
    })
}

fn policy(config: &Config) -> Policy {
    let upstream = &config.upstream;
    Policy {
        connect: upstream.connect_timeout(),
        timeout: upstream.timeout(),
        stream_timeout: upstream.stream_timeout(),
        first_frame: (upstream.first_frame_timeout_ms > 0).then(|| upstream.first_frame_timeout()).flatten(),
        hold: config.downstream.sse_keepalive_interval(),
        retries: upstream.retries,
        max_answer: upstream.answer_limit().unwrap_or(usize::MAX),
    }
}

/// Where conversations are kept for providers that keep none.
pub fn history(config: &Config) -> Memory {
    Memory::new(config.responses.history_bytes, Duration::from_secs(config.responses.history_ttl_secs))
}

/// How upstream connections are kept.
pub fn pool(config: &Config) -> Pool {
    let upstream = &config.upstream;
    let keepalive = upstream.tcp_keepalive().map(|idle| {
        let interval = upstream.tcp_keepalive_interval().unwrap_or(Duration::from_secs(30));
        (idle, interval, upstream.tcp_keepalive_retries as usize)
    });
    Pool {
        per_peer: upstream.pool_max_idle_per_host.unwrap_or(DEFAULT_IDLE_CONNECTIONS),
        workers: config.proxy.workers(),
        idle: upstream.pool_idle_timeout(),
        keepalive,
    }
}

/// The same for a task that asks now and then.
pub fn pool_of_one(config: &Config) -> Pool {
    Pool { per_peer: 1, workers: 1, ..pool(config) }
}

/// Where etcd is and who we are there: reads the files and the variable that the configuration names.
///
/// # Errors
/// What cannot be read.
pub fn etcd(config: &Etcd) -> Result<etcd::Settings, String> {
    let user = match (&config.user, &config.password_env) {
        (Some(user), Some(variable)) => {
            let password = std::env::var(variable).ok().filter(|password| !password.is_empty());
            let missing = || format!("etcd.password_env: the variable {variable} is not set");
            Some((user.clone(), Secret::new(password.ok_or_else(missing)?)))
        }
        _ => None,
    };
    let tls = config.tls.as_ref().map(|tls| etcd_tls(tls, &config.endpoints)).transpose()?;
    Ok(etcd::Settings::new(config.endpoints.clone(), &config.prefix, &config.env_id)
        .user(user)
        .tls(tls)
        .timeouts(
            Duration::from_millis(config.dial_timeout_ms),
            Duration::from_millis(config.request_timeout_ms),
        ))
}

fn etcd_tls(tls: &EtcdTls, endpoints: &[String]) -> Result<etcd::Tls, String> {
    let read = |key: &str, file: &str| {
        std::fs::read(file).map_err(|error| format!("etcd.tls.{key}: cannot read {file}: {error}"))
    };
    let key = String::from_utf8(read("client_key_file", &tls.client_key_file)?);
    let first = endpoints.first().map_or("", |endpoint| host(endpoint));
    Ok(etcd::Tls {
        ca: read("ca_cert_file", &tls.ca_cert_file)?,
        certificate: read("client_cert_file", &tls.client_cert_file)?,
        key: Secret::new(
            key.map_err(|_| format!("etcd.tls.client_key_file: {} is not PEM", tls.client_key_file))?,
        ),
        domain: tls.domain_name.clone().unwrap_or_else(|| first.to_owned()),
    })
}

/// The host of an address: `https://etcd-1:2379` is at `etcd-1`.
fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    }
}

/// Whom the process trusts by default. A configured CA file is added to the platform's roots.
///
/// # Errors
/// A file that cannot be read or is not what it should be.
pub fn trust(config: &Config) -> Result<TlsIdentity, String> {
    let tls = &config.upstream.tls;
    let read = |path: &String| std::fs::read(path).map_err(|error| format!("upstream.tls: {path}: {error}"));
    let mut roots = tls.ca_file.as_ref().map(read).transpose()?;
    if let Some(roots) = &mut roots {
        roots.push(b'\n');
        roots.extend(platform_roots());
    }
    let client = match (&tls.client_cert_file, &tls.client_key_file) {
        (Some(chain), Some(key)) => Some((read(chain)?, read(key)?)),
        _ => None,
    };
    if !tls.verify {
        tracing::warn!("upstream.tls.verify is false: any upstream certificate is accepted");
    }
    let client = client.as_ref().map(|(chain, key)| (chain.as_slice(), key.as_slice()));
    TlsIdentity::new(roots.as_deref(), client, tls.verify).map_err(|error| format!("upstream.tls: {error}"))
}

/// The platform's bundle as PEM text; empty where there is none.
fn platform_roots() -> Vec<u8> {
    let named = std::env::var_os("SSL_CERT_FILE").map(Into::into);
    let known = PLATFORM_BUNDLES.iter().map(std::path::PathBuf::from);
    named
        .into_iter()
        .chain(known)
        .find_map(|path: std::path::PathBuf| std::fs::read(path).ok())
        .unwrap_or_default()
}

/// Times of callers' connections.
pub fn times(config: &Config) -> Times {
    Times { read: config.proxy.body_timeout(), write: config.downstream.write_timeout() }
}

/// How connections are treated before there is a request.
pub fn front(config: &Config) -> FrontSettings {
    FrontSettings {
        header_timeout: config.proxy.header_timeout().unwrap_or(NO_BOUND),
        idle_timeout: config.downstream.idle_timeout(),
        max_header_bytes: config.proxy.max_header_bytes,
        http2: config.proxy.http2,
        lean: config.proxy.lean_http1,
        times: times(config),
    }
}

/// Pingora looks for an HTTP/2 preface only on connections on which the front has seen one.
pub fn http_options(config: &Config) -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.h2c = config.proxy.http2;
    // Not to serve it, but to refuse it in our own words.
    options.allow_connect_method_proxying = true;
    options.h2_idle_timeout = config.downstream.idle_timeout();
    options
}

/// Idle connections of one worker to one upstream that are kept where no number is configured.
const DEFAULT_IDLE_CONNECTIONS: usize = 1024;
const NO_BOUND: Duration = Duration::from_secs(365 * 24 * 3600);
/// Where distributions keep their roots.
const PLATFORM_BUNDLES: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
