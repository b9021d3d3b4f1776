use std::ops::Range;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::sse::{Cut, Cutter, Data, Event, MAX_FRAME, write};
use crate::dialect::{DialectId, Problem, StreamEdits, Usage};
use crate::error::{Error, Kind};

/// The frames of a stream and its tail, for one way of chunking it.
fn cut(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut cutter = Cutter::default();
    let mut frames = Vec::new();
    for chunk in chunks {
        let mut at = 0;
        while let Some(cut) = cutter.next(chunk, at).expect("no frame is long") {
            let (frame, end) = match cut {
                Cut::Inside(place) => (chunk[place.clone()].to_vec(), place.end),
                Cut::Joined(frame, end) => (frame.to_vec(), end),
            };
            frames.push(frame);
            at = end;
        }
    }
    (frames, cutter.finish().to_vec())
}

fn frames_of(stream: &str) -> (Vec<String>, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("cut between characters");
    let (frames, tail) = cut(&[stream.as_bytes()]);
    (frames.into_iter().map(text).collect(), text(tail))
}

#[test]
fn an_empty_line_ends_a_frame_whatever_the_line_ending() {
    let table: &[(&str, &[&str], &str)] = &[
        ("data: a\n\ndata: b\n\n", &["data: a\n\n", "data: b\n\n"], ""),
        ("data: a\r\n\r\ndata: b\r\n\r\n", &["data: a\r\n\r\n", "data: b\r\n\r\n"], ""),
        ("data: a\r\rdata: b\r\r", &["data: a\r\r", "data: b\r\r"], ""),
        ("data: a\n\r\ndata: b\r\n\n", &["data: a\n\r\n", "data: b\r\n\n"], ""),
        ("data: a\n\r\rdata: b\n\n", &["data: a\n\r", "\r", "data: b\n\n"], ""),
        ("data: a\n\rdata: b", &["data: a\n\r"], "data: b"),
        ("\n\ndata: a\n\n", &["\n", "\n", "data: a\n\n"], ""),
        (": hi\n\n:\n\n", &[": hi\n\n", ":\n\n"], ""),
        ("event: x\ndata: a\ndata: b\nid: 1\n\n", &["event: x\ndata: a\ndata: b\nid: 1\n\n"], ""),
        ("data: a\n", &[], "data: a\n"),
        ("data: a\r\n\r", &[], "data: a\r\n\r"),
        ("", &[], ""),
    ];
    for (stream, frames, tail) in table {
        let frames: Vec<String> = frames.iter().map(|&frame| frame.to_owned()).collect();
        assert_eq!(frames_of(stream), (frames, (*tail).to_owned()), "{stream:?}");
    }
}

#[test]
fn a_frame_split_at_every_byte_gives_the_same_frames() {
    for stream in
        ["event: x\r\ndata: é😀\r\n\r\n:c\n\n\r\rdata\rdata:y\r\r\n\ndata", "\u{feff}data: 1\n\n\r\n\r\n"]
    {
        let whole = cut(&[stream.as_bytes()]);
        for split in 0..=stream.len() {
            let (a, b) = stream.as_bytes().split_at(split);
            assert_eq!(cut(&[a, b]), whole, "split at {split}");
        }
        let single: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(cut(&single), whole);
    }
}

#[test]
fn a_frame_within_one_chunk_is_not_copied() {
    let mut cutter = Cutter::default();
    for (start, expected) in [(0, Some(0..9)), (9, Some(9..18)), (18, None)] {
        let place = match cutter.next(b"data: a\n\ndata: b\n\n", start).expect("short frames") {
            Some(Cut::Joined(..)) => panic!("nothing was carried"),
            Some(Cut::Inside(place)) => Some(place),
            None => None,
        };
        assert_eq!(place, expected);
    }
}

#[test]
fn a_frame_beyond_the_limit_is_refused_whole_or_in_pieces() {
    let push = |cutter: &mut Cutter, chunk: Vec<u8>| {
        let mut at = 0;
        while let Some(cut) = cutter.next(&chunk, at)? {
            let (Cut::Joined(_, end) | Cut::Inside(Range { end, .. })) = cut;
            at = end;
        }
        Ok::<_, Error>(())
    };
    let mut cutter = Cutter::default();
    let most = push(&mut cutter, vec![b'x'; MAX_FRAME]);
    assert!(most.is_ok(), "the limit itself is allowed");
    let more = push(&mut cutter, b"y".to_vec()).expect_err("one byte too many");
    assert_eq!(more.kind, Kind::UpstreamUnreadable);
    assert!(cutter.finish().is_empty(), "what was refused is let go");

    let mut whole = vec![b'x'; MAX_FRAME];
    whole.extend_from_slice(b"\n\n");
    assert!(push(&mut Cutter::default(), whole).is_err());

    let many: Vec<u8> = b"data: 0123456789\n\n".repeat(MAX_FRAME / 9);
    assert!(push(&mut Cutter::default(), many).is_ok(), "many short frames are no long one");
}

#[test]
fn fields_are_read_as_the_standard_says() {
    type Row = (&'static str, Option<&'static str>, Option<&'static str>);
    let table: &[Row] = &[
        ("data: a\n\n", None, Some("a")),
        ("data:a\r\n\r\n", None, Some("a")),
        ("data:  a\r\r", None, Some(" a")),
        ("data\n\n", None, Some("")),
        ("data: a\ndata\ndata:b\n\n", None, Some("a\n\nb")),
        ("event: x\ndata: a", Some("x"), Some("a")),
        ("event:x\nevent: y\n\n", Some("y"), None),
        (": data: a\n\n", None, None),
        ("database: a\n\n", None, None),
        ("Data: a\n\n", None, None),
        ("id: 1\nretry: 5\n\n", None, None),
        ("\n", None, None),
    ];
    for (frame, name, data) in table {
        let event = Event::read(frame.as_bytes());
        assert_eq!(event.name, name.map(str::as_bytes), "{frame:?}");
        assert_eq!(event.data(), data.map(str::as_bytes), "{frame:?}");
    }
}

#[test]
fn a_byte_order_mark_is_passed_over_once() {
    let frame = "\u{feff}data: a\n\n".as_bytes();
    let Data::Line(line, place) = Event::read_first(frame).data else { panic!("one line of data") };
    assert_eq!((line, &frame[place..place + 1]), (&b"a"[..], &b"a"[..]));
    assert!(Event::read(frame).data().is_none());
}

#[test]
fn what_is_written_can_be_read() {
    let frame = write("error", b"{}");
    assert_eq!(frame, "event: error\ndata: {}\n\n");
    let event = Event::read(&frame);
    assert!(event.is_named("error"));
    assert_eq!(event.data(), Some(&b"{}"[..]));
}

proptest! {
    #[test]
    fn frames_and_tail_are_the_stream(
        stream in prop::collection::vec(prop::sample::select(b"\r\n\n\r:da t".to_vec()), 0..40),
        splits in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let whole = cut(&[&stream]);
        let joined: BytesMut = whole.0.iter().chain([&whole.1]).flatten().copied().collect();
        prop_assert_eq!(&joined[..], &stream[..]);

        let mut at: Vec<usize> = splits.iter().map(|split| split.index(stream.len() + 1)).collect();
        at.extend([0, stream.len()]);
        at.sort_unstable();
        let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        prop_assert_eq!(cut(&chunks), whole);
    }
}

#[test]
fn numbers_that_come_again_are_read_again() {
    let usage = |count: u64| {
        format!("data: {{\"choices\":[{{\"text\":\"a\"}}],\"usage\":{{\"total_tokens\":{count}}}}}\n\n")
    };
    // Data over two lines has no shape that could be learnt in place of the other.
    let other = usage(8).replace(",\"usage\"", ",\ndata: \"usage\"");
    let stream = [usage(3), usage(3), other, usage(3)].concat();
    let edits = StreamEdits { model: None, hide_usage: false };
    let (out, events, _, _, read) = passed(DialectId::OpenAiChat, &edits, std::iter::once(stream.as_bytes()));
    assert_eq!((out, events, read.total), (stream.into_bytes(), 4, Some(3)));
}

#[test]
fn what_looks_like_a_known_frame_but_continues_another_is_none() {
    let frame = "data: {\"model\":\"m\",\"text\":\"a\"}\n\n";
    let edits = StreamEdits { model: Some("alias".to_owned()), hide_usage: false };
    let chunks = [frame, frame, frame, "data: ", frame].map(str::as_bytes);
    let (out, events, ..) = passed(DialectId::OpenAiChat, &edits, chunks.into_iter());
    let renamed = frame.replace("\"m\"", "\"alias\"");
    assert_eq!(String::from_utf8(out), Ok([&renamed.repeat(3), "data: ", frame].concat()));
    assert_eq!(events, 4);
}

/// Frames as providers write them, near misses among them.
fn any_stream() -> impl Strategy<Value = String> {
    let text = prop::sample::select(vec![
        "a",
        "",
        "é",
        "\\n",
        "\\\"",
        "\\\\",
        "usage",
        "\\\"usage\\\":{}",
        "\\u0022",
        "a text longer than one block of bytes",
        "\"",
        "\\",
        "\n",
        "\r",
        "\",\"usage\":{\"prompt_tokens\":7},\"x\":\"",
        "\",\"error\":{\"message\":\"m\"},\"x\":\"",
    ]);
    let shape = prop::sample::select(vec![
        "data: {\"id\":\"1\",\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"TEXT\"}}]}\n\n",
        "data: {\"id\":\"1\",\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"TEXT\"}}],\"obfuscation\":\"TEXT\"}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"TEXT\"}}],\"model\":\"m\"}\r\n\r\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"TEXT\"}}],\"model\":\"m\"}\n\r",
        "data: {\"choices\":[],\"model\":\"m\",\"usage\":{\"completion_tokens\":3},\"p\":\"TEXT\"}\n\n",
        "data: {\"choices\":[{\"text\":\"TEXT\"}],\"usage\":{\"total_tokens\":4}}\n\n",
        "data: {\"choices\":[{\"text\":\"TEXT\"}],\ndata: \"usage\":{\"total_tokens\":9}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"text\":\"TEXT\"}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"text\":\"TEXT\",\"usage\":{\"output_tokens\":5}}\n\n",
        ": TEXT\n\n",
        "event: error\ndata: {\"content\":\"TEXT\"}\n\n",
        "data: TEXT\n\n",
        "data: [DONE]\n\n",
        "TEXT",
    ]);
    prop::collection::vec((shape, 1..4usize, prop::collection::vec(text, 3)), 0..6).prop_map(|runs| {
        let frames = runs.into_iter().flat_map(|(shape, count, texts)| {
            texts.into_iter().take(count).map(move |text| shape.replace("TEXT", text))
        });
        frames.collect()
    })
}

/// Everything observable of a stream in these chunks.
fn passed<'a>(
    id: DialectId,
    edits: &StreamEdits,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> (Vec<u8>, u64, bool, Option<Problem>, Usage) {
    let mut pass = id.dialect().stream(edits.clone());
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend_from_slice(&pass.push(Bytes::copy_from_slice(chunk)).expect("no frame is long"));
    }
    out.extend_from_slice(&pass.finish().expect("nothing has to be complete"));
    (out, pass.events(), pass.complete(), pass.problem().cloned(), *pass.usage())
}

proptest! {
    /// Byte by byte every frame is joined, and joined frames are read in full: what is recognised by its
    /// shape must come out the same.
    #[test]
    fn a_recognised_frame_is_treated_as_if_it_were_read(stream in any_stream(), size in 1..200usize) {
        for id in [DialectId::OpenAiChat, DialectId::Anthropic] {
            for model in [None, Some("the alias".to_owned())] {
                let edits = StreamEdits { model, hide_usage: true };
                let read = passed(id, &edits, stream.as_bytes().chunks(1));
                prop_assert_eq!(&passed(id, &edits, std::iter::once(stream.as_bytes())), &read, "{:?}", &stream);
                prop_assert_eq!(&passed(id, &edits, stream.as_bytes().chunks(size)), &read, "{:?}", &stream);
            }
        }
    }
}
