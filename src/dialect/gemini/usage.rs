//! `usageMetadata`, which answers and the chunks of streams share.

use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::Finder;

use crate::dialect::Usage;
use crate::dialect::json::{Object, Read, Reader};

/// Reads the object. Tokens of the results of the provider's own tools are part of the input, and thoughts, which
/// `candidatesTokenCount` leaves out, of the output.
pub fn read(value: &mut Reader<'_>) -> Read<Usage> {
    let mut usage = Usage::default();
    let (mut prompt, mut tools, mut written) = (None, None, None);
    value.object_if(|name, value| {
        match name {
            "promptTokenCount" => prompt = value.count_if()?,
            "toolUsePromptTokenCount" => tools = value.count_if()?,
            "candidatesTokenCount" => written = value.count_if()?,
            "thoughtsTokenCount" => usage.reasoning = value.count_if()?,
            "totalTokenCount" => usage.total = value.count_if()?,
            "cachedContentTokenCount" => usage.cache_read = value.count_if()?,
            "promptTokensDetails" => usage.audio_input = audio(value)?,
            "candidatesTokensDetails" => usage.audio_output = audio(value)?,
            _ => {}
        }
        Ok(())
    })?;
    usage.input = sum(prompt, tools);
    usage.output = sum(written, usage.reasoning);
    Ok(usage)
}

/// As [`read`], of bytes that need not be an object, or JSON.
pub fn read_bytes(object: &[u8]) -> Usage {
    let text = std::str::from_utf8(object).unwrap_or_default();
    read(&mut Reader::new(text)).unwrap_or_default()
}

/// Writes the object's members. What was cached stays part of the prompt.
pub fn write(usage: &Usage, object: &mut Object<'_>) {
    let reasoning = usage.reasoning.unwrap_or(0);
    let sum = usage.input.unwrap_or(0).saturating_add(usage.output.unwrap_or(0));
    object.value_if("promptTokenCount", usage.input);
    object.value_if("cachedContentTokenCount", usage.cache_read);
    object.value_if("candidatesTokenCount", usage.output.map(|output| output.saturating_sub(reasoning)));
    object.value_if("thoughtsTokenCount", usage.reasoning);
    object.value("totalTokenCount", usage.total.unwrap_or(sum));
    for (name, tokens) in
        [("promptTokensDetails", usage.audio_input), ("candidatesTokensDetails", usage.audio_output)]
    {
        if let Some(tokens) = tokens {
            object.array(name, |details| {
                details.object(|detail| {
                    detail.text("modality", "AUDIO").value("tokenCount", tokens);
                });
            });
        }
    }
}

/// The tokens that were audio. Most answers have none, and then the list need not be read.
fn audio(value: &mut Reader<'_>) -> Read<Option<u64>> {
    let list = value.raw()?;
    // Nearly all lists speak of text alone, which one letter tells.
    if memchr(b'A', list.as_bytes()).is_none() || AUDIO.find(list.as_bytes()).is_none() {
        return Ok(None);
    }
    let mut tokens = None;
    Reader::new(list).array_if(|detail| {
        let (mut is_audio, mut count) = (false, None);
        detail.object_if(|name, value| {
            match name {
                "modality" => is_audio = value.text_if()?.is_some_and(|name| name == "AUDIO"),
                "tokenCount" => count = value.count_if()?,
                _ => {}
            }
            Ok(())
        })?;
        if is_audio {
            tokens = sum(tokens, count);
        }
        Ok(())
    })?;
    Ok(tokens)
}

fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.zip(b).map(|(a, b)| a.saturating_add(b)).or(a).or(b)
}

static AUDIO: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"AUDIO\""));
