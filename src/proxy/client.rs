//! What a request says about where it comes from: client address, request id, trace.

use std::net::{IpAddr, SocketAddr};

use super::downstream::Downstream;
use super::node::Settings;

/// The client's address: the peer's, unless a trusted proxy says otherwise. The header is read from its
/// right end, past trusted proxies when `recursive`; IPv4-mapped addresses count as IPv4.
pub fn address<D: Downstream>(settings: &Settings, down: &D) -> Option<IpAddr> {
    let peer = down.peer()?.to_canonical();
    if settings.trusted_proxies.is_empty() || !settings.trusts(peer) {
        return Some(peer);
    }
    let values = down.header_values(&settings.real_ip_header);
    let mut hops = values.iter().flat_map(|value| value.split(|&byte| byte == b',')).rev();
    if !settings.real_ip_recursive {
        return hops.next().map_or(Some(peer), parse_address);
    }
    let mut client = peer;
    for hop in hops {
        client = parse_address(hop)?;
        if !settings.trusts(client) {
            break;
        }
    }
    Some(client)
}

/// An address as proxies write it: bare, with a port, in brackets.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address =
        bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

/// The caller's own request id, if it brought an acceptable one, else a new one.
pub fn request_id<D: Downstream>(settings: &Settings, down: &D) -> String {
    settings
        .request_id_headers
        .iter()
        .find_map(|name| acceptable_id(down.header(name.as_str())?))
        .unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
}

fn acceptable_id(value: &[u8]) -> Option<String> {
    let visible = !value.is_empty() && value.len() <= MAX_ID_BYTES && value.iter().all(u8::is_ascii_graphic);
    visible.then(|| String::from_utf8_lossy(value).into_owned())
}

/// Trace id of the one valid `traceparent` a caller sent
/// (<https://www.w3.org/TR/trace-context/#traceparent-header>).
pub fn trace_id<D: Downstream>(down: &D) -> Option<String> {
    down.header("traceparent")?;
    let values = down.header_values("traceparent");
    let [value] = values.as_slice() else { return None };
    parse_traceparent(value)
}

fn parse_traceparent(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let sound = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    let zero = trace.bytes().all(|b| b == b'0') || span.bytes().all(|b| b == b'0');
    let extra = version == "00" && parts.next().is_some();
    (sound && !zero && !extra).then(|| trace.to_owned())
}

const MAX_ID_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_with_ports_brackets_and_mapped() {
        for (text, expected) in [
            ("10.0.0.1", Some("10.0.0.1")),
            (" 10.0.0.1:443 ", Some("10.0.0.1")),
            ("[::1]:80", Some("::1")),
            ("[::1]", Some("::1")),
            ("::ffff:10.0.0.1", Some("10.0.0.1")),
            ("unknown", None),
        ] {
            let parsed = parse_address(text.as_bytes()).map(|address| address.to_string());
            assert_eq!(parsed.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn only_a_sound_traceparent_continues_a_trace() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = format!("00-{trace}-00f067aa0ba902b7-01");
        assert_eq!(parse_traceparent(good.as_bytes()).as_deref(), Some(trace));
        for bad in [
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{trace}-00f067aa0ba902b7-01-x"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            "00-short-00f067aa0ba902b7-01".into(),
            String::new(),
        ] {
            assert_eq!(parse_traceparent(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_request_id_is_visible_ascii_of_bounded_length() {
        assert_eq!(acceptable_id(b"abc-1").as_deref(), Some("abc-1"));
        for bad in [b"".as_slice(), b"a b", b"a\x7f", &[b'a'; 257], "é".as_bytes()] {
            assert_eq!(acceptable_id(bad), None);
        }
    }
}
