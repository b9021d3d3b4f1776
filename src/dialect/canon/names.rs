//! Names of tools and ids of calls, in a form the target takes.
//!
//! Vendors bound the length and the characters of both. A name that does not fit gets a short form, and answers bring
//! the long one back; an id that does not fit is replaced wherever it stands, since only the call and its result must
//! agree.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher};

use super::request::{Content, Part, Request, ToolChoice, ToolKind};

/// What a dialect takes for a name or an id.
#[derive(Clone, Copy, Debug)]
pub struct NameRule {
    /// Most bytes.
    pub longest: usize,
    /// May the byte stand in it?
    pub allows: fn(u8) -> bool,
}

/// Letters, digits, underscore and dash, 64 at most: what OpenAI, Anthropic and Bedrock document.
pub const PLAIN_64: NameRule =
    NameRule { longest: 64, allows: |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') };

impl NameRule {
    fn takes(&self, name: &str) -> bool {
        !name.is_empty() && name.len() <= self.longest && name.bytes().all(self.allows)
    }

    /// The name itself, or its beginning with what is not allowed replaced and a digest of the whole behind it, so that
    /// different names stay different.
    fn short(&self, name: &str) -> String {
        let digest = format!("_{:08x}", digest(name) as u32);
        let room = self.longest.saturating_sub(digest.len());
        let allowed = |byte: u8| if (self.allows)(byte) && byte.is_ascii() { char::from(byte) } else { '_' };
        let mut short: String = name.bytes().take(room).map(allowed).collect();
        short.push_str(&digest);
        short
    }
}

/// Names that were shortened on the way to the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renames(Vec<(String, String)>);

impl Renames {
    /// The name the caller knows.
    pub fn original<'a>(&'a self, name: &'a str) -> &'a str {
        self.0.iter().find(|(short, _)| short == name).map_or(name, |(_, original)| original)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Shortens every name of a tool that the rule does not allow.
pub fn fit_names(request: &mut Request<'_>, rule: NameRule) -> Renames {
    let mut renames = Renames::default();
    each_name(request, &mut |name| {
        if rule.takes(name) {
            return;
        }
        let short = rule.short(name);
        if !renames.0.iter().any(|(known, _)| *known == short) {
            renames.0.push((short.clone(), name.to_string()));
        }
        *name = short.into();
    });
    renames
}

/// Replaces every id of a call that the rule does not allow, and makes up those that are missing.
pub fn fit_ids(request: &mut Request<'_>, rule: NameRule) {
    let parts = || request.turns.iter().flat_map(|turn| &turn.parts);
    let matched = parts().any(|part| matches!(&part.content, Content::ToolResult(it) if it.id.is_empty()));
    let mut made = 0usize;
    // Calls that await their result, with the name that tells them apart, where some results have no id. Gemini's SDK
    // sends them so even where the call had one.
    let mut open: Vec<(String, String)> = Vec::new();
    for part in request.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        match &mut part.content {
            Content::ToolCall(call) => {
                if call.id.is_empty() {
                    call.id = format!("call_{made}").into();
                    made += 1;
                } else if !rule.takes(&call.id) {
                    call.id = rule.short(&call.id).into();
                }
                if matched {
                    open.push((call.name.to_string(), call.id.to_string()));
                }
            }
            Content::ToolResult(result) if result.id.is_empty() => {
                let name = result.name.as_deref().unwrap_or_default();
                let place = open.iter().position(|(called, _)| called == name || name.is_empty());
                result.id = match place {
                    Some(place) => open.remove(place).1.into(),
                    None => format!("call_{made}").into(),
                };
            }
            Content::ToolResult(result) => {
                if !rule.takes(&result.id) {
                    result.id = rule.short(&result.id).into();
                }
                if let Some(place) = open.iter().position(|(_, id)| *id == result.id) {
                    open.remove(place);
                }
            }
            _ => {}
        }
    }
}

/// An id of exactly so many letters and digits: the id itself where it is one, or else a digest of it.
pub fn exact_id(id: &str, length: usize) -> Cow<'_, str> {
    if id.len() == length && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Cow::Borrowed(id);
    }
    let mut rest = digest(id);
    let digits = std::iter::repeat_with(|| {
        let digit = (rest % 36) as u32;
        rest /= 36;
        char::from_digit(digit, 36).unwrap_or('0')
    });
    Cow::Owned(digits.take(length).collect())
}

/// The name of the tool a call went to.
pub fn called<'r>(request: &'r Request<'_>, id: &str) -> Option<&'r str> {
    let mut parts = request.turns.iter().flat_map(|turn| &turn.parts);
    parts.find_map(|part| match &part.content {
        Content::ToolCall(call) if call.id == id => Some(&*call.name),
        _ => None,
    })
}

fn each_name(request: &mut Request<'_>, change: &mut dyn FnMut(&mut Cow<'_, str>)) {
    for tool in &mut request.tools {
        match &mut tool.kind {
            ToolKind::Function(function) => change(&mut function.name),
            ToolKind::Custom { name, .. } => change(name),
            ToolKind::Hosted(_) => {}
        }
    }
    match &mut request.tool_choice {
        Some(ToolChoice::One(name)) => change(name),
        Some(ToolChoice::Among { names, .. }) => names.iter_mut().for_each(&mut *change),
        _ => {}
    }
    for Part { content, .. } in request.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        match content {
            Content::ToolCall(call) => change(&mut call.name),
            Content::ToolResult(result) => result.name.iter_mut().for_each(&mut *change),
            _ => {}
        }
    }
}

/// The same for one name in every process: it stands in prompts that providers cache.
fn digest(name: &str) -> u64 {
    let mut hasher = foldhash::quality::FixedState::with_seed(0).build_hasher();
    hasher.write(name.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::DialectId;
    use crate::dialect::canon::{Function, Role, Tool, ToolCall, ToolResult, Turn};

    fn call(id: &'static str, name: &'static str) -> Part<'static> {
        Content::ToolCall(ToolCall::new(id.into(), name.into(), "{}".into())).into()
    }

    fn result(id: &'static str, name: Option<&'static str>) -> Part<'static> {
        let name = name.map(Cow::from);
        let it =
            ToolResult { id: id.into(), name, parts: Vec::new(), json: None, failed: false, custom: false };
        Content::ToolResult(it).into()
    }

    fn ids(request: &Request<'_>) -> Vec<String> {
        let parts = request.turns.iter().flat_map(|turn| &turn.parts);
        let ids = parts.filter_map(|part| match &part.content {
            Content::ToolCall(call) => Some(call.id.to_string()),
            Content::ToolResult(result) => Some(result.id.to_string()),
            _ => None,
        });
        ids.collect()
    }

    #[test]
    fn a_name_that_does_not_fit_comes_back_as_it_was() {
        let long = "mcp__server.with.dots__a_tool_whose_name_is_longer_than_sixty_four_bytes";
        let mut request = Request::new(DialectId::OpenAiChat);
        let function = Function { name: long.into(), ..Function::default() };
        request.tools.push(Tool { kind: ToolKind::Function(function), cache: None });
        request.tool_choice = Some(ToolChoice::One(long.into()));
        request.turns.push(Turn::new(Role::Assistant, vec![call("c", long), call("d", "short")]));
        let renames = fit_names(&mut request, PLAIN_64);
        let Some(ToolChoice::One(short)) = &request.tool_choice else { panic!("a choice") };
        assert!(PLAIN_64.takes(short) && short.starts_with("mcp__server_with_dots__"), "{short}");
        assert_eq!(renames.original(short), long);
        assert_eq!(renames.original("short"), "short");
        assert_eq!(PLAIN_64.short(long), PLAIN_64.short(long));
        assert_ne!(PLAIN_64.short(long), PLAIN_64.short(&long.replace("bytes", "bites")));
    }

    #[test]
    fn ids_that_do_not_fit_or_are_missing_agree_between_call_and_result() {
        let mut request = Request::new(DialectId::Gemini);
        let parts = vec![call("", "f"), call("", "g"), call("id with spaces", "h"), call("fits-1", "i")];
        request.turns.push(Turn::new(Role::Assistant, parts));
        let parts = vec![
            result("", Some("g")),
            result("", Some("f")),
            result("id with spaces", None),
            result("fits-1", None),
        ];
        request.turns.push(Turn::new(Role::User, parts));
        fit_ids(&mut request, PLAIN_64);
        let ids = ids(&request);
        assert_eq!([&ids[0], &ids[1]], [&ids[5], &ids[4]]);
        assert_eq!(ids[2], ids[6]);
        assert_eq!((&*ids[3], &*ids[7]), ("fits-1", "fits-1"));
        assert!(ids.iter().all(|id| PLAIN_64.takes(id)), "{ids:?}");
        assert_eq!(called(&request, &ids[1]), Some("g"));
    }

    #[test]
    fn a_result_without_an_id_answers_the_call_of_its_name_that_has_one() {
        let mut request = Request::new(DialectId::Gemini);
        for (first, second) in [("a", "b"), ("c", "d")] {
            request.turns.push(Turn::new(Role::Assistant, vec![call(first, "f"), call(second, "g")]));
            let parts = vec![result("", Some("g")), result("", Some("f"))];
            request.turns.push(Turn::new(Role::User, parts));
        }
        fit_ids(&mut request, PLAIN_64);
        assert_eq!(ids(&request), ["a", "b", "b", "a", "c", "d", "d", "c"]);
    }
}
