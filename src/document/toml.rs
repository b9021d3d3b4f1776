//! TOML 1.1 with positions.

use std::collections::HashMap;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::{Document, Snag, member};

/// Reads a TOML text.
pub(super) fn read(text: &str) -> Result<Document, Vec<Snag>> {
    let newlines: Vec<usize> = text.match_indices('\n').map(|(offset, _)| offset).collect();
    let mut reader = Reader { newlines, lines: HashMap::new() };
    match DeTable::parse(text) {
        Err(error) => {
            let line = error.span().map(|span| reader.line(span.start));
            Err(vec![Snag::new(line, format!("is not TOML: {}", error.message().trim_end()))])
        }
        Ok(table) => {
            let value = reader.table(table.get_ref(), "").map_err(|snag| vec![snag])?;
            Ok(Document { value, lines: reader.lines })
        }
    }
}

struct Reader {
    /// Offsets of the line ends.
    newlines: Vec<usize>,
    lines: HashMap<String, usize>,
}

impl Reader {
    fn line(&self, offset: usize) -> usize {
        self.newlines.partition_point(|newline| *newline < offset) + 1
    }

    fn table(&mut self, table: &DeTable<'_>, path: &str) -> Result<Value, Snag> {
        let mut members = Map::new();
        for (key, value) in table {
            let place = member(path, key.get_ref());
            self.lines.insert(place.clone(), self.line(key.span().start));
            members.insert(key.get_ref().to_string(), self.value(value, &place)?);
        }
        Ok(Value::Object(members))
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, path: &str) -> Result<Value, Snag> {
        let line = self.line(value.span().start);
        match value.get_ref() {
            DeValue::String(text) => Ok(Value::String(text.to_string())),
            DeValue::Boolean(boolean) => Ok(Value::Bool(*boolean)),
            DeValue::Datetime(datetime) => Ok(Value::String(datetime.to_string())),
            DeValue::Integer(integer) => whole(integer, line),
            DeValue::Float(float) => finite(float.as_str(), line),
            DeValue::Table(table) => self.table(table, path),
            DeValue::Array(items) => {
                let mut values = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    let place = format!("{path}[{index}]");
                    self.lines.insert(place.clone(), self.line(item.span().start));
                    values.push(self.value(item, &place)?);
                }
                Ok(Value::Array(values))
            }
        }
    }
}

fn whole(integer: &DeInteger<'_>, line: usize) -> Result<Value, Snag> {
    let (digits, radix) = (integer.as_str(), integer.radix());
    let unsigned = u64::from_str_radix(digits, radix).ok().map(Number::from);
    unsigned
        .or_else(|| i64::from_str_radix(digits, radix).ok().map(Number::from))
        .map(Value::Number)
        .ok_or_else(|| Snag::new(Some(line), "has a number of more than 64 bits"))
}

fn finite(text: &str, line: usize) -> Result<Value, Snag> {
    let number = text.parse().ok().and_then(Number::from_f64).map(Value::Number);
    number.ok_or_else(|| Snag::new(Some(line), "has a number that is not finite"))
}
