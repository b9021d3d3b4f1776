//! Tokens: `inputTokens` leaves out what was read from and written to the prompt cache, `totalTokens` does not.

use crate::dialect::Usage;
use crate::dialect::json::{Object, Read, Reader};

/// Reads a usage object; any other value says nothing.
pub fn read(value: &mut Reader<'_>) -> Read<Usage> {
    let mut usage = Usage::default();
    let mut uncached = None;
    value.object_if(|name, value| {
        match name {
            "inputTokens" => uncached = value.count_if()?,
            "outputTokens" => usage.output = value.count_if()?,
            "totalTokens" => usage.total = value.count_if()?,
            "cacheReadInputTokens" => usage.cache_read = value.count_if()?,
            "cacheWriteInputTokens" => usage.cache_write = value.count_if()?,
            "cacheDetails" => usage.cache_write_1h = kept_one_hour(value)?,
            _ => {}
        }
        Ok(())
    })?;
    let cached = usage.cache_read.unwrap_or(0).saturating_add(usage.cache_write.unwrap_or(0));
    usage.input = uncached.map(|input| input.saturating_add(cached));
    Ok(usage)
}

fn kept_one_hour(value: &mut Reader<'_>) -> Read<Option<u64>> {
    let mut sum: Option<u64> = None;
    value.array_if(|detail| {
        let (mut tokens, mut one_hour) = (None, false);
        detail.object_if(|name, value| {
            match name {
                "inputTokens" => tokens = value.count_if()?,
                "ttl" => one_hour = value.text_if()?.is_some_and(|ttl| ttl == "1h"),
                _ => {}
            }
            Ok(())
        })?;
        if let Some(tokens) = tokens.filter(|_| one_hour) {
            sum = Some(sum.unwrap_or(0).saturating_add(tokens));
        }
        Ok(())
    })?;
    Ok(sum)
}

/// Writes the usage object. Its three sums are required: a number that is not known is 0.
pub fn write(usage: &Usage, object: &mut Object<'_>) {
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    let cached = usage.cache_read.unwrap_or(0).saturating_add(usage.cache_write.unwrap_or(0));
    object.object("usage", |object| {
        object.value("inputTokens", input.saturating_sub(cached)).value("outputTokens", output);
        object.value("totalTokens", usage.total.unwrap_or(input.saturating_add(output)));
        object.value_if("cacheReadInputTokens", usage.cache_read);
        object.value_if("cacheWriteInputTokens", usage.cache_write);
        let Some(one_hour) = usage.cache_write_1h else { return };
        object.array("cacheDetails", |details| {
            details.object(|detail| {
                detail.text("ttl", "1h").value("inputTokens", one_hour);
            });
        });
    });
}
