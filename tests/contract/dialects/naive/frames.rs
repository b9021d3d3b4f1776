//! Amazon's event stream, bit by bit as its documentation draws it:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html>

use serde_json::Value;

use super::Event;

/// A fixture or a recording, one event a line (`{"messageStart": {…}}`), as the bytes that travel.
pub fn encode_lines(lines: &str) -> Vec<u8> {
    lines.lines().filter(|line| !line.trim().is_empty()).flat_map(encode_line).collect()
}

fn encode_line(line: &str) -> Vec<u8> {
    let event: Value = serde_json::from_str(line).expect("one event a line");
    let (name, payload) = event.as_object().and_then(|object| object.iter().next()).expect("an event");
    encode(name, payload.to_string().as_bytes())
}

/// One message. A name that ends in `Exception` makes it an exception.
pub fn encode(name: &str, payload: &[u8]) -> Vec<u8> {
    let exception = name.ends_with("Exception");
    let (kind, of) = if exception { (":exception-type", "exception") } else { (":event-type", "event") };
    let mut headers = Vec::new();
    for (key, value) in [(kind, name), (":content-type", "application/json"), (":message-type", of)] {
        headers.push(u8::try_from(key.len()).expect("a short name"));
        headers.extend_from_slice(key.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).expect("a short value").to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).expect("a short message").to_be_bytes();
    let mut message = Vec::new();
    message.extend_from_slice(&length(16 + headers.len() + payload.len()));
    message.extend_from_slice(&length(headers.len()));
    message.extend_from_slice(&crc(&message).to_be_bytes());
    message.extend_from_slice(&headers);
    message.extend_from_slice(payload);
    message.extend_from_slice(&crc(&message).to_be_bytes());
    message
}

/// All whole messages, and how many bytes stand after the last. Panics on a checksum that is wrong.
pub fn decode(mut bytes: &[u8]) -> (Vec<Event>, usize) {
    let mut events = Vec::new();
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"));
    while bytes.len() >= 16 {
        let (total, headers) = (number(bytes) as usize, number(&bytes[4..]) as usize);
        if bytes.len() < total {
            break;
        }
        let (message, rest) = bytes.split_at(total);
        assert_eq!(number(&message[8..]), crc(&message[..8]), "checksum of the prelude");
        assert_eq!(number(&message[total - 4..]), crc(&message[..total - 4]), "checksum of the message");
        let payload = &message[12 + headers..total - 4];
        events.push(event(&message[12..12 + headers], payload));
        bytes = rest;
    }
    (events, bytes.len())
}

fn event(mut headers: &[u8], payload: &[u8]) -> Event {
    let mut event = Event::default();
    while let [length, rest @ ..] = headers {
        let (key, rest) = rest.split_at(usize::from(*length));
        assert_eq!(rest[0], 7, "a header that is no text");
        let length = usize::from(u16::from_be_bytes([rest[1], rest[2]]));
        let (value, rest) = rest[3..].split_at(length);
        if [&b":event-type"[..], b":exception-type"].contains(&key) {
            event.name = String::from_utf8(value.to_vec()).expect("a name");
        }
        headers = rest;
    }
    event.data = Some(String::from_utf8(payload.to_vec()).expect("UTF-8"));
    event
}

/// CRC-32 as in IEEE 802.3.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

/// Bytes from base64, however it is padded.
pub fn base64(text: &str) -> Vec<u8> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = 0u32;
    let mut held = 0;
    let mut bytes = Vec::new();
    for letter in text.chars().filter_map(|letter| LETTERS.find(letter)) {
        bits = (bits << 6) | u32::try_from(letter).expect("six bits");
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

#[test]
fn the_checksum_is_the_known_one() {
    assert_eq!(crc(b"123456789"), 0xCBF4_3926);
    assert_eq!(base64("aGkhIQ=="), b"hi!!");
    let (events, rest) = decode(&encode_lines("{\"messageStart\":{\"role\":\"assistant\"}}\n"));
    assert_eq!((events.len(), rest), (1, 0));
    assert_eq!(
        (events[0].name.as_str(), events[0].data.as_deref()),
        ("messageStart", Some("{\"role\":\"assistant\"}"))
    );
}
