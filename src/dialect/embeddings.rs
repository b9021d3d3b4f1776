//! Texts as vectors: asked for in OpenAI's format, and in Gemini's where that is all a target speaks.
//!
//! Formats: OpenAI API reference, "Create embeddings" (<https://platform.openai.com/docs/api-reference/embeddings/create>),
//! and Gemini API reference, "batchEmbedContents"
//! (<https://ai.google.dev/api/embeddings#method:-models.batchembedcontents>).

use std::borrow::Cow;

use bytes::Bytes;

use super::base64;
use super::json::{Array, Object, Read, Reader, Shape, Wrong};
use super::{Peek, Places, skim};
use crate::error::{Error, Kind, Result};

/// A request for the vectors of some texts, in OpenAI's format.
pub fn request(alias: &str, texts: &[&str]) -> (Bytes, Peek) {
    let mut out = Vec::with_capacity(texts.iter().map(|text| text.len() + 8).sum::<usize>() + 64);
    let mut object = Object::new(&mut out);
    object.text("model", alias);
    object.array("input", |input| texts.iter().for_each(|text| input.text(text)));
    drop(object);
    let model = skim::lookup(&out, &["model"]).unwrap_or_default();
    let places = Places { model, stream_options: None };
    let peek = Peek { model: alias.to_owned(), stream: false, usage_asked: true, places };
    (out.into(), peek)
}

/// The vectors of an answer in OpenAI's format, in the order of the texts. Both encodings are understood.
///
/// # Errors
/// `UpstreamUnreadable`: they are not `count` vectors.
pub fn vectors(body: &[u8], count: usize) -> Result<Vec<Vec<f32>>> {
    let text = std::str::from_utf8(body).map_err(unreadable)?;
    let mut found = vec![Vec::new(); count];
    read_data(text, &mut found).map_err(Wrong::into_unreadable)?;
    match found.iter().all(|vector| !vector.is_empty()) {
        true => Ok(found),
        false => Err(unreadable("a text has no vector")),
    }
}

/// A request in OpenAI's format, as Gemini wants it.
///
/// # Errors
/// `BadRequest`: it is none.
pub fn to_gemini(body: &[u8], model: &str) -> Result<Bytes> {
    let text = std::str::from_utf8(body).map_err(|_| Error::bad_request("the body is not UTF-8"))?;
    let model = if model.contains('/') { model.to_owned() } else { format!("models/{model}") };
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut object = Object::new(&mut out);
    let mut all = Array::new(object.member("requests"));
    let read = Reader::new(text).object(|name, value| match name {
        "input" => value.array(|text| {
            write_gemini(&model, &text.text()?, &mut all);
            Ok(())
        }),
        _ => Ok(()),
    });
    drop(all);
    drop(object);
    read.map_err(Wrong::into_refusal)?;
    Ok(out.into())
}

fn write_gemini(model: &str, text: &str, all: &mut Array<'_>) {
    all.object(|request| {
        request.text("model", model).object("content", |content| {
            content.array("parts", |parts| {
                parts.object(|part| {
                    part.text("text", text);
                });
            });
        });
    });
}

/// Gemini's answer in OpenAI's format. It tells no usage.
///
/// # Errors
/// `UpstreamUnreadable`: it is none.
pub fn from_gemini(body: &[u8], alias: &str) -> Result<Bytes> {
    let text = std::str::from_utf8(body).map_err(unreadable)?;
    let mut out = Vec::with_capacity(text.len() + 256);
    let mut object = Object::new(&mut out);
    object.text("object", "list").text("model", alias);
    let mut all = Array::new(object.member("data"));
    let mut index = 0;
    let read = Reader::new(text).object(|name, value| match name {
        "embeddings" => value.array(|embedding| {
            embedding.object(|name, value| {
                if name == "values" {
                    let values = value.raw()?;
                    all.object(|item| {
                        item.text("object", "embedding").value("index", index).raw("embedding", values);
                    });
                    index += 1;
                }
                Ok(())
            })
        }),
        _ => Ok(()),
    });
    drop(all);
    drop(object);
    read.map_err(Wrong::into_unreadable)?;
    Ok(out.into())
}

fn read_data(text: &str, found: &mut [Vec<f32>]) -> Read<()> {
    let mut place = 0;
    Reader::new(text).object(|name, value| match name {
        "data" => value.array(|item| {
            let mut index = None;
            let mut vector = Vec::new();
            item.object(|name, value| {
                match name {
                    "index" => index = value.count_if()?,
                    "embedding" => vector = read_vector(value)?,
                    _ => {}
                }
                Ok(())
            })?;
            let index = index.and_then(|index| usize::try_from(index).ok()).unwrap_or(place);
            place += 1;
            let slot =
                found.get_mut(index).ok_or_else(|| Wrong::new("has more vectors than there are texts"))?;
            *slot = vector;
            Ok(())
        }),
        _ => Ok(()),
    })
}

fn read_vector(value: &mut Reader<'_>) -> Read<Vec<f32>> {
    if value.shape() == Shape::Text {
        let text: Cow<'_, str> = value.text()?;
        let bytes = base64::decode(&text).ok_or_else(|| Wrong::new("must be base64"))?;
        let (numbers, rest) = bytes.as_chunks();
        return match rest {
            [] => finite(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
            _ => Err(Wrong::new("must be whole numbers of four bytes")),
        };
    }
    let mut numbers = Vec::with_capacity(TYPICAL_LENGTH);
    value.array(|number| {
        numbers.push(number.number()? as f32);
        Ok(())
    })?;
    finite(numbers)
}

fn finite(numbers: Vec<f32>) -> Read<Vec<f32>> {
    match numbers.iter().all(|number| number.is_finite()) {
        true => Ok(numbers),
        false => Err(Wrong::new("must be finite numbers")),
    }
}

fn unreadable(cause: impl std::fmt::Display) -> Error {
    Error::new(Kind::UpstreamUnreadable, "upstream returned an unreadable answer").because(cause)
}

/// That of the commonest models.
const TYPICAL_LENGTH: usize = 1536;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::DialectId;

    #[test]
    fn a_request_is_one_batch_and_its_model_can_be_replaced() {
        let (body, peek) = request("ali\"as", &["a\"b", ""]);
        assert_eq!(body, r#"{"model":"ali\"as","input":["a\"b",""]}"#);
        let sent =
            DialectId::OpenAiChat.dialect().splice_request(&body, &peek, "text-embedding-3-small", false);
        assert_eq!(sent, r#"{"model":"text-embedding-3-small","input":["a\"b",""]}"#);
    }

    #[test]
    fn vectors_are_read_in_both_encodings_and_in_the_order_of_the_texts() {
        let two = base64::encode(&[1.0f32, -0.5].map(f32::to_le_bytes).concat());
        let body = format!(
            r#"{{"object":"list","data":[{{"index":1,"embedding":[0.25,1e-1]}},{{"object":"embedding","index":0,"embedding":"{two}"}}]}}"#
        );
        assert_eq!(vectors(body.as_bytes(), 2).expect("two"), [vec![1.0, -0.5], vec![0.25, 0.1]]);
        // Some servers number nothing.
        let bare = br#"{"data":[{"embedding":[1]},{"embedding":[2]}]}"#;
        assert_eq!(vectors(bare, 2).expect("two"), [vec![1.0], vec![2.0]]);
    }

    #[test]
    fn what_are_not_so_many_vectors_is_an_error_and_never_a_panic() {
        let cases = [
            r#"{"data":[]}"#,
            r#"{"data":[{"index":7,"embedding":[1]}]}"#,
            r#"{"data":[{"index":0,"embedding":[]}]}"#,
            r#"{"data":[{"index":0,"embedding":"AAA"}]}"#,
            r#"{"data":[{"index":0,"embedding":"AADAfw=="}]}"#,
            r#"{"data":[{"index":0,"embedding":[1e999]}]}"#,
            r#"{"data":[{"index":0,"embedding":[1,"x"]}]}"#,
            r#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]},{}]}"#,
            "[]",
            "",
        ];
        for body in cases {
            assert_eq!(vectors(body.as_bytes(), 1).expect_err(body).kind, Kind::UpstreamUnreadable, "{body}");
        }
    }

    #[test]
    fn gemini_is_asked_in_a_batch_and_answers_like_others() {
        let (body, _) = request("alias", &["a", "b"]);
        let asked = to_gemini(&body, "gemini-embedding-001").expect("a request");
        let model = "models/gemini-embedding-001";
        let expected = format!(
            r#"{{"requests":[{{"model":"{model}","content":{{"parts":[{{"text":"a"}}]}}}},{{"model":"{model}","content":{{"parts":[{{"text":"b"}}]}}}}]}}"#
        );
        assert_eq!(asked, expected);
        let answer = br#"{"embeddings":[{"values":[1,0]},{"values":[0,1]}]}"#;
        let told = from_gemini(answer, "alias").expect("an answer");
        assert_eq!(vectors(&told, 2).expect("two"), [[1.0, 0.0], [0.0, 1.0]]);
        assert!(from_gemini(b"[]", "alias").is_err());
    }
}
