//! Frames and tail are the stream, and where it is chunked does not matter.
#![no_main]

use aisix::chunkings;
use aisix::dialect::frame::sse::{Cut, Cutter, Event};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let input = Bytes::copy_from_slice(data);
    let [whole, bytes, pieces] = chunkings(&input).map(|chunks| frames(&chunks));
    assert_eq!(whole.concat(), data);
    assert_eq!(whole, bytes);
    assert_eq!(whole, pieces);
    for frame in &whole {
        let event = Event::read(frame);
        assert!(event.data().is_none_or(|data| data.len() <= frame.len()));
        Event::read_first(frame);
    }
});

/// All frames, and the tail as the last.
fn frames(chunks: &[Bytes]) -> Vec<Vec<u8>> {
    let mut cutter = Cutter::default();
    let mut frames = Vec::new();
    for chunk in chunks {
        let mut at = 0;
        while let Some(cut) = cutter.next(chunk, at).expect("inputs are short") {
            let (frame, end) = match cut {
                Cut::Inside(place) => (chunk[place.clone()].to_vec(), place.end),
                Cut::Joined(frame, end) => (frame.to_vec(), end),
            };
            frames.push(frame);
            at = end;
        }
    }
    frames.push(cutter.finish().to_vec());
    frames
}
