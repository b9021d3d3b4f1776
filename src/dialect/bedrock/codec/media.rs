//! Pictures, recordings and documents: Bedrock has words for their formats in place of media types.

use crate::dialect::base64;
use crate::dialect::canon::MediaKind;

/// The word for a format. The file's name tells what a media type does not.
pub fn format(kind: MediaKind, media_type: &str, name: &str) -> Option<&'static str> {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let known = |(word, _): &&(&'static str, &'static str)| *word;
    let table = || formats(kind).iter().chain(aliases(kind));
    let by_type = table().find(|(_, known)| known.eq_ignore_ascii_case(essence));
    let by_name = || {
        let (_, ending) = name.rsplit_once('.')?;
        table().find(|(word, _)| word.eq_ignore_ascii_case(ending))
    };
    let text = kind == MediaKind::Document && (essence.starts_with("text/") || essence == "application/json");
    by_type.or_else(by_name).as_ref().map(known).or(text.then_some("txt"))
}

/// The media type of a format's word.
pub fn media_type(kind: MediaKind, word: &str) -> Option<&'static str> {
    let mut table = formats(kind).iter().chain(aliases(kind));
    table.find(|(known, _)| *known == word).map(|(_, media_type)| *media_type)
}

/// What a caller is told of another format.
pub fn advice(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "send the image as PNG, JPEG, GIF or WebP",
        MediaKind::Audio => "send the recording as MP3, WAV, FLAC, OGG, AAC or M4A",
        MediaKind::Video => "send the video as MP4, MOV, MKV, WebM or MPEG",
        MediaKind::Document => "send the document as PDF, text, Markdown, HTML, CSV, Word or Excel",
    }
}

fn formats(kind: MediaKind) -> &'static [(&'static str, &'static str)] {
    match kind {
        MediaKind::Image => {
            &[("png", "image/png"), ("jpeg", "image/jpeg"), ("gif", "image/gif"), ("webp", "image/webp")]
        }
        MediaKind::Audio => &[
            ("mp3", "audio/mpeg"),
            ("wav", "audio/wav"),
            ("flac", "audio/flac"),
            ("ogg", "audio/ogg"),
            ("opus", "audio/opus"),
            ("aac", "audio/aac"),
            ("m4a", "audio/m4a"),
            ("mp4", "audio/mp4"),
            ("mkv", "audio/x-matroska"),
            ("pcm", "audio/pcm"),
            ("webm", "audio/webm"),
        ],
        MediaKind::Video => &[
            ("mp4", "video/mp4"),
            ("mov", "video/quicktime"),
            ("mkv", "video/x-matroska"),
            ("webm", "video/webm"),
            ("flv", "video/x-flv"),
            ("mpeg", "video/mpeg"),
            ("wmv", "video/x-ms-wmv"),
            ("three_gp", "video/3gpp"),
        ],
        MediaKind::Document => &[
            ("pdf", "application/pdf"),
            ("txt", "text/plain"),
            ("md", "text/markdown"),
            ("html", "text/html"),
            ("csv", "text/csv"),
            ("doc", "application/msword"),
            ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            ("xls", "application/vnd.ms-excel"),
            ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ],
    }
}

/// Other words and types for the same.
fn aliases(kind: MediaKind) -> &'static [(&'static str, &'static str)] {
    match kind {
        MediaKind::Image => &[("jpeg", "image/jpg")],
        MediaKind::Audio => &[
            ("mp3", "audio/mp3"),
            ("wav", "audio/x-wav"),
            ("wav", "audio/wave"),
            ("m4a", "audio/x-m4a"),
            ("mpeg", "audio/mpeg"),
            ("mpga", "audio/mpeg"),
            ("x-aac", "audio/aac"),
            ("mka", "audio/x-matroska"),
        ],
        MediaKind::Video => &[("mpg", "video/mpeg")],
        MediaKind::Document => &[("md", "text/x-markdown"), ("csv", "application/csv")],
    }
}

/// The text that a piece of base64 stands for, if it is one.
pub fn decode_text(written: &str) -> Option<String> {
    let digits = written.trim_end_matches('=').bytes();
    if digits.clone().any(|byte| matches!(byte, b'-' | b'_')) {
        return None;
    }
    let (bytes, _) = base64::gather(digits)?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn media_types_and_words_go_both_ways() {
        for kind in [MediaKind::Image, MediaKind::Audio, MediaKind::Video, MediaKind::Document] {
            for (word, media) in formats(kind) {
                assert_eq!((format(kind, media, ""), media_type(kind, word)), (Some(*word), Some(*media)));
            }
        }
        let document = |media, name| format(MediaKind::Document, media, name);
        assert_eq!(document("text/plain; charset=utf-8", ""), Some("txt"));
        assert_eq!(document("application/octet-stream", "report.final.DOCX"), Some("docx"));
        assert_eq!((document("text/x-python", ""), document("application/zip", "a")), (Some("txt"), None));
        assert_eq!(format(MediaKind::Image, "image/bmp", "x"), None);
    }

    #[test]
    fn base64_is_what_everybody_writes() {
        for (text, written) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64::encode(text.as_bytes()), written);
            assert_eq!(decode_text(written).as_deref(), Some(text));
        }
        assert_eq!((decode_text("a b"), decode_text("/w==")), (None, None));
    }

    proptest! {
        #[test]
        fn base64_brings_every_text_back(text in "\\PC*") {
            prop_assert_eq!(decode_text(&base64::encode(text.as_bytes())), Some(text));
        }
    }
}
