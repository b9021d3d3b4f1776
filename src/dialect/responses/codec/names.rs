//! Tools that stand in namespaces. Other dialects have one flat list, so a tool's name there holds both, and the answer
//! takes them apart again.
//!
//! Format: OpenAI, "Function calling", section "Defining namespaces"; member `namespace` of `function_call` items.

use std::borrow::Cow;

/// The name in a flat list. A function that tool search loaded by itself has its own name for a namespace.
pub fn flat<'a>(namespace: Option<&str>, name: Cow<'a, str>) -> Cow<'a, str> {
    match namespace.filter(|namespace| !namespace.is_empty() && *namespace != name) {
        None => name,
        Some(namespace) => {
            let mark = if namespace.ends_with(MARK) { "" } else { MARK };
            format!("{namespace}{mark}{name}").into()
        }
    }
}

/// Between a namespace and a name.
const MARK: &str = "__";
