//! A connection to one member of the cluster. All requests and the watch go over it, so that all of them see the same
//! member, and one that fails is left for the next one.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{
    Certificate, Client, ConnectOptions, GetOptions, Identity, ResponseHeader, TlsOptions, Txn, TxnResponse,
    WatchOptions,
};
use tokio::time::timeout;

use super::failure::{Trouble, silent};
use super::known::{Pair, number, signed};
use super::watch::Watch;
use super::{Settings, Tls};

/// A member that has answered.
pub struct Link {
    client: Client,
    settings: Arc<Settings>,
    /// Which of the endpoints it is.
    pub member: usize,
    /// As it was when the connection was made.
    pub cluster: u64,
    pub revision: u64,
    /// Nobody has looked yet whether that is the cluster we know.
    pub is_new: bool,
}

/// Keys at one revision.
#[derive(Default)]
pub struct Keys {
    pub cluster: u64,
    pub revision: u64,
    pub pairs: Vec<Pair>,
}

impl Link {
    /// Connects to the first member that answers, beginning with one of them.
    ///
    /// # Errors
    /// What is wrong with each.
    pub async fn open(settings: Arc<Settings>, first: usize) -> Result<Self, Trouble> {
        let mut said = Vec::new();
        let mut all_refuse = true;
        for step in 0..settings.endpoints.len() {
            let member = (first + step) % settings.endpoints.len();
            let trouble = match Link::to(&settings, member).await {
                Ok(link) => return Ok(link),
                Err(trouble) => trouble,
            };
            all_refuse &= matches!(trouble, Trouble::Refused(_));
            said.push(format!("{}: {}", settings.endpoints[member], trouble.words()));
        }
        let words = format!("etcd cannot be used ({})", said.join("; "));
        Err(if all_refuse { Trouble::Refused(words) } else { Trouble::Lost(words) })
    }

    async fn to(settings: &Arc<Settings>, member: usize) -> Result<Self, Trouble> {
        let patience = settings.dial + settings.request;
        let opened = timeout(patience, Link::greet(settings, member)).await;
        opened.unwrap_or_else(|_| Err(silent(patience)))
    }

    /// The first request tells whether the user may read, and where the whole cluster is: a member answers it only
    /// after it has asked the others.
    async fn greet(settings: &Arc<Settings>, member: usize) -> Result<Self, Trouble> {
        let endpoint = &settings.endpoints[member];
        let client = Client::connect([endpoint], Some(options(settings))).await?;
        let mut link =
            Link { client, settings: Arc::clone(settings), member, cluster: 0, revision: 0, is_new: true };
        let asked = GetOptions::new().with_count_only();
        let answer = link.client.get(settings.layout.guard(), Some(asked)).await?;
        (link.cluster, link.revision) = place(answer.header());
        Ok(link)
    }

    /// The keys of ranges as they are, or as they were at a revision: all as of the same one.
    ///
    /// # Errors
    /// The revision is not known, or contact is lost.
    pub async fn keys(&mut self, ranges: &[(String, String)], at: Option<u64>) -> Result<Keys, Trouble> {
        let mut found = Keys { revision: at.unwrap_or_default(), ..Keys::default() };
        for (from, to) in ranges {
            let mut from = from.clone().into_bytes();
            loop {
                let asked = GetOptions::new().with_range(to.as_str()).with_limit(PAGE);
                let asked = asked.with_revision(signed(found.revision));
                let mut page = self.get(from, asked).await?;
                let (cluster, revision) = place(page.header());
                found.cluster = cluster;
                if found.revision == 0 {
                    found.revision = revision;
                }
                let last = page.kvs().last().map(|key| key.key().to_vec());
                found.pairs.extend(page.take_kvs().into_iter().map(Pair::from));
                match last.filter(|_| page.more()) {
                    Some(mut last) => {
                        last.push(0);
                        from = last;
                    }
                    None => break,
                }
            }
        }
        Ok(found)
    }

    /// One request for keys.
    ///
    /// # Errors
    /// Contact is lost, or the request is refused.
    pub async fn get(
        &mut self,
        key: impl Into<Vec<u8>>,
        options: GetOptions,
    ) -> Result<etcd_client::GetResponse, Trouble> {
        let mut keys = self.client.kv_client().max_decoding_message_size(LARGEST_ANSWER);
        let patience = self.settings.request;
        match timeout(patience, keys.get(key, Some(options))).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(silent(patience)),
        }
    }

    /// A transaction.
    ///
    /// # Errors
    /// [`Trouble::Lost`] says nothing about whether it was carried out.
    pub async fn transact(&mut self, transaction: Txn) -> Result<TxnResponse, Trouble> {
        let patience = self.settings.request;
        match timeout(patience, self.client.txn(transaction)).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(silent(patience)),
        }
    }

    /// Asks for all events under the root that come after a revision.
    pub fn watch(&self, after: u64) -> impl Future<Output = Result<Watch, Trouble>> + Send + 'static {
        let layout = &self.settings.layout;
        let asked = WatchOptions::new().with_range(layout.end()).with_start_revision(signed(after) + 1);
        let mut watch = self.client.watch_client().max_decoding_message_size(LARGEST_ANSWER);
        let (root, patience) = (layout.root().to_owned(), self.settings.request);
        async move {
            let begun = async move { Watch::begin(watch.watch(root, Some(asked)).await?, patience).await };
            timeout(patience, begun).await.unwrap_or_else(|_| Err(silent(patience)))
        }
    }
}

/// Which cluster answered, and at which revision.
fn place(header: Option<&ResponseHeader>) -> (u64, u64) {
    header.map_or((0, 0), |header| (header.cluster_id(), number(header.revision())))
}

fn options(settings: &Settings) -> ConnectOptions {
    let mut options = ConnectOptions::new()
        .with_connect_timeout(settings.dial)
        // Servers take more frequent pings for an attack: <https://etcd.io/docs/v3.4/op-guide/configuration/>,
        // `--grpc-keepalive-min-time`.
        .with_keep_alive(PING, settings.request)
        .with_keep_alive_while_idle(true)
        // A member that is cut off from the others must not look as if nothing happened.
        .with_require_leader(true)
        .with_auto_token_refresh(true);
    if let Some((user, password)) = &settings.user {
        options = options.with_user(user, password.expose());
    }
    if settings.endpoints.iter().any(|endpoint| endpoint.starts_with("https://")) {
        options = options.with_tls(trust(settings.tls.as_ref()));
    }
    options
}

/// Whom we believe, and who we are. Without files of its own the roots of the platform count.
fn trust(tls: Option<&Tls>) -> TlsOptions {
    let Some(tls) = tls else { return TlsOptions::new().with_enabled_roots() };
    let trusted = TlsOptions::new().ca_certificate(Certificate::from_pem(&tls.ca));
    let known = trusted.identity(Identity::from_pem(&tls.certificate, tls.key.expose()));
    known.domain_name(&tls.domain)
}

/// Rows in one answer.
const PAGE: i64 = 1000;
/// As etcd's own client: a value has at most some MiB, and a page a thousand of them.
const LARGEST_ANSWER: usize = i32::MAX as usize;
const PING: Duration = Duration::from_secs(10);
