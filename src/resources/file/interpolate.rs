//! `${VAR}` in the texts of a row.
//!
//! Only whole texts of the parsed tree are touched, never keys and never the structure, so that a value of
//! the environment cannot become YAML. `$$` is a literal `$`; a `$` before anything else stays.

use serde_json::Value;

use crate::document::Fault;

/// Replaces every variable in every text of the value.
///
/// # Errors
/// The first variable that is unset or empty, or the first `${` that is not closed. Never shows a value.
pub(super) fn interpolate(value: &mut Value, env: &dyn Fn(&str) -> Option<String>) -> Result<(), Fault> {
    walk(value, "", env)
}

fn walk(value: &mut Value, path: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<(), Fault> {
    match value {
        Value::String(text) if text.contains('$') => {
            *text = filled(text, env).map_err(|message| Fault::new(path, message))?;
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, &format!("{path}[{index}]"), env)?;
            }
        }
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(member, &path, env)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn filled(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(inner) = after.strip_prefix('{') {
            let (name, after) =
                inner.split_once('}').ok_or("has a ${ without its }; write $${ for a literal ${")?;
            out.push_str(&variable(name, env)?);
            rest = after;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn variable(name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    if name.is_empty() {
        return Err("has a ${} without a name".to_owned());
    }
    match env(name).filter(|value| !value.is_empty()) {
        Some(value) => Ok(value),
        None if name.contains('.') => {
            Err(format!("the variable {name:?} is not set; for a header template write $${{{name}}}"))
        }
        None => Err(format!("the variable {name:?} is not set or empty")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn env(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("sk-1: {a}".to_owned()),
            "EMPTY" => Some(String::new()),
            "DOLLAR" => Some("${KEY}$$".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn only_braced_variables_are_replaced_and_only_once() {
        let table = [
            ("plain", Ok("plain")),
            ("${KEY}", Ok("sk-1: {a}")),
            ("a${KEY}b${KEY}", Ok("ask-1: {a}bsk-1: {a}")),
            ("$KEY $ $1", Ok("$KEY $ $1")),
            ("$${KEY} $$", Ok("${KEY} $")),
            ("$$${KEY}", Ok("$sk-1: {a}")),
            ("${DOLLAR}", Ok("${KEY}$$")),
            ("ü$ü${KEY}ü", Ok("ü$üsk-1: {a}ü")),
            ("x$", Ok("x$")),
            ("${EMPTY}", Err("the variable \"EMPTY\" is not set or empty")),
            ("${UNSET}", Err("the variable \"UNSET\" is not set or empty")),
            (
                "${request.id}",
                Err("the variable \"request.id\" is not set; for a header template write $${request.id}"),
            ),
            ("${", Err("has a ${ without its }; write $${ for a literal ${")),
            ("${KEY", Err("has a ${ without its }; write $${ for a literal ${")),
            ("${}", Err("has a ${} without a name")),
        ];
        for (text, expected) in table {
            assert_eq!(filled(text, &env), expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn keys_and_numbers_are_left_alone_and_faults_name_the_place() {
        let mut row = json!({"${KEY}": 1, "b": [{"c": "${KEY}"}]});
        interpolate(&mut row, &env).expect("the variable is set");
        assert_eq!(row, json!({"${KEY}": 1, "b": [{"c": "sk-1: {a}"}]}));
        let fault = interpolate(&mut json!({"b": [{"c": "${UNSET}"}]}), &env).expect_err("it is not set");
        assert_eq!(fault.path, "b[0].c");
    }
}
