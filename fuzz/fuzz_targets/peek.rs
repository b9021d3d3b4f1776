//! A request that is accepted is JSON, means what was read of it, and changes in its model alone.
#![no_main]

use aisix::DIALECTS;
use aisix::dialect::DialectId;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const MODEL: &str = "fuzz \"model\" é";

fuzz_target!(|data: &[u8]| {
    let body = Bytes::copy_from_slice(data);
    for id in DIALECTS {
        check(id, &body);
    }
});

fn check(id: DialectId, body: &Bytes) {
    let dialect = id.dialect();
    let Ok(peek) = dialect.peek(body) else { return };
    let out = dialect.splice_request(body, &peek, MODEL, false);
    let again = dialect.peek(&out).expect("still a good request");
    assert_eq!(
        (again.model.as_str(), again.stream, again.usage_asked),
        (MODEL, peek.stream, peek.usage_asked)
    );
    assert_eq!(dialect.splice_request(body, &peek, &peek.model, false), body);
    if id == DialectId::OpenAiChat {
        let asking = dialect.splice_request(body, &peek, &peek.model, true);
        dialect.peek(&asking).expect("still a good request");
    }
    // The tree parser refuses deep nesting and huge numbers, which are none of our business.
    let Ok(mut expected) = serde_json::from_slice::<Value>(body) else { return };
    assert_eq!(expected["model"], peek.model.as_str());
    expected["model"] = Value::from(MODEL);
    assert_eq!(serde_json::from_slice::<Value>(&out).expect("JSON"), expected);
}
