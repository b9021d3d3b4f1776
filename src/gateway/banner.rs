//! What a person sees at start.

use std::io::Write;
use std::sync::Arc;

use super::standalone::{RunKey, SIM_OPENAI, Standalone};
use super::{Addresses, Gateway};

/// What there is to say once the gateway can be used, and told to stop.
pub struct Banner {
    pub addresses: Addresses,
    pub standalone: Option<Standalone>,
    pub node: Arc<Gateway>,
}

impl Banner {
    /// Prints the banner, and for scripts the addresses as one line of JSON when `AISIX_READY_LINE` is set.
    pub fn print(&self) {
        let addresses = &self.addresses;
        let mut out = std::io::stdout().lock();
        let text = match &self.standalone {
            Some(standalone) => with_quick_start(addresses, standalone),
            None => listening(addresses, &self.node),
        };
        // Nobody may be reading, and that is no reason not to serve.
        let _ = out.write_all(text.as_bytes());
        if std::env::var_os("AISIX_READY_LINE").is_some() {
            let text = |address: Option<std::net::SocketAddr>| address.map(|address| address.to_string());
            let line = serde_json::json!({
                "proxy": text(addresses.proxy), "admin": text(addresses.admin), "metrics": text(addresses.metrics),
            });
            let _ = writeln!(out, "{line}");
        }
        let _ = out.flush();
    }
}

fn heading(addresses: &Addresses) -> String {
    let mut text = format!("\n  AISIX {}\n\n", env!("CARGO_PKG_VERSION"));
    for (name, address) in
        [("proxy", addresses.proxy), ("admin", addresses.admin), ("metrics", addresses.metrics)]
    {
        if let Some(address) = address {
            text.push_str(&format!("  {name:<10}{}\n", url(address)));
        }
    }
    text
}

fn url(address: std::net::SocketAddr) -> String {
    format!("http://{address}")
}

fn listening(addresses: &Addresses, node: &Gateway) -> String {
    let world = node.world.load();
    let counts: Vec<String> = world
        .snapshot
        .counts()
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} {}", kind.replace('_', " ")))
        .collect();
    let mut text = heading(addresses);
    text.push_str(&format!("  serving   {}\n\n", counts.join(", ")));
    text
}

fn with_quick_start(addresses: &Addresses, standalone: &Standalone) -> String {
    let mut text = heading(addresses);
    let pasted = match &standalone.caller_key {
        RunKey::Made(key) => key.expose().to_owned(),
        RunKey::Brought(variable, _) => format!("${variable}"),
        RunKey::None => String::new(),
    };
    text.push('\n');
    for (label, key) in [("key", &standalone.caller_key), ("admin key", &standalone.admin_key)] {
        match key {
            RunKey::Made(key) => text.push_str(&format!("  {label:<10}{}\n", key.expose())),
            RunKey::Brought(variable, _) => text.push_str(&format!("  {label:<10}as in {variable}\n")),
            RunKey::None => {}
        }
    }
    for (index, (from, aliases)) in standalone.aliases.iter().enumerate() {
        let label = if index == 0 { "models" } else { "" };
        text.push_str(&format!("  {label:<10}{}  ({from})\n", aliases.join("  ")));
    }
    let base = addresses.proxy.map(url).unwrap_or_default();
    text.push_str(&format!(
        "\n  Try it:\n\n  curl {base}/v1/chat/completions -H \"Authorization: Bearer {pasted}\" \
         -H 'Content-Type: application/json' \
         -d '{{\"model\":\"{SIM_OPENAI}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'\n\n"
    ));
    text
}
