//! Recognises frames that say nothing new. Nearly all frames of a stream equal the one before but for a piece
//! of text: once such a frame has been read in full, the next of the same shape needs no reading.
//!
//! A shape is a frame without the contents of the strings that hold text. What has the same shape has the
//! same members with the same values, those texts apart, and no dialect reads anything of them.

use std::ops::Range;

use memchr::memchr;

use crate::dialect::skim;

/// The shape of the latest frame that said nothing new, and what became of that frame.
#[derive(Debug, Default)]
pub struct Shape {
    /// The frame without its texts.
    fixed: Vec<u8>,
    /// Where in `fixed` a text was taken out, in order. None while there is no shape.
    gaps: Option<Vec<usize>>,
    /// The place to edit, in `fixed`.
    edit: Option<Range<usize>>,
    /// Frames learnt in a row that were of no use.
    wasted: u32,
    used: bool,
}

/// A frame of the known shape.
#[derive(Debug, PartialEq, Eq)]
pub struct Known {
    /// Length of the frame.
    pub length: usize,
    /// The place to edit in it.
    pub edit: Option<Range<usize>>,
}

impl Shape {
    /// The frame that `bytes` begins with, if it is whole and of this shape.
    pub fn recognise(&mut self, bytes: &[u8]) -> Option<Known> {
        let mut rest = bytes;
        let mut done = 0;
        for &gap in self.gaps.as_ref()? {
            rest = text_end(rest.strip_prefix(self.fixed.get(done..gap)?)?)?;
            done = gap;
        }
        rest = rest.strip_prefix(self.fixed.get(done..)?)?;
        self.used = true;
        let length = bytes.len() - rest.len();
        Some(Known { length, edit: self.edit_in(length) })
    }

    /// Takes over the shape of a frame that said nothing new. `data` is the place of its one line of data,
    /// `edit` the place where it was edited.
    pub fn learn(&mut self, frame: &[u8], data: Range<usize>, edit: Option<Range<usize>>) {
        if !self.is_worth_learning() || frame.len() > LONGEST || !frame.ends_with(b"\n") {
            return;
        }
        let texts = texts(frame.get(..data.end).unwrap_or_default(), data.start);
        self.fixed.clear();
        let mut gaps = self.gaps.take().unwrap_or_default();
        gaps.clear();
        let mut done = 0;
        for text in &texts {
            self.fixed.extend_from_slice(frame.get(done..text.start).unwrap_or_default());
            gaps.push(self.fixed.len());
            done = text.end;
        }
        self.fixed.extend_from_slice(frame.get(done..).unwrap_or_default());
        let Some(edit) = edit.map_or(Some(None), |edit| place_without(&texts, edit).map(Some)) else {
            return;
        };
        self.edit = edit;
        self.gaps = Some(gaps);
    }

    /// Where every frame has a shape of its own, learning is given up, and tried again ever more rarely.
    fn is_worth_learning(&mut self) -> bool {
        self.wasted = if self.used { 0 } else { self.wasted.saturating_add(1) };
        self.used = false;
        self.wasted <= PATIENCE || self.wasted.is_power_of_two()
    }

    /// What is edited stands before the first text or behind the last.
    fn edit_in(&self, length: usize) -> Option<Range<usize>> {
        let edit = self.edit.clone()?;
        let first = self.gaps.as_ref().and_then(|gaps| gaps.first());
        let longer =
            if first.is_some_and(|first| *first <= edit.start) { length - self.fixed.len() } else { 0 };
        Some(edit.start + longer..edit.end + longer)
    }
}

/// The place in the frame without its texts. None between two texts, where it has no one place.
fn place_without(texts: &[Range<usize>], edit: Range<usize>) -> Option<Range<usize>> {
    let before = texts.iter().filter(|text| text.end <= edit.start);
    let (count, removed) = before.fold((0, 0), |(count, removed), text| (count + 1, removed + text.len()));
    let place = edit.start - removed..edit.end.checked_sub(removed)?;
    (count == 0 || count == texts.len()).then_some(place)
}

/// Contents of the strings in the data that hold text.
fn texts(frame: &[u8], start: usize) -> Vec<Range<usize>> {
    let mut texts = Vec::new();
    let mut at = start;
    while let Some((quote, end)) = next_string(frame, at) {
        at = end;
        let colon = skim::skip_space(frame, end);
        let value = skim::skip_space(frame, colon + 1);
        let holds = frame.get(colon) == Some(&b':') && frame.get(value) == Some(&b'"');
        if holds && frame.get(quote + 1..end - 1).is_some_and(|name| TEXTS.contains(&name)) {
            let Some(close) = skim::string_end(frame, value) else { break };
            texts.push(value + 1..close - 1);
            at = close;
        }
    }
    texts
}

/// The next string at or after `at`, quotes included.
fn next_string(frame: &[u8], at: usize) -> Option<(usize, usize)> {
    let quote = at + memchr(b'"', frame.get(at..)?)?;
    skim::string_end(frame, quote).map(|end| (quote, end))
}

/// The bytes from the closing quote of a string on. None if a line ends within it: a frame may end there.
fn text_end(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    loop {
        at = skim::text_end(bytes, at);
        match bytes.get(at)? {
            b'"' => return bytes.get(at..),
            b'\\' if *bytes.get(at + 1)? >= b' ' => at += 2,
            _ => return None,
        }
    }
}

/// Names of the strings that differ from frame to frame and of which nothing is read. Besides what models
/// write there is padding: OpenAI's `obfuscation` and Mistral's `p`.
const TEXTS: &[&[u8]] = &[
    b"content",
    b"text",
    b"reasoning_content",
    b"reasoning",
    b"thinking",
    b"arguments",
    b"partial_json",
    b"obfuscation",
    b"p",
];
/// Longest frame whose shape is kept. Bytes.
const LONGEST: usize = 4096;
/// Shapes learnt in vain before learning becomes rare.
const PATIENCE: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// A shape that knows `frame`, edited where `edit` stands in it.
    fn shape_of(frame: &str, edit: &str) -> Shape {
        let mut shape = Shape::default();
        let start = frame.find('{').expect("an object");
        let end = frame.rfind('}').expect("an object") + 1;
        let edit = frame.find(edit).filter(|_| !edit.is_empty()).map(|place| place..place + edit.len());
        shape.learn(frame.as_bytes(), start..end, edit);
        shape
    }

    #[test]
    fn frames_that_differ_in_their_text_have_the_same_shape() {
        let write = |text: &str| {
            format!("data: {{\"m\":\"x\",\"d\":{{\"content\":\"{text}\"}},\"p\":\"{text}\"}}\n\n")
        };
        let mut shape = shape_of(&write("a"), "\"x\"");
        for text in
            ["", "a", "é", "\\\"}\\\\", "\\n", "a text of more than one block of bytes, and then some"]
        {
            let frame = write(text);
            let expected = Known { length: frame.len(), edit: Some(11..14) };
            assert_eq!(shape.recognise(frame.as_bytes()), Some(expected), "{text}");
            let followed = frame.clone() + "data: 5\n\n";
            assert_eq!(shape.recognise(followed.as_bytes()).map(|known| known.length), Some(frame.len()));
            for cut in 0..frame.len() {
                assert_eq!(shape.recognise(&frame.as_bytes()[..cut]), None, "{cut}");
            }
        }
        for text in ["\"", "\\", "a\nb", "a\\\nb", "a\rb", "\",\"usage\":{},\"x\":\""] {
            assert_eq!(shape.recognise(write(text).as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_text_must_be_equal() {
        let frame = "data: {\"id\":\"a\",\"content\":\"b\",\"n\":1}\n\n";
        let mut shape = shape_of(frame, "");
        assert_eq!(shape.recognise(frame.as_bytes()), Some(Known { length: frame.len(), edit: None }));
        for other in
            [frame.replace("\"a\"", "\"c\""), frame.replace('1', "2"), frame.replace("\n\n", "\r\n\r\n")]
        {
            assert_eq!(shape.recognise(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn the_place_to_edit_moves_with_the_text_before_it() {
        let mut shape = shape_of("data: {\"content\":\"b\",\"model\":\"x\"}\n\n", "\"x\"");
        let longer = "data: {\"content\":\"longer\",\"model\":\"x\"}\n\n";
        let edit = shape.recognise(longer.as_bytes()).and_then(|known| known.edit);
        assert_eq!(edit.map(|place| &longer[place]), Some("\"x\""));
        let between = "data: {\"content\":\"b\",\"model\":\"x\",\"p\":\"\"}\n\n";
        assert_eq!(shape_of(between, "\"x\"").recognise(between.as_bytes()), None);
    }

    #[test]
    fn a_frame_that_a_later_byte_may_lengthen_is_not_learnt() {
        let frame = "data: {\"content\":\"b\"}\r\n\r";
        assert_eq!(shape_of(frame, "").recognise(frame.as_bytes()), None);
    }

    #[test]
    fn shapes_that_never_come_again_are_learnt_ever_more_rarely() {
        let frame = |number: usize| format!("data: {{\"n\":{number}}}\n\n");
        let mut shape = Shape::default();
        let learnt = (0..1000).filter(|number| {
            let frame = frame(*number);
            shape.learn(frame.as_bytes(), 6..frame.len() - 2, None);
            shape.fixed == frame.as_bytes()
        });
        assert!(learnt.count() < 20);
    }
}
