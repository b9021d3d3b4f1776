//! Address ranges as operators write them.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};

/// Reads `10.0.0.0/8` or a bare address, which stands for itself alone.
pub fn parse(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// A list of them, for `deserialize_with`.
pub(crate) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts
        .iter()
        .map(|text| {
            parse(text).ok_or_else(|| {
                de::Error::custom(format!("{text:?} is neither an address nor a range such as 10.0.0.0/8"))
            })
        })
        .collect()
}
